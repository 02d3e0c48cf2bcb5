//! Settings from the annotations of a pod and its namespace.
//!
//! A setting that cannot be followed is ignored at its own level only and reported; the next level counts.

use std::collections::BTreeMap;

use crate::{
    names::{DOMAIN, INJECT_LABEL, STATUS_ANNOTATION, is_own_key},
    quote::quote,
    settings::{
        level::Level,
        precedence::Precedence,
        rules::MatchedRules,
        table::{PartialSettings, Setting, Settings},
    },
    warning::{Warning, WarningKind},
};

/// The annotations of a namespace.
pub type NamespaceAnnotations = BTreeMap<String, String>;

/// The annotations of one pod and its namespace, read once.
#[derive(Debug, Default)]
pub(crate) struct Annotations<'a> {
    namespace: PartialSettings,
    pod: PartialSettings,
    containers: Vec<(&'a str, PartialSettings)>,
}

impl<'a> Annotations<'a> {
    /// Reads the annotations of the domain. `containers` are the names that a per-container setting may use.
    pub(crate) fn read<'n>(
        namespace: impl IntoIterator<Item = (&'n str, &'n str)>,
        pod: impl IntoIterator<Item = (&'a str, &'a str)>,
        containers: &[&str],
        warnings: &mut Vec<Warning>,
    ) -> Self {
        let mut annotations = Self::default();
        for entry in namespace.into_iter().filter(|(key, _)| is_own_key(key)) {
            match Key::parse(entry.0) {
                Key::Setting(setting) => {
                    annotations.namespace.read(Level::Namespace, setting, entry, warnings);
                }
                Key::Inject => {}
                _ => {
                    warnings.push(unknown(
                        "namespace annotation",
                        entry.0,
                        "is not a setting of a namespace",
                    ));
                }
            }
        }
        for entry in pod {
            match Key::parse(entry.0) {
                Key::Setting(setting) => annotations.pod.read(Level::Pod, setting, entry, warnings),
                Key::ContainerSetting(setting, name) if containers.contains(&name) => {
                    annotations.container_mut(name).read(Level::Container, setting, entry, warnings);
                }
                Key::ContainerSetting(..) => {
                    warnings.push(unknown("annotation", entry.0, "names no container of this pod"));
                }
                Key::Inject => {
                    warnings.push(unknown("annotation", entry.0, "does nothing here: it is a label"));
                }
                Key::Status => {}
                Key::Unknown => warnings.push(unknown("annotation", entry.0, "is not a setting")),
            }
        }
        annotations
    }

    fn container_mut(&mut self, name: &'a str) -> &mut PartialSettings {
        let index = self.containers.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.containers.push((name, PartialSettings::default()));
            self.containers.len() - 1
        });
        // The index was just found or made.
        #[expect(clippy::indexing_slicing, reason = "in bounds by the line above")]
        &mut self.containers[index].1
    }

    /// The levels of settings for one container, which `matched` rules apply to.
    pub(crate) fn precedence<'s>(
        &'s self,
        container: &str,
        matched: &'s MatchedRules<'s>,
        defaults: &'s Settings,
    ) -> Precedence<'s> {
        let own = self.containers.iter().find(|(name, _)| *name == container).map(|(_, layer)| layer);
        let layers = [
            own.map(|layer| (Level::Container, layer)),
            Some((Level::Pod, &self.pod)),
            Some((Level::Rule, &matched.layer)),
            Some((Level::Namespace, &self.namespace)),
        ];
        Precedence::new(layers, matched, defaults)
    }
}

/// The meaning of an annotation key of the domain.
enum Key<'a> {
    Setting(Setting),
    ContainerSetting(Setting, &'a str),
    Inject,
    Status,
    Unknown,
}

impl<'a> Key<'a> {
    fn parse(key: &'a str) -> Self {
        match key {
            STATUS_ANNOTATION => return Self::Status,
            INJECT_LABEL => return Self::Inject,
            _ => {}
        }
        let Some((prefix, name)) = key.split_once('/') else { return Self::Unknown };
        let setting = prefix.strip_suffix(DOMAIN).and_then(|rest| match rest.strip_suffix('.') {
            None => name.parse().ok().map(Self::Setting),
            Some(setting) => setting.parse().ok().map(|setting| Self::ContainerSetting(setting, name)),
        });
        setting.unwrap_or(Self::Unknown)
    }
}

fn unknown(place: &str, key: &str, problem: &str) -> Warning {
    Warning::new(WarningKind::UnknownName, format!("{place} {} {problem}; ignored", quote(key)))
}

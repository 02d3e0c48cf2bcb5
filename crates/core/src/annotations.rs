//! Settings from annotations and their precedence: container, pod, namespace, then the default.
//!
//! A setting that cannot be followed is ignored at its own level only and reported; the next level
//! counts. Each setting is looked up by itself.

use std::collections::BTreeMap;

use crate::{
    memlimit::{self, Ratio, RatioError},
    names::{DOMAIN, INJECT_LABEL, STATUS_ANNOTATION},
    pod::is_ours,
    quantity,
    settings::{Level, Mode, Repair, Setting, Settings},
    text::quote,
    warning::{Warning, WarningKind},
};

/// The annotations of a namespace.
pub type NamespaceAnnotations = BTreeMap<String, String>;

/// The value of [`Setting::Ratio`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RatioSetting {
    Off,
    Share(Ratio),
}

/// The settings that stand at one level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layer {
    ratio: Option<RatioSetting>,
    headroom: Option<u64>,
    min_limit: Option<u64>,
    mode: Option<Mode>,
    repair: Option<Repair>,
}

impl Layer {
    /// Stores `text` as the value of `setting`; the error says what is wrong with it.
    fn put(&mut self, setting: Setting, text: &str) -> Result<(), String> {
        match setting {
            Setting::Ratio if text == "off" => self.ratio = Some(RatioSetting::Off),
            Setting::Ratio => {
                let ratio = text.parse().map_err(|error: RatioError| error.to_string())?;
                self.ratio = Some(RatioSetting::Share(ratio));
            }
            Setting::Headroom => self.headroom = Some(parse_bytes(text)?),
            Setting::MinLimit => self.min_limit = Some(parse_bytes(text)?),
            Setting::Mode => self.mode = Some(text.parse()?),
            Setting::Value => match text {
                "literal" => {}
                "track" => return Err("is not supported by this version".to_owned()),
                _ => return Err("is not `literal`".to_owned()),
            },
            Setting::Repair => self.repair = Some(text.parse()?),
        }
        Ok(())
    }

    /// Reads one annotation into the layer, reporting what cannot be followed.
    fn read(
        &mut self,
        level: Level,
        setting: Setting,
        (key, text): (&str, &str),
        warnings: &mut Vec<Warning>,
    ) {
        let place = if level == Level::Namespace { "namespace annotation" } else { "annotation" };
        match self.put(setting, text) {
            Err(problem) => warnings.push(Warning::new(
                WarningKind::BadSetting(setting, level),
                format!("{place} {}: {} {problem}; ignored", quote(key), quote(text)),
            )),
            Ok(()) => {
                if setting == Setting::Ratio
                    && matches!(self.ratio, Some(RatioSetting::Share(ratio)) if ratio < Ratio::LOW)
                {
                    warnings.push(Warning::new(
                        WarningKind::DoubtfulSetting,
                        format!(
                            "{place} {}: {} leaves more than half of the memory limit unused",
                            quote(key),
                            quote(text)
                        ),
                    ));
                }
            }
        }
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    quantity::parse(text).map_err(|error| error.to_string())
}

/// The annotations of one pod and its namespace, read once.
#[derive(Debug, Default)]
pub(crate) struct Annotations<'a> {
    namespace: Layer,
    pod: Layer,
    containers: Vec<(&'a str, Layer)>,
}

impl<'a> Annotations<'a> {
    /// Reads our annotations. `containers` are the names that a per-container setting may use.
    pub(crate) fn read<'n>(
        namespace: impl IntoIterator<Item = (&'n str, &'n str)>,
        pod: impl IntoIterator<Item = (&'a str, &'a str)>,
        containers: &[&str],
        warnings: &mut Vec<Warning>,
    ) -> Self {
        let mut annotations = Self::default();
        for entry in namespace.into_iter().filter(|(key, _)| is_ours(key)) {
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

    fn container_mut(&mut self, name: &'a str) -> &mut Layer {
        let index = self.containers.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.containers.push((name, Layer::default()));
            self.containers.len() - 1
        });
        // The index was just found or made.
        #[expect(clippy::indexing_slicing, reason = "in bounds by the line above")]
        &mut self.containers[index].1
    }

    /// The settings that hold for one container.
    pub(crate) fn chain<'s>(&'s self, container: &str, defaults: &'s Settings) -> Chain<'s> {
        let own = self.containers.iter().find(|(name, _)| *name == container).map(|(_, layer)| layer);
        let layers = [
            own.map(|layer| (Level::Container, layer)),
            Some((Level::Pod, &self.pod)),
            Some((Level::Namespace, &self.namespace)),
        ];
        Chain { layers, defaults }
    }
}

/// What an annotation key of our domain stands for.
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
            None => Setting::from_name(name).map(Self::Setting),
            Some(setting) => Setting::from_name(setting).map(|setting| Self::ContainerSetting(setting, name)),
        });
        setting.unwrap_or(Self::Unknown)
    }
}

fn unknown(place: &str, key: &str, problem: &str) -> Warning {
    Warning::new(WarningKind::UnknownName, format!("{place} {} {problem}; ignored", quote(key)))
}

/// The levels that apply to one container, the strongest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'s> {
    layers: [Option<(Level, &'s Layer)>; 3],
    defaults: &'s Settings,
}

impl Chain<'_> {
    fn layers(&self) -> impl Iterator<Item = (Level, &Layer)> {
        self.layers.iter().flatten().copied()
    }

    fn first<T>(&self, get: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.layers().find_map(|(_, layer)| get(layer))
    }

    /// `ratio: off` is short for `mode: off`, unless a stronger level gives a ratio or a mode.
    pub(crate) fn mode(&self) -> Mode {
        let mut has_share = false;
        for (_, layer) in self.layers() {
            match layer.ratio {
                Some(RatioSetting::Off) if !has_share => return Mode::Off,
                Some(RatioSetting::Share(_)) => has_share = true,
                _ => {}
            }
            if let Some(mode) = layer.mode {
                return mode;
            }
        }
        self.defaults.mode
    }

    pub(crate) fn ratio(&self) -> (Ratio, Level) {
        self.layers()
            .find_map(|(level, layer)| match layer.ratio {
                Some(RatioSetting::Share(ratio)) => Some((ratio, level)),
                _ => None,
            })
            .unwrap_or((self.defaults.ratio, Level::Default))
    }

    /// The first headroom that leaves at least 10 % of `limit`; the others are reported. None: zero.
    pub(crate) fn headroom(&self, limit: u64, container: &str, warnings: &mut Vec<Warning>) -> (u64, Level) {
        let given = self.layers().filter_map(|(level, layer)| Some((level, layer.headroom?)));
        for (level, headroom) in given.chain([(Level::Default, self.defaults.headroom)]) {
            if memlimit::headroom_fits(limit, headroom) {
                return (headroom, level);
            }
            warnings.push(Warning::new(
                WarningKind::BadSetting(Setting::Headroom, level),
                format!(
                    "container {}: the {} headroom of {headroom} bytes leaves less than 10 % of the memory limit of \
                     {limit}; ignored",
                    quote(container),
                    level.as_str()
                ),
            ));
        }
        (0, Level::Default)
    }

    pub(crate) fn min_limit(&self) -> u64 {
        self.first(|layer| layer.min_limit).unwrap_or(self.defaults.min_limit)
    }

    pub(crate) fn repair(&self) -> Repair {
        self.first(|layer| layer.repair).unwrap_or(self.defaults.repair)
    }
}

//! Settings from annotations and rules, and their precedence: container, pod, rule, namespace, then the default.
//!
//! A setting that cannot be followed is ignored at its own level only and reported; the next level
//! counts. Each setting is looked up by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    memlimit::{self, Ratio, RatioError},
    names::{DOMAIN, INJECT_LABEL, STATUS_ANNOTATION},
    pod::is_ours,
    quantity,
    settings::{Level, Mode, Repair, Setting, Settings, ValueKind},
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    ratio: Option<RatioSetting>,
    headroom: Option<u64>,
    min_limit: Option<u64>,
    mode: Option<Mode>,
    value: Option<ValueKind>,
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
            Setting::Value => self.value = Some(text.parse()?),
            Setting::Repair => self.repair = Some(text.parse()?),
        }
        Ok(())
    }

    /// Takes from `weaker` what is not given here; the settings that it took.
    pub(crate) fn fill_from(&mut self, weaker: &Self) -> impl Iterator<Item = Setting> {
        fn fill<T: Copy>(own: &mut Option<T>, other: Option<T>) -> bool {
            let takes = own.is_none() && other.is_some();
            *own = own.or(other);
            takes
        }
        let taken = [
            (Setting::Ratio, fill(&mut self.ratio, weaker.ratio)),
            (Setting::Headroom, fill(&mut self.headroom, weaker.headroom)),
            (Setting::MinLimit, fill(&mut self.min_limit, weaker.min_limit)),
            (Setting::Mode, fill(&mut self.mode, weaker.mode)),
            (Setting::Value, fill(&mut self.value, weaker.value)),
            (Setting::Repair, fill(&mut self.repair, weaker.repair)),
        ];
        taken.into_iter().filter_map(|(setting, takes)| takes.then_some(setting))
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

impl<'de> Deserialize<'de> for Layer {
    /// The settings of a rule; in YAML `minLimit` is written as Kubernetes writes names.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase", rename = "set")]
        struct Written {
            ratio: Option<String>,
            headroom: Option<String>,
            min_limit: Option<String>,
            mode: Option<String>,
            value: Option<String>,
            repair: Option<String>,
        }
        let Written { ratio, headroom, min_limit, mode, value, repair } = Written::deserialize(deserializer)?;
        let mut layer = Self::default();
        let texts = [
            (Setting::Ratio, ratio),
            (Setting::Headroom, headroom),
            (Setting::MinLimit, min_limit),
            (Setting::Mode, mode),
            (Setting::Value, value),
            (Setting::Repair, repair),
        ];
        for (setting, text) in texts {
            let Some(text) = text else { continue };
            layer.put(setting, &text).map_err(|problem| {
                D::Error::custom(format!("{}: {} {problem}", setting.as_str(), quote(&text)))
            })?;
        }
        Ok(layer)
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

    /// The settings that hold for one container, about which the rules say `rules`.
    pub(crate) fn chain<'s>(
        &'s self,
        container: &str,
        rules: &'s Layer,
        defaults: &'s Settings,
    ) -> Chain<'s> {
        let own = self.containers.iter().find(|(name, _)| *name == container).map(|(_, layer)| layer);
        let layers = [
            own.map(|layer| (Level::Container, layer)),
            Some((Level::Pod, &self.pod)),
            Some((Level::Rule, rules)),
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
    layers: [Option<(Level, &'s Layer)>; 4],
    defaults: &'s Settings,
}

impl Chain<'_> {
    fn layers(&self) -> impl Iterator<Item = (Level, &Layer)> {
        self.layers.iter().flatten().copied()
    }

    fn first<T>(&self, get: impl Fn(&Layer) -> Option<T>) -> Option<(T, Level)> {
        self.layers().find_map(|(level, layer)| Some((get(layer)?, level)))
    }

    /// `ratio: off` is short for `mode: off`, unless a stronger level gives a ratio or a mode.
    pub(crate) fn mode(&self) -> (Mode, Level) {
        let mut has_share = false;
        for (level, layer) in self.layers() {
            match layer.ratio {
                Some(RatioSetting::Off) if !has_share => return (Mode::Off, level),
                Some(RatioSetting::Share(_)) => has_share = true,
                _ => {}
            }
            if let Some(mode) = layer.mode {
                return (mode, level);
            }
        }
        (self.defaults.mode, Level::Default)
    }

    pub(crate) fn ratio(&self) -> (Ratio, Level) {
        let share = |layer: &Layer| match layer.ratio {
            Some(RatioSetting::Share(ratio)) => Some(ratio),
            _ => None,
        };
        self.first(share).unwrap_or((self.defaults.ratio, Level::Default))
    }

    pub(crate) fn value(&self) -> (ValueKind, Level) {
        self.first(|layer| layer.value).unwrap_or((self.defaults.value, Level::Default))
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
        self.first(|layer| layer.min_limit).map_or(self.defaults.min_limit, |(bytes, _)| bytes)
    }

    pub(crate) fn repair(&self) -> Repair {
        self.first(|layer| layer.repair).map_or(self.defaults.repair, |(repair, _)| repair)
    }
}

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
    rules::Ruling,
    settings::{Level, Mode, Repair, Setting, Settings, ValueKind},
    text::quote,
    units::human,
    warning::{Warning, WarningKind},
};

/// The annotations of a namespace.
pub type NamespaceAnnotations = BTreeMap<String, String>;

/// What is doubtful about a ratio that is low.
pub(crate) const LOW_RATIO: &str = "leaves more than half of the memory limit unused";

/// What a level says of a container: a setting, or `ratio: off`, which is a mode rather than a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Off,
    Setting(Setting),
}

/// The settings that stand at one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// `ratio: off`.
    is_off: bool,
    ratio: Option<Ratio>,
    headroom: Option<u64>,
    min_limit: Option<u64>,
    mode: Option<Mode>,
    value: Option<ValueKind>,
    repair: Option<Repair>,
}

impl Layer {
    /// Stores `text` as the value of `setting`; the error says what is wrong with it.
    fn put(&mut self, setting: Setting, text: &str) -> Result<(), String> {
        // The memory limit may have them, as the API server removes them. A policy's CEL does not.
        if text != text.trim() {
            return Err("has spaces around it".to_owned());
        }
        match setting {
            Setting::Ratio if text == "off" => self.is_off = true,
            Setting::Ratio => {
                self.ratio = Some(text.parse().map_err(|error: RatioError| error.to_string())?);
            }
            Setting::Headroom => self.headroom = Some(quantity::parse_hinted(text)?),
            Setting::MinLimit => self.min_limit = Some(quantity::parse_hinted(text)?),
            Setting::Mode => self.mode = Some(text.parse()?),
            Setting::Value => self.value = Some(text.parse()?),
            Setting::Repair => self.repair = Some(text.parse()?),
        }
        Ok(())
    }

    /// Takes from `weaker` what is not given here, as if each stood at a level of its own; what it took.
    pub(crate) fn fill_from(&mut self, weaker: &Self) -> impl Iterator<Item = Given> {
        fn fill<T: Copy>(own: &mut Option<T>, other: Option<T>) -> bool {
            let takes = own.is_none() && other.is_some();
            *own = own.or(other);
            takes
        }
        let takes_off = weaker.is_off && !self.is_off && self.ratio.is_none() && self.mode.is_none();
        self.is_off |= takes_off;
        let taken = [
            (Given::Off, takes_off),
            (Given::Setting(Setting::Ratio), fill(&mut self.ratio, weaker.ratio)),
            (Given::Setting(Setting::Headroom), fill(&mut self.headroom, weaker.headroom)),
            (Given::Setting(Setting::MinLimit), fill(&mut self.min_limit, weaker.min_limit)),
            (Given::Setting(Setting::Mode), fill(&mut self.mode, weaker.mode)),
            (Given::Setting(Setting::Value), fill(&mut self.value, weaker.value)),
            (Given::Setting(Setting::Repair), fill(&mut self.repair, weaker.repair)),
        ];
        taken.into_iter().filter_map(|(given, takes)| takes.then_some(given))
    }

    /// The ratio, where it leaves so much unused that it is unlikely to be meant.
    pub(crate) fn doubtful_ratio(&self) -> Option<Ratio> {
        self.ratio.filter(|ratio| ratio.is_low())
    }

    /// What is unlikely to be meant by a setting that is followed.
    fn doubt(&self, setting: Setting, text: &str) -> Option<String> {
        match setting {
            Setting::Ratio => self.doubtful_ratio().map(|_| format!("{} {LOW_RATIO}", quote(text))),
            Setting::Headroom | Setting::MinLimit => quantity::too_small(text),
            _ => None,
        }
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
            Ok(()) => warnings.extend(self.doubt(setting, text).map(|doubt| {
                Warning::new(WarningKind::DoubtfulSetting, format!("{place} {}: {doubt}", quote(key)))
            })),
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

    /// The settings that hold for one container, about which the rules say `ruling`.
    pub(crate) fn chain<'s>(
        &'s self,
        container: &str,
        ruling: &'s Ruling<'s>,
        defaults: &'s Settings,
    ) -> Chain<'s> {
        let own = self.containers.iter().find(|(name, _)| *name == container).map(|(_, layer)| layer);
        let layers = [
            own.map(|layer| (Level::Container, layer)),
            Some((Level::Pod, &self.pod)),
            Some((Level::Rule, &ruling.layer)),
            Some((Level::Namespace, &self.namespace)),
        ];
        Chain { layers, ruling, defaults }
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

/// What is to be done with a container, where that was found, and what said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChosenMode {
    pub(crate) mode: Mode,
    pub(crate) level: Level,
    by: Given,
}

/// The levels that apply to one container, the strongest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'s> {
    layers: [Option<(Level, &'s Layer)>; 4],
    /// What the rules' layer was made of.
    ruling: &'s Ruling<'s>,
    defaults: &'s Settings,
}

impl<'s> Chain<'s> {
    fn layers(&self) -> impl Iterator<Item = (Level, &Layer)> {
        self.layers.iter().flatten().copied()
    }

    fn first<T>(&self, get: impl Fn(&Layer) -> Option<T>) -> Option<(T, Level)> {
        self.layers().find_map(|(level, layer)| Some((get(layer)?, level)))
    }

    /// `ratio: off` is short for `mode: off`, unless a stronger level gives a ratio or a mode.
    pub(crate) fn mode(&self) -> ChosenMode {
        let mut has_ratio = false;
        for (level, layer) in self.layers() {
            if layer.is_off && !has_ratio {
                return ChosenMode { mode: Mode::Off, level, by: Given::Off };
            }
            has_ratio |= layer.ratio.is_some();
            if let Some(mode) = layer.mode {
                return ChosenMode { mode, level, by: Given::Setting(Setting::Mode) };
            }
        }
        let mode = self.defaults.mode;
        ChosenMode { mode, level: Level::Default, by: Given::Setting(Setting::Mode) }
    }

    pub(crate) fn ratio(&self) -> (Ratio, Level) {
        self.first(|layer| layer.ratio).unwrap_or((self.defaults.ratio, Level::Default))
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
            let whose = match self.ruling.name_of(Setting::Headroom) {
                Some(rule) if level == Level::Rule => {
                    format!("headroom of {} of rule {}", human(headroom), quote(rule))
                }
                _ => format!("{} headroom of {}", level.as_str(), human(headroom)),
            };
            warnings.push(Warning::new(
                WarningKind::BadSetting(Setting::Headroom, level),
                format!(
                    "container {}: the {whose} leaves less than 10 % of the memory limit of {}; ignored",
                    quote(container),
                    human(limit)
                ),
            ));
        }
        (0, Level::Default)
    }

    pub(crate) fn min_limit(&self) -> (u64, Level) {
        self.first(|layer| layer.min_limit).unwrap_or((self.defaults.min_limit, Level::Default))
    }

    pub(crate) fn repair(&self) -> (Repair, Level) {
        self.first(|layer| layer.repair).unwrap_or((self.defaults.repair, Level::Default))
    }
    /// The name of the rule that gave the mode, where one did.
    pub(crate) fn rule_of_mode(&self) -> Option<&'s str> {
        let chosen = self.mode();
        self.ruling.name_of_given(chosen.by).filter(|_| chosen.level == Level::Rule)
    }
}

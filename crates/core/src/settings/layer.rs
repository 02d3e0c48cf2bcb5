//! The settings of one level.

use serde::{Deserialize, Deserializer, de::Error};

use thiserror::Error;

use crate::{
    quantity::{self, HintedError},
    quote::quote,
    settings::{Level, Mode, Repair, Setting, UnknownWord, ValueKind},
    value::ratio::{LOW_RATIO, Ratio, RatioError},
    warning::{Warning, WarningKind},
};

/// A setting of one level, or `ratio: off`, which is a mode rather than a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingKey {
    Off,
    Setting(Setting),
}

/// The settings of one level; `None` if the level does not set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartialSettings {
    /// `ratio: off`.
    pub(super) is_off: bool,
    pub(super) ratio: Option<Ratio>,
    pub(super) headroom: Option<u64>,
    pub(super) min_limit: Option<u64>,
    pub(super) mode: Option<Mode>,
    pub(super) value: Option<ValueKind>,
    pub(super) repair: Option<Repair>,
}

/// The problem of a text as the value of a setting.
#[derive(Debug, Error)]
enum SettingError {
    #[error("has spaces around it")]
    Spaces,
    #[error(transparent)]
    Ratio(#[from] RatioError),
    #[error(transparent)]
    Quantity(#[from] HintedError),
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

impl PartialSettings {
    /// Stores `text` as the value of `setting`.
    fn put(&mut self, setting: Setting, text: &str) -> Result<(), SettingError> {
        // The memory limit may have them, as the API server removes them. A policy's CEL does not.
        if text != text.trim() {
            return Err(SettingError::Spaces);
        }
        match setting {
            Setting::Ratio if text == "off" => self.is_off = true,
            Setting::Ratio => self.ratio = Some(text.parse()?),
            Setting::Headroom => self.headroom = Some(quantity::parse_hinted(text)?),
            Setting::MinLimit => self.min_limit = Some(quantity::parse_hinted(text)?),
            Setting::Mode => self.mode = Some(text.parse()?),
            Setting::Value => self.value = Some(text.parse()?),
            Setting::Repair => self.repair = Some(text.parse()?),
        }
        Ok(())
    }

    /// Takes the settings that are missing here from `weaker`, each by itself; returns those that it took.
    pub(crate) fn fill_from(&mut self, weaker: &Self) -> impl Iterator<Item = SettingKey> {
        fn fill<T: Copy>(own: &mut Option<T>, other: Option<T>) -> bool {
            let takes = own.is_none() && other.is_some();
            *own = own.or(other);
            takes
        }
        let takes_off = weaker.is_off && !self.is_off && self.ratio.is_none() && self.mode.is_none();
        self.is_off |= takes_off;
        let taken = [
            (SettingKey::Off, takes_off),
            (SettingKey::Setting(Setting::Ratio), fill(&mut self.ratio, weaker.ratio)),
            (SettingKey::Setting(Setting::Headroom), fill(&mut self.headroom, weaker.headroom)),
            (SettingKey::Setting(Setting::MinLimit), fill(&mut self.min_limit, weaker.min_limit)),
            (SettingKey::Setting(Setting::Mode), fill(&mut self.mode, weaker.mode)),
            (SettingKey::Setting(Setting::Value), fill(&mut self.value, weaker.value)),
            (SettingKey::Setting(Setting::Repair), fill(&mut self.repair, weaker.repair)),
        ];
        taken.into_iter().filter_map(|(key, takes)| takes.then_some(key))
    }

    /// The ratio, if it leaves so much unused that it is unlikely to be meant.
    pub(crate) fn doubtful_ratio(&self) -> Option<Ratio> {
        self.ratio.filter(|ratio| ratio.is_low())
    }

    /// The doubt about a setting that is followed but unlikely to be meant.
    fn doubt(&self, setting: Setting, text: &str) -> Option<String> {
        match setting {
            Setting::Ratio => self.doubtful_ratio().map(|_| format!("{} {LOW_RATIO}", quote(text))),
            Setting::Headroom | Setting::MinLimit => quantity::too_small(text),
            _ => None,
        }
    }

    /// Reads one annotation into the layer, reporting what cannot be followed.
    pub(super) fn read(
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

impl<'de> Deserialize<'de> for PartialSettings {
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

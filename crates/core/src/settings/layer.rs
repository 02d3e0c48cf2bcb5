//! The settings of one level: read from an annotation or a rule, and filled from a weaker level.

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    quote::quote,
    settings::{
        level::Level,
        table::{PartialSettings, RuleTexts, Setting},
        types::SettingError,
    },
    value::ratio::Ratio,
    warning::{Warning, WarningKind},
};

/// A setting of one level, or `ratio: off`, which is a mode rather than a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingKey {
    Off,
    Setting(Setting),
}

impl PartialSettings {
    /// Stores `text` as the value of `setting`.
    fn put(&mut self, setting: Setting, text: &str) -> Result<(), SettingError> {
        // The memory limit may have them, as the API server removes them. A policy's CEL does not.
        if text != text.trim() {
            return Err(SettingError::Spaces);
        }
        if setting == Setting::Ratio && text == "off" {
            self.is_off = true;
            return Ok(());
        }
        self.set(setting, text)
    }

    /// Takes the settings that are missing here from `weaker`, each by itself; returns those that it took.
    pub(crate) fn fill_from(&mut self, weaker: &Self) -> impl Iterator<Item = SettingKey> + use<> {
        let takes_off = weaker.is_off && !self.is_off && self.ratio.is_none() && self.mode.is_none();
        self.is_off |= takes_off;
        let taken = self.fill_each(weaker).filter(|(_, takes)| *takes);
        let off = takes_off.then_some(SettingKey::Off);
        off.into_iter().chain(taken.map(|(setting, _)| SettingKey::Setting(setting)))
    }

    /// The ratio, if it leaves so much unused that it is unlikely to be meant.
    pub(crate) fn doubtful_ratio(&self) -> Option<Ratio> {
        self.ratio.filter(|ratio| ratio.is_low())
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
            Ok(()) => warnings.extend(setting.doubt(text).map(|doubt| {
                Warning::new(WarningKind::DoubtfulSetting, format!("{place} {}: {doubt}", quote(key)))
            })),
        }
    }
}

impl<'de> Deserialize<'de> for PartialSettings {
    /// The settings of a rule.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut layer = Self::default();
        for (setting, text) in RuleTexts::deserialize(deserializer)?.given() {
            layer.put(setting, &text).map_err(|problem| {
                D::Error::custom(format!("{}: {} {problem}", setting.camel_case(), quote(&text)))
            })?;
        }
        Ok(layer)
    }
}

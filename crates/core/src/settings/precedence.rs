//! The precedence of levels: container, pod, rule, namespace, then the default.

use std::fmt::Display;

use crate::{
    quote::quote,
    settings::{
        layer::SettingKey,
        level::Level,
        rules::MatchedRules,
        table::{PartialSettings, Setting, Settings},
        words::{Mode, Repair},
    },
    units::human,
    value::formula,
    warning::{Warning, WarningKind},
};

/// The mode of a container, its level, and the setting that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChosenMode {
    pub(crate) mode: Mode,
    pub(crate) level: Level,
    by: SettingKey,
}

impl ChosenMode {
    /// The setting that gave it.
    pub(crate) fn setting(self) -> Setting {
        match self.by {
            SettingKey::Off => Setting::Ratio,
            SettingKey::Setting(setting) => setting,
        }
    }
}

/// The levels that apply to one container, the strongest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precedence<'s> {
    layers: [Option<(Level, &'s PartialSettings)>; 4],
    /// The rules that made the layer of rules.
    matched: &'s MatchedRules<'s>,
    defaults: &'s Settings,
}

impl<'s> Precedence<'s> {
    pub(crate) fn new(
        layers: [Option<(Level, &'s PartialSettings)>; 4],
        matched: &'s MatchedRules<'s>,
        defaults: &'s Settings,
    ) -> Self {
        Self { layers, matched, defaults }
    }

    fn layers(&self) -> impl Iterator<Item = (Level, &PartialSettings)> {
        self.layers.iter().flatten().copied()
    }

    /// The strongest level that gives a setting: what it gives, and which it is.
    pub(crate) fn first<T>(
        &self,
        given: impl Fn(&PartialSettings) -> Option<T>,
        default: impl Fn(&Settings) -> T,
    ) -> (T, Level) {
        let first = self.layers().find_map(|(level, layer)| Some((given(layer)?, level)));
        first.unwrap_or_else(|| (default(self.defaults), Level::Default))
    }

    /// `ratio: off` is short for `mode: off`, unless a stronger level gives a ratio or a mode.
    pub(crate) fn mode(&self) -> ChosenMode {
        let mut has_ratio = false;
        for (level, layer) in self.layers() {
            if layer.is_off && !has_ratio {
                return ChosenMode { mode: Mode::Off, level, by: SettingKey::Off };
            }
            has_ratio |= layer.ratio.is_some();
            if let Some(mode) = layer.mode {
                return ChosenMode { mode, level, by: SettingKey::Setting(Setting::Mode) };
            }
        }
        let mode = self.defaults.mode;
        ChosenMode { mode, level: Level::Default, by: SettingKey::Setting(Setting::Mode) }
    }

    /// The first headroom that leaves at least 10 % of `limit`; the others are reported. None: zero.
    pub(crate) fn headroom(
        &self,
        limit: u64,
        container: &dyn Display,
        warnings: &mut Vec<Warning>,
    ) -> (u64, Level) {
        let given = self.layers().filter_map(|(level, layer)| Some((level, layer.headroom?)));
        for (level, headroom) in given.chain([(Level::Default, self.defaults.headroom)]) {
            if formula::headroom_fits(limit, headroom) {
                return (headroom, level);
            }
            let whose = match self.matched.name_of(Setting::Headroom) {
                Some(rule) if level == Level::Rule => {
                    format!("headroom of {} of rule {}", human(headroom), quote(rule))
                }
                _ => format!("{} headroom of {}", level.as_str(), human(headroom)),
            };
            warnings.push(Warning::new(
                WarningKind::BadSetting(Setting::Headroom, level),
                format!(
                    "container {container}: the {whose} leaves less than 10 % of the memory limit of {}; ignored",
                    human(limit)
                ),
            ));
        }
        (0, Level::Default)
    }

    pub(crate) fn min_limit(&self) -> (u64, Level) {
        self.first(|set| set.min_limit, |defaults| defaults.min_limit)
    }

    pub(crate) fn repair(&self) -> (Repair, Level) {
        self.first(|set| set.repair, |defaults| defaults.repair)
    }

    /// The name of the rule that gave the mode, if one did.
    pub(crate) fn rule_of_mode(&self) -> Option<&'s str> {
        let chosen = self.mode();
        self.matched.name_of_key(chosen.by).filter(|_| chosen.level == Level::Rule)
    }
}

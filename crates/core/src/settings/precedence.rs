//! The precedence of levels: container, pod, rule, namespace, then the default.

use crate::{
    quote::quote,
    settings::{
        Level, Mode, Repair, Setting, Settings, ValueKind,
        layer::{PartialSettings, SettingKey},
        rules::MatchedRules,
    },
    units::human,
    value::{formula, ratio::Ratio},
    warning::{Warning, WarningKind},
};

/// The mode of a container, its level, and the setting that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChosenMode {
    pub(crate) mode: Mode,
    pub(crate) level: Level,
    by: SettingKey,
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

    fn first<T>(&self, get: impl Fn(&PartialSettings) -> Option<T>) -> Option<(T, Level)> {
        self.layers().find_map(|(level, layer)| Some((get(layer)?, level)))
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
    /// The name of the rule that gave the mode, if one did.
    pub(crate) fn rule_of_mode(&self) -> Option<&'s str> {
        let chosen = self.mode();
        self.matched.name_of_key(chosen.by).filter(|_| chosen.level == Level::Rule)
    }
}

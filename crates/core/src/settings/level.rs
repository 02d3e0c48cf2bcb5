//! The levels of settings, and which of them gave the settings of a decision.

use strum::{IntoStaticStr, VariantArray};

use crate::settings::table::Setting;

/// The level of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Level {
    /// An annotation of the pod that names the container.
    Container,
    /// An annotation of the pod.
    Pod,
    /// A rule of the policy file.
    Rule,
    /// An annotation of the namespace.
    Namespace,
    /// The command line, or what it defaults to.
    Default,
}

impl Level {
    /// Every level, the strongest first.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name in the status annotation, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The level that gave each setting; the default if nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels([Level; Setting::ALL.len()]);

impl Default for Levels {
    fn default() -> Self {
        Self([Level::Default; Setting::ALL.len()])
    }
}

impl Levels {
    /// The level that gave this setting.
    #[must_use]
    pub fn of(&self, setting: Setting) -> Level {
        self.0.get(setting as usize).copied().unwrap_or(Level::Default)
    }

    /// Notes the level of a setting, and returns its value.
    pub(crate) fn note<T>(&mut self, setting: Setting, (value, level): (T, Level)) -> T {
        if let Some(noted) = self.0.get_mut(setting as usize) {
            *noted = level;
        }
        value
    }
}

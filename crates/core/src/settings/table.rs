//! The table of settings. A new setting is one row here, and CONTRIBUTING.md lists what has to follow.
//!
//! A row has the help of its flag as its doc comment, then the variant of [`Setting`], the field of [`Settings`], its type,
//! its default, and the engines that follow it. The rest comes from the row: the name in annotation keys, flags, metrics and
//! CEL (`MinLimit` is `min-limit`), the key in `set:` of a policy file and in the chart's values (`minLimit`), how its text
//! is read at each of the five levels and what is doubted about it (by its type, `settings/types.rs`), how levels fill each
//! other, the flag with its help and default (`src/cli/settings_args.rs`), and the map that the CEL of a
//! `MutatingAdmissionPolicy` reads (`src/admission_policy.rs`).

use serde::Deserialize;
use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

use crate::{
    settings::{
        types::{Form, SettingError, SettingType},
        words::{Mode, Repair, ValueKind, help_line},
    },
    value::ratio::Ratio,
};

/// The engines that follow a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// The webhook, and the `MutatingAdmissionPolicy`.
    All,
    /// The webhook only.
    Webhook,
}

macro_rules! settings {
    ($($(#[$help:meta])+ $variant:ident, $field:ident: $type:ty = $default:expr, $engines:expr;)+) => {
        /// A setting, as in annotation keys and rules.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            EnumMessage, EnumString, IntoStaticStr, VariantArray,
        )]
        #[strum(serialize_all = "kebab-case")]
        pub enum Setting {
            $($(#[$help])+ $variant,)+
        }

        impl Setting {
            /// The form of its texts.
            #[must_use]
            pub fn form(self) -> Form {
                match self { $(Self::$variant => <$type>::form(),)+ }
            }

            /// The engines that follow it.
            #[must_use]
            pub const fn engines(self) -> Engines {
                match self { $(Self::$variant => $engines,)+ }
            }

            pub(super) fn doubt(self, text: &str) -> Option<String> {
                match self { $(Self::$variant => <$type>::doubt(text),)+ }
            }
        }

        /// The value of every setting; by default those of a bare installation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Settings {
            $($(#[$help])+ pub $field: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Settings {
            /// The shortest text of the value of a setting.
            #[must_use]
            pub fn text(&self, setting: Setting) -> String {
                match setting { $(Setting::$variant => self.$field.text(),)+ }
            }

            /// Sets one of them by its text.
            ///
            /// # Errors
            ///
            /// If the text is not of the setting's form.
            pub fn set(&mut self, setting: Setting, text: &str) -> Result<(), SettingError> {
                match setting { $(Setting::$variant => self.$field = <$type>::read(text)?,)+ }
                Ok(())
            }
        }

        /// The settings of one level; `None` if the level does not set it.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct PartialSettings {
            /// `ratio: off`, which is a mode rather than a ratio.
            pub(super) is_off: bool,
            $(pub(crate) $field: Option<$type>,)+
        }

        impl PartialSettings {
            pub(super) fn set(&mut self, setting: Setting, text: &str) -> Result<(), SettingError> {
                match setting { $(Setting::$variant => self.$field = Some(<$type>::read(text)?),)+ }
                Ok(())
            }

            /// Takes what is missing here from `weaker`; returns of each setting whether it was taken.
            pub(super) fn fill_each(&mut self, weaker: &Self) -> impl Iterator<Item = (Setting, bool)> + use<> {
                fn fill<T: Copy>(own: &mut Option<T>, other: Option<T>) -> bool {
                    let takes = own.is_none() && other.is_some();
                    *own = own.or(other);
                    takes
                }
                [$((Setting::$variant, fill(&mut self.$field, weaker.$field)),)+].into_iter()
            }
        }

        /// `set:` of a rule, as it is written: names as Kubernetes writes them.
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase", rename = "set")]
        pub(super) struct RuleTexts {
            $($field: Option<String>,)+
        }

        impl RuleTexts {
            pub(super) fn given(self) -> impl Iterator<Item = (Setting, String)> {
                [$((Setting::$variant, self.$field),)+]
                    .into_iter()
                    .filter_map(|(setting, text)| Some((setting, text?)))
            }
        }
    };
}

settings! {
    /// Share of the memory limit: 0.10 to 0.98, or a percentage.
    Ratio, ratio: Ratio = Ratio::DEFAULT, Engines::All;
    /// Least memory to leave free below the limit, as a quantity.
    Headroom, headroom: u64 = 0, Engines::All;
    /// Leave containers with a smaller memory limit alone, as a quantity.
    // Below 32 MiB a Go program under load does little but collect garbage.
    MinLimit, min_limit: u64 = 32 << 20, Engines::All;
    /// Inject, only report, or leave alone.
    Mode, mode: Mode = Mode::Inject, Engines::All;
    /// Write bytes, or let the value follow the limit at every restart of the container.
    Value, value: ValueKind = ValueKind::Literal, Engines::All;
    /// What to do about a GOMEMLIMIT of the user that hurts.
    Repair, repair: Repair = Repair::Report, Engines::Webhook;
}

impl Setting {
    /// Every setting.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name in annotation keys, flags, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The name in `set:` of a policy file and in the chart's values: `minLimit`.
    #[must_use]
    pub fn camel_case(self) -> String {
        let mut parts = self.as_str().split('-');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |name, part| {
            let (initial, rest) = part.split_at(1);
            name + &initial.to_ascii_uppercase() + rest
        })
    }

    /// The help of its flag.
    #[must_use]
    pub fn help(self) -> &'static str {
        help_line(&self)
    }
}

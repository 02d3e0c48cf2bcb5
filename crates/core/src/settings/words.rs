//! Settings that are one of a few words. The doc comment of a word is its line in `--help`.

use std::fmt;

use strum::{EnumMessage, IntoStaticStr, VariantArray};

/// A closed set of words; name and documentation of each come from the enum itself.
pub trait Words: Copy + Into<&'static str> + VariantArray + EnumMessage {
    /// Every word with its line in `--help`.
    #[must_use]
    fn documented() -> Vec<(&'static str, &'static str)> {
        Self::VARIANTS.iter().map(|word| ((*word).into(), help_line(word))).collect()
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// If it is none of these.
    fn read_word(text: &str) -> Result<Self, UnknownWord> {
        let is_it = |word: &Self| -> bool { Into::<&str>::into(*word) == text };
        let words = || Self::VARIANTS.iter().map(|&word| word.into()).collect();
        Self::VARIANTS.iter().copied().find(is_it).ok_or_else(|| UnknownWord(words()))
    }
}

/// The doc comment of a variant without its full stop, as clap prints one.
pub(crate) fn help_line(variant: &impl EnumMessage) -> &'static str {
    variant.get_documentation().unwrap_or_default().trim_end_matches('.')
}

macro_rules! words {
    ($($(#[$about:meta])+ $name:ident { $($(#[$attribute:meta])+ $word:ident),+ $(,)? })+) => {$(
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumMessage, IntoStaticStr, VariantArray)]
        #[strum(serialize_all = "kebab-case")]
        pub enum $name { $($(#[$attribute])+ $word),+ }

        impl Words for $name {}

        impl $name {
            /// Every word.
            pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

            /// The word as it is written.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    )+};
}

words! {
    /// The action for a container that qualifies.
    Mode {
        /// Patch.
        Inject,
        /// Decide and report, patch nothing.
        Audit,
        /// Leave alone.
        Off,
    }

    /// The form of the value.
    ValueKind {
        /// As bytes.
        Literal,
        /// By the downward API: 95.37 % of the limit.
        Track,
    }

    /// The action for a broken value of the user.
    Repair {
        /// Say nothing.
        Off,
        /// Warn.
        Report,
        /// Replace it by what would be injected.
        Fix,
    }

    /// The action for a container with an `envFrom` that may define GOMEMLIMIT: `env` wins over it, and its content is unknown.
    #[derive(Default)]
    EnvFrom {
        /// Inject over it.
        #[default]
        Inject,
        /// Leave the container alone.
        Skip,
    }

    /// The init containers that are looked at.
    #[derive(Default)]
    InitContainers {
        /// Native sidecars only (restartPolicy: Always).
        #[default]
        Sidecars,
        /// All of them.
        All,
    }
}

/// The error for a text that is none of the words of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord(Vec<&'static str>);

impl std::error::Error for UnknownWord {}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [one, other] => write!(f, "is neither `{one}` nor `{other}`"),
            words => write!(f, "is none of `{}`", words.join("`, `")),
        }
    }
}

//! Formats of `-o`: one type for all commands, each of which accepts some of them.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

/// Format of the output of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    /// A table with exact bytes.
    Wide,
    Name,
    Text,
    Yaml,
    Json,
    Prometheus,
    Sarif,
    Junit,
}

/// Help of a format for people.
pub(super) const FOR_PEOPLE: &str = "For people";

/// Help of a format for programs.
pub(super) const FOR_PROGRAMS: &str = "For programs";

impl Format {
    /// The parser of `-o` for a command that accepts these formats, each with its help.
    pub(super) fn one_of<const N: usize>(
        accepted: [(Self, &'static str); N],
    ) -> impl TypedValueParser<Value = Self> {
        let values =
            accepted.into_iter().filter_map(|(format, help)| Some(format.to_possible_value()?.help(help)));
        PossibleValuesParser::new(values).try_map(|name| <Self as ValueEnum>::from_str(&name, false))
    }

    #[cfg(feature = "cli")]
    /// Bytes for a table: exact if it is wide, else in the largest unit that fits.
    pub(super) fn bytes(self, bytes: u64) -> String {
        if self == Self::Wide { bytes.to_string() } else { super::output::quantity(bytes) }
    }
}

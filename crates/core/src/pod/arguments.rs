//! The command line of a container: flags of automemlimit, and arguments that rules name.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use crate::{
    glob::{Glob, MAX_ARGUMENT, Work},
    json::{self, text::Text},
    names::{AUTO_GOMEMLIMIT_FLAG, NO_AUTO_GOMEMLIMIT_FLAG},
};

/// The arguments of a command line, with its flags of automemlimit.
#[derive(Debug, Default)]
pub(crate) struct Arguments<'a> {
    pub(crate) has_auto_gomemlimit: bool,
    pub(crate) refuses_auto_gomemlimit: bool,
    /// The whole list, for rules that ask for other arguments.
    json: &'a str,
}

impl Arguments<'_> {
    /// Whether one of them fits one of the patterns.
    pub(crate) fn any(&self, globs: &[Glob], work: &Work) -> bool {
        let mut found = false;
        if !work.take(self.json.len()) {
            return false;
        }
        // It was read before; an empty text is a list that is not there.
        let _ = each_argument(
            &mut serde_json::Deserializer::from_str(self.json),
            MAX_ARGUMENT_JSON_BYTES,
            |argument| {
                found = found || globs.iter().any(|glob| glob.matches_argument(argument, work));
            },
        );
        found
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut arguments =
            Self { json: <&'a RawValue>::deserialize(deserializer)?.get(), ..Self::default() };
        let Self { has_auto_gomemlimit: has, refuses_auto_gomemlimit: refuses, json } = &mut arguments;
        each_argument(&mut serde_json::Deserializer::from_str(json), MAX_FLAG_JSON_BYTES, |argument| {
            match argument.strip_prefix(AUTO_GOMEMLIMIT_FLAG) {
                Some("=false") => *refuses = true,
                Some(_) => *has = true,
                None if argument == NO_AUTO_GOMEMLIMIT_FLAG => *refuses = true,
                None => {}
            }
        })
        .map_err(D::Error::custom)?;
        Ok(arguments)
    }
}

/// Maximum length of a flag of automemlimit, in bytes of JSON. None is nearly as long; an argument may be a whole script.
const MAX_FLAG_JSON_BYTES: usize = 256;

/// Maximum length of an argument that patterns look at, in bytes of JSON: an escape has six bytes, and there are quotes.
const MAX_ARGUMENT_JSON_BYTES: usize = 6 * MAX_ARGUMENT + 2;

/// Hands every argument of a list to `take` but those of more than `longest` bytes of JSON.
fn each_argument<'de, D: Deserializer<'de>>(
    deserializer: D,
    longest: usize,
    mut take: impl FnMut(&str),
) -> Result<(), D::Error> {
    json::each(deserializer, "a list of arguments", |json: &'de RawValue| {
        let json = json.get();
        if json.len() > longest && json.starts_with('"') {
            return Ok(());
        }
        let argument: Text<'_> = serde_json::from_str(json).map_err(D::Error::custom)?;
        take(&argument);
        Ok(())
    })
}

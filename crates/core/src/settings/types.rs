//! The types of settings: how a text of each is read and written.

use thiserror::Error;

use crate::{
    quantity::{self, HintedError},
    quote::quote,
    settings::words::{UnknownWord, Words},
    units,
    value::ratio::{LOW_RATIO, Ratio, RatioError},
};

/// The form of the texts of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A share of the memory limit: `0.85` or `85%`.
    Ratio,
    /// A quantity of bytes: `64Mi`.
    Quantity,
    /// One of these words, each with its meaning.
    Words(Vec<(&'static str, &'static str)>),
}

/// The problem of a text as the value of a setting.
#[derive(Debug, Error)]
pub enum SettingError {
    /// There are spaces before or after it.
    #[error("has spaces around it")]
    Spaces,
    /// It is no ratio.
    #[error(transparent)]
    Ratio(#[from] RatioError),
    /// It is no quantity.
    #[error(transparent)]
    Quantity(#[from] HintedError),
    /// It is none of the words.
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

/// A type of the table.
pub(super) trait SettingType: Copy {
    fn form() -> Form;

    fn read(text: &str) -> Result<Self, SettingError>;

    /// The shortest text that is read as this value.
    fn text(self) -> String;

    /// The doubt about a text that is followed but unlikely to be meant.
    fn doubt(_text: &str) -> Option<String> {
        None
    }
}

impl SettingType for Ratio {
    fn form() -> Form {
        Form::Ratio
    }

    fn read(text: &str) -> Result<Self, SettingError> {
        Ok(text.parse()?)
    }

    fn text(self) -> String {
        self.to_string()
    }

    fn doubt(text: &str) -> Option<String> {
        let is_low = text.parse().is_ok_and(Self::is_low);
        is_low.then(|| format!("{} {LOW_RATIO}", quote(text)))
    }
}

/// Bytes.
impl SettingType for u64 {
    fn form() -> Form {
        Form::Quantity
    }

    fn read(text: &str) -> Result<Self, SettingError> {
        Ok(quantity::parse_hinted(text)?)
    }

    fn text(self) -> String {
        units::quantity(self)
    }

    fn doubt(text: &str) -> Option<String> {
        quantity::too_small(text)
    }
}

impl<T: Words> SettingType for T {
    fn form() -> Form {
        Form::Words(T::documented())
    }

    fn read(text: &str) -> Result<Self, SettingError> {
        Ok(T::read_word(text)?)
    }

    fn text(self) -> String {
        self.into().to_owned()
    }
}

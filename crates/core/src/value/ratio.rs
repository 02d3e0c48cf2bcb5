//! The share of a memory limit that GOMEMLIMIT gets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// One million: ratios are parts per million, so that no float touches bytes.
pub(crate) const MILLION: u32 = 1_000_000;

/// The problem of a ratio below [`Ratio::LOW`], for messages.
pub(crate) const LOW_RATIO: &str = "leaves more than half of the memory limit unused";

/// A share of the memory limit in parts per million, between [`Ratio::MIN`] and [`Ratio::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

/// The problem of a text that is no ratio.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RatioError {
    /// Neither a decimal fraction nor a percentage.
    #[error("is not a ratio such as 0.85 or 85%")]
    Malformed,
    /// Finer than a millionth.
    #[error("has more than six decimals")]
    TooPrecise,
    /// Outside 0.10–0.98.
    #[error("is outside 0.10 to 0.98")]
    OutOfRange,
}

impl Ratio {
    /// 0.10.
    pub const MIN: Self = Self(100_000);
    /// 0.98: the last 2 % are for what the runtime does not count.
    pub const MAX: Self = Self(980_000);
    /// 0.90, the knee between GC cost and distance from the limit; also what automemlimit uses.
    pub const DEFAULT: Self = Self(900_000);
    /// 0.50: accepted below, but with a warning, since half of the memory is unused.
    pub const LOW: Self = Self(500_000);

    /// The ratio of `ppm` parts per million.
    ///
    /// # Errors
    /// If `ppm` is outside 100,000 to 980,000.
    pub const fn from_ppm(ppm: u32) -> Result<Self, RatioError> {
        if ppm < Self::MIN.0 || ppm > Self::MAX.0 {
            return Err(RatioError::OutOfRange);
        }
        Ok(Self(ppm))
    }

    /// Parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Whether it is below [`Ratio::LOW`].
    #[must_use]
    pub const fn is_low(self) -> bool {
        self.0 < Self::LOW.0
    }
}

impl Default for Ratio {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// As its text.
impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    /// Reads `0.85` or `85%`.
    fn from_str(text: &str) -> Result<Self, RatioError> {
        let (number, decimals) = match text.strip_suffix('%') {
            Some(percent) => (percent, 4),
            None => (text, 6),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || number.ends_with('.') {
            return Err(RatioError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > decimals {
            return Err(RatioError::TooPrecise);
        }
        let ppm = format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| RatioError::OutOfRange)?;
        Self::from_ppm(ppm)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("0.{:06}", self.0);
        f.write_str(text.trim_end_matches('0'))
    }
}

//! The recipe of a literal value: the numbers among the settings that it is made from. The formula is here, and so are all texts
//! about it, those of the status annotation and of `explain`; a new number is a field.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    json,
    settings::table::Setting,
    units::{human, quantity},
    value::ratio::{MILLION, Ratio},
};

/// The numbers that make a value of a memory limit, each named as its setting. As JSON it is a part of the status annotation:
/// a new field of bytes needs `#[serde(default, deserialize_with = "json::bytes", skip_serializing_if = …)]`, so that earlier
/// annotations stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Share of the memory limit.
    pub ratio: Ratio,
    /// Bytes to leave free below the limit. Default 0.
    #[serde(deserialize_with = "json::bytes")]
    pub headroom: u64,
}

impl Recipe {
    /// `min(floor(limit × ratio), limit − headroom)` in bytes; `None` if that would be zero.
    ///
    /// Always below `limit`, since a ratio is at most 0.98.
    #[must_use]
    pub fn bytes(&self, limit: u64) -> Option<u64> {
        let bytes = self.share(limit)?.min(limit.checked_sub(self.headroom)?);
        (bytes > 0).then_some(bytes)
    }

    /// The setting that made the value: the headroom if it leaves no more than the ratio does.
    #[must_use]
    pub fn made_by(&self, limit: u64) -> Setting {
        let is_by_headroom = self.share(limit) >= Some(limit.saturating_sub(self.headroom));
        if is_by_headroom { Setting::Headroom } else { Setting::Ratio }
    }

    /// What made the value, for people: `ratio 0.9 of the limit`, or `headroom 64Mi`. `limit_text` is what the limit is called.
    #[must_use]
    pub fn explanation(&self, limit: u64, limit_text: &str) -> String {
        match self.made_by(limit) {
            Setting::Headroom => format!("headroom {}", quantity(self.headroom)),
            _ => format!("ratio {} of {limit_text}", self.ratio),
        }
    }

    fn share(&self, limit: u64) -> Option<u64> {
        let share = u128::from(limit) * u128::from(self.ratio.ppm()) / u128::from(MILLION);
        u64::try_from(share).ok()
    }
}

/// As `ratio 0.9, headroom 64Mi`, without what is at its default of zero.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ratio {}", self.ratio)?;
        if self.headroom > 0 {
            write!(f, ", headroom {}", human(self.headroom))?;
        }
        Ok(())
    }
}

//! How a value fits below a memory limit.

use crate::value::ratio::{MILLION, Ratio};

/// Minimum value that a program can work with, in parts per million of the limit: 5 %.
const MIN_SOUND_PPM: u32 = 50_000;

/// The fit of a value to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FitToLimit {
    /// More than the limit.
    Above,
    /// More than [`Ratio::MAX`] of the limit, up to all of it.
    At,
    /// Room below the limit, and room to live in.
    Sound,
    /// Zero, or below 5 % of the limit.
    TooLow,
}

/// Measures a value of `bytes` against a limit of `limit` bytes.
pub(crate) fn fit_to_limit(bytes: u64, limit: u64) -> FitToLimit {
    let value = u128::from(bytes) * u128::from(MILLION);
    let share = |ppm: u32| u128::from(limit) * u128::from(ppm);
    if bytes == 0 || value < share(MIN_SOUND_PPM) {
        FitToLimit::TooLow
    } else if bytes > limit {
        FitToLimit::Above
    } else if value > share(Ratio::MAX.ppm()) {
        FitToLimit::At
    } else {
        FitToLimit::Sound
    }
}

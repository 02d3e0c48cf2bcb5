//! From a memory limit to the value of GOMEMLIMIT, and what the Go runtime makes of a value.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// One million: ratios are parts per million, so that no float touches bytes.
const MILLION: u32 = 1_000_000;

/// One MiB in bytes, the unit of the downward API that a tracking value is made of.
pub const MIB: u64 = 1 << 20;

/// From this limit on a tracking value keeps its distance also where the limit is no whole number of MiB.
pub const LEAST_TRACKED: u64 = 64 * MIB;

/// A share of the memory limit in parts per million, between [`Ratio::MIN`] and [`Ratio::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

/// Why a text is not a ratio.
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
    /// 0.50: accepted below, but with a warning, since half of the memory lies idle.
    pub const LOW: Self = Self(500_000);

    /// The ratio of `ppm` parts per million.
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

/// The smallest headroom-respecting share of the limit: a headroom must leave at least 10 % of it.
const LEAST_SHARE_AFTER_HEADROOM: u64 = 10;

/// Whether `headroom` bytes leave at least 10 % of `limit` bytes.
#[must_use]
pub fn headroom_fits(limit: u64, headroom: u64) -> bool {
    limit
        .checked_sub(headroom)
        .is_some_and(|left| u128::from(left) * u128::from(LEAST_SHARE_AFTER_HEADROOM) >= u128::from(limit))
}

/// `min(floor(limit × ratio), limit − headroom)` in bytes; `None` where that would be zero.
///
/// Always below `limit`, since a ratio is at most 0.98.
#[must_use]
pub fn value(limit: u64, ratio: Ratio, headroom: u64) -> Option<u64> {
    let share = u128::from(limit) * u128::from(ratio.0) / u128::from(MILLION);
    let share = u64::try_from(share).ok()?;
    let bytes = share.min(limit.checked_sub(headroom)?);
    (bytes > 0).then_some(bytes)
}

/// Below this many parts per million of the limit a program does little but collect garbage.
const LEAST_SOUND_PPM: u32 = 50_000;

/// What a value means against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distance {
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
pub(crate) fn distance(bytes: u64, limit: u64) -> Distance {
    let value = u128::from(bytes) * u128::from(MILLION);
    let share = |ppm: u32| u128::from(limit) * u128::from(ppm);
    if bytes == 0 || value < share(LEAST_SOUND_PPM) {
        Distance::TooLow
    } else if bytes > limit {
        Distance::Above
    } else if value > share(Ratio::MAX.0) {
        Distance::At
    } else {
        Distance::Sound
    }
}

/// What a tracking value yields for `limit` bytes: kubelet rounds the limit up to whole MiB, and as many
/// million bytes are 95.37 % of it (`ConvertResourceLimits`, k8s.io/kubernetes/pkg/api/v1/resource).
#[must_use]
pub fn tracking_value(limit: u64) -> u64 {
    (limit.div_ceil(MIB)).saturating_mul(u64::from(MILLION))
}

/// Whether a tracking value keeps a distance from a limit of `limit` bytes: the rounding up to a whole MiB
/// takes more of a small limit, and from 64 MiB on leaves 3 % at least.
#[must_use]
pub const fn is_trackable(limit: u64) -> bool {
    limit.is_multiple_of(MIB) || limit >= LEAST_TRACKED
}

/// What the Go runtime reads from the text of GOMEMLIMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoLimit {
    /// Empty or `off`.
    Unlimited,
    /// That many bytes.
    Bytes(u64),
}

/// The program dies at start with exit code 2, `malformed GOMEMLIMIT`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("malformed GOMEMLIMIT")]
pub struct Malformed;

impl FromStr for GoLimit {
    type Err = Malformed;

    /// The grammar that every Go release since 1.19 accepts (`runtime/mgcpacer.go` `readGOMEMLIMIT`,
    /// `runtime/string.go` `parseByteCount`): digits, optionally with `B`, `KiB`, `MiB`, `GiB` or `TiB`.
    ///
    /// Go 1.26 began to accept a leading `+` as well; a value that older programs die of is malformed
    /// here, and so is `-KiB`, which Go 1.21 to 1.25 read as zero and Go 1.26 dies of. `-0` is zero everywhere.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() || text == "off" {
            return Ok(Self::Unlimited);
        }
        let (number, shift) = match text.strip_suffix('B') {
            None => (text, 0),
            Some(rest) => ["Ki", "Mi", "Gi", "Ti"]
                .iter()
                .zip([10, 20, 30, 40])
                .find_map(|(unit, shift)| Some((rest.strip_suffix(unit)?, shift)))
                .unwrap_or((rest, 0)),
        };
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed);
        }
        let count: i64 = number.parse().map_err(|_| Malformed)?;
        let count = u64::try_from(count).map_err(|_| Malformed)?;
        let bytes = count.checked_mul(1 << shift).ok_or(Malformed)?;
        if bytes > i64::MAX.unsigned_abs() {
            return Err(Malformed);
        }
        Ok(Self::Bytes(bytes))
    }
}

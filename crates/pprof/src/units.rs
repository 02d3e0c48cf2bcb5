//! The few conversions between numbers of bytes and of statistics.

use gomemlimit_core::units::human as bytes;

/// A difference in bytes for people, with its sign.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    format!("{sign}{}", bytes(whole(value.abs())))
}

/// For statistics only, never for a value that is set: above 2^53 bytes the last bits are lost.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn real(bytes: u64) -> f64 {
    bytes as f64
}

/// The same with a sign.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn real_signed(bytes: i64) -> f64 {
    bytes as f64
}

/// Rounded; 0 for negative values.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole(value: f64) -> u64 {
    // Casts of floats saturate, and NaN becomes 0.
    value.round() as u64
}

/// `percent` of `bytes`, exactly, rounded down.
pub(crate) fn percent(bytes: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

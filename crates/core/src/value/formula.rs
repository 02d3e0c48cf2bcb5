//! Values that track a memory limit, and the bound of a headroom.

use crate::value::ratio::MILLION;

/// One MiB in bytes, the unit of the downward API that a tracking value is made of.
pub const MIB: u64 = 1 << 20;

/// Minimum limit for a tracking value if the limit is no whole number of MiB, in bytes: 64 MiB.
pub const MIN_TRACKED_LIMIT: u64 = 64 * MIB;

/// Minimum share of the limit that a headroom must leave: one of this many parts, 10 %.
const MIN_SHARE_AFTER_HEADROOM: u64 = 10;

/// Whether `headroom` bytes leave at least 10 % of `limit` bytes.
#[must_use]
pub fn headroom_fits(limit: u64, headroom: u64) -> bool {
    limit
        .checked_sub(headroom)
        .is_some_and(|left| u128::from(left) * u128::from(MIN_SHARE_AFTER_HEADROOM) >= u128::from(limit))
}

/// The bytes of a tracking value for a limit of `limit` bytes: kubelet rounds the limit up to whole MiB, and as many
/// million bytes are 95.37 % of it (`ConvertResourceLimits`, k8s.io/kubernetes/pkg/api/v1/resource).
#[must_use]
pub fn tracking_value(limit: u64) -> u64 {
    (limit.div_ceil(MIB)).saturating_mul(u64::from(MILLION))
}

/// Whether a tracking value keeps a distance from a limit of `limit` bytes: the rounding up to a whole MiB
/// takes more of a small limit, and from 64 MiB on leaves 3 % at least.
#[must_use]
pub const fn is_trackable(limit: u64) -> bool {
    limit.is_multiple_of(MIB) || limit >= MIN_TRACKED_LIMIT
}

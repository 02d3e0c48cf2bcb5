//! The grammar of GOMEMLIMIT in the Go runtime.

use std::str::FromStr;

use thiserror::Error;

/// The meaning of the text of GOMEMLIMIT to the Go runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoLimit {
    /// Empty or `off`.
    Unlimited,
    /// A limit in bytes.
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

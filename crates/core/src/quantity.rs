//! Kubernetes quantities: `1.5Gi` to bytes, exactly.
//!
//! Grammar and rounding follow `UnmarshalJSON`, `ParseQuantity` and `Value` of
//! `k8s.io/apimachinery/pkg/api/resource/quantity.go`: spaces around the text are ignored, then a sign, decimal digits
//! with at most one point, then one of `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, or `e`/`E` with a decimal exponent; a
//! fraction of a byte is rounded up. Stricter than Go in three places: a negative amount, an amount of 2^63 or
//! more (Go wraps or caps it) and a text without any digit (`Ki`, `-`, `.`) are errors.

use std::fmt;

use thiserror::Error;

use crate::quote::quote;

/// The problem of a text that is no amount of bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// The text does not follow the grammar.
    #[error("is not a Kubernetes quantity such as 512Mi")]
    Malformed,
    /// Below zero.
    #[error("is negative")]
    Negative,
    /// 2^63 bytes or more.
    #[error("is 2^63 bytes or more")]
    OutOfRange,
}

/// Bytes of the quantity `text`, rounded up to a whole byte; at most 2^63 − 1.
///
/// # Errors
/// If `text` is no quantity, is negative, or is 2^63 bytes or more.
pub fn parse(text: &str) -> Result<u64, QuantityError> {
    parse_scaled(text, 0)
}

/// The same, with an error for people that shows what was probably meant.
///
/// # Errors
/// As for [`parse`].
pub fn parse_hinted(text: &str) -> Result<u64, HintedError> {
    parse(text).map_err(|error| HintedError { error, suggestion: suggestion(text) })
}

/// A [`QuantityError`] with a suggestion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HintedError {
    error: QuantityError,
    suggestion: Option<String>,
}

impl std::error::Error for HintedError {}

impl fmt::Display for HintedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.suggestion {
            Some(suggestion) => write!(f, "{} (did you mean {suggestion}?)", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// Thousandths of the quantity `text`, rounded up (`Quantity.MilliValue`): CPUs are counted in them.
pub(crate) fn parse_milli(text: &str) -> Result<u64, QuantityError> {
    parse_scaled(text, 3)
}

/// `text` without the white space around it that the API server ignores. `UnmarshalJSON` trims the text as JSON has
/// it: there a tab or a line break is an escape sequence, and so are U+2028 and U+2029 in what Go writes.
fn trim(text: &str) -> &str {
    let is_escaped = |c: char| c.is_ascii_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.trim_matches(|c: char| c.is_whitespace() && !is_escaped(c))
}

fn parse_scaled(text: &str, power_of_ten: i64) -> Result<u64, QuantityError> {
    let text = trim(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number_len = unsigned.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, suffix) = unsigned.split_at_checked(number_len).ok_or(QuantityError::Malformed)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(QuantityError::Malformed);
    }
    let scale = Scale::parse(suffix)?;

    let significant = Digits::significant(whole, fraction);
    let leading_zeros = whole.len() + fraction.len() - significant.count();
    if significant.count() == 0 {
        return Ok(0);
    }
    if text.starts_with('-') {
        return Err(QuantityError::Negative);
    }
    // Position of the decimal point, counted from the first digit that is not zero.
    let point = scale
        .power_of_ten
        .saturating_add(power_of_ten)
        .saturating_add(i64::try_from(whole.len()).unwrap_or(i64::MAX))
        .saturating_sub(i64::try_from(leading_zeros).unwrap_or(i64::MAX));
    bytes(significant, point, scale.power_of_two)
}

/// Decimal digits from the first that is not zero, borrowed from the text: there may be millions of them.
#[derive(Clone, Copy)]
struct Digits<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Digits<'a> {
    fn significant(whole: &'a str, fraction: &'a str) -> Self {
        let whole = whole.trim_start_matches('0');
        let fraction = if whole.is_empty() { fraction.trim_start_matches('0') } else { fraction };
        Self { whole, fraction }
    }

    fn count(self) -> usize {
        self.whole.len() + self.fraction.len()
    }

    fn iter(self) -> impl DoubleEndedIterator<Item = u64> {
        self.whole.bytes().chain(self.fraction.bytes()).map(|b| u64::from(b - b'0'))
    }
}

/// `0.d1d2d3… × 10^point × 2^shift`, rounded up. The first digit is not zero.
fn bytes(digits: Digits<'_>, point: i64, shift: u32) -> Result<u64, QuantityError> {
    // 10^19 is past 2^63; below 10^-40, even times 2^60, is a fraction of a byte.
    const MAX_DIGITS: i64 = 19;
    const SMALLEST: i64 = -40;
    if point > MAX_DIGITS {
        return Err(QuantityError::OutOfRange);
    }
    if point < SMALLEST {
        return Ok(1);
    }
    let whole_len = usize::try_from(point).unwrap_or(0);
    let zeros_after_point = usize::try_from(-point).unwrap_or(0);

    let mut whole: u128 = 0;
    for digit in digits.iter().chain(std::iter::repeat(0)).take(whole_len) {
        whole = whole * 10 + u128::from(digit);
    }

    // floor(2^shift × fraction), from the last digit to the first, remembering whether anything was
    // cut off: 2^shift·0.dREST = (d·2^shift + 2^shift·0.REST) / 10. At most 10·2^60, so u64 is enough.
    let mut part: u64 = 0;
    let mut cut = false;
    let fraction = digits.iter().rev().take(digits.count().saturating_sub(whole_len));
    for digit in fraction.chain(std::iter::repeat_n(0, zeros_after_point)) {
        let sum = (digit << shift) + part;
        cut |= !sum.is_multiple_of(10);
        part = sum / 10;
    }

    let total = (whole << shift) + u128::from(part) + u128::from(cut);
    i64::try_from(total).ok().and_then(|bytes| u64::try_from(bytes).ok()).ok_or(QuantityError::OutOfRange)
}

/// The factor of a suffix.
struct Scale {
    power_of_ten: i64,
    power_of_two: u32,
}

impl Scale {
    fn parse(suffix: &str) -> Result<Self, QuantityError> {
        let (power_of_ten, power_of_two) = match suffix {
            "n" => (-9, 0),
            "u" => (-6, 0),
            "m" => (-3, 0),
            "" => (0, 0),
            "k" => (3, 0),
            "M" => (6, 0),
            "G" => (9, 0),
            "T" => (12, 0),
            "P" => (15, 0),
            "E" => (18, 0),
            "Ki" => (0, 10),
            "Mi" => (0, 20),
            "Gi" => (0, 30),
            "Ti" => (0, 40),
            "Pi" => (0, 50),
            "Ei" => (0, 60),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Malformed)?;
                (exponent.parse::<i64>().map_err(|_| QuantityError::Malformed)?, 0)
            }
        };
        Ok(Self { power_of_ten, power_of_two })
    }
}

/// A suggestion for `text`, a memory size that is no quantity or that is less than 1Mi: a unit that is
/// written differently elsewhere (`128MiB`, `512MB`, `128m`), or none at all (`256`).
#[must_use]
pub fn suggestion(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).take(MAX_SUGGESTION).collect();
    let number_len = compact.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = compact.split_at_checked(number_len)?;
    let unit = match unit {
        "" | "m" | "mi" | "mib" | "MI" | "MIB" | "MiB" => "Mi",
        "k" | "K" | "ki" | "kib" | "KI" | "KIB" | "KiB" => "Ki",
        "g" | "gi" | "gib" | "GI" | "GIB" | "GiB" => "Gi",
        "t" | "ti" | "tib" | "TI" | "TIB" | "TiB" => "Ti",
        "kb" | "kB" | "KB" => "k",
        "mb" | "mB" | "MB" => "M",
        "gb" | "gB" | "GB" => "G",
        "tb" | "tB" | "TB" => "T",
        // As it is, but without the space before it.
        unit => unit,
    };
    let suggested = format!("{number}{unit}");
    (suggested != trim(text) && parse(&suggested).is_ok_and(|bytes| bytes > 0)).then_some(suggested)
}

/// Maximum length of a text that gets a suggestion, in characters; a longer one is no mistake in a unit.
const MAX_SUGGESTION: usize = 24;

/// The meaning of `text` as a memory size that is surprisingly small, in words: `"128m" is 0.128 bytes: m is milli; did you
/// mean 128Mi?`. `None` if it is no quantity, or 1Mi or more.
#[must_use]
pub fn too_small(text: &str) -> Option<String> {
    let bytes = parse(text).ok().filter(|bytes| *bytes < 1 << 20)?;
    let suggested = suggestion(text)?;
    let milli = trim(text).strip_suffix('m').and_then(|_| parse_milli(text).ok());
    let (number, note) =
        milli.map_or_else(|| (bytes.to_string(), ""), |milli| (thousandths(milli), ": m is milli"));
    let noun = if number == "1" { "byte" } else { "bytes" };
    Some(format!("{} is {number} {noun}{note}; did you mean {suggested}?", quote(text)))
}

/// A number of thousandths, as a decimal fraction.
fn thousandths(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

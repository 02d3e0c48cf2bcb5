//! Quantities agree with an exact evaluation in rational numbers, written from the rules alone.
#![no_main]

use gomemlimit_core::quantity::{QuantityError, parse};
use libfuzzer_sys::fuzz_target;
use num_bigint::BigInt;
use num_rational::BigRational;

/// Powers of ten and of two that a suffix means.
const SUFFIXES: [(&str, i32, u32); 16] = [
    ("", 0, 0),
    ("n", -9, 0),
    ("u", -6, 0),
    ("m", -3, 0),
    ("k", 3, 0),
    ("M", 6, 0),
    ("G", 9, 0),
    ("T", 12, 0),
    ("P", 15, 0),
    ("E", 18, 0),
    ("Ki", 0, 10),
    ("Mi", 0, 20),
    ("Gi", 0, 30),
    ("Ti", 0, 40),
    ("Pi", 0, 50),
    ("Ei", 0, 60),
];

/// What Go's `strings.TrimSpace` removes and a JSON text has as it is: no control characters, no U+2028 and U+2029.
const SPACES: [char; 18] = [
    ' ', '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}',
    '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}', '\u{202f}', '\u{205f}',
    '\u{3000}',
];

/// Exponents beyond are not evaluated.
const MAX_EXPONENT: u64 = 400;

/// With at most this number of digits, the sign of an exponent that is not evaluated settles the outcome.
const MAX_DIGITS_BEYOND: usize = 300;

fuzz_target!(|text: &str| {
    let parsed = parse(text);
    let text = text.trim_matches(SPACES);
    if let Ok(bytes) = parsed {
        assert!(i64::try_from(bytes).is_ok(), "{text:?}: {bytes}");
    }
    if let Some(exact) = exact(text) {
        assert_eq!(parsed, exact, "{text:?}");
    }
});

/// What the text means, or `None` where that would take numbers too long to write down.
fn exact(text: &str) -> Option<Result<u64, QuantityError>> {
    let Some((number, exponent, shift)) = read(text) else { return Some(Err(QuantityError::Malformed)) };
    let zero = BigInt::ZERO;
    if *number.numer() == zero {
        return Some(Ok(0));
    }
    if *number.numer() < zero {
        return Some(Err(QuantityError::Negative));
    }
    if exponent.unsigned_abs() > MAX_EXPONENT {
        let is_short = text.len() <= MAX_DIGITS_BEYOND;
        return is_short.then_some(if exponent > 0 { Err(QuantityError::OutOfRange) } else { Ok(1) });
    }
    let power = BigInt::from(10).pow(u32::try_from(exponent.unsigned_abs()).expect("at most 400"));
    let power = BigRational::from(power);
    let scaled = if exponent < 0 { number / power } else { number * power };
    let bytes = (scaled * BigRational::from(BigInt::from(2).pow(shift))).ceil().to_integer();
    let bytes = i64::try_from(bytes).map_err(|_| QuantityError::OutOfRange);
    Some(bytes.map(|bytes| u64::try_from(bytes).expect("above zero")))
}

/// The number before the suffix, and the powers of ten and of two that it is multiplied by.
fn read(text: &str) -> Option<(BigRational, i64, u32)> {
    let is_negative = text.starts_with('-');
    let unsigned = if text.starts_with(['+', '-']) { &text[1..] } else { text };
    let end = unsigned.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |last| last + 1);
    // An exponent has digits of its own.
    let end = unsigned.find(['e', 'E']).map_or(end, |e| e.min(end));
    let (number, suffix) = unsigned.split_at(end);

    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let numerator: BigInt = digits.parse().ok()?;
    let denominator = BigInt::from(10).pow(u32::try_from(fraction.len()).ok()?);
    let number = BigRational::new(if is_negative { -numerator } else { numerator }, denominator);

    let known = SUFFIXES.iter().find(|(name, ..)| *name == suffix);
    let (exponent, shift) = match known {
        Some((_, exponent, shift)) => (i64::from(*exponent), *shift),
        None => (exponent(suffix)?, 0),
    };
    Some((number, exponent, shift))
}

/// The number after `e` or `E`: a sign and digits, within 64 bits as in Go.
fn exponent(suffix: &str) -> Option<i64> {
    let signed = suffix.strip_prefix(['e', 'E'])?;
    let digits = signed.strip_prefix(['+', '-']).unwrap_or(signed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    signed.parse::<BigInt>().ok()?.try_into().ok()
}

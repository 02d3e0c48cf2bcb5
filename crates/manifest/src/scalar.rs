//! The value of a plain (unquoted) YAML scalar, by the YAML 1.1 rules of kubectl's parser.

use serde_json::{Number, Value};

/// The value of the plain scalar `text`; `None` if it is one that JSON cannot hold (infinity, not a number).
pub(crate) fn resolve(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return None,
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    };
    Some(value)
}

/// Whether `text` without quotes is read as this very string, in every context.
pub(crate) fn is_plain_string(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        && resolve(text).is_some_and(|value| value.is_string())
}

/// The text that kubectl makes of a key that is a number (`convertToJSONableObject` of `sigs.k8s.io/yaml`): fractions in
/// single precision. `None` if it has an exponent.
pub(crate) fn number_key(number: &Number) -> Option<String> {
    if !number.is_f64() {
        return Some(number.to_string());
    }
    #[expect(clippy::cast_possible_truncation, reason = "as kubectl does")]
    let single = number.as_f64()? as f32;
    (single == 0.0 || (1e-4..1e6).contains(&single.abs())).then(|| single.to_string())
}

/// The number that `text` is, with the octal, hexadecimal and `_` forms of YAML 1.1.
fn number(text: &str) -> Option<Number> {
    if text.starts_with('.') {
        // Here go-yaml leaves the `_` to `strconv.ParseFloat`, which wants a digit on both sides.
        let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let separates = text.match_indices('_').all(|(at, _)| digit(at - 1) && digit(at + 1));
        return separates.then(|| float(&text.replace('_', "")))?;
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-')) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits)).or_else(|| signed_binary(&digits))
}

/// `0b-1`, which go-yaml reads with the sign behind the prefix.
fn signed_binary(text: &str) -> Option<Number> {
    let digits = text.strip_prefix("0b")?;
    digits.starts_with(['+', '-']).then(|| i64::from_str_radix(digits, 2).ok().map(Number::from))?
}

fn integer(text: &str) -> Option<Number> {
    let (negative, unsigned) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (None, rest) => (false, rest.unwrap_or(text)),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match (lower.strip_prefix("0x"), lower.strip_prefix("0o"), lower.strip_prefix("0b"))
    {
        (Some(digits), ..) => (16, digits),
        (_, Some(digits), _) => (8, digits),
        (.., Some(digits)) => (2, digits),
        // A leading zero alone means octal; `089` is none and is left to the floats, as in kubectl.
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    if negative {
        return i64::from_str_radix(&format!("-{digits}"), radix).ok().map(Number::from);
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

fn float(text: &str) -> Option<Number> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    // Too large a number is a string for kubectl; from_f64 refuses infinity.
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    /// The expected values are those of `sigs.k8s.io/yaml` 1.6.0, which kubectl uses.
    #[rstest]
    #[case::booleans(&["yes", "Y", "On", "TRUE"], json!([true, true, true, true]))]
    #[case::negations(&["no", "n", "OFF", "False"], json!([false, false, false, false]))]
    #[case::odd_case(&["tRue", "yEs", "nUll"], json!(["tRue", "yEs", "nUll"]))]
    #[case::nulls(&["", "~", "null", "NULL"], json!([null, null, null, null]))]
    #[case::radixes(&["0x10", "0X1F", "010", "0777", "0o17", "0b101", "-0b11", "-0x10", "0x1F_FF"],
        json!([16, 31, 8, 511, 15, 5, -3, -16, 8191]))]
    #[case::signs_and_zeroes(&["+5", "-5", "00", "-010", "0_7", "+0x1F"], json!([5, -5, 0, -8, 7, 31]))]
    #[case::underscores(&["1_000", "1_0.5", "1_e3", "1__0", "_1"], json!([1000, 10.5, 1000.0, 10, "_1"]))]
    #[case::not_octal(&["089", "08", "-09.5"], json!([89.0, 8.0, -9.5]))]
    #[case::floats(&["1e3", "129e6", "1.5", "1.", ".5", "-.5", "+.5", ".5e3", "1E3", "1.e5", "1e-7"],
        json!([1000.0, 129_000_000.0, 1.5, 1.0, 0.5, -0.5, 0.5, 500.0, 1000.0, 100_000.0, 1e-7]))]
    #[case::quantities(&["1.5Gi", "128Mi", "100m", "1e", "1073741824"],
        json!(["1.5Gi", "128Mi", "100m", "1e", 1_073_741_824]))]
    #[case::large(&["18446744073709551615", "18446744073709551616", "-9223372036854775808", "1e400",
        "0x1ffffffffffffffff"],
        json!([u64::MAX, 18_446_744_073_709_551_616.0, i64::MIN, "1e400", "0x1ffffffffffffffff"]))]
    #[case::strings(&["2001-01-01", "12:30", "0x", "0b", "-", "+", "++1", "0x1p4", ".", "..5", ".e3", "0o",
        "0b12", "1.5.5", "Infinity", "=", "1 2"],
        json!(["2001-01-01", "12:30", "0x", "0b", "-", "+", "++1", "0x1p4", ".", "..5", ".e3", "0o",
        "0b12", "1.5.5", "Infinity", "=", "1 2"]))]
    fn plain_scalars_are_read_as_kubectl_reads_them(#[case] texts: &[&str], #[case] expected: Value) {
        let values: Vec<Value> = texts.iter().map(|text| resolve(text).unwrap()).collect();
        assert_eq!(Value::from(values), expected);
    }

    #[test]
    fn infinity_and_not_a_number_have_no_json_value() {
        assert_eq!((resolve(".inf"), resolve("-.Inf"), resolve(".NaN")), (None, None, None));
    }

    #[rstest]
    #[case("GOMEMLIMIT", true)]
    #[case("gomemlimit.dev/status", true)]
    #[case("yes", false)]
    #[case("1", false)]
    #[case("", false)]
    #[case("a: b", false)]
    fn only_safe_text_is_left_unquoted(#[case] text: &str, #[case] plain: bool) {
        assert_eq!(is_plain_string(text), plain);
    }
}

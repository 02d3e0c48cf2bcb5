//! Quantities agree with Kubernetes' own parser (golden values of k8s.io/apimachinery v0.37.2).

use gomemlimit_core::quantity::{QuantityError, parse, suggestion, too_small};

/// What the API server takes only with spaces around it.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() && !c.is_ascii_control())
}

/// Splits a row into text, verdict (`ok` or `error`) and bytes; the text is quoted as Go quotes it.
fn row(line: &str) -> (String, bool, Option<i128>) {
    let mut columns = line.split('\t');
    let quoted = columns.next().expect("text");
    // Go's and JSON's quoting agree on everything in these files.
    let text = serde_json::from_str(quoted).unwrap_or_else(|error| panic!("{quoted}: {error}"));
    let is_ok = columns.next() == Some("ok");
    (text, is_ok, columns.next().and_then(|bytes| bytes.parse().ok()))
}

/// Where we are stricter on purpose, and why.
fn is_deliberately_an_error(text: &str, go: i128, error: QuantityError) -> bool {
    match error {
        // Where Go overflows, even a negative amount comes out positive.
        QuantityError::Negative => trimmed(text).starts_with('-'),
        // Go caps at 2^63 − 1, wraps around or falls to zero from there on.
        QuantityError::OutOfRange => true_value_is_out_of_range(trimmed(text)),
        // No digit before the suffix, which Go reads as zero.
        QuantityError::Malformed => {
            go == 0
                && !trimmed(text)
                    .trim_start_matches(['+', '-', '.'])
                    .starts_with(|c: char| c.is_ascii_digit())
        }
    }
}

/// A second, float-based opinion on the size of a text: only has to tell 2^63 from what is far smaller.
fn true_value_is_out_of_range(text: &str) -> bool {
    let text = text.trim_start_matches('+');
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().unwrap();
    let scale = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 2f64.powi(10),
        "Mi" => 2f64.powi(20),
        "Gi" => 2f64.powi(30),
        "Ti" => 2f64.powi(40),
        "Pi" => 2f64.powi(50),
        "Ei" => 2f64.powi(60),
        exponent => 10f64.powi(exponent[1..].parse().unwrap_or(i32::MAX)),
    };
    number * scale >= 2f64.powi(63)
}

#[test]
fn agrees_with_kubernetes() {
    let files = [
        include_str!("golden/quantity-edge.tsv"),
        include_str!("golden/quantity-random.tsv"),
        include_str!("golden/quantity-space.tsv"),
    ];
    let (mut equal, mut wrong) = (0, Vec::new());
    // Deliberately stricter: negative, out of range, no digit.
    let mut stricter = [0; 3];
    for line in files.iter().flat_map(|file| file.lines()) {
        let (text, go_accepts, go) = row(line);
        match (parse(&text), go_accepts, go) {
            (Ok(bytes), true, Some(go)) if i128::from(bytes) == go => equal += 1,
            (Err(QuantityError::Malformed), false, _) => equal += 1,
            (Err(error), true, Some(go)) if is_deliberately_an_error(&text, go, error) => {
                stricter[match error {
                    QuantityError::Negative => 0,
                    QuantityError::OutOfRange => 1,
                    QuantityError::Malformed => 2,
                }] += 1;
            }
            (parsed, ..) => {
                wrong.push(format!("{text:?}: parsed {parsed:?}, Go {go:?} (accepted: {go_accepts})"));
            }
        }
    }
    let [negative, out_of_range, no_digit] = stricter;
    println!(
        "{equal} equal; errors on purpose: {negative} negative, {out_of_range} of 2^63 and more, {no_digit} without a digit"
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(equal + stricter.iter().sum::<i32>(), 7278, "rows of all files");
}

#[test]
fn named_cases() {
    let malformed = Err(QuantityError::Malformed);
    for (text, wanted) in [
        ("1Gi", Ok(1 << 30)),
        ("1.5Gi", Ok(1_610_612_736)),
        ("1.1Gi", Ok(1_181_116_007)),
        (".5Gi", Ok(536_870_912)),
        ("5.Gi", Ok(5_368_709_120)),
        ("128974848500m", Ok(128_974_849)),
        ("100m", Ok(1)),
        ("1n", Ok(1)),
        ("1e-400", Ok(1)),
        ("0e400", Ok(0)),
        ("-0", Ok(0)),
        ("9007199254740993", Ok(9_007_199_254_740_993)),
        ("9223372036854775807", Ok(9_223_372_036_854_775_807)),
        ("9223372036854775808", Err(QuantityError::OutOfRange)),
        ("9223372036854775807001m", Err(QuantityError::OutOfRange)),
        ("8Ei", Err(QuantityError::OutOfRange)),
        ("7.99999999999999999999Ei", Err(QuantityError::OutOfRange)),
        ("12E", Err(QuantityError::OutOfRange)),
        ("1e400", Err(QuantityError::OutOfRange)),
        ("-1Ki", Err(QuantityError::Negative)),
        ("0.00000000000000000000000000000000000000000000000001Ei", Ok(1)),
        ("100000000000000000000000000000000000000000000000000e-50", Ok(1)),
        ("", malformed),
        ("Ki", malformed),
        ("-", malformed),
        (".", malformed),
        ("1K", malformed),
        ("1e", malformed),
        ("1e3Ki", malformed),
        ("1e99999999999999999999", malformed),
        (" 1", Ok(1)),
        ("512Mi ", Ok(512 << 20)),
        ("\u{a0}1Gi\u{a0}", Ok(1 << 30)),
        ("512 Mi", malformed),
        ("1\n", malformed),
        ("\t1", malformed),
        (" ", malformed),
        ("1.2.3", malformed),
        ("--1", malformed),
        ("٣", malformed),
    ] {
        assert_eq!(parse(text), wanted, "{text:?}");
    }
}

#[test]
fn what_was_meant() {
    for (text, meant) in [
        ("128MiB", Some("128Mi")),
        ("128m", Some("128Mi")),
        ("1.5GiB", Some("1.5Gi")),
        ("512MB", Some("512M")),
        ("512mb", Some("512M")),
        ("512 Mi", Some("512Mi")),
        ("512mi", Some("512Mi")),
        ("1g", Some("1Gi")),
        ("1000K", Some("1000Ki")),
        ("256", Some("256Mi")),
        ("512Mi", None),
        (" 512Mi ", None),
        ("lots", None),
        ("", None),
        ("m", None),
        ("1e-7Ti", None),
        ("-1MiB", None),
        ("99999999999999999999MiB", None),
        ("111111111111111111111111111111111111111111111", None),
    ] {
        assert_eq!(suggestion(text).as_deref(), meant, "{text:?}");
    }
    for (text, expected) in [
        ("128m", Some("\"128m\" is 0.128 bytes: m is milli; did you mean 128Mi?")),
        ("1000m", Some("\"1000m\" is 1 byte: m is milli; did you mean 1000Mi?")),
        ("2500m", Some("\"2500m\" is 2.5 bytes: m is milli; did you mean 2500Mi?")),
        ("256", Some("\"256\" is 256 bytes; did you mean 256Mi?")),
        ("1k", Some("\"1k\" is 1000 bytes; did you mean 1Ki?")),
        ("16Ki", None),
        ("0", None),
        ("1048576", None),
        ("128MiB", None),
    ] {
        assert_eq!(too_small(text).as_deref(), expected, "{text:?}");
    }
}

//! The formulas of the value, ratios, and the grammar of GOMEMLIMIT, case by case.

use gomemlimit_core::{
    settings::Setting,
    value::{GoLimit, Malformed, Ratio, RatioError, Recipe, headroom_fits},
};
use serde_json::json;

#[test]
fn values() {
    for (limit, ratio_text, headroom, wanted) in [
        (1 << 30, "0.9", 0, Some(966_367_641)),
        (512 << 20, "0.9", 0, Some(483_183_820)),
        (128 << 20, "90%", 0, Some(120_795_955)),
        (100_000_000, "0.9", 0, Some(90_000_000)),
        (256 << 20, "0.9", 64 << 20, Some(192 << 20)),
        (256 << 20, "0.7", 64 << 20, Some(187_904_819)),
        (u64::MAX >> 1, "0.98", 0, Some(9_038_904_596_117_680_290)),
        (1, "0.98", 0, None),
        (2, "0.5", 0, Some(1)),
        (10, "0.9", 10, None),
        (10, "0.9", 11, None),
    ] {
        let recipe: Recipe =
            serde_json::from_value(json!({"ratio": ratio_text, "headroom": headroom})).unwrap();
        assert_eq!(recipe.bytes(limit), wanted, "{limit} × {ratio_text} − {headroom}");
    }
}

#[test]
fn the_setting_that_made_a_value() {
    for (limit, ratio, headroom, wanted) in [
        (1 << 30, "0.9", 0, Setting::Ratio),
        (256 << 20, "0.9", 64 << 20, Setting::Headroom),
        (256 << 20, "0.7", 64 << 20, Setting::Ratio),
        (1000, "0.9", 99, Setting::Ratio),
        (1000, "0.9", 100, Setting::Headroom),
    ] {
        let recipe: Recipe = serde_json::from_value(json!({"ratio": ratio, "headroom": headroom})).unwrap();
        assert_eq!(recipe.made_by(limit), wanted, "{limit} × {ratio} − {headroom}");
    }
}

/// `explain` looks for the level of each number by its name, and annotations of earlier releases are still read.
#[test]
fn a_recipe_is_made_of_settings_and_shows_what_is_not_the_default() {
    let recipe = json!(Recipe::default());
    assert_eq!(recipe, json!({"ratio": "0.9", "headroom": 0}));
    for name in recipe.as_object().unwrap().keys() {
        assert!(name.parse::<Setting>().is_ok(), "{name}");
    }
}

#[test]
fn headroom_leaves_a_tenth() {
    assert!(headroom_fits(100, 90));
    assert!(!headroom_fits(100, 91));
    assert!(!headroom_fits(64 << 20, 128 << 20));
    assert!(headroom_fits(u64::MAX, 0));
}

#[test]
fn ratios() {
    for (text, wanted) in [
        ("0.85", Ok(850_000)),
        ("85%", Ok(850_000)),
        ("85.5%", Ok(855_000)),
        ("0.1", Ok(100_000)),
        ("10%", Ok(100_000)),
        ("0.98", Ok(980_000)),
        ("0.9000000000", Ok(900_000)),
        ("00.9", Ok(900_000)),
        ("0.123456", Ok(123_456)),
        ("12.3456%", Ok(123_456)),
        ("0.1234567", Err(RatioError::TooPrecise)),
        ("12.34567%", Err(RatioError::TooPrecise)),
        ("0.09", Err(RatioError::OutOfRange)),
        ("0.981", Err(RatioError::OutOfRange)),
        ("1", Err(RatioError::OutOfRange)),
        ("1.2", Err(RatioError::OutOfRange)),
        ("0", Err(RatioError::OutOfRange)),
        ("99999999999999999999", Err(RatioError::OutOfRange)),
        ("ninety", Err(RatioError::Malformed)),
        ("", Err(RatioError::Malformed)),
        ("%", Err(RatioError::Malformed)),
        (".9", Err(RatioError::Malformed)),
        ("0.", Err(RatioError::Malformed)),
        ("+0.9", Err(RatioError::Malformed)),
        ("-0.9", Err(RatioError::Malformed)),
        ("0,9", Err(RatioError::Malformed)),
        ("9e-1", Err(RatioError::Malformed)),
        ("85 %", Err(RatioError::Malformed)),
        ("0.9.0", Err(RatioError::Malformed)),
    ] {
        assert_eq!(text.parse().map(Ratio::ppm), wanted, "{text:?}");
    }
}

#[test]
fn ratio_is_written_as_it_is_read() {
    for ppm in [100_000, 123_456, 500_000, 900_000, 980_000] {
        let ratio = Ratio::from_ppm(ppm).unwrap();
        assert_eq!(ratio.to_string().parse(), Ok(ratio), "{ratio}");
    }
    assert_eq!(Ratio::DEFAULT.to_string(), "0.9");
}

/// What the Go runtime accepts, as seen with Go 1.21 to 1.27. `tests/go_runtime.rs` asks a real Go
/// runtime about the same texts.
#[test]
fn go_limits() {
    let bytes = |bytes| Ok(GoLimit::Bytes(bytes));
    for (text, wanted) in [
        ("", Ok(GoLimit::Unlimited)),
        ("off", Ok(GoLimit::Unlimited)),
        ("966367641", bytes(966_367_641)),
        ("5B", bytes(5)),
        ("900MiB", bytes(900 << 20)),
        ("007", bytes(7)),
        ("8388607TiB", bytes(8_388_607 << 40)),
        ("9223372036854775807", bytes(9_223_372_036_854_775_807)),
        ("0", bytes(0)),
        ("1", bytes(1)),
        ("-0", bytes(0)),
    ] {
        assert_eq!(text.parse(), wanted, "{text:?}");
    }
    for text in include_str!("golden/malformed-gomemlimit.txt").lines() {
        assert_eq!(text.parse::<GoLimit>(), Err(Malformed), "{text:?}");
    }
}

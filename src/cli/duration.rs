//! Durations on the command line: `10s`, `1h30m`, `8760h`.

use std::time::Duration;

/// A duration that is not zero, at most a day.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    not_zero(parse_delay(text)?)
}

/// The interval of a poll of a file, a clock or a pod, at least 100 ms: shorter ones only take processor time, here or of
/// the API server.
pub(super) fn parse_poll(text: &str) -> Result<Duration, String> {
    at_least(text, Duration::from_millis(100))
}

/// The interval between two audits of a cluster, at least 1 s.
pub(super) fn parse_audit_interval(text: &str) -> Result<Duration, String> {
    at_least(text, Duration::from_secs(1))
}

/// A duration, at most a day.
pub(super) fn parse_delay(text: &str) -> Result<Duration, String> {
    at_most(text, Duration::from_hours(24), "24h")
}

/// The lifetime of a certificate, at most ten years.
pub(super) fn parse_lifetime(text: &str) -> Result<Duration, String> {
    not_zero(at_most(text, Duration::from_hours(87_600), "87600h")?)
}

fn at_most(text: &str, max: Duration, max_text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > max { Err(format!("must be at most {max_text}")) } else { Ok(duration) }
}

fn at_least(text: &str, min: Duration) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration < min {
        Err(format!("must be at least {}", humantime::format_duration(min)))
    } else {
        Ok(duration)
    }
}

fn not_zero(duration: Duration) -> Result<Duration, String> {
    if duration.is_zero() { Err("must be more than 0s".to_owned()) } else { Ok(duration) }
}

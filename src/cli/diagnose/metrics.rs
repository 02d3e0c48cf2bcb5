//! What the program's own /metrics say, where it has them: names of Prometheus' Go and process collectors.

use gomemlimit_pprof::Gomemlimit;

/// The few samples that matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OwnMetrics {
    /// Resident memory, bytes.
    pub(super) rss: Option<u64>,
    /// Start of the process, seconds since 1970.
    pub(super) started: Option<f64>,
    /// GOMEMLIMIT as the runtime has it.
    pub(super) gomemlimit: Option<Gomemlimit>,
}

impl OwnMetrics {
    pub(super) fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                "process_resident_memory_bytes" => metrics.rss = Some(whole(value)),
                "process_start_time_seconds" => metrics.started = Some(value),
                "go_gc_gomemlimit_bytes" => {
                    let bytes = whole(value);
                    // math.MaxInt64, which a float rounds up, is none.
                    let is_set = bytes < i64::MAX.unsigned_abs();
                    metrics.gomemlimit =
                        Some(if is_set { Gomemlimit::Bytes(bytes) } else { Gomemlimit::Unset });
                }
                _ => {}
            }
        }
        metrics
    }
}

/// Casts of floats saturate, and NaN becomes 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value as u64
}

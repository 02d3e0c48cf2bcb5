//! Figures of the program's own /metrics: names of Prometheus' Go and process collectors, and of `client_golang`'s
//! collector of runtime/metrics.

use gomemlimit_pprof::Gomemlimit;

/// The samples that matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OwnMetrics {
    /// Resident memory, bytes.
    pub(super) rss: Option<u64>,
    /// Start of the process, seconds since 1970.
    pub(super) started: Option<f64>,
    /// GOMEMLIMIT as the runtime has it.
    pub(super) gomemlimit: Option<Gomemlimit>,
    /// Heap after the last collection, bytes: `/gc/heap/live:bytes`.
    pub(super) live_heap: Option<u64>,
    /// Objects on the heap with the garbage among them, bytes.
    pub(super) heap: Option<u64>,
    /// CPU seconds of the collector since the start, as of the last collection.
    pub(super) gc_cpu: Option<f64>,
    /// CPU seconds that the program has used since the start.
    pub(super) used_cpu: Option<f64>,
    /// Share of the collector in all CPU time that there was since the start, 0 to 1.
    pub(super) gc_fraction: Option<f64>,
}

impl OwnMetrics {
    pub(super) fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        let (mut total, mut idle, mut process) = (None, None, None);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            match name {
                "process_resident_memory_bytes" => metrics.rss = Some(whole(value)),
                "process_start_time_seconds" => metrics.started = Some(value),
                "process_cpu_seconds_total" => process = Some(value),
                "go_gc_heap_live_bytes" => metrics.live_heap = Some(whole(value)),
                "go_memstats_heap_alloc_bytes" | "go_memory_classes_heap_objects_bytes" => {
                    metrics.heap = Some(whole(value));
                }
                "go_memstats_gc_cpu_fraction" => metrics.gc_fraction = Some(value),
                "go_cpu_classes_gc_total_cpu_seconds_total" => metrics.gc_cpu = Some(value),
                "go_cpu_classes_total_cpu_seconds_total" => total = Some(value),
                "go_cpu_classes_idle_cpu_seconds_total" => idle = Some(value),
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
        // The classes are all of one moment, the last collection; the process's own figure is current.
        metrics.used_cpu = total.zip(idle).map(|(total, idle)| total - idle).or(process);
        metrics
    }

    /// Whether there is no metric of a Go program.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Casts of floats saturate, and NaN becomes 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_client_golang_by_default() {
        let text = "# HELP go_memstats_heap_alloc_bytes …\ngo_memstats_heap_alloc_bytes 1.5e+06\n\
            go_gc_gomemlimit_bytes 9.223372036854776e+18\nprocess_cpu_seconds_total 12.5\n\
            process_resident_memory_bytes 3.1e+07\nprocess_start_time_seconds 1.7e+09\n\
            go_gc_duration_seconds{quantile=\"0\"} 1e-05\n";
        let wanted = OwnMetrics {
            rss: Some(31_000_000),
            started: Some(1.7e9),
            gomemlimit: Some(Gomemlimit::Unset),
            heap: Some(1_500_000),
            used_cpu: Some(12.5),
            ..OwnMetrics::default()
        };
        assert_eq!(OwnMetrics::parse(text), wanted);
    }

    #[test]
    fn the_classes_of_cpu_time_go_before_that_of_the_process() {
        let text = "process_cpu_seconds_total 9\ngo_cpu_classes_gc_total_cpu_seconds_total 0.5\n\
            go_cpu_classes_total_cpu_seconds_total 20\ngo_cpu_classes_idle_cpu_seconds_total 18\n\
            go_gc_heap_live_bytes 157286400\n";
        let metrics = OwnMetrics::parse(text);
        assert_eq!((metrics.gc_cpu, metrics.used_cpu), (Some(0.5), Some(2.0)));
        assert_eq!(metrics.live_heap, Some(157_286_400));
        assert!(OwnMetrics::parse("http_requests_total 3\n<html>").is_empty());
    }
}

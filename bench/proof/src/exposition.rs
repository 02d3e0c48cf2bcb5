//! What the demo's /metrics says, as far as it is needed here.

use gomemlimit_bench::http::metric;

/// One scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scrape {
    /// Milliseconds since 1970 at which the program started.
    pub started_millis: u64,
    /// `/gc/gomemlimit:bytes`.
    pub gomemlimit: u64,
    /// The limit of the cgroup that the program sees, in bytes.
    pub cgroup_limit: Option<u64>,
    /// Live heap after the last collection in bytes.
    pub live_heap: u64,
    /// Seconds of CPU since the start: of the collector, and of everything but idling.
    pub gc_cpu: f64,
    pub cpu: f64,
}

impl Scrape {
    /// Reads the Prometheus text format; `None` where a figure is missing.
    pub fn read(text: &str) -> Option<Self> {
        let value = |name: &str| metric(text, name).ok();
        // Every figure here is below 2^53 but one limit, 2^63-1, which reads as the same on both sides.
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "never negative")]
        let whole = |name: &str| value(name).map(|value| value as u64);
        Some(Self {
            #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "never negative")]
            started_millis: (value("process_start_time_seconds")? * 1000.0).round() as u64,
            gomemlimit: whole("go_gc_gomemlimit_bytes")?,
            cgroup_limit: whole("oom_demo_container_memory_limit_bytes"),
            live_heap: whole("go_gc_heap_live_bytes")?,
            gc_cpu: value("go_cpu_classes_gc_total_cpu_seconds_total")?,
            cpu: value("go_cpu_classes_total_cpu_seconds_total")?
                - value("go_cpu_classes_idle_cpu_seconds_total")?,
        })
    }
}

/// Adds up CPU over the instances of a container, from one scrape to the next.
#[derive(Debug, Default)]
pub struct CpuSum {
    last: Option<Scrape>,
    pub gc: f64,
    pub all: f64,
}

impl CpuSum {
    /// The first scrape is where counting begins.
    pub fn add(&mut self, scrape: Scrape) {
        let from = match self.last {
            None => scrape,
            Some(last) if last.started_millis == scrape.started_millis => last,
            // A new instance began at zero.
            Some(_) => Scrape::default(),
        };
        self.gc += scrape.gc_cpu - from.gc_cpu;
        self.all += scrape.cpu - from.cpu;
        self.last = Some(scrape);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "go_info{version=\"go1.26.8\"} 1\ngo_gc_gomemlimit_bytes 241591910\n\
        go_gc_heap_live_bytes 157286400\ngo_cpu_classes_gc_total_cpu_seconds_total 0.5\n\
        go_cpu_classes_total_cpu_seconds_total 20\ngo_cpu_classes_idle_cpu_seconds_total 18\n\
        process_start_time_seconds 1700000000.125\noom_demo_container_memory_limit_bytes 268435456\n";

    #[test]
    fn a_scrape_is_read() {
        let wanted = Scrape {
            started_millis: 1_700_000_000_125,
            gomemlimit: 241_591_910,
            cgroup_limit: Some(268_435_456),
            live_heap: 157_286_400,
            gc_cpu: 0.5,
            cpu: 2.0,
        };
        assert_eq!(Scrape::read(TEXT), Some(wanted));
        assert_eq!(Scrape::read("the data is still being loaded"), None);
        assert_eq!(Scrape::read(&TEXT.replace("heap_live", "heap_dead")), None);
    }

    #[test]
    fn cpu_is_summed_over_lives() {
        let mut sum = CpuSum::default();
        for (started_millis, gc_cpu, cpu) in [(1, 1.0, 10.0), (1, 2.0, 14.0), (2, 0.5, 1.0), (2, 0.75, 2.0)] {
            sum.add(Scrape { started_millis, gc_cpu, cpu, ..Scrape::default() });
        }
        assert_eq!((sum.gc, sum.all), (1.75, 6.0));
    }
}

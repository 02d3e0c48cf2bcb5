//! The statistics at the end of `/debug/pprof/heap?debug=1` (`runtime/pprof/pprof.go`, `writeHeapInternal`).

use serde::Serialize;

use crate::error::TextError;

/// The fields of `runtime.MemStats` that matter here. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemStats {
    /// Everything obtained from the system; it never shrinks, so it is also the peak of what was mapped.
    pub sys: u64,
    /// Live objects, right after a garbage collection.
    pub heap_alloc: u64,
    /// Heap obtained from the system.
    pub heap_sys: u64,
    /// In spans without any object.
    pub heap_idle: u64,
    /// In spans with at least one object.
    pub heap_inuse: u64,
    /// Given back to the system.
    pub heap_released: u64,
    /// Heap size at which the next collection starts.
    pub next_gc: u64,
    /// When the last collection ended, nanoseconds since 1970.
    pub last_gc: u64,
    /// Collections so far.
    pub num_gc: u64,
    /// Of them, those that the program asked for, or a capture with `gc=1`.
    pub num_forced_gc: u64,
    /// Objects allocated so far; it never falls as long as the process runs.
    pub mallocs: u64,
    /// Share of all available CPU time that collections took since the program started, 0 to 1.
    pub gc_cpu_fraction: f64,
    /// Peak of the resident memory of the process; 0 if the system does not report it.
    pub max_rss: u64,
    /// End of the first collection, nanoseconds since 1970, if it is still known.
    pub first_gc: Option<u64>,
}

/// The runtime keeps the ends of this many collections (`runtime/mstats.go`, `PauseEnd`).
const PAUSES_KEPT: u64 = 256;

impl MemStats {
    /// Reads the text of `heap?debug=1`.
    ///
    /// # Errors
    /// If it is another text, or cut off before the end of the statistics.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if !text.starts_with("heap profile:") {
            return Err(TextError::NotHeap);
        }
        let (_, statistics) = text.rsplit_once("# runtime.MemStats").ok_or(TextError::NoMemStats)?;
        let mut stats = Self::default();
        let mut is_complete = false;
        for line in statistics.lines() {
            let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else {
                continue;
            };
            stats.set(name, value);
            // Written after everything that is needed; MaxRSS follows if the system has it.
            is_complete |= name == "DebugGC";
        }
        if stats.num_gc > PAUSES_KEPT || stats.num_gc == 0 {
            stats.first_gc = None;
        }
        if is_complete { Ok(stats) } else { Err(TextError::NoMemStats) }
    }

    fn set(&mut self, name: &str, value: &str) {
        let field = match name {
            "Sys" => &mut self.sys,
            "HeapAlloc" => &mut self.heap_alloc,
            "HeapSys" => &mut self.heap_sys,
            "HeapIdle" => &mut self.heap_idle,
            "HeapInuse" => &mut self.heap_inuse,
            "HeapReleased" => &mut self.heap_released,
            "NextGC" => &mut self.next_gc,
            "LastGC" => &mut self.last_gc,
            "NumGC" => &mut self.num_gc,
            "NumForcedGC" => &mut self.num_forced_gc,
            "Mallocs" => &mut self.mallocs,
            "MaxRSS" => &mut self.max_rss,
            "GCCPUFraction" => {
                self.gc_cpu_fraction =
                    value.parse().ok().filter(|share: &f64| share.is_finite()).unwrap_or(0.0);
                return;
            }
            "PauseEnd" => {
                let first = value.trim_start_matches('[').split(' ').next();
                self.first_gc = first.and_then(|first| first.parse().ok());
                return;
            }
            _ => return,
        };
        *field = value.parse().unwrap_or(0);
    }

    /// Memory that GOMEMLIMIT bounds: `Sys − HeapReleased` (`runtime/debug/garbage.go`, `SetMemoryLimit`).
    #[must_use]
    pub fn retained(&self) -> u64 {
        self.sys.saturating_sub(self.heap_released)
    }

    /// Heap memory that is not given back.
    #[must_use]
    pub fn heap_retained(&self) -> u64 {
        self.heap_sys.saturating_sub(self.heap_released)
    }

    /// Memory of the runtime that is not heap: stacks, metadata, tables.
    #[must_use]
    pub fn not_heap(&self) -> u64 {
        self.sys.saturating_sub(self.heap_sys)
    }

    /// Collections that the pacer started.
    #[must_use]
    pub fn paced_gc(&self) -> u64 {
        self.num_gc.saturating_sub(self.num_forced_gc)
    }

    /// In spans that hold objects, but not in objects.
    #[must_use]
    pub fn pinned(&self) -> u64 {
        self.heap_inuse.saturating_sub(self.heap_alloc)
    }

    /// Size to which the pacer lets the heap grow before the next collection; without a memory limit the
    /// runtime keeps this and 10 % (`runtime/mgcscavenge.go`, `retainExtraPercent`).
    #[must_use]
    pub fn expected_heap(&self) -> u64 {
        let goal = self.next_gc.max(self.heap_alloc);
        goal.saturating_add(goal / 10)
    }
}

//! Every threshold of a verdict, with its unit and its source.
//!
//! "Measured" refers to a server with a fixed live heap and 200 MB/s of garbage in a 256 or 512 MiB
//! cgroup, Go 1.22 to 1.27; docs/diagnose.md shows the table.

/// Minimum number of captures for a trend: two points always lie on a line.
pub const MIN_CAPTURES: usize = 3;

/// Growth of the live heap over all captures, percent of its mean, above which it is no noise.
/// Measured: the live heap of a steady server varies by ±2 % from capture to capture, which gives a
/// fitted line over four captures a standard deviation of 1.5 % from end to end; this is three of them.
pub(crate) const GROWTH_PERCENT: u64 = 5;

/// Growth of the live heap in bytes that is never called growth: what a mostly idle server's own
/// buffers and caches take while they warm up.
pub(crate) const MIN_GROWTH: u64 = 1 << 20;

/// Growth between this and [`GROWTH_PERCENT`] that is steady at every step is reported as inconclusive.
pub(crate) const SLIGHT_GROWTH_PERCENT: u64 = 1;

/// Minimum distance of a slope from zero, in standard errors. At three, one in seven hundred is chance.
pub(crate) const SLOPE_ERRORS: f64 = 3.0;

/// The same for growth that is slight.
pub(crate) const SLIGHT_SLOPE_ERRORS: f64 = 6.0;

/// A rise whose later half is less than this share of its earlier half is slowing down: a cache that
/// fills, a warm-up. A leak under steady load has 1.
pub(crate) const SLOWING_SHARE: f64 = 0.5;

/// Standard deviations of sampling noise: with one sample in `rate` bytes, growth of `g` bytes is known
/// to ± sqrt(rate · g) (`runtime/malloc.go`, `nextSample`: a Poisson process).
pub(crate) const SAMPLING_ERRORS: f64 = 3.0;

/// Memory that is allocated while the collector marks counts as live until the next collection
/// (`runtime/mgc.go`: objects are allocated black). Marking takes this many seconds on a busy machine.
pub(crate) const MARK_SECONDS: f64 = 0.1;
/// Bytes of live heap that one core marks in a second, which is added to [`MARK_SECONDS`].
pub(crate) const MARK_BYTES_PER_SECOND: f64 = 1_073_741_824.0;

/// Goroutines that must have been added over all captures, and percent of their mean.
/// Requests in flight come and go; a leak only adds.
pub(crate) const MIN_GOROUTINE_GROWTH: u64 = 20;
/// See [`MIN_GOROUTINE_GROWTH`].
pub(crate) const GOROUTINE_GROWTH_PERCENT: u64 = 10;
/// Percent of the added goroutines that the fastest growing stacks must account for.
pub(crate) const GOROUTINE_DOMINANCE_PERCENT: u64 = 50;

/// Goroutines that the runtime itself calls leaked (`goroutineleak`, Go 1.27) before that alone is a
/// verdict. The runtime is right about each of them, but a program may well leave a few for good,
/// such as a `main` that waits in `select {}`.
pub(crate) const MIN_LEAKED_GOROUTINES: u64 = 10;

/// Percent of the limit of live heap from which GOMEMLIMIT helps. Measured: no kill at 40 %, one at
/// 45 %, 13 in 20 s at 50 %.
pub(crate) const WINDOW_FROM_PERCENT: u64 = 45;
/// Percent of the limit of live heap up to which GOMEMLIMIT helps. Measured: no kill with it at 70 %,
/// 14 in 20 s at 75 %.
pub(crate) const WINDOW_TO_PERCENT: u64 = 70;
/// Percent of a new limit that the live heap should take: 23 kills became 0 there, at 12 % GC CPU.
pub(crate) const TARGET_PERCENT: u64 = 60;

/// Above this percentage of the limit, GOMEMLIMIT is as good as unset: nothing is left for what the
/// runtime does not count. The same as the largest ratio of [`gomemlimit_core::value::Ratio::MAX`].
pub(crate) const GOMEMLIMIT_USELESS_PERCENT: u64 = 98;

/// Percent of all CPU time that garbage collection may take. Measured: 12 % at 60 % live heap, 31 % at
/// 70 %, 49 % at 75 %, where it thrashes.
pub(crate) const THRASH_GC_CPU: f64 = 0.25;
/// GOMEMLIMIT below this percentage of the live heap leaves the collector no room. Measured: 0.9 of the
/// limit at 72 % live heap.
pub(crate) const THRASH_ROOM_PERCENT: u64 = 125;
/// With less GC CPU than this, and fewer collections a second than [`NO_THRASH_GC_PER_SECOND`], a tight
/// GOMEMLIMIT hurts nobody at the moment. Both, since the share is of all CPU time that there is: on a busy
/// node a program that only collects may get little of it.
pub(crate) const NO_THRASH_GC_CPU: f64 = 0.10;
/// A server at rest collects every two minutes, one with room every few seconds.
pub(crate) const NO_THRASH_GC_PER_SECOND: f64 = 1.0;

/// Memory outside of what the runtime counts, percent of the limit: more than the 10 % that the default
/// ratio leaves for it.
pub(crate) const OFF_HEAP_PERCENT: u64 = 15;
/// The same in bytes: the program's own text and libraries are resident too.
pub(crate) const MIN_OFF_HEAP: u64 = 16 << 20;
/// Where no limit is known: percent of the resident memory.
pub(crate) const OFF_HEAP_OF_RSS_PERCENT: u64 = 50;

/// Heap that is neither live nor room for the next cycle and yet not given back, percent of the limit.
pub(crate) const FRAGMENTED_PERCENT: u64 = 15;
/// The same in bytes.
pub(crate) const MIN_FRAGMENTED: u64 = 16 << 20;
/// Where no limit is known: percent of what the runtime retains.
pub(crate) const FRAGMENTED_OF_RETAINED_PERCENT: u64 = 50;

/// A peak above this percentage of the limit, or an OOM kill, calls for an explanation.
pub(crate) const BURST_PEAK_PERCENT: u64 = 70;
/// A peak is a burst if it is at least this percentage of what the live heap needs with its garbage.
pub(crate) const BURST_NEED_PERCENT: u64 = 200;
/// Mean size in bytes from which the objects of an allocation site are huge: no other site of a server
/// allocates a mebibyte at once.
pub(crate) const HUGE_OBJECT: i64 = 1 << 20;

/// A caller is named in place of the function that allocates, if growth is this many times the share of what
/// it touched. A caller of a function that allocates for nobody else has the same share; a helper such as
/// `newBuffer` has a small one, and the cache that keeps its buffers a large one.
pub(crate) const HELPER_SHARE: f64 = 1.25;

/// Maximum number of stacks, functions and goroutine groups in a report.
pub(crate) const TOP_STACKS: usize = 5;

//! Leak or tuning? Heap profiles and statistics of a Go program in, a verdict with its evidence out.
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits: `gomemlimit diagnose`
//! captures, this crate decides.
//!
//! ```
//! use gomemlimit_pprof::{Capture, Decoder, Evidence, Gomemlimit, Limit, MemStats, Verdict, diagnose};
//!
//! // Bytes of /debug/pprof/heap?gc=1, and the text of /debug/pprof/heap?gc=1&debug=1.
//! let profile = include_bytes!("../tests/data/heap-1.pb.gz");
//! let statistics = include_str!("../tests/data/heap-1.txt");
//!
//! let mut decoder = Decoder::default();
//! let mut evidence =
//!     Evidence { limit: Limit::Bytes(256 << 20), gomemlimit: Gomemlimit::Unset, ..Evidence::default() };
//! for seconds in [0.0, 15.0, 30.0] {
//!     evidence.add(Capture {
//!         at: seconds,
//!         profile: Some(decoder.decode(profile)?),
//!         memstats: Some(MemStats::parse(statistics)?),
//!         ..Capture::default()
//!     });
//! }
//! let diagnosis = diagnose(&evidence);
//! // Nothing grew between the captures, and the heap fits.
//! assert_eq!(diagnosis.verdict, Verdict::Healthy, "{}", diagnosis.sentence);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Data flows one way: `decode` (profiles), `memstats` and `goroutines` (texts of `?debug=1`) → `evidence` → `growth`
//! (which stacks) and `trend` (does a series grow?) → `statistics` → `verdict` → `explain` → `diagnosis`.

mod decode;
mod diagnosis;
mod error;
mod evidence;
mod explain;
mod goroutines;
mod growth;
mod memstats;
mod profile;
mod resolve;
mod stack_pool;
mod stacks;
mod standard_library;
mod statistics;
mod text;
mod thresholds;
mod trend;
mod units;
mod verdict;
mod wire;

pub use decode::{Decoder, decode};
pub use diagnosis::{Diagnosis, diagnose};
pub use error::{ProfileError, TextError};
pub use evidence::{Capture, Evidence, Gomemlimit, History, Limit, RssSource};
pub use goroutines::{GoroutineGroup, Goroutines};
pub use growth::{AddedGoroutines, AllocationSite, GrowingStack, TopFunction};
pub use memstats::MemStats;
pub use profile::Profile;
pub use stacks::{FlatCum, Frame, Kind, SourceLine, Stack, Stacks};
pub use statistics::Statistics;
pub use thresholds::MIN_CAPTURES;
pub use trend::{Trend, TrendKind};
pub use verdict::{Eta, UnknownVerdict, Verdict};

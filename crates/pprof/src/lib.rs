//! Leak or tuning? Heap profiles and statistics of a Go program in, a verdict with its evidence out.
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits: `gomemlimit diagnose`
//! captures, this crate decides.
//!
//! Data flows one way: `decode` (a profile), `memstats` and `goroutines` (texts of `?debug=1`) →
//! `stacks` (aggregated, subtracted) → `trend` (does it grow?) → `figures` → `verdict`.

mod decode;
mod error;
mod figures;
mod goroutines;
mod growth;
mod memstats;
mod profile;
mod stacks;
mod text;
pub mod thresholds;
mod trend;
mod units;
mod verdict;
mod wire;
mod words;

pub use decode::{Decoder, decode};
pub use error::{ProfileError, TextError};
pub use figures::{Capture, Evidence, Figures, Gomemlimit, Limit, Past, RssSource};
pub use gomemlimit_core::units::human as bytes_text;
pub use goroutines::{GoroutineGroup, Goroutines};
pub use growth::{Growing, Holder};
pub use memstats::MemStats;
pub use profile::{Frame, Place, Profile};
pub use stacks::{FlatCum, Kind, Stack, Stacks};
pub use trend::{Movement, Trend};
pub use verdict::{Diagnosis, Verdict, diagnose};

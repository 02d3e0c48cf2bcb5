//! What was observed of a workload under load: the record, its figures, and the comparison of two.
//!
//! PURE: nothing here reads a clock, a file or a cluster. Data flows one way: `recorder` (polls of pods → a record) →
//! `record` (what is saved) → `figures` (one line a container) → `report` and `plot`.
//!
//! ```
//! use gomemlimit_observation::{Ended, Readings, Recorder, Sample, figures, report};
//!
//! let at_peak = |resident| Sample {
//!     pod: "api-0".to_owned(),
//!     container: "app".to_owned(),
//!     readings: Readings { resident: Some(resident), ..Readings::default() },
//!     ..Sample::default()
//! };
//! let mut recorder = Recorder::default();
//! recorder.add(0.0, [at_peak(100 << 20)]);
//! recorder.add(60.0, [at_peak(180 << 20)]);
//! let observation = recorder.observation(Ended::Time);
//! assert_eq!(figures(&observation)[0].peak, Some(180 << 20));
//! assert!(report(&observation).contains("180Mi"));
//! ```

mod figures;
mod plot;
mod record;
mod recorder;
mod report;

#[cfg(test)]
mod tests;

pub use figures::{Figures, GcShare, figures};
pub use plot::svg;
pub use record::{
    ContainerRecord, CpuBase, CpuTime, End, EndKind, Ended, MemorySample, Observation, RecordError, SCHEMA,
    VERSION,
};
pub use recorder::{Cpu, Readings, Recorder, Sample};
pub use report::{compare, comparison, report};

//! What was observed of a workload under load: the record, its figures, and the comparison of two.
//!
//! Pure: nothing here reads a clock, a file or a cluster. Data flows one way: `recorder` (polls of pods → a record) →
//! `record` (what is saved) → `figures` (one line a container) → `report` and `plot`.

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

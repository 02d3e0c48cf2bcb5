//! What was observed of a workload under load: the record, its figures, and the comparison of two.
//!
//! Pure: nothing here reads a clock, a file or a cluster. Data flows one way: `tally` (looks at pods → a record) →
//! `record` (what is saved) → `figures` (one line a container) → `table` and `plot`.

mod figures;
mod plot;
mod record;
mod table;
mod tally;

#[cfg(test)]
mod tests;

pub use figures::{Figures, GcShare, figures};
pub use plot::svg;
pub use record::{
    ContainerRecord, CpuBase, CpuTime, End, EndKind, Ended, Observation, RecordError, SCHEMA, Sample, VERSION,
};
pub use table::{compare, comparison, report};
pub use tally::{Cpu, Look, Readings, Tally};

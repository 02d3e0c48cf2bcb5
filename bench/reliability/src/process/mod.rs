//! The program alone, on loopback: load for a long time, and clients that mean harm.

mod markdown;
mod record;

pub use markdown::markdown;
pub use record::{
    Attack, Case, Hostile, Latency, Load, MAX_TICKS, Process, Rest, Rotation, Sample, Scenario, Unit,
};

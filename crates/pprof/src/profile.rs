//! A decoded heap profile.

use std::sync::Arc;

use crate::stacks::{Kind, Stack, Stacks, Values};

/// A decoded heap profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Time of the capture, nanoseconds since 1970; 0 if unknown.
    pub time_nanos: i64,
    /// Mean bytes between two samples, `runtime.MemProfileRate`; 524288 by default.
    pub rate: i64,
    /// Stacks, some of them more than once, and their values.
    pub(crate) samples: Vec<(Stack, Values)>,
}

impl Profile {
    /// This value of each stack.
    #[must_use]
    pub fn stacks(&self, kind: Kind) -> Stacks {
        let mut stacks = Stacks::default();
        for (stack, values) in &self.samples {
            let value = kind.of(*values);
            if value != 0 {
                stacks.add(Arc::clone(stack), value);
            }
        }
        stacks
    }

    /// The sum of this value.
    #[must_use]
    pub fn total(&self, kind: Kind) -> i64 {
        self.samples.iter().fold(0, |sum: i64, (_, values)| sum.saturating_add(kind.of(*values)))
    }
}

//! The stacks that all profiles of a run keep, each once, within bounds.

use std::{collections::HashSet, sync::Arc};

use crate::{
    error::ProfileError,
    stacks::{Frame, Stack},
    wire::bounded,
};

/// Maximum number of samples that all profiles of a run keep: 1,000 profiles of 2,000 stacks, 100 of 20,000.
const MAX_RUN_SAMPLES: usize = 1 << 21;
/// Maximum number of frames that all profiles of a run keep; a stack that several profiles have counts once.
const MAX_RUN_FRAMES: usize = 1 << 22;

/// Stacks, each once, and how much is kept so far.
#[derive(Debug, Default)]
pub(crate) struct StackPool {
    stacks: HashSet<Stack>,
    frames: usize,
    samples: usize,
}

impl StackPool {
    /// Counts the samples of one more profile.
    pub(crate) fn reserve(&mut self, samples: usize) -> Result<(), ProfileError> {
        self.samples = self.samples.saturating_add(samples);
        bounded(self.samples, MAX_RUN_SAMPLES, "stacks in all captures; take fewer captures")
    }

    /// The stack of these frames, the leaf first.
    pub(crate) fn stack(&mut self, frames: &[Frame]) -> Result<Stack, ProfileError> {
        if let Some(stack) = self.stacks.get(frames) {
            return Ok(Arc::clone(stack));
        }
        self.frames = self.frames.saturating_add(frames.len());
        bounded(self.frames, MAX_RUN_FRAMES, "frames in all captures; take fewer captures")?;
        let stack: Stack = frames.into();
        self.stacks.insert(Arc::clone(&stack));
        Ok(stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_of_a_run_have_one_budget() {
        let mut pool = StackPool { samples: MAX_RUN_SAMPLES - 5, ..StackPool::default() };
        assert_eq!((pool.reserve(3), pool.reserve(2)), (Ok(()), Ok(())));
        let error = pool.reserve(1).unwrap_err().to_string();
        assert_eq!(error, "is too large: more than 2097152 stacks in all captures; take fewer captures");

        let frames: Vec<_> = (0..4).map(|line| Frame::new("main.f".into(), "f.go".into(), line)).collect();
        let mut pool = StackPool { frames: MAX_RUN_FRAMES - 3, ..StackPool::default() };
        // The same once more takes nothing.
        assert!(pool.stack(&frames[1..]).is_ok() && pool.stack(&frames[1..]).is_ok());
        let error = pool.stack(&frames[..1]).unwrap_err().to_string();
        assert_eq!(error, "is too large: more than 4194304 frames in all captures; take fewer captures");
    }
}

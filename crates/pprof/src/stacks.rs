//! Profiles aggregated: by full stack, by function, and subtracted.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{Frame, Profile, profile::Values};

/// A stack, the leaf first.
pub type Stack = Arc<[Frame]>;

/// Which of the values of a heap profile; their names are those of `go tool pprof -sample_index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes allocated since the program started.
    AllocSpace,
    /// Objects allocated since the program started.
    AllocObjects,
    /// Bytes that are live.
    InuseSpace,
    /// Objects that are live.
    InuseObjects,
}

/// What one function has: by itself, and with everything it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlatCum {
    /// Where the function is the leaf.
    pub flat: i64,
    /// Where the function is anywhere in the stack, each stack once.
    pub cum: i64,
}

/// One value of each stack of a profile, stacks that are the same merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stacks(HashMap<Stack, i64>);

impl Kind {
    fn of(self, values: Values) -> i64 {
        match self {
            Self::AllocSpace => values.alloc_space,
            Self::AllocObjects => values.alloc_objects,
            Self::InuseSpace => values.inuse_space,
            Self::InuseObjects => values.inuse_objects,
        }
    }
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

impl Stacks {
    pub(crate) fn add(&mut self, stack: Stack, value: i64) {
        let sum = self.0.entry(stack).or_default();
        *sum = sum.saturating_add(value);
    }

    /// The stacks and their values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Stack, i64)> {
        self.0.iter().map(|(stack, value)| (stack, *value))
    }

    /// The value of this stack; 0 where it does not occur.
    #[must_use]
    pub fn get(&self, stack: &Stack) -> i64 {
        self.0.get(stack).copied().unwrap_or(0)
    }

    /// The sum over all stacks.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.values().fold(0, |sum: i64, value| sum.saturating_add(*value))
    }

    /// What changed since `base`, as `go tool pprof -diff_base` counts: `base` times −1, merged by stack.
    #[must_use]
    pub fn since(&self, base: &Self) -> Self {
        let mut difference = self.clone();
        for (stack, value) in base.iter() {
            let left = difference.0.entry(Arc::clone(stack)).or_default();
            *left = left.saturating_sub(value);
        }
        difference.0.retain(|_, value| *value != 0);
        difference
    }

    /// Flat and cumulative value of each function, as `go tool pprof -top` counts them: inlined calls
    /// are functions too, recursion counts once (`internal/graph/graph.go`, `newGraph`).
    #[must_use]
    pub fn functions(&self) -> BTreeMap<&str, FlatCum> {
        let mut functions: HashMap<&str, FlatCum> = HashMap::new();
        let mut seen = HashSet::new();
        for (stack, value) in self.iter() {
            seen.clear();
            for (depth, frame) in stack.iter().enumerate() {
                let name = &*frame.function;
                let of = functions.entry(name).or_default();
                if depth == 0 {
                    of.flat = of.flat.saturating_add(value);
                }
                if seen.insert(name) {
                    of.cum = of.cum.saturating_add(value);
                }
            }
        }
        functions.into_iter().filter(|(_, of)| *of != FlatCum::default()).collect()
    }
}

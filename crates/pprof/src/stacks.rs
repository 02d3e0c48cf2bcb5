//! Stacks and what was measured on them: aggregated by full stack, by function, and subtracted.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// A frame of a stack: a pointer, since the same place is in many stacks. Inlined calls have frames of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame(Arc<SourceLine>);

/// A line of a function in the source.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLine {
    /// As Go names it, such as `net/http.(*conn).serve`.
    pub function: Arc<str>,
    /// The file of the function; empty if unknown.
    pub file: Arc<str>,
    /// The line; 0 if unknown.
    pub line: i64,
    /// Of the other fields: stacks are hashed again and again.
    hash: u64,
}

impl Frame {
    pub(crate) fn new(function: Arc<str>, file: Arc<str>, line: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        (&function, &file, line).hash(&mut hasher);
        Self(Arc::new(SourceLine { function, file, line, hash: hasher.finish() }))
    }
}

impl Deref for Frame {
    type Target = SourceLine;

    fn deref(&self) -> &SourceLine {
        &self.0
    }
}

impl Hash for SourceLine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The four values that Go's heap profile has for each stack (`runtime/pprof/protomem.go`), already
/// scaled up from the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) alloc_objects: i64,
    pub(crate) alloc_space: i64,
    pub(crate) inuse_objects: i64,
    pub(crate) inuse_space: i64,
}

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

/// Value of one function: by itself, and with everything it calls.
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
    pub(crate) fn of(self, values: Values) -> i64 {
        match self {
            Self::AllocSpace => values.alloc_space,
            Self::AllocObjects => values.alloc_objects,
            Self::InuseSpace => values.inuse_space,
            Self::InuseObjects => values.inuse_objects,
        }
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

    /// The value of this stack; 0 if it does not occur.
    #[must_use]
    pub fn get(&self, stack: &Stack) -> i64 {
        self.0.get(stack).copied().unwrap_or(0)
    }

    /// The sum over all stacks.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.values().fold(0, |sum: i64, value| sum.saturating_add(*value))
    }

    /// Difference to `base`, as `go tool pprof -diff_base` counts: `base` times −1, merged by stack.
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

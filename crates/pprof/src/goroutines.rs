//! `/debug/pprof/goroutine?debug=1` and `goroutineleak?debug=1`: number and stacks of goroutines.

use std::collections::HashMap;

use serde::Serialize;

use crate::{error::TextError, text::printable};

/// Goroutines with the same stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoroutineGroup {
    /// Number of goroutines.
    pub count: u64,
    /// Functions, the innermost first.
    pub functions: Vec<String>,
    /// Source line of [`GoroutineGroup::function`], as `file:line`.
    pub place: String,
}

/// A goroutine profile as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Goroutines {
    /// Number of goroutines.
    pub total: u64,
    /// By stack, the largest group first.
    pub groups: Vec<GoroutineGroup>,
}

/// Maximum number of different stacks; the rest is not kept.
const MAX_GROUPS: usize = 20_000;
/// Maximum number of frames of one stack; the rest is not kept.
const MAX_STACK: usize = 128;
/// Maximum number of frames of all stacks together; the rest is not kept. Each is a text of its own.
const MAX_FRAMES: usize = 1 << 18;

impl Goroutines {
    /// Reads the text of `goroutine?debug=1` or `goroutineleak?debug=1`.
    ///
    /// # Errors
    /// If it is another text, or a group has no number.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        let total = ["goroutine profile: total ", "goroutineleak profile: total "]
            .into_iter()
            .find_map(|start| head.strip_prefix(start)?.trim().parse().ok())
            .ok_or(TextError::NotGoroutines)?;
        let (mut groups, mut frames): (Vec<GoroutineGroup>, usize) = (Vec::new(), 0);
        for line in body.lines() {
            if let Some((count, _)) = line.split_once(" @") {
                if groups.len() == MAX_GROUPS {
                    break;
                }
                let count = count.parse().map_err(|_| TextError::NotGoroutines)?;
                groups.push(GoroutineGroup { count, functions: Vec::new(), place: String::new() });
            } else if let (Some(frame), Some(group)) = (line.strip_prefix("#\t"), groups.last_mut())
                && frames < MAX_FRAMES
            {
                frames += 1;
                group.add(frame);
            }
        }
        groups.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| one.functions.cmp(&other.functions))
        });
        Ok(Self { total, groups })
    }

    /// Number of goroutines of each stack. The text has groups of their own for each set of labels and each line.
    pub(crate) fn by_stack(&self) -> HashMap<&[String], u64> {
        let mut counts: HashMap<&[String], u64> = HashMap::new();
        for group in &self.groups {
            let count = counts.entry(&group.functions).or_default();
            *count = count.saturating_add(group.count);
        }
        counts
    }
}

impl GoroutineGroup {
    /// Adds `0x5a39e4\tmain.wait+0x24\t\t/src/main.go:9`.
    fn add(&mut self, frame: &str) {
        let mut columns = frame.split('\t').filter(|column| !column.is_empty()).skip(1);
        let (Some(function), place) = (columns.next(), columns.next()) else { return };
        if self.functions.len() == MAX_STACK {
            return;
        }
        let function = function.rsplit_once("+0x").map_or(function, |(name, _)| name);
        let is_first_own = is_own(function) && !self.functions.iter().any(|name| is_own(name));
        if is_first_own || self.functions.is_empty() {
            self.place = printable(place.unwrap_or_default().trim()).into_owned();
        }
        self.functions.push(printable(function).into_owned());
    }

    /// The innermost function that is not one of those that every wait goes through.
    #[must_use]
    pub fn function(&self) -> &str {
        let own = self.functions.iter().find(|name| is_own(name));
        own.or(self.functions.first()).map_or("unknown", String::as_str)
    }
}

/// Whether a function is not of those that every wait goes through.
fn is_own(function: &str) -> bool {
    const EVERYONES: [&str; 5] = ["runtime.", "sync.", "internal/", "syscall.", "net.(*"];
    !EVERYONES.iter().any(|start| function.starts_with(start))
}

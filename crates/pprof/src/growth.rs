//! Which stacks grow, which functions hold the memory, and which goroutines were added.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    evidence::Capture,
    goroutines::GoroutineGroup,
    profile::Profile,
    stacks::{FlatCum, Frame, Kind, Stack, Stacks},
    standard_library::is_standard,
    thresholds::{HELPER_SHARE, MARK_BYTES_PER_SECOND, MARK_SECONDS, SAMPLING_ERRORS, TOP_STACKS},
    trend::Trend,
    units::{real, real_signed, whole},
};

/// A stack whose memory in use grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrowingStack {
    /// Bytes a minute.
    pub per_minute: u64,
    /// Bytes from the first to the last capture.
    pub growth: u64,
    /// Within this many bytes the growth is known: by sampling, and since garbage that comes up during a
    /// collection counts as live.
    pub noise: u64,
    /// Bytes in use in the last capture.
    pub in_use: u64,
    /// The innermost function that is not of the standard library, nor one that allocates for many.
    pub function: String,
    /// Source line, as `file:line`.
    pub place: String,
    /// Functions, the innermost first.
    pub stack: Vec<String>,
}

impl GrowingStack {
    /// Whether it grows by more than sampling could pretend.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.growth > self.noise
    }
}

/// A function that holds memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopFunction {
    /// The function.
    pub function: String,
    /// Bytes in use that it allocated itself.
    pub flat: u64,
    /// With what it calls.
    pub cum: u64,
}

/// An allocation site with large objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllocationSite {
    /// The innermost function that is not of the standard library.
    pub function: String,
    /// Source line, as `file:line`.
    pub place: String,
    /// Mean bytes of an object.
    pub object: u64,
    /// Bytes allocated since the program started.
    pub total: u64,
}

/// Goroutines of one stack, with how many were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddedGoroutines {
    /// Number of goroutines added from the first to the last capture.
    pub added: u64,
    /// The group in the last capture.
    #[serde(flatten)]
    pub group: GoroutineGroup,
}

/// Bytes of noise in a growth of `growth` bytes, with one sample in `rate` bytes.
pub(crate) fn sampling_noise(growth: f64, rate: i64) -> f64 {
    SAMPLING_ERRORS * (growth.abs() * real_signed(rate.max(1))).sqrt()
}

/// Growth of every stack of the last capture.
pub(crate) struct Growth {
    stacks: Vec<StackGrowth>,
    /// Of what a function allocated or held, the share that is growth; by its name.
    shares: HashMap<Arc<str>, f64>,
    seconds: f64,
    rate: i64,
}

struct StackGrowth {
    stack: Stack,
    growth: f64,
    in_use: i64,
    /// Bytes of it that may be garbage which came up during the collection.
    floating: f64,
}

impl Growth {
    pub(crate) fn of(captures: &[Capture]) -> Self {
        let series: Vec<(f64, &Profile)> =
            captures.iter().filter_map(|capture| Some((capture.at, capture.profile.as_ref()?))).collect();
        let (Some((from, first)), Some((to, last))) = (series.first(), series.last()) else {
            return Self { stacks: Vec::new(), shares: HashMap::new(), seconds: 0.0, rate: 1 };
        };
        let (before, now) = (first.stacks(Kind::InuseSpace), last.stacks(Kind::InuseSpace));
        let histories = histories(&now, &series);
        let allocated = last.stacks(Kind::AllocSpace).since(&first.stacks(Kind::AllocSpace));
        let marking = MARK_SECONDS + real_signed(now.total()) / MARK_BYTES_PER_SECOND;
        let seconds = to - from;
        let of_stack = |(stack, in_use): (&Stack, i64)| {
            let mut points: Vec<_> = series.iter().map(|(at, _)| (*at, 0.0)).collect();
            for (at, value) in histories.get(stack).into_iter().flatten() {
                if let Some((_, point)) = points.get_mut(*at) {
                    *point = real_signed(*value);
                }
            }
            let growth = Trend::fit(&points)?.growth;
            let floating = real_signed(allocated.get(stack).max(0)) / seconds * marking;
            Some(StackGrowth { stack: Arc::clone(stack), growth, in_use, floating })
        };
        let mut stacks: Vec<_> = now.iter().filter_map(of_stack).filter(|one| one.growth >= 1.0).collect();
        let order = |one: &StackGrowth| one.growth - one.floating;
        stacks.sort_by(|one, other| {
            order(other).total_cmp(&order(one)).then_with(|| one.stack.cmp(&other.stack))
        });
        Self { shares: shares(&stacks, &before, &allocated), stacks, seconds, rate: last.rate }
    }

    /// Bytes of the growth of all stacks that may be garbage which came up during the collection.
    pub(crate) fn floating(&self) -> f64 {
        self.stacks.iter().map(|one| one.growth.min(one.floating)).sum()
    }

    /// The function that a growing stack is called after: the innermost of the program's own, unless one that
    /// calls it is much closer to the growth. A helper allocates for many, and most of them let go of it.
    fn grower<'a>(&self, stack: &'a Stack) -> Option<&'a Frame> {
        let share = |frame: &Frame| self.shares.get(&frame.function).copied().unwrap_or(0.0);
        let own = stack.iter().filter(|frame| !is_standard(&frame.function));
        own.reduce(|best, outer| if share(outer) > HELPER_SHARE * share(best) { outer } else { best })
            .or(stack.first())
    }

    /// The stacks that grow, the fastest first.
    pub(crate) fn top(&self) -> Vec<GrowingStack> {
        let top = self.stacks.iter().take(TOP_STACKS);
        top.map(|one| {
            let (function, place) = named(self.grower(&one.stack));
            GrowingStack {
                per_minute: whole(one.growth / self.seconds * 60.0),
                growth: whole(one.growth),
                noise: whole(sampling_noise(one.growth, self.rate) + one.floating),
                in_use: one.in_use.unsigned_abs(),
                function,
                place,
                stack: one.stack.iter().map(|frame| frame.function.to_string()).collect(),
            }
        })
        .collect()
    }
}

/// Memory in use of each stack of the last profile, wherever it is not 0: the position in the series, and bytes. One
/// profile at a time, since there may be 1,000 of them.
fn histories<'p>(now: &'p Stacks, series: &[(f64, &Profile)]) -> HashMap<&'p Stack, Vec<(usize, i64)>> {
    let mut histories: HashMap<&Stack, Vec<_>> = now.iter().map(|(stack, _)| (stack, Vec::new())).collect();
    for (at, (_, profile)) in series.iter().enumerate() {
        for (stack, value) in profile.stacks(Kind::InuseSpace).iter() {
            if let Some(history) = histories.get_mut(stack) {
                history.push((at, value));
            }
        }
    }
    histories
}

/// Growth of each function with what it calls, as a share of what it held before and has allocated since.
fn shares(stacks: &[StackGrowth], before: &Stacks, allocated: &Stacks) -> HashMap<Arc<str>, f64> {
    let mut growth: HashMap<Arc<str>, f64> = HashMap::new();
    for one in stacks {
        let functions: HashSet<_> = one.stack.iter().map(|frame| &frame.function).collect();
        for function in functions {
            *growth.entry(Arc::clone(function)).or_default() += one.growth;
        }
    }
    let (before, allocated) = (before.functions(), allocated.functions());
    let cum = |of: &BTreeMap<&str, FlatCum>, function: &str| of.get(function).map_or(0, |of| of.cum.max(0));
    for (function, share) in &mut growth {
        let touched = real_signed(cum(&before, function).saturating_add(cum(&allocated, function)));
        *share /= touched.max(1.0);
    }
    growth
}

/// The functions that hold the most, by themselves.
pub(crate) fn top_functions(capture: Option<&Capture>) -> Vec<TopFunction> {
    let Some(profile) = capture.and_then(|capture| capture.profile.as_ref()) else { return Vec::new() };
    let stacks = profile.stacks(Kind::InuseSpace);
    let mut functions: Vec<TopFunction> = stacks
        .functions()
        .into_iter()
        .filter(|(_, of)| of.flat > 0)
        .map(|(function, of)| TopFunction {
            function: function.to_owned(),
            flat: of.flat.unsigned_abs(),
            cum: of.cum.unsigned_abs(),
        })
        .collect();
    functions.sort_by(|one, other| other.flat.cmp(&one.flat).then_with(|| one.function.cmp(&other.function)));
    functions.truncate(TOP_STACKS);
    functions
}

/// The site that allocated the most bytes in objects of at least `huge` bytes.
pub(crate) fn huge_site(capture: Option<&Capture>, huge: i64) -> Option<AllocationSite> {
    let profile = capture?.profile.as_ref()?;
    let objects = profile.stacks(Kind::AllocObjects);
    let space = profile.stacks(Kind::AllocSpace);
    let sites = space.iter().filter_map(|(stack, total)| {
        let object = total.checked_div(objects.get(stack))?;
        (object >= huge).then_some((total, object, stack))
    });
    // Hash maps have no order: equal sites by name, so that the answer is always the same.
    let (total, object, stack) = sites.max_by(|one, other| (one.0, one.2).cmp(&(other.0, other.2)))?;
    let (function, place) = culprit(stack);
    Some(AllocationSite { function, place, object: object.unsigned_abs(), total: total.unsigned_abs() })
}

/// The groups of goroutines that grew most between the first and the last capture.
pub(crate) fn added(captures: &[Capture]) -> Vec<AddedGoroutines> {
    let mut all = captures.iter().filter_map(|capture| capture.goroutines.as_ref());
    let Some(first) = all.next() else { return Vec::new() };
    let Some(last) = all.next_back() else { return Vec::new() };
    let (before, now) = (first.by_stack(), last.by_stack());
    // The text has groups of their own for each set of labels and each line.
    let mut seen = HashSet::new();
    let mut added: Vec<AddedGoroutines> = last
        .groups
        .iter()
        .filter(|group| seen.insert(&group.functions))
        .filter_map(|group| {
            let count = now.get(&*group.functions).copied().unwrap_or(0);
            let added = count.saturating_sub(before.get(&*group.functions).copied().unwrap_or(0));
            (added > 0).then(|| AddedGoroutines { added, group: GoroutineGroup { count, ..group.clone() } })
        })
        .collect();
    added.sort_by(|one, other| {
        other.added.cmp(&one.added).then_with(|| one.group.functions.cmp(&other.group.functions))
    });
    added.truncate(TOP_STACKS);
    added
}

/// Share of all added goroutines that these groups account for.
pub(crate) fn dominance(added: &[AddedGoroutines], growth: f64) -> f64 {
    let sum = added.iter().map(|one| one.added).sum();
    if growth > 0.0 { real(sum) / growth } else { 0.0 }
}

/// The innermost frame that is not of the standard library, and its source line.
fn culprit(stack: &Stack) -> (String, String) {
    named(stack.iter().find(|frame| !is_standard(&frame.function)).or(stack.first()))
}

fn named(frame: Option<&Frame>) -> (String, String) {
    let Some(frame) = frame else { return ("unknown".to_owned(), String::new()) };
    let file = frame.file.rsplit('/').next().unwrap_or_default();
    let place = if file.is_empty() { String::new() } else { format!("{file}:{}", frame.line) };
    (frame.function.to_string(), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str]) -> Stack {
        functions.iter().map(|function| Frame::new((*function).into(), "".into(), 0)).collect()
    }

    /// Who is named for each growing stack; of the others, bytes that were held before and those allocated since.
    fn named_for(growing: &[(&[&str], i64)], others: &[(&[&str], i64, i64)]) -> Vec<String> {
        let (mut before, mut allocated) = (Stacks::default(), Stacks::default());
        for (functions, growth) in growing {
            allocated.add(stack(functions), *growth);
        }
        for (functions, held, since) in others {
            before.add(stack(functions), *held);
            allocated.add(stack(functions), *since);
        }
        let grows = |(functions, growth): &(&[&str], i64)| StackGrowth {
            stack: stack(functions),
            growth: real_signed(*growth),
            in_use: *growth,
            floating: 0.0,
        };
        let stacks: Vec<_> = growing.iter().map(grows).collect();
        let growth = Growth { shares: shares(&stacks, &before, &allocated), stacks, seconds: 60.0, rate: 1 };
        growth.top().into_iter().map(|one| one.function).collect()
    }

    const LEAK: &[&str] = &["bytes.growSlice", "main.remember", "main.handle", "net/http.serve"];

    #[test]
    fn the_innermost_function_of_the_program_is_named() {
        assert_eq!(named_for(&[(LEAK, 1000)], &[]), ["main.remember"]);
        // It also makes garbage, and so do those that call it.
        let garbage: &[(&[&str], i64, i64)] = &[(LEAK, 0, 9000), (&["main.handle"], 500, 9000)];
        assert_eq!(named_for(&[(LEAK, 1000)], garbage), ["main.remember"]);
    }

    #[test]
    fn a_helper_that_allocates_for_many_is_not_named() {
        let leak: &[&str] = &["main.written", "main.remember", "main.handle"];
        let others: &[(&[&str], i64, i64)] =
            &[(&["main.written", "main.load"], 4000, 0), (&["main.written", "main.handle"], 0, 3000)];
        assert_eq!(named_for(&[(leak, 1000)], others), ["main.remember"]);
    }

    #[test]
    fn a_function_that_leaks_for_many_is_named_for_all_of_them() {
        let [one, other]: [&[&str]; 2] = [&["main.remember", "main.list"], &["main.remember", "main.search"]];
        assert_eq!(named_for(&[(one, 1000), (other, 400)], &[]), ["main.remember", "main.remember"]);
    }

    #[test]
    fn where_there_is_nothing_else_the_leaf_is_named() {
        assert_eq!(named_for(&[(&["bytes.growSlice", "net/http.serve"], 10)], &[]), ["bytes.growSlice"]);
        assert_eq!(named_for(&[(&[], 10)], &[]), ["unknown"]);
    }
}

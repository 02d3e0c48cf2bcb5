//! Which stacks grow, which functions hold the memory, and which goroutines were added.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    Capture, GoroutineGroup, Kind, Profile, Stack, Stacks, Trend,
    thresholds::{MARK_BYTES_PER_SECOND, MARK_SECONDS, SAMPLING_ERRORS, TOP_STACKS},
    units::{real, real_signed, whole},
};

/// A stack whose memory in use grows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growing {
    /// Bytes a minute.
    pub per_minute: u64,
    /// Bytes from the first to the last capture.
    pub growth: u64,
    /// Within this many bytes the growth is known: by sampling, and since garbage that comes up during a
    /// collection counts as live.
    pub noise: u64,
    /// Bytes in use in the last capture.
    pub in_use: u64,
    /// The innermost function that is not of the standard library.
    pub function: String,
    /// Where it stands, as `file:line`.
    pub place: String,
    /// Functions, the innermost first.
    pub stack: Vec<String>,
}

impl Growing {
    /// Whether it grows by more than sampling could pretend.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.growth > self.noise
    }
}

/// A function that holds memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
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
pub struct Site {
    /// The innermost function that is not of the standard library.
    pub function: String,
    /// Where it stands.
    pub place: String,
    /// Mean bytes of an object.
    pub object: u64,
    /// Bytes allocated since the program started.
    pub total: u64,
}

/// Goroutines of one stack, with how many were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Added from the first to the last capture.
    pub added: u64,
    /// What there is in the last one.
    #[serde(flatten)]
    pub group: GoroutineGroup,
}

/// Bytes of noise in a growth of `growth` bytes, with one sample in `rate` bytes.
pub(crate) fn sampling_noise(growth: f64, rate: i64) -> f64 {
    SAMPLING_ERRORS * (growth.abs() * real_signed(rate.max(1))).sqrt()
}

/// How every stack of the last capture grew.
pub(crate) struct Growth {
    stacks: Vec<StackGrowth>,
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
        let series: Vec<(f64, &Profile, Stacks)> = captures
            .iter()
            .filter_map(|capture| {
                let profile = capture.profile.as_ref()?;
                Some((capture.at, profile, profile.stacks(Kind::InuseSpace)))
            })
            .collect();
        let (Some((from, first, _)), Some((to, last, now))) = (series.first(), series.last()) else {
            return Self { stacks: Vec::new(), seconds: 0.0, rate: 1 };
        };
        let allocated = last.stacks(Kind::AllocSpace).since(&first.stacks(Kind::AllocSpace));
        let marking = MARK_SECONDS + real_signed(now.total()) / MARK_BYTES_PER_SECOND;
        let seconds = to - from;
        let of_stack = |(stack, in_use): (&Stack, i64)| {
            let points: Vec<_> =
                series.iter().map(|(at, _, stacks)| (*at, real_signed(stacks.get(stack)))).collect();
            let growth = Trend::fit(&points)?.growth;
            let floating = real_signed(allocated.get(stack).max(0)) / seconds * marking;
            Some(StackGrowth { stack: Arc::clone(stack), growth, in_use, floating })
        };
        let mut stacks: Vec<_> = now.iter().filter_map(of_stack).filter(|one| one.growth >= 1.0).collect();
        let order = |one: &StackGrowth| one.growth - one.floating;
        stacks.sort_by(|one, other| {
            order(other).total_cmp(&order(one)).then_with(|| one.stack.cmp(&other.stack))
        });
        Self { stacks, seconds, rate: last.rate }
    }

    /// Bytes of the growth of all stacks that may be garbage which came up during the collection.
    pub(crate) fn floating(&self) -> f64 {
        self.stacks.iter().map(|one| one.growth.min(one.floating)).sum()
    }

    /// The stacks that grow, the fastest first.
    pub(crate) fn top(&self) -> Vec<Growing> {
        let top = self.stacks.iter().take(TOP_STACKS);
        top.map(|one| {
            let (function, place) = culprit(&one.stack);
            Growing {
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

/// The functions that hold the most, by themselves.
pub(crate) fn holders(capture: Option<&Capture>) -> Vec<Holder> {
    let Some(profile) = capture.and_then(|capture| capture.profile.as_ref()) else { return Vec::new() };
    let stacks = profile.stacks(Kind::InuseSpace);
    let mut holders: Vec<Holder> = stacks
        .functions()
        .into_iter()
        .filter(|(_, of)| of.flat > 0)
        .map(|(function, of)| Holder {
            function: function.to_owned(),
            flat: of.flat.unsigned_abs(),
            cum: of.cum.unsigned_abs(),
        })
        .collect();
    holders.sort_by(|one, other| other.flat.cmp(&one.flat).then_with(|| one.function.cmp(&other.function)));
    holders.truncate(TOP_STACKS);
    holders
}

/// The site that allocated the most bytes in objects of at least `huge` bytes.
pub(crate) fn huge_site(capture: Option<&Capture>, huge: i64) -> Option<Site> {
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
    Some(Site { function, place, object: object.unsigned_abs(), total: total.unsigned_abs() })
}

/// The groups of goroutines that grew most between the first and the last capture.
pub(crate) fn added(captures: &[Capture]) -> Vec<Added> {
    let mut all = captures.iter().filter_map(|capture| capture.goroutines.as_ref());
    let Some(first) = all.next() else { return Vec::new() };
    let Some(last) = all.next_back() else { return Vec::new() };
    let mut before: HashMap<&[String], u64> = HashMap::new();
    for group in &first.groups {
        *before.entry(&group.functions).or_default() += group.count;
    }
    // The text has groups of their own for each set of labels and each line.
    let mut seen = HashSet::new();
    let mut added: Vec<Added> = last
        .groups
        .iter()
        .filter(|group| seen.insert(&group.functions))
        .filter_map(|group| {
            let count = last.at(&group.functions);
            let added = count.saturating_sub(before.get(&*group.functions).copied().unwrap_or(0));
            (added > 0).then(|| Added { added, group: GoroutineGroup { count, ..group.clone() } })
        })
        .collect();
    added.sort_by(|one, other| {
        other.added.cmp(&one.added).then_with(|| one.group.functions.cmp(&other.group.functions))
    });
    added.truncate(TOP_STACKS);
    added
}

/// Share of all added goroutines that these groups account for.
pub(crate) fn dominance(added: &[Added], growth: f64) -> f64 {
    let sum = added.iter().map(|one| one.added).sum();
    if growth > 0.0 { real(sum) / growth } else { 0.0 }
}

/// The innermost frame that is not of the standard library, and where it stands.
fn culprit(stack: &Stack) -> (String, String) {
    let own = stack.iter().find(|frame| !is_standard(&frame.function)).or(stack.first());
    let Some(frame) = own else { return ("unknown".to_owned(), String::new()) };
    let file = frame.file.rsplit('/').next().unwrap_or_default();
    let place = if file.is_empty() { String::new() } else { format!("{file}:{}", frame.line) };
    (frame.function.to_string(), place)
}

/// Whether a function is of Go's standard library: by the first part of its import path, since a module
/// may be called anything else, with or without a dot.
pub(crate) fn is_standard(function: &str) -> bool {
    const ROOTS: [&str; 47] = [
        "archive",
        "bufio",
        "bytes",
        "cmp",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "flag",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
        "unique",
        "weak",
    ];
    let root = function.split(['/', '.']).next().unwrap_or_default();
    ROOTS.contains(&root) && function.split_once('/').is_none_or(|(first, _)| !first.contains('.'))
        || function.starts_with("vendor/")
}

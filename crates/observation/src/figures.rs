//! A line for each container of a workload, over all its pods.

use std::collections::BTreeSet;

use serde::Serialize;

use super::record::{ContainerRecord, CpuBase, EndKind, Observation};

/// Figures of the containers of one name. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Name of the container.
    pub container: String,
    /// In how many pods it was seen.
    pub pods: usize,
    /// The memory limits that applied; several after a resize or a rollout.
    pub limits: BTreeSet<u64>,
    /// Values of GOMEMLIMIT: bytes, `off`, or a malformed text.
    pub gomemlimits: BTreeSet<String>,
    /// Restarts.
    pub restarts: u32,
    /// Ends with `OOMKilled`.
    pub oom_kills: u32,
    /// Ends by another SIGKILL.
    pub sigkills: u32,
    /// Ends for a malformed GOMEMLIMIT.
    pub malformed: u32,
    /// Ends with another exit code.
    pub failed: u32,
    /// Ends with exit code 0.
    pub completed: u32,
    /// Restarts of which the end was not seen: two between two polls.
    pub unseen: u32,
    /// The most memory.
    pub peak: Option<u64>,
    /// The most memory as a share of the limit that applied, 0 to 1.
    pub peak_share: Option<f64>,
    /// Heap that a collection left: the median, since marking under load counts new garbage as live.
    pub live_heap: Option<u64>,
    /// The most that was on the heap with the garbage.
    pub heap: Option<u64>,
    /// The collector's share of CPU time.
    pub gc: Option<GcShare>,
}

/// A share of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GcShare {
    /// 0 to 1.
    pub share: f64,
    /// Of what.
    pub of: CpuBase,
}

/// The figures of each name of a container, in the order of the record.
#[must_use]
pub fn figures(observation: &Observation) -> Vec<Figures> {
    let mut names: Vec<&str> = Vec::new();
    for record in &observation.containers {
        if !names.contains(&record.container.as_str()) {
            names.push(&record.container);
        }
    }
    let of_name = |name: &str| {
        let records: Vec<_> = observation.containers.iter().filter(|one| one.container == name).collect();
        Figures::of(&records)
    };
    names.into_iter().map(of_name).collect()
}

impl Figures {
    /// Of containers of the same name.
    pub(super) fn of(records: &[&ContainerRecord]) -> Self {
        let all = || records.iter().copied();
        let ends = |kind: EndKind| {
            let of_kind = all().flat_map(|one| &one.ends).filter(|end| end.kind == kind).count();
            u32::try_from(of_kind).unwrap_or(u32::MAX)
        };
        let samples = || all().flat_map(|record| &record.samples);
        Self {
            container: records.first().map(|record| record.container.clone()).unwrap_or_default(),
            pods: records.len(),
            limits: all().filter_map(|record| record.limit).collect(),
            gomemlimits: all().filter_map(|record| record.gomemlimit.clone()).collect(),
            restarts: all().map(|record| record.restarts).sum(),
            oom_kills: ends(EndKind::OomKilled),
            sigkills: ends(EndKind::Sigkilled),
            malformed: ends(EndKind::MalformedGomemlimit),
            failed: ends(EndKind::Failed),
            completed: ends(EndKind::Completed),
            unseen: all().map(unseen).sum(),
            peak: all().filter_map(|record| record.peak).max(),
            peak_share: all()
                .filter_map(|record| Some(share(record.peak?, record.limit?)))
                .max_by(f64::total_cmp),
            live_heap: median(samples().filter_map(|sample| sample.live_heap)),
            heap: samples().filter_map(|sample| sample.heap).max(),
            gc: gc_share(records),
        }
    }
}

/// The lower of the two in the middle.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn unseen(record: &ContainerRecord) -> u32 {
    record.restarts.saturating_sub(u32::try_from(record.ends.len()).unwrap_or(u32::MAX))
}

/// For people, not for a value that is set.
#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Over all pods, by the base that the first of them has.
fn gc_share(records: &[&ContainerRecord]) -> Option<GcShare> {
    let cpu = || records.iter().filter_map(|record| record.cpu);
    let of = cpu().next()?.of;
    let (gc, all) = cpu()
        .filter(|cpu| cpu.of == of)
        .fold((0.0, 0.0), |(gc, all), cpu| (gc + cpu.gc_seconds, all + cpu.all_seconds));
    // Less than a tenth of a second of CPU shows nothing.
    (all >= 0.1).then(|| GcShare { share: (gc / all).clamp(0.0, 1.0), of })
}

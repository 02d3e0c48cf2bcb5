//! Polls of pods, one after another, added up to a record.

use std::collections::BTreeMap;

use gomemlimit_core::pod::Termination;
use gomemlimit_pprof::{Gomemlimit, Limit};

use super::record::{
    ContainerRecord, CpuBase, CpuTime, End, EndKind, Ended, MemorySample, Observation, SCHEMA, VERSION,
};

/// State of one container at one poll.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// The memory limit that applies.
    pub limit: Limit,
    /// GOMEMLIMIT in the pod.
    pub gomemlimit: Gomemlimit,
    /// Number of restarts since the pod was created.
    pub restarts: u32,
    /// Last end, and whether that was for a malformed GOMEMLIMIT.
    pub end: Option<(Termination, bool)>,
    /// Whether the pod is about to be deleted: then an end is no news.
    pub is_ending: bool,
    /// Figures of the kubelet, metrics.k8s.io and the program.
    pub readings: Readings,
}

/// Figures at one poll, in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// The container's working set.
    pub working_set: Option<u64>,
    /// The process's resident memory.
    pub resident: Option<u64>,
    /// The most that was resident since the process started.
    pub resident_peak: Option<u64>,
    /// Heap that the last collection left.
    pub live_heap: Option<u64>,
    /// Objects on the heap with the garbage among them.
    pub heap: Option<u64>,
    /// GOMEMLIMIT as the runtime has it.
    pub gomemlimit: Option<Gomemlimit>,
    /// CPU time.
    pub cpu: Option<Cpu>,
}

/// CPU time since the process started, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cpu {
    /// Start of the process, seconds since 1970, if known: another one is another process.
    pub started: Option<f64>,
    /// Of the collector.
    pub gc: f64,
    /// Time that it is a share of.
    pub all: f64,
    /// Meaning of `all`.
    pub of: CpuBase,
}

/// The polls so far, added up.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    containers: Vec<ContainerState>,
    places: BTreeMap<(String, String), usize>,
    polls: u32,
    failed_polls: u32,
    last: f64,
}

/// A container, and what was counted before the observation.
#[derive(Clone, Debug, Default)]
struct ContainerState {
    record: ContainerRecord,
    /// Restarts before the observation.
    restarts_before: u32,
    /// Time of the last end that was counted, as the kubelet writes it.
    last_end: Option<String>,
    cpu: Option<Cpu>,
    resident_peak: Option<u64>,
}

impl Recorder {
    /// Adds a poll of all containers, `at` seconds after the first one.
    pub fn add(&mut self, at: f64, samples: impl IntoIterator<Item = Sample>) {
        // Restarts of pods that were there before the observation are not its own.
        let is_first = self.polls == self.failed_polls;
        self.polls += 1;
        self.last = at;
        for sample in samples {
            let key = (sample.pod.clone(), sample.container.clone());
            let place = *self.places.entry(key).or_insert_with(|| {
                self.containers.push(ContainerState::new(&sample, at, is_first));
                self.containers.len() - 1
            });
            if let Some(state) = self.containers.get_mut(place) {
                state.add(at, sample);
            }
        }
    }

    /// Counts a poll that the API server did not answer.
    pub fn failed(&mut self, at: f64) {
        self.polls += 1;
        self.failed_polls += 1;
        self.last = at;
    }

    /// For the progress: restarts and OOM kills so far, and the most memory that a container had, bytes.
    #[must_use]
    pub fn so_far(&self) -> (u32, usize, u64) {
        let records = || self.containers.iter().map(|state| &state.record);
        let is_oom_kill = |end: &&End| end.kind == EndKind::OomKilled;
        (
            records().map(|record| record.restarts).sum(),
            records().map(|record| record.ends.iter().filter(is_oom_kill).count()).sum(),
            records().filter_map(|record| record.peak).max().unwrap_or(0),
        )
    }

    /// The record.
    #[must_use]
    pub fn observation(self, ended: Ended) -> Observation {
        Observation {
            schema: SCHEMA.to_owned(),
            version: VERSION,
            seconds: self.last,
            polls: self.polls,
            failed_polls: self.failed_polls,
            ended,
            containers: self.containers.into_iter().map(|state| state.record).collect(),
            ..Observation::default()
        }
    }
}

impl ContainerState {
    fn new(sample: &Sample, at: f64, was_there: bool) -> Self {
        let end = sample.end.as_ref().map(|(end, _)| end.finished_at.clone());
        Self {
            record: ContainerRecord {
                pod: sample.pod.clone(),
                container: sample.container.clone(),
                from: at,
                ..ContainerRecord::default()
            },
            restarts_before: if was_there { sample.restarts } else { 0 },
            last_end: end.filter(|_| was_there),
            cpu: None,
            resident_peak: if was_there { sample.readings.resident_peak } else { None },
        }
    }

    fn add(&mut self, at: f64, sample: Sample) {
        self.record.to = at;
        self.record.limit = sample.limit.bytes();
        self.record.restarts = sample.restarts.saturating_sub(self.restarts_before);
        if let Some((end, is_malformed)) = sample.end
            && self.last_end.as_ref() != Some(&end.finished_at)
        {
            self.last_end = Some(end.finished_at.clone());
            if !sample.is_ending {
                self.record.ends.push(ended(at, end, is_malformed));
            }
        }
        let readings = sample.readings;
        let gomemlimit = readings.gomemlimit.as_ref().unwrap_or(&sample.gomemlimit);
        if let Some(text) = gomemlimit.to_text() {
            self.record.gomemlimit = Some(text);
        }
        self.add_peaks(&readings);
        if let Some(cpu) = readings.cpu {
            self.add_cpu(cpu);
        }
        let Readings { working_set, resident, live_heap, heap, .. } = readings;
        let sample = MemorySample { at, working_set, resident, live_heap, heap };
        if sample != (MemorySample { at, ..MemorySample::default() }) {
            self.record.samples.push(sample);
        }
    }

    fn add_peaks(&mut self, readings: &Readings) {
        // That of a process that was there before may be from before.
        let since_start = readings.resident_peak.filter(|peak| self.resident_peak != Some(*peak));
        if since_start.is_some() {
            self.resident_peak = None;
        }
        // The process's figure counts pages of files, too, that others may have read in.
        let resident = readings.resident.max(since_start).map(|bytes| self.record.at_most_the_limit(bytes));
        self.record.peak = self.record.peak.max(readings.working_set).max(resident);
    }

    /// Counting begins with the first reading; every process after that began at zero.
    fn add_cpu(&mut self, now: Cpu) {
        let from = match self.cpu {
            None => now,
            Some(last) if last.of != now.of => now,
            Some(last) if is_same_process(last, now) => last,
            Some(_) => Cpu::default(),
        };
        self.cpu = Some(now);
        let cpu = self.record.cpu.get_or_insert(CpuTime { of: now.of, ..CpuTime::default() });
        if cpu.of == now.of {
            cpu.gc_seconds += (now.gc - from.gc).max(0.0);
            cpu.all_seconds += (now.all - from.all).max(0.0);
        }
    }
}

/// A start is computed from the time of boot whenever it is asked for, and may differ by a second; a difference of two
/// counters may fall a little. Another process begins at zero.
fn is_same_process(last: Cpu, now: Cpu) -> bool {
    let starts = last.started.zip(now.started);
    starts.is_none_or(|(last, now)| (last - now).abs() <= 2.0) && now.all >= last.all - 1.0
}

fn ended(at: f64, end: Termination, is_malformed: bool) -> End {
    let kind = match end.exit_code {
        _ if is_malformed => EndKind::MalformedGomemlimit,
        _ if end.is_oom_kill() => EndKind::OomKilled,
        _ if end.is_sigkill() => EndKind::Sigkilled,
        0 => EndKind::Completed,
        _ => EndKind::Failed,
    };
    End { at, kind, reason: end.reason, exit_code: end.exit_code }
}

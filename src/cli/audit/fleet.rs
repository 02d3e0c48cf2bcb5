//! What was found about all containers: rows to print, and counts by namespace.

use std::collections::BTreeMap;

use gomemlimit_core::{
    audit::{AuditFinding, ContainerCoverage, Coverage, UncoveredReason},
    pod::{LivePod, Workload},
};

/// One container.
pub(super) struct Row {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) workload: Option<Workload>,
    pub(super) found: ContainerCoverage,
}

/// Counts of one namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) statuses: BTreeMap<Coverage, u64>,
    pub(super) gaps: BTreeMap<UncoveredReason, u64>,
    pub(super) oom_killed: u64,
    pub(super) sigkilled: u64,
    pub(super) malformed_crashes: u64,
}

impl Counts {
    fn add(&mut self, found: &ContainerCoverage) {
        *self.statuses.entry(found.status).or_default() += 1;
        if let Some(gap) = found.reason {
            *self.gaps.entry(gap).or_default() += 1;
        }
        self.oom_killed += u64::from(found.was_oom_killed());
        self.sigkilled += u64::from(found.was_sigkilled());
        self.malformed_crashes += u64::from(found.died_of_malformed_value());
    }

    pub(super) fn of(&self, status: Coverage) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    pub(super) fn of_word(&self, word: AuditFinding) -> u64 {
        match word {
            AuditFinding::Status(status) => self.of(status),
            AuditFinding::Uncovered(gap) => self.gaps.get(&gap).copied().unwrap_or_default(),
            AuditFinding::OomKilled => self.oom_killed,
            AuditFinding::Sigkilled => self.sigkilled,
            AuditFinding::MalformedCrash => self.malformed_crashes,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (gap, count) in &other.gaps {
            *self.gaps.entry(*gap).or_default() += count;
        }
        self.oom_killed += other.oom_killed;
        self.sigkilled += other.sigkilled;
        self.malformed_crashes += other.malformed_crashes;
    }
}

/// Which containers are kept as rows; all are counted.
#[derive(Clone, Debug)]
pub(super) enum Keep {
    None,
    All,
    /// Those for which one of the words holds.
    Only(Vec<AuditFinding>),
}

impl Keep {
    /// All where there is no word.
    pub(super) fn only(words: &[AuditFinding]) -> Self {
        if words.is_empty() { Self::All } else { Self::Only(words.to_vec()) }
    }

    pub(super) fn keeps(&self, found: &ContainerCoverage) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(words) => words.iter().any(|word| word.holds(found)),
        }
    }
}

/// All containers.
pub(super) struct Fleet {
    keep: Keep,
    pub(super) rows: Vec<Row>,
    pub(super) namespaces: BTreeMap<String, Counts>,
    /// Pods that were left out because they have ended well.
    pub(super) finished: u64,
    /// Pods that were left out because they cannot be read.
    pub(super) unreadable: u64,
    first_problem: Option<String>,
}

impl Fleet {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            rows: Vec::new(),
            namespaces: BTreeMap::new(),
            finished: 0,
            unreadable: 0,
            first_problem: None,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.keep.clone());
    }

    pub(super) fn add(&mut self, pod: &LivePod<'_>, found: Vec<ContainerCoverage>) {
        let workload = pod.workload();
        for found in found {
            self.namespaces.entry(pod.namespace().to_owned()).or_default().add(&found);
            if self.keep.keeps(&found) {
                self.rows.push(Row {
                    namespace: pod.namespace().to_owned(),
                    pod: pod.name().to_owned(),
                    workload: workload.clone(),
                    found,
                });
            }
        }
    }

    /// Leaves out the other rows.
    pub(super) fn retain(&mut self, keep: &Keep) {
        self.rows.retain(|row| keep.keeps(&row.found));
    }

    /// A pod of a shape that surprises us does not end the audit of the others.
    pub(super) fn add_unreadable(&mut self, error: &serde_json::Error) {
        self.unreadable += 1;
        self.first_problem.get_or_insert_with(|| error.to_string());
    }

    /// How many pods could not be read, and why.
    pub(super) fn unreadable(&self) -> Option<String> {
        let problem = self.first_problem.as_ref()?;
        Some(format!("{} pods cannot be read and are left out; the first: {problem}", self.unreadable))
    }

    pub(super) fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in self.namespaces.values() {
            total.merge(counts);
        }
        total
    }

    /// Whether there was nothing to judge.
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

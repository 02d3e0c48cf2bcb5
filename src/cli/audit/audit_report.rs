//! The result of an audit: a finding for each container, and counts by namespace.

use std::collections::BTreeMap;

use gomemlimit_core::{
    audit::{AuditFinding, ContainerCoverage, Coverage, UncoveredReason},
    pod::{LivePod, Workload},
};

/// The finding about one container.
pub(super) struct Finding {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) workload: Option<Workload>,
    pub(super) coverage: ContainerCoverage,
}

/// Containers of one namespace, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) statuses: BTreeMap<Coverage, u64>,
    pub(super) uncovered_reasons: BTreeMap<UncoveredReason, u64>,
    pub(super) oom_killed: u64,
    pub(super) sigkilled: u64,
    pub(super) malformed_crashes: u64,
}

impl Counts {
    fn add(&mut self, coverage: &ContainerCoverage) {
        *self.statuses.entry(coverage.status).or_default() += 1;
        if let Some(reason) = coverage.reason {
            *self.uncovered_reasons.entry(reason).or_default() += 1;
        }
        self.oom_killed += u64::from(coverage.was_oom_killed());
        self.sigkilled += u64::from(coverage.was_sigkilled());
        self.malformed_crashes += u64::from(coverage.died_of_malformed_value());
    }

    pub(super) fn with_status(&self, status: Coverage) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    pub(super) fn with_finding(&self, finding: AuditFinding) -> u64 {
        match finding {
            AuditFinding::Status(status) => self.with_status(status),
            AuditFinding::Uncovered(reason) => {
                self.uncovered_reasons.get(&reason).copied().unwrap_or_default()
            }
            AuditFinding::OomKilled => self.oom_killed,
            AuditFinding::Sigkilled => self.sigkilled,
            AuditFinding::MalformedCrash => self.malformed_crashes,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (reason, count) in &other.uncovered_reasons {
            *self.uncovered_reasons.entry(*reason).or_default() += count;
        }
        self.oom_killed += other.oom_killed;
        self.sigkilled += other.sigkilled;
        self.malformed_crashes += other.malformed_crashes;
    }
}

/// Selects the containers that are kept as rows; all are counted.
#[derive(Clone, Debug)]
pub(super) enum RowFilter {
    None,
    /// Containers with one of these findings; all containers if there are none.
    Only(Vec<AuditFinding>),
}

impl RowFilter {
    fn keeps(&self, coverage: &ContainerCoverage) -> bool {
        match self {
            Self::None => false,
            Self::Only(findings) => {
                findings.is_empty() || findings.iter().any(|finding| finding.holds(coverage))
            }
        }
    }
}

/// The result of an audit of all containers.
pub(super) struct AuditReport {
    filter: RowFilter,
    pub(super) rows: Vec<Finding>,
    pub(super) namespaces: BTreeMap<String, Counts>,
    /// Number of pods that are left out because they have ended well.
    pub(super) finished: u64,
    /// Number of pods that are left out because they cannot be read.
    pub(super) unreadable: u64,
    first_problem: Option<String>,
}

impl AuditReport {
    pub(super) fn new(filter: RowFilter) -> Self {
        Self {
            filter,
            rows: Vec::new(),
            namespaces: BTreeMap::new(),
            finished: 0,
            unreadable: 0,
            first_problem: None,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.filter.clone());
    }

    pub(super) fn add(&mut self, pod: &LivePod<'_>, containers: Vec<ContainerCoverage>) {
        let workload = pod.workload();
        for coverage in containers {
            self.namespaces.entry(pod.namespace().to_owned()).or_default().add(&coverage);
            if self.filter.keeps(&coverage) {
                self.rows.push(Finding {
                    namespace: pod.namespace().to_owned(),
                    pod: pod.name().to_owned(),
                    workload: workload.clone(),
                    coverage,
                });
            }
        }
    }

    /// Counts a pod of an unknown shape, which does not end the audit of the others.
    pub(super) fn add_unreadable(&mut self, error: &serde_json::Error) {
        self.unreadable += 1;
        self.first_problem.get_or_insert_with(|| error.to_string());
    }

    /// The number of pods that could not be read, with the first cause; `None` if all could be.
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

    /// Whether there are no containers.
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }
}

//! The assessment of the containers of one running pod.

use crate::{
    audit::{
        coverage::{ContainerCoverage, Coverage, LimitSource, UncoveredReason},
        selection::Selected,
    },
    decision::{
        decide::decide,
        memory_volumes::MemoryVolumes,
        outcome::{ContainerDecision, ContainerList},
        owned_values::{OwnedValue, ValueSource},
        user_value::{Existing, PodValues, UserValue, ValueProblem},
    },
    names::is_object_name,
    pod::{
        containers::Container,
        env::EnvVar,
        live::{History, LivePod, Workload, is_same_limit},
    },
    policy::Policy,
    reason::Reason,
    settings::annotations::NamespaceAnnotations,
    units::human,
    value::{
        formula,
        limit::{Limit, PodLimits},
    },
};

const NO_ROOM: &str = "no room for what the runtime does not count";

/// The coverage of every container of a running pod.
#[must_use]
pub fn assess(
    pod: &LivePod<'_>,
    namespace: &NamespaceAnnotations,
    policy: &Policy,
    selected: &Selected,
) -> Vec<ContainerCoverage> {
    let decision = decide(&pod.pod, namespace, policy);
    let limits = PodLimits::new(&pod.pod.spec);
    let assessor = Assessor {
        pod,
        limits: &limits,
        values: PodValues::new(&pod.pod.spec, &limits),
        memory_volumes: MemoryVolumes::read(&pod.pod.spec),
        selected,
        workload: pod.workload(),
    };
    let containers = pod.pod.spec.all_containers().zip(&decision.containers);
    containers.map(|(container, decision)| assessor.container(container, decision)).collect()
}

struct Assessor<'p, 'a> {
    pod: &'p LivePod<'a>,
    limits: &'p PodLimits,
    values: PodValues<'p, 'a>,
    memory_volumes: MemoryVolumes<'a>,
    selected: &'p Selected,
    workload: Option<Workload>,
}

/// The meaning of a GOMEMLIMIT, without the history of the container.
struct Assessment {
    status: Coverage,
    reason: Option<UncoveredReason>,
    bytes: Option<u64>,
    explanation: String,
    advice: String,
}

impl Assessment {
    fn new(
        status: Coverage,
        bytes: Option<u64>,
        explanation: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { status, reason: None, bytes, explanation: explanation.into(), advice: advice.into() }
    }
}

impl<'a> Assessor<'_, 'a> {
    fn container(&self, container: &Container<'a>, decision: &ContainerDecision<'_>) -> ContainerCoverage {
        let is_plain_init = decision.list == ContainerList::Init && !container.is_sidecar();
        let limit = self.limits.of(container, is_plain_init);
        let history = self.pod.history(&container.name);
        let entry = container.env.gomemlimit.as_ref().map(|(_, entry)| entry);
        let mut assessment = match (&decision.own, self.values.existing(container, limit)) {
            (Some(own), _) => self.own(own, container, limit),
            (None, Some(existing)) => self.users(&existing, container, limit),
            (None, None) => self.reason(container, decision),
        };
        if container.env.gomemlimit_indexes.len() > 1 {
            assessment.explanation += "; it is in env more than once, and the last one counts";
        }
        add_history(&mut assessment, &history);
        self.add_full_volumes(&mut assessment, container, limit, decision.own.as_ref());
        ContainerCoverage {
            name: container.name.to_string(),
            list: decision.list,
            status: assessment.status,
            reason: assessment.reason,
            limit: limit.bytes().map(|bytes| (bytes, source(limit, &history))),
            text: entry.filter(|entry| entry.value_from.is_none()).map(text_of),
            bytes: assessment.bytes,
            is_ours: decision.own.is_some(),
            explanation: assessment.explanation,
            advice: assessment.advice,
            restarts: history.restarts,
            end: history.end,
        }
    }

    /// A value of this program, and the limit that it was made for.
    fn own(&self, own: &OwnedValue, container: &Container<'_>, limit: Limit) -> Assessment {
        let made_for = own.limit;
        let Some(limit) = limit.bytes() else {
            let (bytes, explanation) =
                (own.source.bytes(), format!("made for a limit of {}; there is none now", human(made_for)));
            return Assessment::new(Coverage::Stale, Some(bytes), explanation, "set resources.limits.memory");
        };
        match own.source {
            // The limit is read again whenever the container starts.
            ValueSource::Track { .. } if self.pod.has_read_limit(container, made_for, Some(limit)) => {
                follows(formula::tracking_value(limit), limit)
            }
            ValueSource::Literal { bytes, .. } if is_same_limit(made_for, limit) => Assessment::new(
                Coverage::Covered,
                Some(bytes),
                format!("{} of the limit", percent(bytes, limit)),
                "",
            ),
            ValueSource::Track { bytes } | ValueSource::Literal { bytes, .. } => Assessment::new(
                Coverage::Stale,
                Some(bytes),
                format!(
                    "made for a limit of {}; {} of the limit now",
                    human(made_for),
                    percent(bytes, limit)
                ),
                format!("to get a value that fits: {}", self.restart_command()),
            ),
        }
    }

    /// A value of the user, or of a policy of the API server, which writes no status.
    fn users(&self, existing: &Existing<'_, 'a>, container: &Container<'a>, limit: Limit) -> Assessment {
        if let Some(problem) = &existing.problem {
            return self.problem(problem, self.values.downward(container));
        }
        match existing.value {
            UserValue::Unlimited => {
                Assessment::new(Coverage::Off, None, "switched off by the user: empty or `off`", "")
            }
            UserValue::Bytes(bytes) => {
                let downward = limit.bytes().or(self.values.downward(container));
                if let Some(limit) = downward.filter(|_| container.env.tracks_by().is_some()) {
                    return follows(bytes, limit);
                }
                let explanation = match limit.bytes() {
                    Some(limit) => format!("set by the user: {} of the limit", percent(bytes, limit)),
                    None => "set by the user; there is no memory limit to measure it against".to_owned(),
                };
                Assessment::new(Coverage::Covered, Some(bytes), explanation, "")
            }
            // The last two are always broken.
            UserValue::Unknown | UserValue::NodeSize | UserValue::Malformed(_) => {
                let explanation = match &existing.entry.value_from {
                    _ if limit == Limit::Invalid && container.env.tracks_by().is_some() => {
                        Reason::InvalidLimit.explanation().to_owned()
                    }
                    None => "made of other variables when the container starts".to_owned(),
                    Some(source) => match &source.resource_field_ref {
                        Some(reference) => format!("a reference to {}", &*reference.resource),
                        None => {
                            "from a ConfigMap, a Secret or a field of the pod, which are not read".to_owned()
                        }
                    },
                };
                Assessment::new(Coverage::Opaque, None, explanation, "")
            }
        }
    }

    fn problem(&self, problem: &ValueProblem, downward: Option<u64>) -> Assessment {
        let remove = format!("remove it from the manifest and {}", self.restart_command());
        let (bytes, explanation, advice) = match problem {
            ValueProblem::WholeLimit => {
                (downward, format!("a reference to 100 % of the limit: {NO_ROOM}"), remove)
            }
            ValueProblem::AtLimit { bytes, limit } => (
                Some(*bytes),
                format!("{} of the limit: {NO_ROOM}", percent(*bytes, *limit)),
                format!("lower it, or {remove}"),
            ),
            ValueProblem::AboveLimit { bytes, limit } => (
                Some(*bytes),
                format!("{} of the limit: the OOM killer comes first", percent(*bytes, *limit)),
                format!("lower it, or {remove}"),
            ),
            ValueProblem::Malformed { .. } => (
                None,
                "malformed: a Go program exits with code 2".to_owned(),
                format!("{}, or {remove}", problem.advice()),
            ),
            ValueProblem::TooLow { bytes } => (
                Some(*bytes),
                "so low that a Go program does little but collect garbage".to_owned(),
                format!("raise it, or {remove}"),
            ),
            ValueProblem::NodeSize => (
                None,
                "a reference to a memory limit that is not set: it is the node's size".to_owned(),
                "set resources.limits.memory".to_owned(),
            ),
        };
        let reason =
            (*problem == ValueProblem::NodeSize).then_some(UncoveredReason::Decided(Reason::NoMemoryLimit));
        Assessment { reason, ..Assessment::new(Coverage::from(problem), bytes, explanation, advice) }
    }

    /// Adds the volumes in memory, which count against the limit, to a sound value.
    fn add_full_volumes(
        &self,
        assessment: &mut Assessment,
        container: &Container<'a>,
        limit: Limit,
        own: Option<&OwnedValue>,
    ) {
        let (Coverage::Covered, Some(bytes), Some(limit)) =
            (assessment.status, assessment.bytes, limit.bytes())
        else {
            return;
        };
        let Some(excess) = self.memory_volumes.excess(container, bytes, limit) else { return };
        assessment.explanation = format!("{}; {}", assessment.explanation, excess.problem());
        assessment.advice = excess.advice(own.map(|own| own.source.kind()));
    }

    /// There is no GOMEMLIMIT in env.
    fn reason(&self, container: &Container<'_>, decision: &ContainerDecision<'_>) -> Assessment {
        let reason = decision.outcome.reason;
        if reason == Reason::AlreadySet {
            return Assessment::new(
                Coverage::Opaque,
                None,
                "an envFrom may define it, which is not read",
                "",
            );
        }
        let reason = match (reason, self.selected) {
            (Reason::Injected, Selected::Yes) => UncoveredReason::NotInjected,
            (Reason::Injected, Selected::OptedOut) => UncoveredReason::Decided(Reason::OptedOut),
            (Reason::Injected, Selected::NotLabelled { .. }) => UncoveredReason::NotLabelled,
            (Reason::Injected, Selected::Excluded) => UncoveredReason::ExcludedNamespace,
            (Reason::Injected, Selected::Unknown) => UncoveredReason::NamespaceUnknown,
            (reason, _) => UncoveredReason::Decided(reason),
        };
        // The text after the semicolon is advice: in a detail it is about this container, else `advice` has more.
        let text = decision.detail.as_deref().unwrap_or(reason.explanation());
        let (explanation, advice) = text.split_once("; ").unwrap_or((text, ""));
        let is_own_advice = decision.detail.is_some() && !advice.is_empty();
        let advice = if is_own_advice { advice.to_owned() } else { self.advice(reason) };
        let mut explanation = explanation.to_owned();
        if container.env_from_may_define() {
            explanation += ", unless an envFrom defines it";
        }
        Assessment { reason: Some(reason), ..Assessment::new(Coverage::Uncovered, None, explanation, advice) }
    }

    fn advice(&self, reason: UncoveredReason) -> String {
        match reason {
            UncoveredReason::NotInjected => self.restart_command(),
            UncoveredReason::NotLabelled => {
                let Selected::NotLabelled { label } = self.selected else { return String::new() };
                if !self.has_names() {
                    return String::new();
                }
                format!(
                    "kubectl label namespace {} {label}; then {}",
                    self.pod.namespace(),
                    self.restart_command()
                )
            }
            UncoveredReason::NamespaceUnknown => {
                "grant get and list on namespaces, to know whether it has opted in".to_owned()
            }
            UncoveredReason::Decided(Reason::NoMemoryLimit) => "set resources.limits.memory".to_owned(),
            UncoveredReason::Decided(Reason::SharedPodLimit) => {
                "give the container a memory limit of its own".to_owned()
            }
            UncoveredReason::Decided(Reason::InvalidLimit) => "correct the memory limit".to_owned(),
            UncoveredReason::Decided(Reason::BelowMinimum) => {
                "raise the memory limit, or set min-limit lower".to_owned()
            }
            UncoveredReason::Decided(Reason::AuditMode) => {
                format!("set mode to inject; then {}", self.restart_command())
            }
            UncoveredReason::Decided(_) | UncoveredReason::ExcludedNamespace => String::new(),
        }
    }

    /// Whether the pod is one that commands can name: a hostile API server makes up others.
    fn has_names(&self) -> bool {
        is_object_name(self.pod.namespace()) && is_object_name(self.pod.name())
    }

    /// The command that replaces the pod.
    fn restart_command(&self) -> String {
        if !self.has_names() {
            return "create the pod again".to_owned();
        }
        let namespace = self.pod.namespace();
        match &self.workload {
            Some(workload) => workload
                .restart_command(namespace)
                .unwrap_or_else(|| format!("kubectl delete pod {} -n {namespace}", self.pod.name())),
            None => format!("create pod {} in {namespace} again", self.pod.name()),
        }
    }
}

/// A value that is read from the limit whenever the container starts.
fn follows(bytes: u64, limit: u64) -> Assessment {
    let explanation = format!("{} of the limit, which it follows at every start", percent(bytes, limit));
    Assessment::new(Coverage::Covered, Some(bytes), explanation, "")
}

fn add_history(assessment: &mut Assessment, history: &History) {
    let Some(end) = &history.end else { return };
    if assessment.status == Coverage::Malformed && end.exit_code == 2 {
        assessment.explanation += ", and it did";
        return;
    }
    let (what, advice) = if end.is_oom_kill() {
        (
            "OOM-killed",
            "raise the limit, lower the ratio, or look for a leak or for memory outside of Go's heap",
        )
    } else if end.is_sigkill() {
        (
            "ended by SIGKILL, not by the OOM killer",
            "look for a failed liveness probe or a grace period that was over (kubectl describe pod)",
        )
    } else {
        return;
    };
    assessment.explanation = format!("{}; {what}", assessment.explanation);
    // The value is fine, and nothing is known to be wrong beside it.
    if assessment.status == Coverage::Covered && assessment.advice.is_empty() {
        advice.clone_into(&mut assessment.advice);
    }
}

fn source(limit: Limit, history: &History) -> LimitSource {
    match limit {
        Limit::FromPod(_) => LimitSource::Pod,
        _ if history.has_actual_resources => LimitSource::Running,
        _ => LimitSource::Spec,
    }
}

fn text_of(entry: &EnvVar<'_>) -> String {
    /// Maximum length for a table, in characters; no number is nearly as long.
    const MAX_CHARS: usize = 64;
    entry.value.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// `90 %`, rounded to tenths without a float.
fn percent(bytes: u64, limit: u64) -> String {
    let limit = u128::from(limit.max(1));
    let thousandths = (u128::from(bytes) * 1000 + limit / 2) / limit;
    match (thousandths / 10, thousandths % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenths) => format!("{whole}.{tenths} %"),
    }
}

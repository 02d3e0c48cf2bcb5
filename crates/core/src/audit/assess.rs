//! Judges the containers of one running pod.

use crate::{
    audit::{
        coverage::{ContainerCoverage, Coverage, Gap, LimitSource},
        selection::Selected,
    },
    decision::{
        decide::decide,
        memory_volumes::MemoryVolumes,
        outcome::{ContainerList, ContainerVerdict},
        owned_values::{Basis, Record},
        user_value::{Broken, Existing, PodValues, UserValue},
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

/// Judges every container of a running pod.
#[must_use]
pub fn assess(
    pod: &LivePod<'_>,
    namespace: &NamespaceAnnotations,
    policy: &Policy,
    selected: &Selected,
) -> Vec<ContainerCoverage> {
    let verdict = decide(&pod.pod, namespace, policy);
    let limits = PodLimits::new(&pod.pod.spec);
    let assessor = Assessor {
        pod,
        limits: &limits,
        values: PodValues::new(&pod.pod.spec, &limits),
        memory_volumes: MemoryVolumes::read(&pod.pod.spec),
        selected,
        workload: pod.workload(),
    };
    let containers = pod.pod.spec.all_containers().zip(&verdict.containers);
    containers.map(|(container, verdict)| assessor.container(container, verdict)).collect()
}

struct Assessor<'p, 'a> {
    pod: &'p LivePod<'a>,
    limits: &'p PodLimits,
    values: PodValues<'p, 'a>,
    memory_volumes: MemoryVolumes<'a>,
    selected: &'p Selected,
    workload: Option<Workload>,
}

/// What a GOMEMLIMIT means, before history is added.
struct Meaning {
    status: Coverage,
    gap: Option<Gap>,
    bytes: Option<u64>,
    why: String,
    todo: String,
}

impl Meaning {
    fn new(status: Coverage, bytes: Option<u64>, why: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { status, gap: None, bytes, why: why.into(), todo: todo.into() }
    }
}

impl<'a> Assessor<'_, 'a> {
    fn container(&self, container: &Container<'a>, verdict: &ContainerVerdict<'_>) -> ContainerCoverage {
        let is_plain_init = verdict.list == ContainerList::Init && !container.is_sidecar();
        let limit = self.limits.of(container, is_plain_init);
        let history = self.pod.history(&container.name);
        let entry = container.env.gomemlimit.as_ref().map(|(_, entry)| entry);
        let mut meaning = match (&verdict.own, self.values.existing(container, limit)) {
            (Some(own), _) => self.own(own, container, limit),
            (None, Some(existing)) => self.users(&existing, container, limit),
            (None, None) => self.gap(container, verdict),
        };
        if container.env.places.len() > 1 {
            meaning.why += "; it is in env more than once, and the last one counts";
        }
        add_history(&mut meaning, &history);
        self.add_full_volumes(&mut meaning, container, limit, verdict.own.as_ref());
        ContainerCoverage {
            name: container.name.to_string(),
            list: verdict.list,
            status: meaning.status,
            gap: meaning.gap,
            limit: limit.bytes().map(|bytes| (bytes, source(limit, &history))),
            text: entry.filter(|entry| entry.value_from.is_none()).map(text_of),
            bytes: meaning.bytes,
            is_ours: verdict.own.is_some(),
            why: meaning.why,
            todo: meaning.todo,
            restarts: history.restarts,
            end: history.end,
        }
    }

    /// A value of ours, and the limit that it was made for.
    fn own(&self, own: &Record, container: &Container<'_>, limit: Limit) -> Meaning {
        let made_for = own.limit;
        let Some(limit) = limit.bytes() else {
            let (bytes, why) =
                (own.basis.bytes(), format!("made for a limit of {}; there is none now", human(made_for)));
            return Meaning::new(Coverage::Stale, Some(bytes), why, "set resources.limits.memory");
        };
        match own.basis {
            // The limit is read again whenever the container starts.
            Basis::Track { .. } if self.pod.has_read_limit(container, made_for, Some(limit)) => {
                follows(formula::tracking_value(limit), limit)
            }
            Basis::Literal { bytes, .. } if is_same_limit(made_for, limit) => Meaning::new(
                Coverage::Covered,
                Some(bytes),
                format!("{} of the limit", percent(bytes, limit)),
                "",
            ),
            Basis::Track { bytes } | Basis::Literal { bytes, .. } => Meaning::new(
                Coverage::Stale,
                Some(bytes),
                format!(
                    "made for a limit of {}; {} of the limit now",
                    human(made_for),
                    percent(bytes, limit)
                ),
                format!("to get a value that fits: {}", self.renew()),
            ),
        }
    }

    /// A value of the user's, or one that a policy wrote, which has no status.
    fn users(&self, existing: &Existing<'_, 'a>, container: &Container<'a>, limit: Limit) -> Meaning {
        if let Some(broken) = &existing.broken {
            return self.broken(broken, self.values.downward(container));
        }
        match existing.value {
            UserValue::Unlimited => {
                Meaning::new(Coverage::Off, None, "switched off by the user: empty or `off`", "")
            }
            UserValue::Bytes(bytes) => {
                let downward = limit.bytes().or(self.values.downward(container));
                if let Some(limit) = downward.filter(|_| container.env.tracks_by().is_some()) {
                    return follows(bytes, limit);
                }
                let why = match limit.bytes() {
                    Some(limit) => format!("set by the user: {} of the limit", percent(bytes, limit)),
                    None => "set by the user; there is no memory limit to measure it against".to_owned(),
                };
                Meaning::new(Coverage::Covered, Some(bytes), why, "")
            }
            // The last two are always broken.
            UserValue::Unknown | UserValue::NodeSize | UserValue::Malformed(_) => {
                let why = match &existing.entry.value_from {
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
                Meaning::new(Coverage::Opaque, None, why, "")
            }
        }
    }

    fn broken(&self, broken: &Broken, downward: Option<u64>) -> Meaning {
        let remove = format!("remove it from the manifest and {}", self.renew());
        let (bytes, why, todo) = match broken {
            Broken::WholeLimit => (downward, format!("a reference to 100 % of the limit: {NO_ROOM}"), remove),
            Broken::AtLimit { bytes, limit } => (
                Some(*bytes),
                format!("{} of the limit: {NO_ROOM}", percent(*bytes, *limit)),
                format!("lower it, or {remove}"),
            ),
            Broken::AboveLimit { bytes, limit } => (
                Some(*bytes),
                format!("{} of the limit: the OOM killer comes first", percent(*bytes, *limit)),
                format!("lower it, or {remove}"),
            ),
            Broken::Malformed { .. } => (
                None,
                "malformed: a Go program exits with code 2".to_owned(),
                format!("{}, or {remove}", broken.advice()),
            ),
            Broken::TooLow { bytes } => (
                Some(*bytes),
                "so low that a Go program does little but collect garbage".to_owned(),
                format!("raise it, or {remove}"),
            ),
            Broken::NodeSize => (
                None,
                "a reference to a memory limit that is not set: it is the node's size".to_owned(),
                "set resources.limits.memory".to_owned(),
            ),
        };
        let gap = (*broken == Broken::NodeSize).then_some(Gap::Decided(Reason::NoMemoryLimit));
        Meaning { gap, ..Meaning::new(Coverage::from(broken), bytes, why, todo) }
    }

    /// A sound value is not all: volumes in memory count against the limit, too.
    fn add_full_volumes(
        &self,
        meaning: &mut Meaning,
        container: &Container<'a>,
        limit: Limit,
        own: Option<&Record>,
    ) {
        let (Coverage::Covered, Some(bytes), Some(limit)) = (meaning.status, meaning.bytes, limit.bytes())
        else {
            return;
        };
        let Some(excess) = self.memory_volumes.excess(container, bytes, limit) else { return };
        meaning.why = format!("{}; {}", meaning.why, excess.problem());
        meaning.todo = excess.advice(own.map(|own| own.basis.kind()));
    }

    /// There is no GOMEMLIMIT in env.
    fn gap(&self, container: &Container<'_>, verdict: &ContainerVerdict<'_>) -> Meaning {
        let reason = verdict.decision.reason;
        if reason == Reason::AlreadySet {
            return Meaning::new(Coverage::Opaque, None, "an envFrom may define it, which is not read", "");
        }
        let gap = match (reason, self.selected) {
            (Reason::Injected, Selected::Yes) => Gap::NotInjected,
            (Reason::Injected, Selected::OptedOut) => Gap::Decided(Reason::OptedOut),
            (Reason::Injected, Selected::NotLabelled { .. }) => Gap::NotLabelled,
            (Reason::Injected, Selected::Excluded) => Gap::ExcludedNamespace,
            (Reason::Injected, Selected::Unknown) => Gap::NamespaceUnknown,
            (reason, _) => Gap::Decided(reason),
        };
        // What follows is advice: in a detail it is about this container, else it is said in more detail here.
        let told = verdict.detail.as_deref().unwrap_or(gap.explanation());
        let (why, advice) = told.split_once("; ").unwrap_or((told, ""));
        let is_own_advice = verdict.detail.is_some() && !advice.is_empty();
        let todo = if is_own_advice { advice.to_owned() } else { self.todo(gap) };
        let mut why = why.to_owned();
        if container.env_from_may_define() {
            why += ", unless an envFrom defines it";
        }
        Meaning { gap: Some(gap), ..Meaning::new(Coverage::Uncovered, None, why, todo) }
    }

    fn todo(&self, gap: Gap) -> String {
        match gap {
            Gap::NotInjected => self.renew(),
            Gap::NotLabelled => {
                let Selected::NotLabelled { label } = self.selected else { return String::new() };
                if !self.has_names() {
                    return String::new();
                }
                format!("kubectl label namespace {} {label}; then {}", self.pod.namespace(), self.renew())
            }
            Gap::NamespaceUnknown => {
                "grant get and list on namespaces, to know whether it has opted in".to_owned()
            }
            Gap::Decided(Reason::NoMemoryLimit) => "set resources.limits.memory".to_owned(),
            Gap::Decided(Reason::SharedPodLimit) => "give the container a memory limit of its own".to_owned(),
            Gap::Decided(Reason::InvalidLimit) => "correct the memory limit".to_owned(),
            Gap::Decided(Reason::BelowMinimum) => "raise the memory limit, or set min-limit lower".to_owned(),
            Gap::Decided(Reason::AuditMode) => format!("set mode to inject; then {}", self.renew()),
            Gap::Decided(_) | Gap::ExcludedNamespace => String::new(),
        }
    }

    /// Whether the pod is one that commands can name: a hostile API server makes up others.
    fn has_names(&self) -> bool {
        is_object_name(self.pod.namespace()) && is_object_name(self.pod.name())
    }

    /// The command that makes a new pod of this one.
    fn renew(&self) -> String {
        if !self.has_names() {
            return "create the pod again".to_owned();
        }
        let namespace = self.pod.namespace();
        match &self.workload {
            Some(Workload { kind, name })
                if ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind.as_str()) && is_a_word(name) =>
            {
                format!("kubectl rollout restart {}/{name} -n {namespace}", kind.to_ascii_lowercase())
            }
            Some(Workload { kind, name }) if kind == "Job" => format!("run job/{name} in {namespace} again"),
            Some(_) => format!("kubectl delete pod {} -n {namespace}", self.pod.name()),
            None => format!("create pod {} in {namespace} again", self.pod.name()),
        }
    }
}

/// A value that is read from the limit whenever the container starts.
fn follows(bytes: u64, limit: u64) -> Meaning {
    let why = format!("{} of the limit, which it follows at every start", percent(bytes, limit));
    Meaning::new(Coverage::Covered, Some(bytes), why, "")
}

fn add_history(meaning: &mut Meaning, history: &History) {
    let Some(end) = &history.end else { return };
    if meaning.status == Coverage::Malformed && end.exit_code == 2 {
        meaning.why += ", and it did";
        return;
    }
    let (what, todo) = if end.is_oom_kill() {
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
    meaning.why = format!("{}; {what}", meaning.why);
    // The value is fine, and nothing is known to be wrong beside it.
    if meaning.status == Coverage::Covered && meaning.todo.is_empty() {
        todo.clone_into(&mut meaning.todo);
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
    /// As long as a table bears; no number is nearly as long.
    const MOST: usize = 64;
    entry.value.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(MOST).collect()
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

/// Whether a name is one for a shell: the API server takes any text for that of an owner.
fn is_a_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

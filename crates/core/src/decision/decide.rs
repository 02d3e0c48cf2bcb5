//! One decision for each container: the only place where it is decided.

use crate::{
    decision::{
        memory_volumes::MemoryVolumes,
        messages::{Outcome, about, about_existing, about_limit, left_behind},
        outcome::{
            AnnotationsPlace, ContainerList, ContainerVerdict, Decision, EnvPlace, NotTracked, Plan, Verdict,
        },
        owned_values::{Basis, Record, Recorded, Repaired},
        user_value::{Existing, ExistingValue, PodValues},
    },
    names::{INJECT_LABEL, OPTED_IN, OPTED_OUT, STATUS_ANNOTATION, TRACKING_VALUE},
    pod::{Pod, containers::Container, env::Mib},
    policy::Policy,
    quote::quote,
    reason::Reason,
    settings::{
        EnvFrom, InitContainers, Level, Mode, Repair, Setting, ValueKind,
        annotations::{Annotations, NamespaceAnnotations},
        precedence::Chain,
        rule::{Program, Target},
        rules::Ruling,
    },
    value::{
        formula,
        limit::{Limit, PodLimits},
    },
    warning::{Warning, WarningKind},
};

/// What decides about a pod besides the pod itself and the policy.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'n> {
    /// The namespace that the pod is created in; empty: the one that it names itself.
    pub namespace: &'n str,
    /// The annotations of that namespace.
    pub annotations: &'n NamespaceAnnotations,
    /// For a pod template: the kind of the object that will own its pods.
    pub owner: Option<&'n str>,
}

impl<'n> From<&'n NamespaceAnnotations> for Surroundings<'n> {
    fn from(annotations: &'n NamespaceAnnotations) -> Self {
        Self { namespace: "", annotations, owner: None }
    }
}

/// Decides about the creation of `pod`, for rules of the policy in the namespace that it names itself unless
/// its [`Surroundings`] say another one.
#[must_use]
pub fn decide<'a, 'n>(
    pod: &Pod<'a>,
    surroundings: impl Into<Surroundings<'n>>,
    policy: &Policy,
) -> Verdict<'a> {
    let surroundings = surroundings.into();
    let mut warnings = Vec::new();
    let pod_reason = pod_reason(pod, &mut warnings);
    let own = pod.annotations().map_or(&[][..], |annotations| &annotations.ours);
    let names: Vec<&str> = containers(pod).map(|(_, _, container)| &*container.name).collect();
    let annotations = Annotations::read(
        surroundings.annotations.iter().map(|(key, value)| (&**key, &**value)),
        own.iter().map(|(key, value)| (&**key, &**value)),
        &names,
        &mut warnings,
    );
    let status = pod.annotations().and_then(|annotations| annotations.get(STATUS_ANNOTATION));
    let limits = PodLimits::new(&pod.spec);
    let judge = Judge {
        policy,
        pod_reason,
        values: PodValues::new(&pod.spec, &limits),
        limits: &limits,
        memory_volumes: MemoryVolumes::read(&pod.spec),
        recorded: Recorded::read(status, &names),
    };
    let namespace = Some(surroundings.namespace).filter(|name| !name.is_empty()).unwrap_or(pod.namespace());
    let rules = policy.rules.for_pod(Target { namespace, owner: surroundings.owner, pod });

    let containers = containers(pod)
        .map(|(list, index, container)| {
            let ruling = rules.about(container);
            let chain = annotations.chain(&container.name, &ruling, &policy.defaults);
            judge.container((list, index), container, &ruling, chain, &mut warnings)
        })
        .collect();
    warnings.extend(rules.warning());
    Verdict { reason: None, containers, warnings, annotations: annotations_place(pod, status) }
}

/// Every container of the pod with its list and index, init containers first.
fn containers<'p, 'a>(
    pod: &'p Pod<'a>,
) -> impl Iterator<Item = (ContainerList, usize, &'p Container<'a>)> + use<'p, 'a> {
    let list = |list, containers: &'p [Container<'a>]| {
        containers.iter().enumerate().map(move |(index, container)| (list, index, container))
    };
    list(ContainerList::Init, &pod.spec.init_containers)
        .chain(list(ContainerList::Main, &pod.spec.containers))
}

fn annotations_place(pod: &Pod<'_>, status: Option<&str>) -> AnnotationsPlace {
    let earlier = status.map_or(0, |status| STATUS_ANNOTATION.len() + status.len());
    AnnotationsPlace {
        has_metadata: pod.metadata.is_some(),
        has_annotations: pod.annotations().is_some_and(|annotations| annotations.present),
        size: pod.annotations().map_or(0, |annotations| annotations.size.saturating_sub(earlier)),
    }
}

/// The reason that keeps us away from every container of the pod.
fn pod_reason(pod: &Pod<'_>, warnings: &mut Vec<Warning>) -> Option<Reason> {
    if pod.annotations().is_some_and(|annotations| annotations.is_mirror) {
        return Some(Reason::MirrorPod);
    }
    if pod.spec.is_windows() {
        return Some(Reason::Windows);
    }
    match pod.inject_label() {
        Some(value) if OPTED_OUT.contains(&value) => Some(Reason::OptedOut),
        None => None,
        Some(value) if OPTED_IN.contains(&value) => None,
        Some(other) => {
            warnings.push(Warning::new(
                WarningKind::UnknownName,
                format!(
                    "label {INJECT_LABEL}: {} is neither `enabled` nor `disabled`; ignored",
                    quote(other)
                ),
            ));
            None
        }
    }
}

/// What `already-set` means if nothing is set in env.
const ENV_FROM_RESPECTED: &str = "an envFrom may define GOMEMLIMIT";

/// What the decisions about all containers of a pod share.
struct Judge<'p, 'a> {
    policy: &'p Policy,
    /// What keeps us away from all of them.
    pod_reason: Option<Reason>,
    limits: &'p PodLimits,
    values: PodValues<'p, 'a>,
    memory_volumes: MemoryVolumes<'a>,
    recorded: Recorded,
}

impl<'a> Judge<'_, 'a> {
    fn container(
        &self,
        (list, index): (ContainerList, usize),
        container: &Container<'a>,
        ruling: &Ruling<'_>,
        chain: Chain<'_>,
        warnings: &mut Vec<Warning>,
    ) -> ContainerVerdict<'a> {
        let is_plain_init = list == ContainerList::Init && !container.is_sidecar();
        let limit = self.limits.of(container, is_plain_init);
        let own = self.own_value(container);
        let existing = if own.is_none() { self.values.existing(container, limit) } else { None };
        let broken = existing.as_ref().and_then(|existing| existing.broken.as_ref());
        let fixes = broken.is_some() && chain.repair().0 == Repair::Fix && container.env.has_all_places();

        let mut env_from = None;
        let skip =
            self.skip_reason(container, is_plain_init, own.is_some() || fixes, ruling, chain, &mut env_from);
        let planned = match skip {
            None => plan(container, limit, own, chain, warnings),
            Some(reason) => Err(reason),
        };
        let (mut reason, plan) = match planned {
            Err(reason) => (reason, None),
            Ok(plan) => (set_reason(&plan, own, fixes, chain), Some(plan)),
        };
        // What cannot be repaired is the user's like everything that need not be.
        let hindrance = (fixes && plan.is_none() && reason > Reason::AlreadySet).then_some(reason);
        if hindrance.is_some() {
            reason = Reason::AlreadySet;
        }

        if let Some(own) = own.filter(|_| plan.is_none()) {
            warnings.extend(left_behind(container, own, limit, reason));
        }
        let is_looked_at = reason == Reason::AlreadySet || (fixes && plan.is_some());
        let told = existing.as_ref().filter(|_| is_looked_at && chain.repair().0 != Repair::Off);
        let outcome = Outcome { repaired: plan.filter(|_| reason == Reason::Repaired), hindrance };
        let problem = told.and_then(|existing| about_existing(container, existing.broken.as_ref(), outcome));
        warnings.extend(problem.as_ref().map(|text| about(container, WarningKind::BrokenValue, text)));
        warnings.extend(self.full_volumes(container, limit, plan, told));
        let existing = existing.as_ref().map(ExistingValue::from);
        ContainerVerdict {
            name: container.name.clone(),
            list,
            index,
            decision: Decision { reason, limit: limit.bytes(), plan },
            env_from,
            reason_rule: self.reason_rule(reason, limit, container, ruling, chain).map(str::to_owned),
            value_rule: plan
                .filter(|plan| plan.source() == Level::Rule)
                .and_then(|plan| ruling.name_of(plan.decided_by()))
                .map(str::to_owned),
            env: env_place(container, own.is_some()),
            own: own.cloned(),
            repaired: existing.as_ref().filter(|_| fixes && plan.is_some()).map(|existing| Repaired {
                was: existing.value.clone(),
                problem: existing.problem.unwrap_or_default().to_owned(),
                entries: container.env.places.len(),
            }),
            existing,
            opaque: container.env.opaque(),
            detail: problem
                .or_else(|| (env_from == Some(EnvFrom::Skip)).then(|| ENV_FROM_RESPECTED.to_owned()))
                .or_else(|| self.about_limit(reason, limit, container, chain)),
        }
    }

    /// What a reason means for the memory limit of the container.
    fn about_limit(
        &self,
        reason: Reason,
        limit: Limit,
        container: &Container<'a>,
        chain: Chain<'_>,
    ) -> Option<String> {
        let text = container.resources.memory_limit().or(self.values.pod_memory_limit());
        about_limit(reason, text, limit, chain.min_limit().0)
    }

    /// A warning about volumes in memory that take more than GOMEMLIMIT leaves: ours, or a sound value of the user's.
    fn full_volumes(
        &self,
        container: &Container<'a>,
        limit: Limit,
        plan: Option<Plan>,
        users: Option<&Existing<'_, '_>>,
    ) -> Option<Warning> {
        let value = plan.map(|plan| plan.value).or_else(|| users?.sound_bytes())?;
        let excess = self.memory_volumes.excess(container, value, limit.bytes()?)?;
        let text = format!("{}; {}", excess.problem(), excess.advice(plan.map(|plan| plan.kind)));
        Some(about(container, WarningKind::MemoryVolume, &text))
    }

    /// The first reason that keeps us away from the container, whatever its limit. `is_ours`: whether what
    /// stands in env, if anything does, is ours to replace.
    fn skip_reason(
        &self,
        container: &Container<'_>,
        is_plain_init: bool,
        is_ours: bool,
        ruling: &Ruling<'_>,
        chain: Chain<'_>,
        env_from: &mut Option<EnvFrom>,
    ) -> Option<Reason> {
        if self.pod_reason.is_some() {
            return self.pod_reason;
        }
        let chosen = chain.mode();
        if chosen.mode == Mode::Off {
            return Some(Reason::OptedOut);
        }
        if is_plain_init && self.policy.init_containers == InitContainers::Sidecars {
            return Some(Reason::InitContainer);
        }
        if !is_ours && container.env.gomemlimit.is_some() {
            return Some(Reason::AlreadySet);
        }
        if !is_ours && container.env_from_may_define() {
            *env_from = Some(self.policy.env_from);
            if self.policy.env_from == EnvFrom::Skip {
                return Some(Reason::AlreadySet);
            }
        }
        if container.is_self_managed() {
            return Some(Reason::SelfManaged);
        }
        // Whoever writes a mode on the pod knows better than a rule what runs in it.
        let program = ruling.program.filter(|_| chosen.level > Level::Pod)?.0;
        match program {
            Program::Go => None,
            Program::SelfManaged => Some(Reason::SelfManaged),
            Program::NotGo => Some(Reason::NotGo),
        }
    }

    /// The name of the rule that brought about the reason.
    fn reason_rule<'r>(
        &self,
        reason: Reason,
        limit: Limit,
        container: &Container<'_>,
        ruling: &'r Ruling<'_>,
        chain: Chain<'r>,
    ) -> Option<&'r str> {
        match reason {
            Reason::OptedOut if self.pod_reason.is_none() => chain.rule_of_mode(),
            Reason::AuditMode => chain.rule_of_mode(),
            Reason::SelfManaged | Reason::NotGo if !container.is_self_managed() => {
                ruling.program.filter(|(program, _)| *program != Program::Go).map(|(_, name)| name)
            }
            Reason::BelowMinimum => {
                let (least, level) = chain.min_limit();
                let is_by_rule = level == Level::Rule && limit.bytes() < Some(least);
                ruling.name_of(Setting::MinLimit).filter(|_| is_by_rule)
            }
            Reason::Repaired if chain.repair().1 == Level::Rule => ruling.name_of(Setting::Repair),
            _ => None,
        }
    }

    /// What was recorded of GOMEMLIMIT, where it is the only one in env and provably ours.
    fn own_value(&self, container: &Container<'_>) -> Option<&Record> {
        let env = &container.env;
        let (_, entry) = env.gomemlimit.as_ref().filter(|_| env.places.len() == 1)?;
        let text = entry.value.as_deref().filter(|_| entry.value_from.is_none())?;
        // A value that tracks is ours together with the variable before it.
        let is_whole = text != TRACKING_VALUE || env.tracks_by().is_some();
        self.recorded.of_own_value(&container.name, text).filter(|_| is_whole)
    }
}

/// The reason for a value that can be given.
fn set_reason(plan: &Plan, own: Option<&Record>, fixes: bool, chain: Chain<'_>) -> Reason {
    let fits = |own: &Record| match own.basis {
        Basis::Literal { bytes, .. } => plan.kind == ValueKind::Literal && bytes == plan.value,
        // The text is always the same, but the status says for which limit.
        Basis::Track { .. } => plan.kind == ValueKind::Track && own.limit == plan.limit,
    };
    match own {
        _ if chain.mode().mode == Mode::Audit => Reason::AuditMode,
        None if fixes => Reason::Repaired,
        None => Reason::Injected,
        Some(own) if fits(own) => Reason::Kept,
        Some(_) => Reason::Updated,
    }
}

fn env_place(container: &Container<'_>, is_own: bool) -> EnvPlace {
    let env = &container.env;
    match (env.gomemlimit.as_ref(), &env.places[..]) {
        (Some((index, _)), _) if is_own => EnvPlace::Own { index: *index, mib: env.tracks_by() },
        (Some((_, entry)), [first, others @ ..]) => EnvPlace::Broken {
            first: *first,
            is_text: others.is_empty() && entry.value_from.is_none(),
            others: others.to_vec(),
        },
        _ if env.is_empty() => EnvPlace::NewList,
        _ if env.refers_to_limit => EnvPlace::Start,
        _ => EnvPlace::End,
    }
}

/// The value for a container that nothing else keeps us away from, or the reason why there is none.
fn plan(
    container: &Container<'_>,
    limit: Limit,
    own: Option<&Record>,
    chain: Chain<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Plan, Reason> {
    let (bytes, from_pod_limit) = match limit {
        Limit::Own(bytes) => (bytes, false),
        Limit::FromPod(bytes) => (bytes, true),
        Limit::None => return Err(Reason::NoMemoryLimit),
        Limit::Shared => return Err(Reason::SharedPodLimit),
        Limit::Invalid => return Err(Reason::InvalidLimit),
    };
    if bytes < chain.min_limit().0 {
        return Err(Reason::BelowMinimum);
    }
    let (wanted, kind_level) = chain.value();
    let not_tracked = match wanted {
        ValueKind::Literal => None,
        ValueKind::Track => not_tracked(container, limit, own),
    };
    let kind = if not_tracked.is_some() { ValueKind::Literal } else { wanted };
    let (ratio, ratio_level) = chain.ratio();
    let (value, headroom, headroom_level) = match kind {
        ValueKind::Track => (formula::tracking_value(bytes), 0, Level::Default),
        ValueKind::Literal => {
            let (headroom, level) = chain.headroom(bytes, &container.name, warnings);
            let value = formula::value(bytes, ratio, headroom).ok_or(Reason::BelowMinimum)?;
            (value, headroom, level)
        }
    };
    Ok(Plan {
        value,
        limit: bytes,
        from_pod_limit,
        kind,
        kind_level,
        not_tracked,
        ratio,
        ratio_level,
        headroom,
        headroom_level,
    })
}

/// What keeps the value from tracking.
fn not_tracked(container: &Container<'_>, limit: Limit, own: Option<&Record>) -> Option<NotTracked> {
    let is_own_variable = own.is_some_and(|own| own.basis.kind() == ValueKind::Track);
    match limit.own_bytes() {
        None => Some(NotTracked::NoOwnLimit),
        Some(bytes) if !formula::is_trackable(bytes) => Some(NotTracked::OddLimit),
        Some(_) if container.env.mib != Mib::Absent && !is_own_variable => Some(NotTracked::VariableTaken),
        Some(_) => None,
    }
}

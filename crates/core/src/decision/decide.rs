//! One decision for each container: the only place where it is decided.

use crate::{
    decision::{
        memory_volumes::MemoryVolumes,
        messages::{RepairResult, container_warning, limit_message, stale_value_warning, user_value_message},
        outcome::{
            AnnotationsState, ComputedValue, ContainerDecision, ContainerList, EnvTarget, NotTracked,
            Outcome, PodDecision,
        },
        owned_values::{OwnedValue, OwnedValues, Repaired, ValueSource},
        user_value::{Existing, ExistingValue, PodValues},
    },
    names::{INJECT_LABEL, OPTED_IN, OPTED_OUT, STATUS_ANNOTATION, TRACKING_VALUE},
    pod::{Pod, containers::Container, env::MibVariable},
    policy::Policy,
    quote::quote,
    reason::Reason,
    settings::{
        EnvFrom, InitContainers, Level, Mode, Repair, Setting, ValueKind,
        annotations::{Annotations, NamespaceAnnotations},
        precedence::Precedence,
        rule::{Program, Target},
        rules::MatchedRules,
    },
    value::{
        formula,
        limit::{Limit, PodLimits},
    },
    warning::{Warning, WarningKind},
};

/// What decides about a pod besides the pod itself and the policy.
#[derive(Clone, Copy, Debug)]
pub struct PodContext<'n> {
    /// The namespace that the pod is created in; empty: the one that it names itself.
    pub namespace: &'n str,
    /// The annotations of that namespace.
    pub annotations: &'n NamespaceAnnotations,
    /// For a pod template: the kind of the object that will own its pods.
    pub owner: Option<&'n str>,
}

impl<'n> From<&'n NamespaceAnnotations> for PodContext<'n> {
    fn from(annotations: &'n NamespaceAnnotations) -> Self {
        Self { namespace: "", annotations, owner: None }
    }
}

/// Decides about the creation of `pod`, for rules of the policy in the namespace that it names itself unless
/// its [`PodContext`] say another one.
#[must_use]
pub fn decide<'a, 'n>(pod: &Pod<'a>, context: impl Into<PodContext<'n>>, policy: &Policy) -> PodDecision<'a> {
    let context = context.into();
    let mut warnings = Vec::new();
    let pod_reason = pod_reason(pod, &mut warnings);
    let own = pod.annotations().map_or(&[][..], |annotations| &annotations.ours);
    let names: Vec<&str> = containers(pod).map(|(_, _, container)| &*container.name).collect();
    let annotations = Annotations::read(
        context.annotations.iter().map(|(key, value)| (&**key, &**value)),
        own.iter().map(|(key, value)| (&**key, &**value)),
        &names,
        &mut warnings,
    );
    let status = pod.annotations().and_then(|annotations| annotations.get(STATUS_ANNOTATION));
    let limits = PodLimits::new(&pod.spec);
    let decide = ContainerDecider {
        policy,
        pod_reason,
        values: PodValues::new(&pod.spec, &limits),
        limits: &limits,
        memory_volumes: MemoryVolumes::read(&pod.spec),
        owned: OwnedValues::read(status, &names),
    };
    let namespace = Some(context.namespace).filter(|name| !name.is_empty()).unwrap_or(pod.namespace());
    let rules = policy.rules.for_pod(Target { namespace, owner: context.owner, pod });

    let containers = containers(pod)
        .map(|(list, index, container)| {
            let matched = rules.matching(container);
            let precedence = annotations.precedence(&container.name, &matched, &policy.defaults);
            decide.container((list, index), container, &matched, precedence, &mut warnings)
        })
        .collect();
    warnings.extend(rules.warning());
    PodDecision { reason: None, containers, warnings, annotations: annotations_state(pod, status) }
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

fn annotations_state(pod: &Pod<'_>, status: Option<&str>) -> AnnotationsState {
    let earlier = status.map_or(0, |status| STATUS_ANNOTATION.len() + status.len());
    AnnotationsState {
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
struct ContainerDecider<'p, 'a> {
    policy: &'p Policy,
    /// What keeps us away from all of them.
    pod_reason: Option<Reason>,
    limits: &'p PodLimits,
    values: PodValues<'p, 'a>,
    memory_volumes: MemoryVolumes<'a>,
    owned: OwnedValues,
}

impl<'a> ContainerDecider<'_, 'a> {
    fn container(
        &self,
        (list, index): (ContainerList, usize),
        container: &Container<'a>,
        matched: &MatchedRules<'_>,
        precedence: Precedence<'_>,
        warnings: &mut Vec<Warning>,
    ) -> ContainerDecision<'a> {
        let is_plain_init = list == ContainerList::Init && !container.is_sidecar();
        let limit = self.limits.of(container, is_plain_init);
        let own = self.own_value(container);
        let existing = if own.is_none() { self.values.existing(container, limit) } else { None };
        let problem = existing.as_ref().and_then(|existing| existing.problem.as_ref());
        let fixes =
            problem.is_some() && precedence.repair().0 == Repair::Fix && container.env.has_all_indexes();

        let mut env_from = None;
        let skip = self.skip_reason(
            container,
            is_plain_init,
            own.is_some() || fixes,
            matched,
            precedence,
            &mut env_from,
        );
        let computed = match skip {
            None => compute(container, limit, own, precedence, warnings),
            Some(reason) => Err(reason),
        };
        let (mut reason, value) = match computed {
            Err(reason) => (reason, None),
            Ok(value) => (set_reason(&value, own, fixes, precedence), Some(value)),
        };
        // What cannot be repaired is the user's like everything that need not be.
        let blocked_by = (fixes && value.is_none() && reason > Reason::AlreadySet).then_some(reason);
        if blocked_by.is_some() {
            reason = Reason::AlreadySet;
        }

        if let Some(own) = own.filter(|_| value.is_none()) {
            warnings.extend(stale_value_warning(container, own, limit, reason));
        }
        let is_looked_at = reason == Reason::AlreadySet || (fixes && value.is_some());
        let told = existing.as_ref().filter(|_| is_looked_at && precedence.repair().0 != Repair::Off);
        let repair = RepairResult { repaired: value.filter(|_| reason == Reason::Repaired), blocked_by };
        let problem =
            told.and_then(|existing| user_value_message(container, existing.problem.as_ref(), repair));
        warnings.extend(
            problem.as_ref().map(|text| container_warning(container, WarningKind::BrokenValue, text)),
        );
        warnings.extend(self.full_volumes(container, limit, value, told));
        let existing = existing.as_ref().map(ExistingValue::from);
        ContainerDecision {
            name: container.name.clone(),
            list,
            index,
            outcome: Outcome { reason, limit: limit.bytes(), value },
            env_from,
            reason_rule: self.reason_rule(reason, limit, container, matched, precedence).map(str::to_owned),
            value_rule: value
                .filter(|value| value.level() == Level::Rule)
                .and_then(|value| matched.name_of(value.made_by()))
                .map(str::to_owned),
            env: env_target(container, own.is_some()),
            own: own.cloned(),
            repaired: existing.as_ref().filter(|_| fixes && value.is_some()).map(|existing| Repaired {
                was: existing.value.clone(),
                problem: existing.problem.unwrap_or_default().to_owned(),
                entries: container.env.gomemlimit_indexes.len(),
            }),
            existing,
            opaque: container.env.opaque(),
            detail: problem
                .or_else(|| (env_from == Some(EnvFrom::Skip)).then(|| ENV_FROM_RESPECTED.to_owned()))
                .or_else(|| self.about_limit(reason, limit, container, precedence)),
        }
    }

    /// What a reason means for the memory limit of the container.
    fn about_limit(
        &self,
        reason: Reason,
        limit: Limit,
        container: &Container<'a>,
        precedence: Precedence<'_>,
    ) -> Option<String> {
        let text = container.resources.memory_limit().or(self.values.pod_memory_limit());
        limit_message(reason, text, limit, precedence.min_limit().0)
    }

    /// A warning about volumes in memory that take more than GOMEMLIMIT leaves: ours, or a sound value of the user's.
    fn full_volumes(
        &self,
        container: &Container<'a>,
        limit: Limit,
        value: Option<ComputedValue>,
        users: Option<&Existing<'_, '_>>,
    ) -> Option<Warning> {
        let bytes = value.map(|value| value.bytes).or_else(|| users?.sound_bytes())?;
        let excess = self.memory_volumes.excess(container, bytes, limit.bytes()?)?;
        let text = format!("{}; {}", excess.problem(), excess.advice(value.map(|value| value.kind)));
        Some(container_warning(container, WarningKind::MemoryVolume, &text))
    }

    /// The first reason that keeps us away from the container, whatever its limit. `is_ours`: whether what
    /// stands in env, if anything does, is ours to replace.
    fn skip_reason(
        &self,
        container: &Container<'_>,
        is_plain_init: bool,
        is_ours: bool,
        matched: &MatchedRules<'_>,
        precedence: Precedence<'_>,
        env_from: &mut Option<EnvFrom>,
    ) -> Option<Reason> {
        if self.pod_reason.is_some() {
            return self.pod_reason;
        }
        let chosen = precedence.mode();
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
        let program = matched.program.filter(|_| chosen.level > Level::Pod)?.0;
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
        matched: &'r MatchedRules<'_>,
        precedence: Precedence<'r>,
    ) -> Option<&'r str> {
        match reason {
            Reason::OptedOut if self.pod_reason.is_none() => precedence.rule_of_mode(),
            Reason::AuditMode => precedence.rule_of_mode(),
            Reason::SelfManaged | Reason::NotGo if !container.is_self_managed() => {
                matched.program.filter(|(program, _)| *program != Program::Go).map(|(_, name)| name)
            }
            Reason::BelowMinimum => {
                let (least, level) = precedence.min_limit();
                let is_by_rule = level == Level::Rule && limit.bytes() < Some(least);
                matched.name_of(Setting::MinLimit).filter(|_| is_by_rule)
            }
            Reason::Repaired if precedence.repair().1 == Level::Rule => matched.name_of(Setting::Repair),
            _ => None,
        }
    }

    /// What was recorded of GOMEMLIMIT, where it is the only one in env and provably ours.
    fn own_value(&self, container: &Container<'_>) -> Option<&OwnedValue> {
        let env = &container.env;
        let (_, entry) = env.gomemlimit.as_ref().filter(|_| env.gomemlimit_indexes.len() == 1)?;
        let text = entry.value.as_deref().filter(|_| entry.value_from.is_none())?;
        // A value that tracks is ours together with the variable before it.
        let is_whole = text != TRACKING_VALUE || env.tracks_by().is_some();
        self.owned.of_own_value(&container.name, text).filter(|_| is_whole)
    }
}

/// The reason for a value that can be given.
fn set_reason(
    value: &ComputedValue,
    own: Option<&OwnedValue>,
    fixes: bool,
    precedence: Precedence<'_>,
) -> Reason {
    let fits = |own: &OwnedValue| match own.source {
        ValueSource::Literal { bytes, .. } => value.kind == ValueKind::Literal && bytes == value.bytes,
        // The text is always the same, but the status says for which limit.
        ValueSource::Track { .. } => value.kind == ValueKind::Track && own.limit == value.limit,
    };
    match own {
        _ if precedence.mode().mode == Mode::Audit => Reason::AuditMode,
        None if fixes => Reason::Repaired,
        None => Reason::Injected,
        Some(own) if fits(own) => Reason::Kept,
        Some(_) => Reason::Updated,
    }
}

fn env_target(container: &Container<'_>, is_own: bool) -> EnvTarget {
    let env = &container.env;
    match (env.gomemlimit.as_ref(), &env.gomemlimit_indexes[..]) {
        (Some((index, _)), _) if is_own => EnvTarget::Own { index: *index, mib: env.tracks_by() },
        (Some((_, entry)), [first, others @ ..]) => EnvTarget::Repair {
            first: *first,
            is_text: others.is_empty() && entry.value_from.is_none(),
            others: others.to_vec(),
        },
        _ if env.is_empty() => EnvTarget::NewList,
        _ if env.refers_to_limit => EnvTarget::Start,
        _ => EnvTarget::End,
    }
}

/// The value for a container that nothing else keeps us away from, or the reason why there is none.
fn compute(
    container: &Container<'_>,
    limit: Limit,
    own: Option<&OwnedValue>,
    precedence: Precedence<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<ComputedValue, Reason> {
    let (bytes, from_pod_limit) = match limit {
        Limit::Own(bytes) => (bytes, false),
        Limit::FromPod(bytes) => (bytes, true),
        Limit::None => return Err(Reason::NoMemoryLimit),
        Limit::Shared => return Err(Reason::SharedPodLimit),
        Limit::Invalid => return Err(Reason::InvalidLimit),
    };
    if bytes < precedence.min_limit().0 {
        return Err(Reason::BelowMinimum);
    }
    let (wanted, kind_level) = precedence.value();
    let not_tracked = match wanted {
        ValueKind::Literal => None,
        ValueKind::Track => not_tracked(container, limit, own),
    };
    let kind = if not_tracked.is_some() { ValueKind::Literal } else { wanted };
    let (ratio, ratio_level) = precedence.ratio();
    let (value, headroom, headroom_level) = match kind {
        ValueKind::Track => (formula::tracking_value(bytes), 0, Level::Default),
        ValueKind::Literal => {
            let (headroom, level) = precedence.headroom(bytes, &container.name, warnings);
            let value = formula::literal_value(bytes, ratio, headroom).ok_or(Reason::BelowMinimum)?;
            (value, headroom, level)
        }
    };
    Ok(ComputedValue {
        bytes: value,
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
fn not_tracked(container: &Container<'_>, limit: Limit, own: Option<&OwnedValue>) -> Option<NotTracked> {
    let is_own_variable = own.is_some_and(|own| own.source.kind() == ValueKind::Track);
    match limit.own_bytes() {
        None => Some(NotTracked::NoOwnLimit),
        Some(bytes) if !formula::is_trackable(bytes) => Some(NotTracked::OddLimit),
        Some(_) if container.env.mib != MibVariable::Absent && !is_own_variable => {
            Some(NotTracked::VariableTaken)
        }
        Some(_) => None,
    }
}

//! The decision about one container.

use crate::{
    decision::{
        compute::compute,
        memory_volumes::MemoryVolumes,
        messages::{
            ContainerLabel, RepairResult, container_warning, invalid_limit_message, invalid_sharer_message,
            limit_message, opted_out_by_label, opted_out_message, stale_value_warning, user_value_message,
        },
        outcome::{ComputedValue, ContainerDecision, ContainerList, EnvTarget, Outcome},
        owned_values::{OwnedValue, OwnedValues, Repaired, ValueSource},
        user_value::{Existing, ExistingValue, PodValues},
    },
    names::TRACKING_VALUE,
    pod::containers::Container,
    policy::Policy,
    reason::Reason,
    settings::{
        EnvFrom, InitContainers, Level, Mode, Repair, Setting, ValueKind, precedence::Precedence,
        rule::Program, rules::MatchedRules,
    },
    value::limit::{Limit, PodLimits},
    warning::{Warning, WarningKind},
};

/// The detail of `already-set` if nothing is set in env.
const ENV_FROM_RESPECTED: &str = "an envFrom may define GOMEMLIMIT";

/// The facts that the decisions about all containers of a pod share.
pub(super) struct PodFacts<'p, 'a> {
    pub(super) policy: &'p Policy,
    /// The reason to skip every container.
    pub(super) pod_reason: Option<Reason>,
    pub(super) limits: &'p PodLimits,
    /// Whether it is in an `OpenShift` Template.
    pub(super) is_in_template: bool,
    pub(super) values: PodValues<'p, 'a>,
    pub(super) memory_volumes: MemoryVolumes<'a>,
    pub(super) owned: OwnedValues,
}

/// One container and everything that its decision depends on.
pub(super) struct ContainerDecider<'d, 'a> {
    pod: &'d PodFacts<'d, 'a>,
    container: &'d Container<'a>,
    list: ContainerList,
    /// Its index in that list.
    index: usize,
    limit: Limit,
    /// The value in env, if this program wrote it.
    own: Option<&'d OwnedValue>,
    matched: &'d MatchedRules<'d>,
    precedence: Precedence<'d>,
}

impl<'d, 'a> ContainerDecider<'d, 'a> {
    pub(super) fn new(
        pod: &'d PodFacts<'d, 'a>,
        (list, index): (ContainerList, usize),
        container: &'d Container<'a>,
        matched: &'d MatchedRules<'d>,
        precedence: Precedence<'d>,
    ) -> Self {
        let limit = pod.limits.of(container, is_plain_init(list, container));
        let own = own_value(&pod.owned, container);
        Self { pod, container, list, index, limit, own, matched, precedence }
    }

    /// Decides about the container.
    pub(super) fn decide(&self, warnings: &mut Vec<Warning>) -> ContainerDecision<'a> {
        let Self { container, index, limit, own, .. } = *self;
        let repair = self.precedence.repair().0;
        let existing = if own.is_none() { self.pod.values.existing(container, limit) } else { None };
        let has_problem = existing.as_ref().is_some_and(|existing| existing.problem.is_some());
        let fixes = has_problem && repair == Repair::Fix && container.env.has_all_indexes();

        let computed = match self.skip_reason(own.is_some() || fixes) {
            None => compute((container, self.label()), limit, own, self.precedence, warnings),
            Some(reason) => Err(reason),
        };
        let (reason, value) = match computed {
            Err(reason) => (reason, None),
            Ok(value) => (self.set_reason(&value, fixes), Some(value)),
        };
        // A value that cannot be repaired stays, like one that need not be.
        let blocked_by = (fixes && value.is_none() && reason > Reason::AlreadySet).then_some(reason);
        let reason = if blocked_by.is_some() { Reason::AlreadySet } else { reason };
        let env_from = self.env_from(reason, value.is_some() || own.is_some());

        if let Some(own) = own.filter(|_| value.is_none()) {
            warnings.extend(stale_value_warning(self.label(), own, limit, reason));
        }
        let is_replaced = fixes && value.is_some();
        let reported = existing
            .as_ref()
            .filter(|_| (reason == Reason::AlreadySet || is_replaced) && repair != Repair::Off);
        let result = RepairResult { repaired: value.filter(|_| reason == Reason::Repaired), blocked_by };
        let problem =
            reported.and_then(|existing| user_value_message(container, existing.problem.as_ref(), result));
        let warning = |text: &String| container_warning(self.label(), WarningKind::BrokenValue, text);
        warnings.extend(problem.as_ref().map(warning));
        warnings.extend(self.full_volumes(value, reported));
        let existing = existing.as_ref().map(ExistingValue::from);
        ContainerDecision {
            name: container.name.clone(),
            list: self.list,
            index,
            outcome: Outcome { reason, limit: limit.bytes(), value },
            env_from,
            limit_range: None,
            reason_rule: self.reason_rule(reason).map(str::to_owned),
            value_rule: value.and_then(|value| self.value_rule(&value)).map(str::to_owned),
            env: env_target(container, own.is_some()),
            own: own.cloned(),
            repaired: existing.as_ref().filter(|_| is_replaced).map(|existing| Repaired {
                was: existing.value.clone(),
                problem: existing.problem.unwrap_or_default().to_owned(),
                entries: container.env.gomemlimit_indexes.len(),
            }),
            existing: existing.or_else(|| own.filter(|_| value.is_none()).map(ExistingValue::injected)),
            opaque: container.env.opaque(),
            detail: problem
                .or_else(|| (env_from == Some(EnvFrom::Skip)).then(|| ENV_FROM_RESPECTED.to_owned()))
                .or_else(|| self.reason_message(reason)),
        }
    }

    fn label(&self) -> ContainerLabel<'d> {
        ContainerLabel { name: &self.container.name, list: self.list, index: self.index }
    }

    /// The meaning of a reason for the container: the setting by which it has opted out, or what is wrong with its memory limit.
    fn reason_message(&self, reason: Reason) -> Option<String> {
        let text = self.container.resources.memory_limit().or(self.pod.values.pod_memory_limit());
        match reason {
            Reason::OptedOut if self.pod.pod_reason.is_some() => Some(opted_out_by_label()),
            Reason::OptedOut => Some(opted_out_message(self.precedence.mode(), &self.container.name)),
            Reason::InvalidLimit => invalid_limit_message(text?, self.pod.is_in_template).or_else(|| {
                let (name, text) = self.pod.values.invalid_sharer()?;
                invalid_sharer_message(name, text, self.pod.is_in_template)
            }),
            _ => limit_message(reason, text, self.limit, self.precedence.min_limit().0),
        }
    }

    /// A warning about volumes in memory that take more than GOMEMLIMIT leaves: the computed value, or a sound value of
    /// the user.
    fn full_volumes(
        &self,
        value: Option<ComputedValue>,
        existing: Option<&Existing<'_, '_>>,
    ) -> Option<Warning> {
        let bytes = value.map(|value| value.bytes).or_else(|| existing?.sound_bytes())?;
        let excess = self.pod.memory_volumes.excess(self.container, bytes, self.limit.bytes()?)?;
        let text = format!("{}; {}", excess.problem(), excess.advice(value.map(|value| value.kind)));
        Some(container_warning(self.label(), WarningKind::MemoryVolume, &text))
    }

    /// The meaning of an `envFrom` that may define GOMEMLIMIT, for a first value and for a later one: a value of this
    /// program in env overrides it. `has_value`: the container gets or keeps such a value.
    fn env_from(&self, reason: Reason, has_value: bool) -> Option<EnvFrom> {
        if !self.container.env_from_may_define() {
            None
        } else if has_value {
            Some(EnvFrom::Inject)
        } else {
            let is_respected = reason == Reason::AlreadySet && self.container.env.gomemlimit.is_none();
            is_respected.then_some(EnvFrom::Skip)
        }
    }

    /// The first reason to skip the container, whatever its limit. `may_replace`: a GOMEMLIMIT in env may be replaced.
    fn skip_reason(&self, may_replace: bool) -> Option<Reason> {
        let Self { pod: PodFacts { policy, pod_reason, .. }, container, .. } = self;
        if pod_reason.is_some() {
            return *pod_reason;
        }
        let chosen = self.precedence.mode();
        if chosen.mode == Mode::Off {
            return Some(Reason::OptedOut);
        }
        if is_plain_init(self.list, container) && policy.init_containers == InitContainers::Sidecars {
            return Some(Reason::InitContainer);
        }
        if !may_replace && container.env.gomemlimit.is_some() {
            return Some(Reason::AlreadySet);
        }
        if !may_replace && container.env_from_may_define() && policy.env_from == EnvFrom::Skip {
            return Some(Reason::AlreadySet);
        }
        if container.is_self_managed() {
            return Some(Reason::SelfManaged);
        }
        // A mode on the pod is stronger than a rule about the program.
        match self.matched.program.filter(|_| chosen.level > Level::Pod)?.0 {
            Program::Go => None,
            Program::SelfManaged => Some(Reason::SelfManaged),
            Program::NotGo => Some(Reason::NotGo),
        }
    }

    /// The reason for a value that can be given.
    fn set_reason(&self, value: &ComputedValue, fixes: bool) -> Reason {
        let fits = |own: &OwnedValue| match own.source {
            ValueSource::Literal { bytes, .. } => value.kind == ValueKind::Literal && bytes == value.bytes,
            // The text is always the same; the status records the limit.
            ValueSource::Track { .. } => value.kind == ValueKind::Track && own.limit == value.limit,
        };
        match self.own {
            _ if self.precedence.mode().mode == Mode::Audit => Reason::AuditMode,
            None if fixes => Reason::Repaired,
            None => Reason::Injected,
            Some(own) if fits(own) => Reason::Kept,
            Some(_) => Reason::Updated,
        }
    }

    /// The name of the rule that led to the reason.
    fn reason_rule(&self, reason: Reason) -> Option<&'d str> {
        let Self { precedence, matched, .. } = self;
        match reason {
            Reason::OptedOut if self.pod.pod_reason.is_none() => precedence.rule_of_mode(),
            Reason::AuditMode => precedence.rule_of_mode(),
            Reason::SelfManaged | Reason::NotGo if !self.container.is_self_managed() => {
                matched.program.filter(|(program, _)| *program != Program::Go).map(|(_, name)| name)
            }
            Reason::BelowMinimum => {
                let (minimum, level) = precedence.min_limit();
                let is_by_rule = level == Level::Rule && self.limit.bytes() < Some(minimum);
                matched.name_of(Setting::MinLimit).filter(|_| is_by_rule)
            }
            Reason::Repaired if precedence.repair().1 == Level::Rule => matched.name_of(Setting::Repair),
            _ => None,
        }
    }

    /// The name of the rule that gave the setting that made the value.
    fn value_rule(&self, value: &ComputedValue) -> Option<&'d str> {
        self.matched.name_of(value.made_by()).filter(|_| value.level() == Level::Rule)
    }
}

fn is_plain_init(list: ContainerList, container: &Container<'_>) -> bool {
    list == ContainerList::Init && !container.is_sidecar()
}

/// The record of GOMEMLIMIT, if it is the only one in env and provably a value of this program.
fn own_value<'o>(owned: &'o OwnedValues, container: &Container<'_>) -> Option<&'o OwnedValue> {
    let env = &container.env;
    let (_, entry) = env.gomemlimit.as_ref().filter(|_| env.gomemlimit_indexes.len() == 1)?;
    let text = entry.value.as_deref().filter(|_| entry.value_from.is_none())?;
    // A value that tracks counts only together with the variable before it.
    let is_whole = text != TRACKING_VALUE || env.tracks_by().is_some();
    owned.of_own_value(&container.name, text).filter(|_| is_whole)
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

//! One decision for each container: the only place where it is decided.

use crate::{
    annotations::{Annotations, Chain, NamespaceAnnotations},
    existing::{self, Yardstick},
    memlimit::{self, Ratio},
    names::{INJECT_LABEL, STATUS_ANNOTATION},
    pod::{Container, Pod},
    podlimit::{Limit, PodLimits},
    reason::Reason,
    settings::{EnvFrom, InitContainers, Level, Mode, Policy, Repair},
    status::{Record, Recorded},
    text::{Text, quote},
    warning::{Warning, WarningKind},
};

/// What was decided about a pod.
#[derive(Debug, Default)]
pub struct Verdict<'a> {
    /// The reason that holds for a request in which no container was looked at.
    pub reason: Option<Reason>,
    /// One for each container: init containers first, in the order of the pod.
    pub containers: Vec<ContainerVerdict<'a>>,
    /// What is wrong, in the order in which it was found.
    pub warnings: Vec<Warning>,
    pub(crate) annotations: AnnotationsPlace,
}

impl Verdict<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Verdict<'static> {
        let containers = self.containers.into_iter().map(|container| ContainerVerdict {
            name: container.name.into_owned(),
            list: container.list,
            index: container.index,
            decision: container.decision,
            env_from: container.env_from,
            env: container.env,
            own: container.own,
        });
        Verdict {
            containers: containers.collect(),
            reason: self.reason,
            warnings: self.warnings,
            annotations: self.annotations,
        }
    }
}

/// What a patch has to know about the pod's annotations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnnotationsPlace {
    pub(crate) has_metadata: bool,
    pub(crate) has_annotations: bool,
    /// Bytes of all keys and values but those of an earlier status annotation.
    pub(crate) size: usize,
}

/// What was decided about one container.
#[derive(Debug)]
pub struct ContainerVerdict<'a> {
    name: Text<'a>,
    /// Which list of the pod it stands in.
    pub list: ContainerList,
    /// Its index in that list.
    pub index: usize,
    /// The decision.
    pub decision: Decision,
    /// Set where an `envFrom` may define GOMEMLIMIT: whether it was overridden or respected.
    pub env_from: Option<EnvFrom>,
    pub(crate) env: EnvPlace,
    /// Our own earlier value, if that is what stands in env.
    pub(crate) own: Option<Record>,
}

impl ContainerVerdict<'_> {
    /// The container's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the patch changes the container.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        matches!(self.decision.reason, Reason::Injected | Reason::Updated)
    }
}

/// The list of a pod that a container stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerList {
    /// `spec.initContainers`.
    Init,
    /// `spec.containers`.
    Main,
}

impl ContainerList {
    /// The name of the field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
        }
    }
}

/// Where in a container's `env` the value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvPlace {
    /// There is no list yet.
    NewList,
    /// At the end of the list.
    End,
    /// Into the entry of ours with this index.
    Replace(usize),
}

/// Set or skip, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The reason.
    pub reason: Reason,
    /// The memory limit that applies to the container in bytes, where there is one.
    pub limit: Option<u64>,
    /// The value: there when the reason is a `set` one, or audit mode.
    pub plan: Option<Plan>,
}

/// A value and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// GOMEMLIMIT in bytes; more than zero and less than the limit.
    pub value: u64,
    /// The memory limit in bytes.
    pub limit: u64,
    /// Whether the limit is the container's part of a pod-level limit.
    pub from_pod_limit: bool,
    /// The share of the limit.
    pub ratio: Ratio,
    /// Where the ratio was set.
    pub ratio_level: Level,
    /// Bytes to leave free.
    pub headroom: u64,
    /// Where the headroom was set.
    pub headroom_level: Level,
}

impl Plan {
    /// Whether the headroom, not the ratio, made the value.
    #[must_use]
    pub fn is_by_headroom(&self) -> bool {
        self.value == self.limit.saturating_sub(self.headroom)
    }

    /// The level of the setting that made the value.
    #[must_use]
    pub fn source(&self) -> Level {
        if self.is_by_headroom() { self.headroom_level } else { self.ratio_level }
    }
}

/// Decides about the creation of `pod` in a namespace with the given annotations.
#[must_use]
pub fn decide<'a>(pod: &Pod<'a>, namespace: &NamespaceAnnotations, policy: &Policy) -> Verdict<'a> {
    let mut warnings = Vec::new();
    let pod_reason = pod_reason(pod, &mut warnings);
    let own = pod.annotations().map_or(&[][..], |annotations| &annotations.ours);
    let names: Vec<&str> = containers(pod).map(|(_, _, container)| &*container.name).collect();
    let annotations = Annotations::read(
        namespace.iter().map(|(key, value)| (&**key, &**value)),
        own.iter().map(|(key, value)| (&**key, &**value)),
        &names,
        &mut warnings,
    );
    let status = pod.annotations().and_then(|annotations| annotations.get(STATUS_ANNOTATION));
    let judge = Judge {
        policy,
        pod_reason,
        limits: PodLimits::new(&pod.spec),
        recorded: Recorded::read(status, &names),
    };

    let containers = containers(pod)
        .map(|(list, index, container)| {
            let chain = annotations.chain(&container.name, &policy.defaults);
            let own = judge.own_value(container);
            let mut env_from = None;
            let decision = judge.container(list, container, own, chain, &mut env_from, &mut warnings);
            ContainerVerdict {
                name: container.name.clone(),
                list,
                index,
                decision,
                env_from,
                own,
                env: match container.env.gomemlimit {
                    Some((index, _)) => EnvPlace::Replace(index),
                    None if container.env.is_empty() => EnvPlace::NewList,
                    None => EnvPlace::End,
                },
            }
        })
        .collect();
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
        Some("disabled") => Some(Reason::OptedOut),
        None | Some("enabled") => None,
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

/// What the decisions about all containers of a pod share.
struct Judge<'p> {
    policy: &'p Policy,
    /// What keeps us away from all of them.
    pod_reason: Option<Reason>,
    limits: PodLimits,
    recorded: Recorded,
}

impl Judge<'_> {
    fn container(
        &self,
        list: ContainerList,
        container: &Container<'_>,
        own: Option<Record>,
        chain: Chain<'_>,
        env_from: &mut Option<EnvFrom>,
        warnings: &mut Vec<Warning>,
    ) -> Decision {
        let is_plain_init = list == ContainerList::Init && !container.is_sidecar();
        let limit = self.limits.of(container, is_plain_init);
        let planned = match self.skip_reason(container, is_plain_init, own, chain, env_from) {
            None => plan(container, limit, chain, warnings),
            Some(reason) => Err(reason),
        };
        let (reason, plan) = match planned {
            Err(reason) => (reason, None),
            Ok(plan) => {
                let reason = match own {
                    _ if chain.mode() == Mode::Audit => Reason::AuditMode,
                    None => Reason::Injected,
                    Some(own) if own.value == plan.value => Reason::Kept,
                    Some(_) => Reason::Updated,
                };
                (reason, Some(plan))
            }
        };
        match own {
            // Our value stays where we would not set one now: we never remove.
            Some(own) if plan.is_none() && limit.bytes() != Some(own.limit) => {
                warnings.push(left_behind(container, own, reason));
            }
            None if reason == Reason::AlreadySet && chain.repair() == Repair::Report => {
                self.report_existing(container, limit, warnings);
            }
            _ => {}
        }
        Decision { reason, limit: limit.bytes(), plan }
    }

    /// The first reason that keeps us away from the container, whatever its limit.
    fn skip_reason(
        &self,
        container: &Container<'_>,
        is_plain_init: bool,
        own: Option<Record>,
        chain: Chain<'_>,
        env_from: &mut Option<EnvFrom>,
    ) -> Option<Reason> {
        if self.pod_reason.is_some() {
            return self.pod_reason;
        }
        if chain.mode() == Mode::Off {
            return Some(Reason::OptedOut);
        }
        if is_plain_init && self.policy.init_containers == InitContainers::Sidecars {
            return Some(Reason::InitContainer);
        }
        if own.is_none() && container.env.gomemlimit.is_some() {
            return Some(Reason::AlreadySet);
        }
        if own.is_none() && container.env_from_may_define() {
            *env_from = Some(self.policy.env_from);
            if self.policy.env_from == EnvFrom::Skip {
                return Some(Reason::AlreadySet);
            }
        }
        container.is_self_managed().then_some(Reason::SelfManaged)
    }

    /// What was recorded of GOMEMLIMIT, where it is the only one in env and provably ours.
    fn own_value(&self, container: &Container<'_>) -> Option<Record> {
        let (_, entry) = container.env.gomemlimit.as_ref().filter(|_| container.env.gomemlimit_count == 1)?;
        let text = entry.value.as_deref().filter(|_| entry.value_from.is_none())?;
        self.recorded.of_own_value(&container.name, text)
    }

    fn report_existing(&self, container: &Container<'_>, limit: Limit, warnings: &mut Vec<Warning>) {
        let Some((_, entry)) = &container.env.gomemlimit else { return };
        let yardstick = Yardstick {
            limit: limit.bytes(),
            downward: limit.own_bytes().or(self.limits.pod_level()),
            is_invalid: limit == Limit::Invalid,
        };
        let broken = existing::inspect(entry, &container.name, yardstick);
        let several = container.env.gomemlimit_count > 1;
        let text = match (broken, several) {
            (Some(broken), false) => broken.to_string(),
            (Some(broken), true) => format!("{broken} (the last of several entries, which counts)"),
            (None, true) => "GOMEMLIMIT is in env more than once; the last one counts".to_owned(),
            (None, false) => return,
        };
        warnings.push(Warning::new(
            WarningKind::BrokenValue,
            format!("container {}: {text}", quote(&container.name)),
        ));
    }
}

/// The value for a container that nothing else keeps us away from, or the reason why there is none.
fn plan(
    container: &Container<'_>,
    limit: Limit,
    chain: Chain<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Plan, Reason> {
    let (limit, from_pod_limit) = match limit {
        Limit::Own(bytes) => (bytes, false),
        Limit::FromPod(bytes) => (bytes, true),
        Limit::None => return Err(Reason::NoMemoryLimit),
        Limit::Shared => return Err(Reason::SharedPodLimit),
        Limit::Invalid => return Err(Reason::InvalidLimit),
    };
    if limit < chain.min_limit() {
        return Err(Reason::BelowMinimum);
    }
    let (ratio, ratio_level) = chain.ratio();
    let (headroom, headroom_level) = chain.headroom(limit, &container.name, warnings);
    let value = memlimit::value(limit, ratio, headroom).ok_or(Reason::BelowMinimum)?;
    Ok(Plan { value, limit, from_pod_limit, ratio, ratio_level, headroom, headroom_level })
}

/// Our own earlier value in a container that would not get one now, made for another limit.
fn left_behind(container: &Container<'_>, own: Record, reason: Reason) -> Warning {
    Warning::new(
        WarningKind::StaleValue,
        format!(
            "container {}: GOMEMLIMIT={} was injected for a limit of {} bytes and stays, although now: {}; remove it \
             from the manifest",
            quote(&container.name),
            own.value,
            own.limit,
            reason.explanation()
        ),
    )
}

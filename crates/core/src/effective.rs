//! What applies to the containers of a running pod: the limit, GOMEMLIMIT, and how each ended last; by the same rules
//! as what the webhook and the audit say.

use crate::{
    annotations::NamespaceAnnotations,
    decide::{ContainerList, decide},
    env::{EnvVar, ResourceFieldRef},
    existing::Yardstick,
    live::{LivePod, Termination},
    memlimit::{self, GoLimit},
    pod::Container,
    podlimit::{Limit, PodLimits},
    settings::Policy,
    status::{Basis, Record},
};

/// What applies to one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub name: String,
    /// Its memory limit, after a resize the one that is in force.
    pub limit: EffectiveLimit,
    /// What it has as GOMEMLIMIT.
    pub gomemlimit: EffectiveGomemlimit,
    /// How often it was restarted.
    pub restarts: u32,
    /// How it ended last, where it has ended at all.
    pub end: Option<Termination>,
}

/// The memory limit of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectiveLimit {
    /// Its own, or what the others leave of the pod's: bytes.
    Bytes(u64),
    /// None, or zero, which kubelet takes for none.
    Unlimited,
    /// No amount that is the container's alone: a pod-level limit that several share, or a quantity that is none.
    Unknown,
}

/// What a container has as GOMEMLIMIT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectiveGomemlimit {
    /// Bytes.
    Bytes(u64),
    /// None, empty or `off`.
    Unset,
    /// A text that Go dies of at start.
    Malformed(String),
    /// Known only where the container runs: from an object that is not read, or the size of the node.
    Unknown,
}

/// The containers that run beside each other: native sidecars too.
#[must_use]
pub fn effective(pod: &LivePod<'_>) -> Vec<Effective> {
    let limits = PodLimits::new(&pod.pod.spec);
    let verdict = decide(&pod.pod, &NamespaceAnnotations::new(), &Policy::default());
    let all = pod.pod.spec.all_containers().zip(&verdict.containers);
    let beside =
        all.filter(|(container, verdict)| verdict.list != ContainerList::Init || container.is_sidecar());
    let found = beside.map(|(container, verdict)| {
        let limit = limits.of(container, false);
        let history = pod.history(&container.name);
        Effective {
            name: container.name.to_string(),
            limit: limit.into(),
            gomemlimit: gomemlimit(pod, container, verdict.own.as_ref(), limit, &limits),
            restarts: history.restarts,
            end: history.end,
        }
    });
    found.collect()
}

impl From<Limit> for EffectiveLimit {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Own(bytes) | Limit::FromPod(bytes) => Self::Bytes(bytes),
            Limit::None => Self::Unlimited,
            Limit::Shared | Limit::Invalid => Self::Unknown,
        }
    }
}

fn gomemlimit(
    pod: &LivePod<'_>,
    container: &Container<'_>,
    own: Option<&Record>,
    limit: Limit,
    limits: &PodLimits,
) -> EffectiveGomemlimit {
    let Some((_, EnvVar { value, value_from })) = &container.env.gomemlimit else {
        let may_be_set = container.env_from_may_define();
        return if may_be_set { EffectiveGomemlimit::Unknown } else { EffectiveGomemlimit::Unset };
    };
    let yardstick = Yardstick::new(limit, limits);
    let known = |bytes: Option<u64>| bytes.map_or(EffectiveGomemlimit::Unknown, EffectiveGomemlimit::Bytes);
    if let Some(source) = value_from {
        let reference = source.resource_field_ref.as_ref();
        return known(reference.and_then(|reference| referred(reference, &container.name, yardstick)));
    }
    if container.env.tracks_by().is_some() {
        // The limit is read when the container starts.
        let as_made = own.filter(|own| !pod.has_read_limit(container, own.limit, yardstick.downward));
        return known(match as_made.map(|own| &own.basis) {
            Some(Basis::Track { bytes }) => Some(*bytes),
            _ => yardstick.downward.map(memlimit::tracking_value),
        });
    }
    let text = value.as_deref().unwrap_or_default();
    match text.parse() {
        // Kubelet expands it.
        _ if text.contains("$(") => EffectiveGomemlimit::Unknown,
        Ok(GoLimit::Unlimited) => EffectiveGomemlimit::Unset,
        Ok(GoLimit::Bytes(bytes)) => EffectiveGomemlimit::Bytes(bytes),
        Err(_) => EffectiveGomemlimit::Malformed(text.to_owned()),
    }
}

/// What the downward API gives for the container's own limit: divided and rounded up.
fn referred(reference: &ResourceFieldRef<'_>, container: &str, yardstick: Yardstick) -> Option<u64> {
    let limit = yardstick.downward.filter(|_| reference.is_to_memory_limit_of(container))?;
    Some(limit.div_ceil(reference.divisor()?))
}

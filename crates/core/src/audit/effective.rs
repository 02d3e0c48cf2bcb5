//! The limit and GOMEMLIMIT that apply to the containers of a running pod, and their last ends, by the rules of the
//! webhook.

use crate::{
    decision::{
        decide::decide,
        outcome::ContainerList,
        owned_values::{OwnedValue, ValueSource},
        user_value::{PodValues, UserValue},
    },
    pod::{
        containers::Container,
        live::{LivePod, Termination},
    },
    policy::Policy,
    settings::annotations::NamespaceAnnotations,
    value::{
        formula,
        limit::{Limit, PodLimits},
    },
};

/// The limit and GOMEMLIMIT of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub name: String,
    /// Its memory limit; after a resize the actual one.
    pub limit: EffectiveLimit,
    /// Its GOMEMLIMIT.
    pub gomemlimit: EffectiveGomemlimit,
    /// Number of restarts.
    pub restarts: u32,
    /// Its last end, if it has ended.
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

/// The GOMEMLIMIT of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectiveGomemlimit {
    /// Bytes.
    Bytes(u64),
    /// None, empty or `off`.
    Unset,
    /// A text that makes a Go program exit at start.
    Malformed(String),
    /// Known only to the container: from an object that is not read, or the size of the node.
    Unknown,
}

/// The containers that run beside each other: native sidecars too.
#[must_use]
pub fn effective(pod: &LivePod<'_>) -> Vec<Effective> {
    let limits = PodLimits::new(&pod.pod.spec);
    let decision = decide(&pod.pod, &NamespaceAnnotations::new(), &Policy::default());
    let all = pod.pod.spec.all_containers().zip(&decision.containers);
    let beside =
        all.filter(|(container, decision)| decision.list != ContainerList::Init || container.is_sidecar());
    let found = beside.map(|(container, decision)| {
        let limit = limits.of(container, false);
        let history = pod.history(&container.name);
        Effective {
            name: container.name.to_string(),
            limit: limit.into(),
            gomemlimit: gomemlimit(pod, container, decision.own.as_ref(), limit, &limits),
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

fn gomemlimit<'a>(
    pod: &LivePod<'a>,
    container: &Container<'a>,
    own: Option<&OwnedValue>,
    limit: Limit,
    limits: &PodLimits,
) -> EffectiveGomemlimit {
    let pod_values = PodValues::new(&pod.pod.spec, limits);
    let known = |bytes: Option<u64>| bytes.map_or(EffectiveGomemlimit::Unknown, EffectiveGomemlimit::Bytes);
    if container.env.tracks_by().is_some() {
        // The limit is read when the container starts.
        let downward = pod_values.downward(container);
        let as_made = own.filter(|own| !pod.has_read_limit(container, own.limit, downward));
        return known(match as_made.map(|own| &own.source) {
            Some(ValueSource::Track { bytes }) => Some(*bytes),
            _ => downward.map(formula::tracking_value),
        });
    }
    let existing = pod_values.existing(container, limit);
    match existing.map(|existing| existing.value) {
        None if container.env_from_may_define() => EffectiveGomemlimit::Unknown,
        None | Some(UserValue::Unlimited) => EffectiveGomemlimit::Unset,
        Some(UserValue::Bytes(bytes)) => EffectiveGomemlimit::Bytes(bytes),
        Some(UserValue::Malformed(text)) => EffectiveGomemlimit::Malformed(text.into_owned()),
        Some(UserValue::NodeSize | UserValue::Unknown) => EffectiveGomemlimit::Unknown,
    }
}

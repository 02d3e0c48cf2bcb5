//! The memory limit that applies to a container: its own, or its part of the pod's.

use crate::{
    pod::containers::{Container, Spec},
    quantity,
};

/// The limit of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `resources.limits.memory` of the container, in bytes.
    Own(u64),
    /// The part of the pod-level limit that the other containers' limits leave, in bytes.
    FromPod(u64),
    /// There is none.
    None,
    /// A pod-level limit that several containers share, or of which nothing is left.
    Shared,
    /// A quantity that is not an amount of bytes.
    Invalid,
}

impl Limit {
    pub(crate) fn bytes(self) -> Option<u64> {
        match self {
            Self::Own(bytes) | Self::FromPod(bytes) => Some(bytes),
            Self::None | Self::Shared | Self::Invalid => None,
        }
    }

    pub(crate) fn own_bytes(self) -> Option<u64> {
        match self {
            Self::Own(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A limit of zero is none: kubelet leaves the cgroup unlimited.
    fn parse(text: Option<&str>) -> Self {
        match text.map(quantity::parse) {
            None | Some(Ok(0)) => Self::None,
            Some(Ok(bytes)) => Self::Own(bytes),
            Some(Err(_)) => Self::Invalid,
        }
    }
}

/// The limits of a whole pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodLimits {
    pod: Limit,
    /// The limit of a container without its own.
    remainder: Limit,
}

impl PodLimits {
    pub(crate) fn new(spec: &Spec<'_>) -> Self {
        let pod = Limit::parse(spec.resources.memory_limit());
        Self { pod, remainder: remainder(pod, spec) }
    }

    /// The limit that applies to `container`. A plain init container never gets a part of the pod's
    /// limit: it runs alone, so the remainder of the others does not apply.
    pub(crate) fn of(&self, container: &Container<'_>, is_plain_init: bool) -> Limit {
        match Limit::parse(container.resources.memory_limit()) {
            Limit::None if is_plain_init && self.pod != Limit::None => Limit::Shared,
            Limit::None => self.remainder,
            own => own,
        }
    }

    /// The limit that the downward API gives as `limits.memory` of `container`: its own limit, or else the pod's. If there is
    /// none it is the node's size.
    pub(crate) fn downward(&self, container: &Container<'_>) -> Limit {
        match Limit::parse(container.resources.memory_limit()) {
            Limit::None => self.pod,
            own => own,
        }
    }
}

/// The containers that share a pod-level limit: all that run at the same time.
fn sharers<'s, 'a>(spec: &'s Spec<'a>) -> impl Iterator<Item = &'s Container<'a>> {
    let sidecars = spec.init_containers.iter().filter(|container| container.is_sidecar());
    sidecars.chain(spec.containers.iter())
}

/// The first container whose own memory limit makes what is left of the pod's [`Limit::Invalid`], and the text of that limit.
pub(crate) fn invalid_sharer<'s>(spec: &'s Spec<'_>) -> Option<(&'s str, &'s str)> {
    sharers(spec).find_map(|container| {
        let text = container.resources.memory_limit()?;
        quantity::parse(text).is_err().then_some((&*container.name, text))
    })
}

fn remainder(pod: Limit, spec: &Spec<'_>) -> Limit {
    let Limit::Own(mut left) = pod else { return pod };
    let mut without_own = 0;
    for container in sharers(spec) {
        match Limit::parse(container.resources.memory_limit()) {
            Limit::Own(bytes) => left = left.saturating_sub(bytes),
            Limit::Invalid => return Limit::Invalid,
            _ => without_own += 1,
        }
    }
    if without_own == 1 && left > 0 { Limit::FromPod(left) } else { Limit::Shared }
}

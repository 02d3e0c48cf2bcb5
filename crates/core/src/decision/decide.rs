//! The decision about a pod: one decision for each container.

use crate::{
    decision::{
        container::{ContainerDecider, PodFacts},
        memory_volumes::MemoryVolumes,
        outcome::{AnnotationsState, ContainerList, PodDecision},
        owned_values::OwnedValues,
        user_value::PodValues,
    },
    names::{INJECT_LABEL, OPTED_IN, OPTED_OUT, STATUS_ANNOTATION},
    pod::{Pod, containers::Container},
    policy::Policy,
    quote::quote,
    reason::Reason,
    settings::{
        annotations::{Annotations, NamespaceAnnotations},
        rule::Target,
    },
    value::limit::PodLimits,
    warning::{Warning, WarningKind},
};

/// The context of a decision: everything besides the pod itself and the policy.
#[derive(Clone, Copy, Debug)]
pub struct PodContext<'n> {
    /// The namespace that the pod is created in; empty: the one that it names itself.
    pub namespace: &'n str,
    /// The annotations of that namespace.
    pub annotations: &'n NamespaceAnnotations,
    /// For a pod template: the kind of the object that will own its pods.
    pub owner: Option<&'n str>,
    /// Whether it is in an `OpenShift` Template, whose parameters `oc process` fills in.
    pub is_in_template: bool,
}

impl<'n> From<&'n NamespaceAnnotations> for PodContext<'n> {
    fn from(annotations: &'n NamespaceAnnotations) -> Self {
        Self { namespace: "", annotations, owner: None, is_in_template: false }
    }
}

/// Decides about the creation of `pod`. Rules of the policy see the namespace of its [`PodContext`], or else the one that
/// the pod names itself.
#[must_use]
pub fn decide<'a, 'n>(pod: &Pod<'a>, context: impl Into<PodContext<'n>>, policy: &Policy) -> PodDecision<'a> {
    let context = context.into();
    let mut warnings = Vec::new();
    let pod_reason = pod_reason(pod, &mut warnings);
    let own = pod.annotations().map_or(&[][..], |annotations| &annotations.own);
    let names: Vec<&str> = containers(pod).map(|(_, _, container)| &*container.name).collect();
    let annotations = Annotations::read(
        context.annotations.iter().map(|(key, value)| (&**key, &**value)),
        own.iter().map(|(key, value)| (&**key, &**value)),
        &names,
        &mut warnings,
    );
    let status = pod.annotations().and_then(|annotations| annotations.get(STATUS_ANNOTATION));
    let limits = PodLimits::new(&pod.spec);
    let facts = PodFacts {
        policy,
        pod_reason,
        values: PodValues::new(&pod.spec, &limits),
        limits: &limits,
        is_in_template: context.is_in_template,
        memory_volumes: MemoryVolumes::read(&pod.spec),
        owned: OwnedValues::read(status, &names),
    };
    let namespace = Some(context.namespace).filter(|name| !name.is_empty()).unwrap_or(pod.namespace());
    let rules = policy.rules.for_pod(Target { namespace, owner: context.owner, pod });

    let containers = containers(pod)
        .map(|(list, index, container)| {
            let matched = rules.matching(container);
            let precedence = annotations.precedence(&container.name, &matched, &policy.defaults);
            ContainerDecider::new(&facts, (list, index), container, &matched, precedence)
                .decide(&mut warnings)
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

/// The reason to skip every container of the pod.
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

//! A kind of object that has pods: its names for `kubectl`, and the paths to its pod templates.

/// A kind of object that is a pod or has pod templates. `kind_table.rs` has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Groups that had this kind in older versions; the core group only with the version `v1`.
    pub old_groups: &'static [&'static str],
    /// `kind` of its objects, such as `Deployment`.
    pub name: &'static str,
    /// Name of the resource in API paths, such as `deployments`.
    pub plural: &'static str,
    /// Name that `kubectl get -o name` prints, without the group.
    pub singular: &'static str,
    /// Short names, as in `kubectl api-resources`.
    pub short_names: &'static [&'static str],
    /// Its pod templates; none if it has whole objects instead ([`Self::has_objects`]).
    pub templates: &'static [PodTemplate],
    /// Whether its objects are in no namespace.
    pub is_cluster_scoped: bool,
    /// Label of pods with the name of the object that they are made for, if its `spec` has no selector of pods.
    pub pods_label: Option<&'static str>,
}

/// A place of pod templates in the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodTemplate {
    /// Path of the value that has the pod's `metadata` and `spec`, such as `spec.template` or `spec.tasks[*].template`;
    /// empty if that is the object itself.
    pub path: &'static str,
    /// Kind of the object that owns the pods of the template (`metadata.ownerReferences`); `None` for a pod, which has its
    /// own, and for a template that makes no pods by itself.
    pub pods_owner: Option<&'static str>,
}

impl WorkloadKind {
    /// Key of the list of a kind that has whole objects ([`Self::has_objects`]): an `OpenShift` Template.
    pub const OBJECTS: &'static str = "objects";

    /// A kind with these names, and without pod templates.
    pub(crate) const fn new(
        group: &'static str,
        (name, plural, singular): (&'static str, &'static str, &'static str),
        short_names: &'static [&'static str],
    ) -> Self {
        Self {
            group,
            old_groups: &[],
            name,
            plural,
            singular,
            short_names,
            templates: &[],
            is_cluster_scoped: false,
            pods_label: None,
        }
    }

    pub(crate) const fn with(self, templates: &'static [PodTemplate]) -> Self {
        Self { templates, ..self }
    }

    pub(crate) const fn once_in(self, old_groups: &'static [&'static str]) -> Self {
        Self { old_groups, ..self }
    }

    pub(crate) const fn cluster_scoped(self) -> Self {
        Self { is_cluster_scoped: true, ..self }
    }

    pub(crate) const fn labels_pods(self, label: &'static str) -> Self {
        Self { pods_label: Some(label), ..self }
    }

    /// The kind that `kubectl` finds for `TYPE`, `TYPE.GROUP` or `TYPE.VERSION.GROUP`, in any case.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Self> {
        let word = word.to_ascii_lowercase();
        let (name, rest) =
            word.split_once('.').map_or((word.as_str(), None), |(name, rest)| (name, Some(rest)));
        Self::ALL.iter().find(|kind| {
            let has_name = kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
            has_name
                && match rest {
                    // Without a group it is a kind of Kubernetes itself.
                    None => !["service", "services"].contains(&name),
                    Some(rest) => rest == kind.group || kind.is_version_and_group(rest),
                }
        })
    }

    /// Whether a text is a version of this kind and its group, such as `v1.apps`.
    fn is_version_and_group(&self, text: &str) -> bool {
        let Some((version, group)) = text.split_once('.') else { return false };
        let is_version = if self.is_built_in() { version == "v1" } else { is_api_version(version) };
        is_version && group == self.group
    }

    /// The kind of an object with these `kind` and `apiVersion`. An empty `api_version` is the core group, as for kubectl.
    #[must_use]
    pub fn of_object(kind: &str, api_version: &str) -> Option<&'static Self> {
        let group = match api_version.split_once('/') {
            Some((group, _)) => group,
            None if matches!(api_version, "v1" | "") => "",
            None => return None,
        };
        let is_in = |one: &&Self| one.group == group || one.old_groups.contains(&group);
        Self::ALL.iter().find(|one| one.name == kind && is_in(one))
    }

    /// The name that `kubectl get -o name` prints, such as `deployment.apps` or `pod`.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.singular.to_owned()
        } else {
            format!("{}.{}", self.singular, self.group)
        }
    }

    /// The name of a role's rule in a sentence, such as `deployments` or `rollouts.argoproj.io`.
    #[must_use]
    pub fn plural_resource(&self) -> String {
        if self.is_built_in() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The shortest name of which `kubectl` finds this kind, such as `deployment` or `job.batch.volcano.sh`.
    #[must_use]
    pub fn short_resource(&self) -> String {
        if Self::named(self.singular) == Some(self) { self.singular.to_owned() } else { self.resource() }
    }

    /// Whether it is a kind of Kubernetes itself: every cluster has it, with the version `v1`.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        !self.group.contains('.')
    }

    /// Whether its objects are pods, and not templates of pods.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        (self.group, self.name) == ("", "Pod")
    }

    /// Whether it has a list of whole objects, `objects`, each of which may have pods.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.templates.is_empty()
    }
}

/// Groups and kinds whose `spec.template` has no `metadata` in its schema: `kubectl apply` refuses an object with an annotation
/// there. Kubeflow (`kubeflow.org_notebooks.yaml`).
const WITHOUT_METADATA: [(&str, &str); 1] = [("kubeflow.org", "Notebook")];

/// Whether the pod template of a kind may have annotations, as far as is known.
pub(crate) fn takes_annotations(group: &str, kind: &str) -> bool {
    !WITHOUT_METADATA.contains(&(group, kind))
}

/// The group of an API version; empty for the core group.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether a text is a version of an API, such as `v1beta1`.
pub(crate) fn is_api_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let stage = ["alpha", "beta"].iter().find_map(|stage| digits.strip_prefix(stage));
    digits.len() < rest.len() && (digits.is_empty() || stage.is_some_and(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_kubectl() {
        for (word, kind) in [
            ("pod", Some("pod")),
            ("po", Some("pod")),
            ("Pods", Some("pod")),
            ("deployment.apps", Some("deployment.apps")),
            ("deployments.v1.apps", Some("deployment.apps")),
            ("deploy", Some("deployment.apps")),
            ("Deployment", Some("deployment.apps")),
            ("statefulset.apps", Some("statefulset.apps")),
            ("replicationcontroller", Some("replicationcontroller")),
            ("rc", Some("replicationcontroller")),
            ("job.batch", Some("job.batch")),
            ("cronjob.batch", Some("cronjob.batch")),
            ("cj", Some("cronjob.batch")),
            ("rollout", Some("rollout.argoproj.io")),
            ("ro", Some("rollout.argoproj.io")),
            ("rollouts.argoproj.io", Some("rollout.argoproj.io")),
            ("rollouts.v1alpha1.argoproj.io", Some("rollout.argoproj.io")),
            ("dc", Some("deploymentconfig.apps.openshift.io")),
            ("ksvc", Some("service.serving.knative.dev")),
            ("service.serving.knative.dev", Some("service.serving.knative.dev")),
            // The kinds of Kubernetes itself win, also those without pods.
            ("job", Some("job.batch")),
            ("sts", Some("statefulset.apps")),
            ("job.batch.volcano.sh", Some("job.batch.volcano.sh")),
            ("statefulset.apps.kruise.io", Some("statefulset.apps.kruise.io")),
            ("service", None),
            ("svc", None),
            ("deployment.extensions", None),
            ("deployments.v1beta1.apps", None),
            ("deployment.example.com", None),
            ("rollout.vx.argoproj.io", None),
            ("job.apps", None),
            ("pod.apps", None),
            ("", None),
        ] {
            let found = WorkloadKind::named(word).map(WorkloadKind::resource);
            assert_eq!(found.as_deref(), kind, "{word}");
        }
    }

    #[test]
    fn every_kind_is_found_by_its_names() {
        for kind in WorkloadKind::ALL {
            for name in [kind.resource(), kind.short_resource(), format!("{}.{}", kind.plural, kind.group)] {
                let name = name.trim_end_matches('.');
                assert_eq!(WorkloadKind::named(name), Some(kind), "{name}");
            }
            for name in kind.short_names {
                assert_eq!(WorkloadKind::named(name), Some(kind), "{name}");
            }
        }
    }

    #[test]
    fn the_owners_of_pods_own_them_without_further_levels() {
        for kind in WorkloadKind::ALL {
            for template in kind.templates {
                let owner = template.pods_owner.map(|owner| {
                    WorkloadKind::ALL
                        .iter()
                        .find(|one| one.name == owner)
                        .unwrap_or_else(|| panic!("{owner}"))
                });
                let is_direct = owner.is_none_or(|owner| {
                    owner.templates.iter().all(|template| template.pods_owner == Some(owner.name))
                });
                assert!(is_direct, "{}: {}", kind.name, template.path);
            }
        }
    }

    #[test]
    fn versions_of_apis() {
        for (text, expected) in [
            ("v1", true),
            ("v1alpha1", true),
            ("v2beta12", true),
            ("v", false),
            ("v1alpha", false),
            ("v1gamma1", false),
            ("1", false),
            ("", false),
        ] {
            assert_eq!(is_api_version(text), expected, "{text}");
        }
    }
}

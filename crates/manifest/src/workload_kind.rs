//! The kinds of Kubernetes that have pods: the one table for manifests, for targets on the command line, and for
//! completions.

/// A kind of object that is a pod or has a pod template, and its names for `kubectl`.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// `kind` of its objects, such as `Deployment`.
    pub name: &'static str,
    /// Name of the resource in API paths, such as `deployments`.
    pub plural: &'static str,
    /// Name that `kubectl get -o name` prints, without the group.
    pub singular: &'static str,
    /// Short names, as in `kubectl api-resources`.
    pub short_names: &'static [&'static str],
    /// Keys from the object to the value that has the pod's `metadata` and `spec`; none for a pod.
    pub template: &'static [&'static str],
    /// Kind of the object that owns the pods of the template (`metadata.ownerReferences`); `None` for a pod, which has its
    /// own.
    pub pods_owner: Option<&'static str>,
}

/// Keys to the pod template of every kind but a pod and a `CronJob`.
const TEMPLATE: &[&str] = &["spec", "template"];

/// Keys to the pod template of a `CronJob`.
const CRON_JOB_TEMPLATE: &[&str] = &["spec", "jobTemplate", "spec", "template"];

impl WorkloadKind {
    /// All kinds, the most used first.
    pub const ALL: [Self; 8] = [
        Self::new("", ("Pod", "pods", "pod"), &["po"], &[], None),
        Self::new(
            "apps",
            ("Deployment", "deployments", "deployment"),
            &["deploy"],
            TEMPLATE,
            Some("ReplicaSet"),
        ),
        Self::new(
            "apps",
            ("StatefulSet", "statefulsets", "statefulset"),
            &["sts"],
            TEMPLATE,
            Some("StatefulSet"),
        ),
        Self::new("apps", ("DaemonSet", "daemonsets", "daemonset"), &["ds"], TEMPLATE, Some("DaemonSet")),
        Self::new("apps", ("ReplicaSet", "replicasets", "replicaset"), &["rs"], TEMPLATE, Some("ReplicaSet")),
        Self::new(
            "",
            ("ReplicationController", "replicationcontrollers", "replicationcontroller"),
            &["rc"],
            TEMPLATE,
            Some("ReplicationController"),
        ),
        Self::new("batch", ("Job", "jobs", "job"), &[], TEMPLATE, Some("Job")),
        Self::new("batch", ("CronJob", "cronjobs", "cronjob"), &["cj"], CRON_JOB_TEMPLATE, Some("Job")),
    ];

    const fn new(
        group: &'static str,
        (name, plural, singular): (&'static str, &'static str, &'static str),
        short_names: &'static [&'static str],
        template: &'static [&'static str],
        pods_owner: Option<&'static str>,
    ) -> Self {
        Self { group, name, plural, singular, short_names, template, pods_owner }
    }

    /// The kind that `kubectl` finds for `TYPE`, `TYPE.GROUP` or `TYPE.VERSION.GROUP`, in any case.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Self> {
        let word = word.to_ascii_lowercase();
        let (name, group) = match word.split_once('.') {
            Some((name, group)) => (name, Some(group.strip_prefix("v1.").unwrap_or(group))),
            None => (word.as_str(), None),
        };
        Self::ALL.iter().find(|kind| {
            let has_name = kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
            has_name && group.is_none_or(|group| group == kind.group)
        })
    }

    /// The kind of an object with these `kind` and `apiVersion`. An empty `api_version` is the core group, as for kubectl.
    #[must_use]
    pub fn of_object(kind: &str, api_version: &str) -> Option<&'static Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let found = Self::ALL.iter().find(|one| one.name == kind && one.group == group);
        found.filter(|one| !one.group.is_empty() || matches!(api_version, "v1" | ""))
    }

    /// Path of its group and version at the API server, such as `/apis/apps/v1`.
    #[must_use]
    pub fn api(&self) -> String {
        if self.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", self.group) }
    }

    /// Whether its objects are pods, and not templates of pods.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.template.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_kubectl() {
        for (word, kind) in [
            ("pod", Some("Pod")),
            ("po", Some("Pod")),
            ("Pods", Some("Pod")),
            ("deployment.apps", Some("Deployment")),
            ("deployments.v1.apps", Some("Deployment")),
            ("deploy", Some("Deployment")),
            ("Deployment", Some("Deployment")),
            ("statefulset.apps", Some("StatefulSet")),
            ("replicationcontroller", Some("ReplicationController")),
            ("rc", Some("ReplicationController")),
            ("job.batch", Some("Job")),
            ("cronjob.batch", Some("CronJob")),
            ("cj", Some("CronJob")),
            ("deployment.example.com", None),
            ("job.apps", None),
            ("pod.apps", None),
            ("service", None),
            ("", None),
        ] {
            assert_eq!(WorkloadKind::named(word).map(|kind| kind.name), kind, "{word}");
        }
    }

    #[test]
    fn pods_are_owned_by_another_workload_without_further_levels() {
        for kind in WorkloadKind::ALL {
            let owner =
                kind.pods_owner.map(|owner| WorkloadKind::ALL.into_iter().find(|one| one.name == owner));
            assert_eq!(kind.is_pod(), owner.is_none(), "{}", kind.name);
            // The owner of pods owns them directly: it is its own `pods_owner`.
            let direct = owner.map(|owner| owner.is_some_and(|owner| owner.pods_owner == kind.pods_owner));
            assert!(direct.unwrap_or(true), "{}", kind.name);
        }
    }
}

//! The kinds of Kubernetes that have pods: one table for manifests, for targets on the command line, and for
//! completions.

/// A kind of object that is a pod, or has a template of pods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// API group; empty for that of pods.
    pub(crate) group: &'static str,
    /// `kind` of its objects.
    pub(crate) name: &'static str,
    /// Name of the resource, in paths.
    pub(crate) plural: &'static str,
    /// The name that `kubectl get -o name` prints.
    pub(crate) singular: &'static str,
    /// Short names, as in `kubectl api-resources`.
    pub(crate) short_names: &'static [&'static str],
    /// Where its pod is in the object.
    pub(crate) template: &'static [&'static str],
}

/// All of them, those that people name most first.
pub(crate) const KINDS: [Kind; 8] = [
    of("", "Pod", "pods", "pod", &["po"], &[]),
    of("apps", "Deployment", "deployments", "deployment", &["deploy"], TEMPLATE),
    of("apps", "StatefulSet", "statefulsets", "statefulset", &["sts"], TEMPLATE),
    of("apps", "DaemonSet", "daemonsets", "daemonset", &["ds"], TEMPLATE),
    of("apps", "ReplicaSet", "replicasets", "replicaset", &["rs"], TEMPLATE),
    of("", "ReplicationController", "replicationcontrollers", "replicationcontroller", &["rc"], TEMPLATE),
    of("batch", "Job", "jobs", "job", &[], TEMPLATE),
    of("batch", "CronJob", "cronjobs", "cronjob", &["cj"], &["spec", "jobTemplate", "spec", "template"]),
];

/// Names of types without pods that people take for one with pods, or for the name of a pod.
#[cfg(feature = "cli")]
const OTHER_TYPES: [&str; 20] = [
    "service",
    "services",
    "svc",
    "endpoints",
    "ep",
    "ingress",
    "ingresses",
    "ing",
    "configmap",
    "configmaps",
    "cm",
    "secret",
    "secrets",
    "namespace",
    "namespaces",
    "ns",
    "node",
    "nodes",
    "no",
    "hpa",
];

/// Whether a word is that of a type without pods, and no name of a pod.
#[cfg(feature = "cli")]
pub(crate) fn is_other_type(word: &str) -> bool {
    // With a group it is the type of a custom resource.
    word.contains('.') || OTHER_TYPES.contains(&&*word.to_ascii_lowercase())
}

const TEMPLATE: &[&str] = &["spec", "template"];

const fn of(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    template: &'static [&'static str],
) -> Kind {
    Kind { group, name, plural, singular, short_names, template }
}

impl Kind {
    /// The one that `kubectl` means by `TYPE`, `TYPE.GROUP` or `TYPE.VERSION.GROUP`, in any case.
    pub(crate) fn named(word: &str) -> Option<&'static Self> {
        let word = word.to_ascii_lowercase();
        let (name, group) = match word.split_once('.') {
            Some((name, group)) => (name, Some(group.strip_prefix("v1.").unwrap_or(group))),
            None => (word.as_str(), None),
        };
        KINDS.iter().find(|kind| {
            let has_name = kind.plural == name || kind.singular == name || kind.short_names.contains(&name);
            has_name && group.is_none_or(|group| group == kind.group)
        })
    }

    /// That of an object in a manifest. Without an API version kubectl takes the group of pods.
    pub(crate) fn of_object(kind: &str, api_version: &str) -> Option<&'static Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let found = KINDS.iter().find(|one| one.name == kind && one.group == group);
        found.filter(|one| !one.group.is_empty() || matches!(api_version, "v1" | ""))
    }

    /// Path of its group and version at the API server.
    pub(crate) fn api(&self) -> String {
        if self.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", self.group) }
    }

    /// Whether its objects are pods themselves.
    pub(crate) fn is_pod(&self) -> bool {
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
            assert_eq!(Kind::named(word).map(|kind| kind.name), kind, "{word}");
        }
    }

    #[test]
    fn the_page_on_access_has_them() {
        let page = include_str!("../docs/access.md");
        let rows = KINDS.iter().map(|kind| {
            let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
            let short = kind.short_names.first().map_or_else(String::new, |name| format!("`{name}` "));
            format!("| `{}{group}` | {short}|\n", kind.singular)
        });
        let rows: String = rows.collect();
        assert!(page.contains(&rows), "docs/access.md lacks\n{rows}");
    }
}

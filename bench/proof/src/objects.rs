//! What the experiment creates: two namespaces that differ in a label, a Deployment and a Service for each arm, and
//! the load as a Job in a third namespace.

use gomemlimit_core::names::INJECT_LABEL;
use serde_json::{Value, json};

use crate::record::Settings;

/// Where the load runs: outside the containers that it is for.
pub const LOAD_NAMESPACE: &str = "gomemlimit-proof-load";
/// The two namespaces of the services.
pub const UNLABELLED: &str = "gomemlimit-proof-without";
/// The one with the label.
pub const LABELLED: &str = "gomemlimit-proof-with";

/// A Deployment of the demo under its own load.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    pub labelled: bool,
    pub leaking: bool,
}

/// The same service with and without the label, and one that leaks.
pub const VARIANTS: [Variant; 4] = [
    Variant { labelled: false, leaking: false },
    Variant { labelled: true, leaking: false },
    Variant { labelled: false, leaking: true },
    Variant { labelled: true, leaking: true },
];

impl Variant {
    pub const fn namespace(self) -> &'static str {
        if self.labelled { LABELLED } else { UNLABELLED }
    }

    /// The name of its Deployment, Service and container.
    pub const fn service(self) -> &'static str {
        if self.leaking { "leaking-shop" } else { "shop" }
    }

    /// The name of its load.
    pub fn load(self) -> String {
        format!("{}-{}", self.service(), if self.labelled { "with" } else { "without" })
    }

    pub const fn rate(self, settings: &Settings) -> u64 {
        if self.leaking { settings.leaking_rate } else { settings.rate }
    }
}

/// A namespace; the label is the whole difference.
pub fn namespace(name: &str) -> Value {
    let labels = if name == LABELLED { json!({INJECT_LABEL: "enabled"}) } else { json!({}) };
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// The same for an arm with the label and for one without.
pub fn deployment(variant: Variant, settings: &Settings, image: &str) -> Value {
    let name = variant.service();
    let (live, leak) = if variant.leaking {
        (settings.leaking_live_mib, settings.leak_bytes)
    } else {
        (settings.live_mib, 0)
    };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "automountServiceAccountToken": false,
                    "securityContext": pod_security(),
                    "containers": [{
                        "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
                        "args": ["serve", format!("-live={live}MiB"), format!("-leak={leak}"),
                                 format!("-garbage={}KiB", settings.garbage_kib)],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {
                            "httpGet": {"path": "/healthz", "port": "http"},
                            "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 10,
                        },
                        "resources": {"limits": {"memory": settings.limit}, "requests": {"memory": "64Mi"}},
                        "securityContext": container_security(),
                    }],
                },
            },
        },
    })
}

/// As Pod Security's profile "restricted" wants it.
fn pod_security() -> Value {
    json!({"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
}

fn container_security() -> Value {
    json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
}

/// How the load reaches an arm, as users would.
pub fn service(variant: Variant) -> Value {
    let name = variant.service();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

/// The load of an arm. `address` is its Service's: not every cluster has DNS.
pub fn load(
    variant: Variant,
    settings: &Settings,
    image: &str,
    address: &str,
    start_at_millis: u128,
) -> Value {
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": variant.load()},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": pod_security(),
                "containers": [{
                    "name": "load", "image": image, "imagePullPolicy": "IfNotPresent",
                    "args": ["load", format!("-url=http://{host}/work"), format!("-rate={}", variant.rate(settings)),
                             format!("-for={}s", settings.seconds), format!("-start-at={start_at_millis}")],
                    "securityContext": container_security(),
                }],
            }},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Length;

    #[test]
    fn the_arms_of_a_service_differ_in_the_namespaces_label_alone() {
        let settings = Length::Long.settings();
        for leaking in [false, true] {
            let [without, with] = [false, true].map(|labelled| {
                let variant = Variant { labelled, leaking };
                (deployment(variant, &settings, "image"), service(variant), variant.rate(&settings))
            });
            assert_eq!(without, with);
        }
        assert_eq!(namespace(LABELLED)["metadata"]["labels"], json!({"gomemlimit.dev/inject": "enabled"}));
        for name in [UNLABELLED, LOAD_NAMESPACE] {
            assert_eq!(namespace(name)["metadata"]["labels"], json!({}));
        }
    }

    #[test]
    fn nothing_but_the_webhook_sets_the_variable() {
        for variant in VARIANTS {
            let text = deployment(variant, &Length::Short.settings(), "image").to_string();
            assert!(!text.contains("GOMEMLIMIT") && !text.contains("\"env\""), "{text}");
        }
    }
}

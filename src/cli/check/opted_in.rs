//! The links of one namespace: its label, the selectors, the settings, and a pod created by dry run.

use gomemlimit_core::{
    NamespaceAnnotations, Pod, Policy, Reason, Surroundings, decide,
    names::{DOMAIN, GOMEMLIMIT, INJECT_LABEL},
    selection::{Labels, Selection},
};
use kube::{api::PostParams, core::Request};
use serde_json::{Value, json};

use super::{
    link::{Finding, Link},
    release::Release,
};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    installation::Configuration,
    surroundings::NamespaceFacts,
};

/// What is said of a pod without a value.
pub(super) const NO_VALUE: &str = "a pod created by dry run got no value";

/// What opts in by default.
const ENABLED: &str = "enabled";

/// What the links of a namespace are judged by.
pub(super) struct OptedIn<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: &'c Release,
    /// `None` where the API server has a policy instead of a webhook.
    pub(super) configuration: Option<&'c Configuration>,
    /// The webhook's policy, and whether it follows annotations of namespaces.
    pub(super) decides_by: Option<(Policy, bool)>,
    pub(super) dry_run: bool,
}

impl OptedIn<'_> {
    pub(super) async fn walk(&self, name: &str, facts: &NamespaceFacts) -> Result<Vec<Finding>, ApiError> {
        let mut findings = self.selectors(name, &facts.labels);
        findings.extend(self.settings(name, &facts.annotations));
        if self.dry_run {
            findings.push(self.pod(name).await?);
        }
        Ok(findings.into_iter().map(|finding| finding.of(name)).collect())
    }

    /// The namespace's label, and what selects by it.
    fn selectors(&self, name: &str, labels: &Labels) -> Vec<Finding> {
        let selection = self.configuration.map(Configuration::selection).unwrap_or_default();
        let is_labelled = labels.get(INJECT_LABEL).is_some_and(|value| value == ENABLED);
        let entries: Vec<_> = self.configuration.into_iter().flat_map(Configuration::pod_entries).collect();
        let selecting: Vec<_> =
            entries.iter().filter(|entry| entry.namespace_selector.matches(labels)).collect();
        if selecting.is_empty() {
            return match self.unselected(name, labels, &selection) {
                Some(finding) => vec![finding],
                // There is no configuration to select it.
                None => vec![Finding::ok(Link::NamespaceLabel, told(INJECT_LABEL, ENABLED))],
            };
        }
        let said = if is_labelled { told(INJECT_LABEL, ENABLED) } else { "selected".to_owned() };
        let mut findings =
            vec![Finding::ok(Link::NamespaceLabel, said), Finding::ok(Link::NamespaceSelector, "selects it")];
        let pod = Labels::new();
        let unmet: Vec<_> = selecting.iter().filter_map(|entry| entry.object_selector.unmet(&pod)).collect();
        findings.push(match unmet.first().filter(|_| unmet.len() == selecting.len()) {
            None => Finding::ok(Link::ObjectSelector, "selects pods without labels of ours"),
            Some(unmet) => {
                let what = format!("the objectSelector leaves out pods without labels of ours: {unmet}");
                Finding::broken(Link::ObjectSelector, what, self.restore_configuration())
            }
        });
        findings
    }

    /// Why no entry selects the namespace. `None` where it is not the namespace's fault.
    fn unselected(&self, name: &str, labels: &Labels, selection: &Selection) -> Option<Finding> {
        let is_labelled = labels.get(INJECT_LABEL).is_some_and(|value| value == ENABLED);
        let missing = selection.missing_label(labels);
        if let Some((key, value)) = missing.filter(|_| !is_labelled) {
            let what = format!("the namespace has not opted in: label {} is missing", told(&key, &value));
            let command = format!("kubectl label namespace {name} {key}={value} --overwrite");
            return Some(Finding::broken(Link::NamespaceLabel, what, command));
        }
        let configuration = self.configuration?;
        let unmet = configuration.pod_entries().find_map(|entry| entry.namespace_selector.unmet(labels))?;
        if unmet.contains("NotIn") {
            let what =
                format!("the namespace is one that the webhook is never asked about ({unmet}); use another");
            return Some(Finding::broken(Link::NamespaceSelector, what, ""));
        }
        let what = format!("the configuration's namespaceSelector leaves it out: {unmet}");
        Some(Finding::broken(Link::NamespaceSelector, what, self.restore_configuration()))
    }

    fn restore_configuration(&self) -> String {
        self.configuration.map_or_else(String::new, |one| self.release.restore_configuration(one))
    }

    /// Whether what is set lets an ordinary pod have a value.
    fn settings(&self, name: &str, annotations: &NamespaceAnnotations) -> Option<Finding> {
        let (policy, follows) = self.decides_by.as_ref()?;
        let none = NamespaceAnnotations::new();
        let annotations = if *follows { annotations } else { &none };
        let (reason, rule) = outcome(name, annotations, policy)?;
        if reason.is_set() {
            return Some(Finding::ok(Link::Settings, "an ordinary pod gets a value"));
        }
        let culprit = annotations.keys().find(|key| {
            let mut others = annotations.clone();
            others.remove(*key);
            outcome(name, &others, policy).is_some_and(|(reason, _)| reason.is_set())
        });
        Some(match culprit {
            Some(key) => Finding::broken(
                Link::Settings,
                format!("the namespace's annotation {key} keeps pods from a value: {reason}"),
                format!("kubectl annotate namespace {name} {key}-"),
            ),
            None if rule.is_some() => Finding::broken(
                Link::Settings,
                format!(
                    "rule {} of the policy file keeps pods from a value: {reason}",
                    rule.unwrap_or_default()
                ),
                format!("{}, after a correction of policy.rules in its values", self.release.upgrade("")),
            ),
            None => Finding::broken(
                Link::Settings,
                format!("the webhook's flags keep pods from a value: {reason}"),
                self.release.upgrade("--set settings.mode=inject,settings.minLimit=32Mi"),
            ),
        })
    }

    /// Creates a pod by dry run: nothing is stored, and every webhook is asked.
    async fn pod(&self, namespace: &str) -> Result<Finding, ApiError> {
        let request = Request::new(path_of("/api/v1", Some(namespace), "pods"));
        let params = PostParams { dry_run: true, field_manager: None };
        let answer = self.cluster.text(request.create(&params, sample_pod().to_string().into_bytes())).await;
        let text = match answer {
            Ok(text) => text,
            Err(ApiError::Other(said)) if said.contains("failed calling webhook") => {
                return Ok(Finding::broken(Link::DryRun, said, ""));
            }
            Err(ApiError::Forbidden(said) | ApiError::Other(said)) => {
                return Ok(Finding::unknown(
                    Link::DryRun,
                    format!("the API server takes no pod of ours: {said}"),
                ));
            }
            Err(error) => return Err(error),
        };
        let pod: Value = serde_json::from_str(&text).unwrap_or_default();
        let env = pod.pointer("/spec/containers/0/env").and_then(Value::as_array);
        let ours = env.into_iter().flatten().find(|env| env.get("name") == Some(&json!(GOMEMLIMIT)));
        Ok(match ours.and_then(|env| env.get("value")).and_then(Value::as_str) {
            Some(value) => Finding::ok(Link::DryRun, format!("a pod with 1Gi gets {GOMEMLIMIT}={value}")),
            None => Finding::broken(Link::DryRun, NO_VALUE, ""),
        })
    }
}

fn told(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

/// What becomes of an ordinary pod in a namespace, and the rule that says so, if it is one.
fn outcome(
    namespace: &str,
    annotations: &NamespaceAnnotations,
    policy: &Policy,
) -> Option<(Reason, Option<String>)> {
    let text = sample_pod().to_string();
    let pod = Pod::parse(&text).ok()?;
    let verdict = decide(&pod, Surroundings { namespace, annotations, owner: None }, policy);
    let container = verdict.containers.first()?;
    Some((container.decision.reason, container.rule().map(str::to_owned)))
}

/// An ordinary pod that fits where pods are restricted, and that nothing would start.
fn sample_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "gomemlimit-check-"},
        "spec": {
            "schedulingGates": [{"name": format!("{DOMAIN}/check")}],
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "check", "image": "gomemlimit.invalid/check:1",
                "resources": {
                    "limits": {"memory": "1Gi", "cpu": "10m"}, "requests": {"memory": "1Mi", "cpu": "1m"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

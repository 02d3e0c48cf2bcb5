//! The links of one namespace: its label, the selectors, the settings, and a pod created by dry run.

use gomemlimit_core::{
    NamespaceAnnotations, Pod, PodContext, Policy, Reason,
    audit::{Labels, Selection},
    decide,
    names::{DOMAIN, GOMEMLIMIT, INJECT_LABEL},
};
use kube::{api::PostParams, core::Request};
use serde_json::{Value, json};

use super::{
    link::{Finding, Link, State},
    release::Release,
};
use crate::cli::{sample, shell::quote};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    cluster_state::NamespaceFacts,
    installation::ENTRY_ENDING,
};

/// What is said of a pod without a value.
pub(super) const NO_VALUE: &str = "a pod created by dry run got no value";

/// What opts in by default.
const ENABLED: &str = "enabled";

/// What decides about the pods of namespaces, webhook or policy.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Which pods; `None` where that is not known.
    pub(super) selection: Option<Selection>,
    /// Restores the selectors.
    pub(super) restore: String,
    /// The selector of namespaces that the release was installed with, where its pods say so.
    pub(super) asked: Option<String>,
    /// The policy, and whether annotations of namespaces count.
    pub(super) effective_policy: Option<(Policy, bool)>,
    /// Where the settings stand, for people.
    pub(super) flags: &'static str,
}

/// What the links of a namespace are judged by.
pub(super) struct OptedIn<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: &'c Release,
    pub(super) target: &'c Target,
    pub(super) dry_run: bool,
}

impl OptedIn<'_> {
    /// What is found of a namespace; without `facts` it could not be read, and only a dry run shows anything.
    pub(super) async fn walk(
        &self,
        name: &str,
        facts: Option<&NamespaceFacts>,
    ) -> Result<Vec<Finding>, ApiError> {
        let mut findings = Vec::new();
        if let Some(facts) = facts {
            findings = self.selectors(name, &facts.labels);
            findings.extend(self.settings(name, &facts.annotations));
        }
        if self.dry_run {
            let pod = self.pod(name).await?;
            if pod.state == State::Ok {
                doubt(&mut findings);
            }
            findings.push(pod);
        }
        Ok(findings.into_iter().map(|finding| finding.of(name)).collect())
    }

    /// The namespace's label, and what selects by it.
    fn selectors(&self, name: &str, labels: &Labels) -> Vec<Finding> {
        let is_labelled = labels.get(INJECT_LABEL).is_some_and(|value| value == ENABLED);
        let label = told(INJECT_LABEL, ENABLED);
        let Some(selection) = &self.target.selection else {
            return vec![if is_labelled {
                Finding::ok(Link::NamespaceLabel, label)
            } else {
                let what =
                    format!("label {label} is missing, and it is not known whether that is what opts in");
                Finding::unknown(Link::NamespaceLabel, what)
            }];
        };
        let selecting: Vec<_> =
            selection.opting_in().filter(|entry| entry.namespaces.matches(labels)).collect();
        if selecting.is_empty() {
            return vec![self.unselected(name, labels, selection)];
        }
        let said = if is_labelled { label } else { "selected".to_owned() };
        let mut findings =
            vec![Finding::ok(Link::NamespaceLabel, said), Finding::ok(Link::NamespaceSelector, "selects it")];
        let pod = Labels::new();
        let unmet: Vec<_> = selecting.iter().filter_map(|entry| entry.objects.unmet(&pod)).collect();
        findings.push(match unmet.first().filter(|_| unmet.len() == selecting.len()) {
            None => Finding::ok(Link::ObjectSelector, "selects pods without labels of ours"),
            Some(unmet) => {
                let what = format!("the objectSelector leaves out pods without labels of ours: {unmet}");
                Finding::broken(Link::ObjectSelector, what, &*self.target.restore)
            }
        });
        findings
    }

    /// Why no entry selects the namespace.
    fn unselected(&self, name: &str, labels: &Labels, selection: &Selection) -> Finding {
        // Where the release was installed to ask for another label, somebody has changed the selector since.
        let is_asked = |key: &str| self.target.asked.as_ref().is_none_or(|asked| asked.contains(key));
        let missing = selection.missing_label(labels).filter(|(key, _)| is_asked(key));
        if let Some((key, value)) = missing {
            let what = format!("the namespace has not opted in: label {} is missing", told(&key, &value));
            let command = format!(
                "kubectl label namespace {} {}={} --overwrite",
                quote(name),
                quote(&key),
                quote(&value)
            );
            return Finding::broken(Link::NamespaceLabel, what, command);
        }
        let unmet = selection.opting_in().find_map(|entry| entry.namespaces.unmet(labels));
        let unmet = unmet.unwrap_or_default();
        if unmet.contains("NotIn") {
            let what = format!("the namespace is one that is never asked about ({unmet}); use another");
            return Finding::broken(Link::NamespaceSelector, what, "");
        }
        let what = format!("the namespaceSelector leaves it out: {unmet}");
        Finding::broken(Link::NamespaceSelector, what, &*self.target.restore)
    }

    /// Whether what is set lets an ordinary pod have a value.
    fn settings(&self, name: &str, annotations: &NamespaceAnnotations) -> Option<Finding> {
        let (policy, follows) = self.target.effective_policy.as_ref()?;
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
                format!("kubectl annotate namespace {} {}-", quote(name), quote(key)),
            ),
            None if rule.is_some() => Finding::broken(
                Link::Settings,
                format!(
                    "rule {} of the policy file keeps pods from a value: {reason}",
                    rule.unwrap_or_default()
                ),
                match self.release.upgrade("") {
                    upgrade if upgrade.is_empty() => upgrade,
                    upgrade => format!("{upgrade}, after a correction of policy.rules in its values"),
                },
            ),
            None => Finding::broken(
                Link::Settings,
                format!("{} keep pods from a value: {reason}", self.target.flags),
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
            Err(ApiError::Other(said)) if said.contains(FAILED) => return Ok(failed(&said)),
            Err(error) if error.is_of_all_calls() => return Err(error),
            // The namespace may have gone meanwhile, and a busy API server says nothing about the others.
            Err(error) => {
                let what = format!("the API server takes no pod of ours: {error}");
                return Ok(Finding::unknown(Link::DryRun, what));
            }
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

/// What the API server says of a webhook that it cannot call, before the name of its entry.
const FAILED: &str = "failed calling webhook";

/// A webhook that must be called and cannot be: ours, or somebody else's that nothing is known about.
fn failed(said: &str) -> Finding {
    let name = said.split(FAILED).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default();
    if name.ends_with(ENTRY_ENDING) {
        return Finding::broken(Link::DryRun, said, "");
    }
    let what = format!("another webhook, {name}, keeps pods from being created: {said}");
    Finding::unknown(Link::DryRun, what)
}

/// Where a pod has a value, what keeps the namespace from one does not do so, or something else gave it.
fn doubt(findings: &mut [Finding]) {
    let links = [Link::NamespaceLabel, Link::NamespaceSelector, Link::ObjectSelector];
    let is_refuted = |one: &&mut Finding| one.state == State::Broken && links.contains(&one.link);
    for finding in findings.iter_mut().filter(is_refuted) {
        finding.state = State::Unknown;
        finding.what += "; a pod created by dry run got a value all the same";
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
    let verdict = decide(&pod, PodContext { namespace, annotations, owner: None }, policy);
    let container = verdict.containers.first()?;
    Some((container.outcome.reason, container.rule().map(str::to_owned)))
}

/// An ordinary pod that fits where pods are restricted, and that nothing would start.
fn sample_pod() -> Value {
    let container = json!({
        "image": "gomemlimit.invalid/check:1",
        "resources": {"limits": {"cpu": "10m"}, "requests": {"memory": "1Mi", "cpu": "1m"}},
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    let pod = json!({
        "metadata": {"name": null, "generateName": "gomemlimit-check-"},
        "spec": {
            "schedulingGates": [{"name": format!("{DOMAIN}/check")}],
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    });
    sample::pod("check", &container, &pod)
}

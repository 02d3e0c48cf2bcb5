//! The checks of one namespace: its label, the selectors, the settings, and a pod created by dry run.

use gomemlimit_core::{
    NamespaceAnnotations, Pod, PodContext, Policy, Reason,
    audit::{Labels, Selection},
    decide,
    names::{DOMAIN, GOMEMLIMIT, INJECT_LABEL},
};
use kube::{api::PostParams, core::Request};
use serde_json::{Value, json};

use super::{
    checks::{Cause, Check},
    criteria::{Criteria, ENABLED},
    finding::{Finding, State},
    missing_value::refute,
    release::Release,
};
use crate::cli::{sample, shell::quote};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    cluster_state::NamespaceFacts,
    webhook_configuration::ENTRY_ENDING,
};

/// The checks of namespaces, and what they compare with.
pub(super) struct NamespaceChecks<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: &'c Release,
    pub(super) criteria: &'c Criteria,
    pub(super) dry_run: bool,
}

impl NamespaceChecks<'_> {
    /// Runs the checks of a namespace. Without `facts` it could not be read, and only a dry run shows anything.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub(super) async fn run(
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
            if pod.state() == State::Ok {
                refute(&mut findings);
            }
            findings.push(pod);
        }
        Ok(findings.into_iter().map(|finding| finding.of(name)).collect())
    }

    /// The namespace's label, and what selects by it.
    fn selectors(&self, name: &str, labels: &Labels) -> Vec<Finding> {
        let is_labelled = labels.get(INJECT_LABEL).is_some_and(|value| value == ENABLED);
        let label = format!("{INJECT_LABEL}={ENABLED}");
        let Some(selection) = &self.criteria.selection else {
            return vec![if is_labelled {
                Finding::ok(Check::NamespaceLabel, label)
            } else {
                let what =
                    format!("label {label} is missing, and it is not known whether that is what opts in");
                Finding::unknown(Check::NamespaceLabel, what)
            }];
        };
        let selecting: Vec<_> =
            selection.opting_in().filter(|entry| entry.namespaces.matches(labels)).collect();
        if selecting.is_empty() {
            return vec![self.unselected(name, labels, selection)];
        }
        let what = if is_labelled { label } else { "selected".to_owned() };
        let mut findings = vec![
            Finding::ok(Check::NamespaceLabel, what),
            Finding::ok(Check::NamespaceSelector, "selects it"),
        ];
        let pod = Labels::new();
        let unmet: Vec<_> = selecting.iter().filter_map(|entry| entry.objects.unmet(&pod)).collect();
        findings.push(match unmet.first().filter(|_| unmet.len() == selecting.len()) {
            None => Finding::ok(Check::ObjectSelector, "selects pods without labels of gomemlimit"),
            Some(unmet) => {
                let cause = Cause::PodsNotSelected { mismatch: unmet.to_string() };
                Finding::broken(cause, &*self.criteria.restore)
            }
        });
        findings
    }

    /// Why no entry selects the namespace.
    fn unselected(&self, name: &str, labels: &Labels, selection: &Selection) -> Finding {
        // If the release was installed to ask for another label, somebody has changed the selector since.
        let is_installed =
            |key: &str| self.criteria.installed_selector.as_ref().is_none_or(|one| one.contains(key));
        let missing = selection.missing_label(labels).filter(|(key, _)| is_installed(key));
        if let Some((key, value)) = missing {
            let fix = format!(
                "kubectl label namespace {} {}={} --overwrite",
                quote(name),
                quote(&key),
                quote(&value)
            );
            return Finding::broken(Cause::NotOptedIn { label: format!("{key}={value}") }, fix);
        }
        let unmet = selection.opting_in().find_map(|entry| entry.namespaces.unmet(labels));
        let mismatch = unmet.as_ref().map(ToString::to_string).unwrap_or_default();
        if unmet.is_some_and(|unmet| unmet.is_exclusion) {
            return Finding::broken(Cause::NamespaceExcluded { mismatch }, "");
        }
        Finding::broken(Cause::NamespaceNotSelected { mismatch }, &*self.criteria.restore)
    }

    /// Whether the settings let an ordinary pod have a value.
    fn settings(&self, name: &str, annotations: &NamespaceAnnotations) -> Option<Finding> {
        let (policy, follows) = self.criteria.effective_policy.as_ref()?;
        let none = NamespaceAnnotations::new();
        let annotations = if *follows { annotations } else { &none };
        let (reason, rule) = outcome(name, annotations, policy)?;
        if reason.is_set() {
            return Some(Finding::ok(Check::Settings, "an ordinary pod gets a value"));
        }
        let culprit = annotations.keys().find(|key| {
            let mut others = annotations.clone();
            others.remove(*key);
            outcome(name, &others, policy).is_some_and(|(reason, _)| reason.is_set())
        });
        Some(match (culprit, rule) {
            (Some(key), _) => Finding::broken(
                Cause::AnnotationWithholdsValue { key: key.clone(), reason },
                format!("kubectl annotate namespace {} {}-", quote(name), quote(key)),
            ),
            (None, Some(rule)) => Finding::broken(
                Cause::RuleWithholdsValue { rule, reason },
                match self.release.upgrade("") {
                    upgrade if upgrade.is_empty() => upgrade,
                    upgrade => format!("{upgrade}, after a correction of policy.rules in its values"),
                },
            ),
            (None, None) => Finding::broken(
                Cause::SettingsWithholdValue { settings: self.criteria.settings_origin, reason },
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
            Err(ApiError::Other(problem)) if problem.contains(CALL_FAILED) => {
                return Ok(failed_call(problem));
            }
            Err(error) if error.is_of_all_calls() => return Err(error),
            // The namespace may have gone meanwhile, and an error of a busy API server is not about the others.
            Err(error) => {
                let what = format!("the API server refuses the pod of the dry run: {error}");
                return Ok(Finding::unknown(Check::DryRun, what));
            }
        };
        let pod: Value = serde_json::from_str(&text).unwrap_or_default();
        let env = pod.pointer("/spec/containers/0/env").and_then(Value::as_array);
        let variable = env.into_iter().flatten().find(|env| env.get("name") == Some(&json!(GOMEMLIMIT)));
        Ok(match variable.and_then(|env| env.get("value")).and_then(Value::as_str) {
            Some(value) => Finding::ok(Check::DryRun, format!("a pod with 1Gi gets {GOMEMLIMIT}={value}")),
            None => Finding::broken(Cause::NoValue, ""),
        })
    }
}

/// What the API server answers if it cannot call a webhook, before the name of its entry (`k8s.io/apiserver`,
/// `admission/plugin/webhook/generic`).
const CALL_FAILED: &str = "failed calling webhook";

/// A webhook that must be called and cannot be: gomemlimit's, or another that nothing is known about.
fn failed_call(problem: String) -> Finding {
    let name = problem.split(CALL_FAILED).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default();
    if name.ends_with(ENTRY_ENDING) {
        return Finding::broken(Cause::WebhookCallFailed { problem }, "");
    }
    let what = format!("another webhook, {name}, keeps pods from being created: {problem}");
    Finding::unknown(Check::DryRun, what)
}

/// The decision about an ordinary pod in a namespace, and the rule that leads to it, if one does.
fn outcome(
    namespace: &str,
    annotations: &NamespaceAnnotations,
    policy: &Policy,
) -> Option<(Reason, Option<String>)> {
    let text = sample_pod().to_string();
    let pod = Pod::parse(&text).ok()?;
    let context = PodContext { namespace, annotations, owner: None, is_in_template: false };
    let decision = decide(&pod, context, policy);
    let container = decision.containers.first()?;
    Some((container.outcome.reason, container.rule().map(str::to_owned)))
}

/// An ordinary pod that the restricted Pod Security Standard allows, and that nothing would start.
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

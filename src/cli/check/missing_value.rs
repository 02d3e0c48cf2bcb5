//! The cause of a missing value if no other check is broken.

use super::{
    checks::{Cause, Check, RuledOut},
    finding::{Detail, Finding, State},
    release::Release,
};
use crate::cli::shell::quote;

/// What decides about new pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Webhook,
    /// A policy that the API server evaluates; the command restores it.
    Policy {
        restore: String,
    },
    /// Nothing, or it is not known.
    Unknown,
}

/// If a pod got no value and nothing else that could keep it from one is broken: names the conditions that are not the
/// chart's, or else the way from the API server to the webhook, which only the API server sees.
pub(super) fn attribute_missing_value(findings: &mut [Finding], engine: &Engine, release: &Release) {
    let is_missing = |one: &Finding| matches!(one.detail, Detail::Broken(Cause::NoValue));
    let explains =
        |one: &Finding| one.state() == State::Broken && one.check.can_withhold_value() && !is_missing(one);
    if findings.iter().any(explains) || !findings.iter().any(is_missing) {
        return;
    }
    let is_suspected = |one: &Finding| matches!(one.detail, Detail::Suspected(_));
    let is_unknown = |one: &&Finding| {
        one.state() == State::Unknown && !is_suspected(one) && one.check.can_withhold_value()
    };
    let ruled_out = RuledOut { unknown: findings.iter().filter(is_unknown).map(|one| one.check).collect() };
    let suspected = findings.iter_mut().find_map(|one| match &one.detail {
        Detail::Suspected(cause) => Some((cause.clone(), &mut one.detail)),
        _ => None,
    });
    if let Some((mut cause, detail)) = suspected {
        if let Cause::ForeignConditions { ruled_out: others, .. } = &mut cause {
            *others = Some(ruled_out);
        }
        *detail = Detail::Broken(cause);
        return;
    }
    let (cause, fix) = match engine {
        Engine::Webhook => (
            Cause::WebhookNotReached { ruled_out },
            format!(
                "kubectl logs -n {} -l app.kubernetes.io/component=webhook --tail=50",
                quote(&release.namespace)
            ),
        ),
        Engine::Policy { restore } => (Cause::PolicyFailed { ruled_out }, restore.clone()),
        Engine::Unknown => (Cause::NoValueUnexplained { ruled_out }, String::new()),
    };
    for finding in findings.iter_mut().filter(|one| is_missing(one)) {
        finding.detail = Detail::Broken(cause.clone());
        finding.fix.clone_from(&fix);
    }
}

/// Takes back what keeps the namespace from a value, since a pod got one: it does not do so, or something else gave it.
pub(super) fn refute(findings: &mut [Finding]) {
    let checks = [Check::NamespaceLabel, Check::NamespaceSelector, Check::ObjectSelector];
    for finding in findings.iter_mut().filter(|one| checks.contains(&one.check)) {
        if let Detail::Broken(cause) = &finding.detail {
            finding.detail = Detail::Refuted(cause.clone());
        }
    }
}

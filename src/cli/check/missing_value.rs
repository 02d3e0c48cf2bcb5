//! What is left to blame where a pod got no value and no link is broken.

use std::collections::BTreeSet;

use crate::cli::shell::quote;

use super::{
    installation::DRY_RUN_TELLS,
    link::{Finding, Link, State},
    opted_in::NO_VALUE,
    release::Release,
};

/// What decides about new pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decides {
    /// A webhook.
    Webhook,
    /// The API server itself, by a policy; the command restores the policy.
    Policy { restore: String },
    /// Nothing does, or it is not known what does.
    NotKnown,
}

/// Where a pod got no value and nothing else is broken, conditions that are not the chart's are to blame, or else
/// the way from the API server to the webhook, which only the API server sees.
pub(super) fn eliminate(findings: &mut [Finding], decides: &Decides, release: &Release) {
    let is_without_value =
        |one: &Finding| one.state == State::Broken && one.link == Link::DryRun && one.what == NO_VALUE;
    let has_other = findings.iter().any(|one| one.state == State::Broken && !is_without_value(one));
    if has_other || !findings.iter().any(is_without_value) {
        return;
    }
    let is_conditions =
        |one: &Finding| one.link == Link::MatchConditions && one.what.ends_with(DRY_RUN_TELLS);
    let unseen: BTreeSet<_> = findings
        .iter()
        .filter(|one| one.state == State::Unknown && !is_conditions(one))
        .map(|one| one.link.as_str())
        .collect();
    let fine = if unseen.is_empty() {
        "although all else is fine".to_owned()
    } else {
        let unseen = unseen.into_iter().collect::<Vec<_>>().join(", ");
        format!("although all else that could be looked at is fine, and {unseen} could not be looked at")
    };
    if let Some(conditions) = findings.iter_mut().find(|one| is_conditions(one)) {
        conditions.state = State::Broken;
        conditions.what = conditions.what.replace(DRY_RUN_TELLS, &format!(", and a pod got no value {fine}"));
        return;
    }
    let (why, command) = match decides {
        Decides::Webhook => (
            "the API server did not reach the webhook (a NetworkPolicy, firewall or proxy between them), or the \
             webhook was too slow; its log, and that of the API server, say more",
            format!(
                "kubectl logs -n {} -l app.kubernetes.io/component=webhook --tail=50",
                quote(&release.namespace)
            ),
        ),
        Decides::Policy { restore } => (
            "an expression of the policy was changed or failed; the log of the API server says more",
            restore.clone(),
        ),
        Decides::NotKnown => ("what decides about new pods is not known", String::new()),
    };
    for finding in findings.iter_mut().filter(|one| is_without_value(one)) {
        finding.what = format!("{NO_VALUE} {fine}: {why}");
        finding.command.clone_from(&command);
    }
}

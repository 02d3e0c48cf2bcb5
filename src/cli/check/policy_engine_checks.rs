//! The links of a policy that the API server evaluates by itself, where there is no webhook.

use super::{
    eliminate::Decides,
    installation::DRY_RUN_TELLS,
    link::{Finding, Link, note},
    opted_in::Target,
    release::Release,
};
use crate::cli::shell::quote;
use crate::{
    cli::policy_resolver::read_serve_args,
    cluster::{
        api::{ApiError, Cluster},
        policy_engine::AdmissionPolicy,
    },
};

/// The conditions of the policy that `gomemlimit policy` prints.
const CONDITIONS: [&str; 3] = ["not-mirror-pod", "not-windows", "not-opted-out"];

/// What is found about the policy and its bindings, and what namespaces are judged by.
pub(super) async fn walk(
    cluster: &Cluster,
    policies: &[AdmissionPolicy],
    findings: &mut Vec<Finding>,
) -> Result<Option<(Target, Decides, Release)>, ApiError> {
    let Some(policy) = policies.first() else { return Ok(None) };
    let name = &policy.metadata.name;
    let release = Release::of(&policy.metadata, None);
    let print = format!("gomemlimit policy --name {} | kubectl apply -f -", quote(name));
    let restore = |kind: &str| {
        if release.is_helm() { release.restore(&format!("{kind} {}", quote(name))) } else { print.clone() }
    };
    let what = format!("the MutatingAdmissionPolicy {name} decides; there is no webhook to walk to");
    findings.push(Finding::ok(Link::Configuration, what));
    if policies.len() > 1 {
        let others: Vec<_> = policies.iter().skip(1).map(|one| one.metadata.name.as_str()).collect();
        let what = format!("there are other policies of gomemlimit, too: {}", others.join(", "));
        findings.push(Finding::unknown(Link::Configuration, what));
    }
    let (selection, unreadable) = note(policy.selection(cluster).await, Link::Binding, findings)?.unzip();
    findings.extend(unreadable.flatten().map(|problem| Finding::unknown(Link::Binding, problem)));
    match &selection {
        None => {}
        Some(Some(_)) => findings.push(Finding::ok(Link::Binding, "binds the policy")),
        Some(None) => {
            let command = if release.is_helm() { release.upgrade("") } else { print.clone() };
            let what =
                format!("no MutatingAdmissionPolicyBinding names the policy {name}, so it decides nothing");
            findings.push(Finding::broken(Link::Binding, what, command));
        }
    }
    let restore_policy = restore("mutatingadmissionpolicy");
    findings.push(conditions(policy, restore_policy.clone()));
    let effective_policy = match policy.serve_args().map(|args| read_serve_args(&args, None)) {
        Some(Ok(effective_policy)) => Some(effective_policy),
        Some(Err(problem)) => {
            let what = format!("the settings of the policy cannot be read: {problem}");
            findings.push(Finding::unknown(Link::Settings, what));
            None
        }
        None => {
            findings.push(Finding::unknown(Link::Settings, "the policy has no settings that can be read"));
            None
        }
    };
    let target = Target {
        selection: selection.flatten(),
        restore: restore("mutatingadmissionpolicybinding"),
        asked: None,
        effective_policy,
        flags: "the policy's settings",
    };
    Ok(Some((target, Decides::Policy { restore: restore_policy }, release)))
}

fn conditions(policy: &AdmissionPolicy, restore: String) -> Finding {
    let names = policy.match_conditions().iter().map(|one| one.name.as_str());
    let foreign: Vec<_> = names.filter(|name| !CONDITIONS.contains(name)).collect();
    if foreign.is_empty() {
        return Finding::ok(Link::MatchConditions, "the policy's own");
    }
    let what = format!("there are others than the policy's own: {}{DRY_RUN_TELLS}", foreign.join(", "));
    Finding { command: restore, ..Finding::unknown(Link::MatchConditions, what) }
}

//! The checks of a policy that the API server evaluates by itself, if there is no webhook.

use gomemlimit_core::Policy;

use super::{
    checks::{Cause, Check},
    criteria::Criteria,
    finding::{Finding, note},
    missing_value::Engine,
    release::Release,
};
use crate::{
    cli::{policy_resolver::read_serve_args, shell::quote},
    cluster::{
        api::{ApiError, Cluster},
        policy_engine::AdmissionPolicy,
    },
};

/// The conditions of the policy that `gomemlimit policy` prints.
const CONDITIONS: [&str; 3] = ["not-mirror-pod", "not-windows", "not-opted-out"];

/// Checks the policy and its bindings; returns what they select and decide by. `None` if there is no policy.
///
/// # Errors
/// If the API server does not answer.
pub(super) async fn run_policy_checks(
    cluster: &Cluster,
    policies: &[AdmissionPolicy],
    findings: &mut Vec<Finding>,
) -> Result<Option<(Criteria, Engine, Release)>, ApiError> {
    let Some(policy) = policies.first() else { return Ok(None) };
    let name = &policy.metadata.name;
    let release = Release::of(&policy.metadata, None);
    let print = format!("gomemlimit policy --name {} | kubectl apply -f -", quote(name));
    let restore = |kind: &str| {
        if release.is_helm() {
            release.restore(&format!("{kind} {}", quote(name)), "")
        } else {
            print.clone()
        }
    };
    let what = format!("the MutatingAdmissionPolicy {name} decides; there is no webhook to check");
    findings.push(Finding::ok(Check::Configuration, what));
    if policies.len() > 1 {
        let others: Vec<_> = policies.iter().skip(1).map(|one| one.metadata.name.as_str()).collect();
        let what = format!("there are other policies of gomemlimit, too: {}", others.join(", "));
        findings.push(Finding::unknown(Check::Configuration, what));
    }
    let (selection, unreadable) = note(policy.selection(cluster).await, Check::Binding, findings)?.unzip();
    findings.extend(unreadable.flatten().map(|problem| Finding::unknown(Check::Binding, problem)));
    match &selection {
        None => {}
        Some(Some(_)) => findings.push(Finding::ok(Check::Binding, "binds the policy")),
        Some(None) => {
            let fix = if release.is_helm() { release.upgrade("") } else { print.clone() };
            findings.push(Finding::broken(Cause::BindingMissing { policy: name.clone() }, fix));
        }
    }
    let restore_policy = restore("mutatingadmissionpolicy");
    findings.push(conditions(policy, restore_policy.clone()));
    let criteria = Criteria {
        selection: selection.flatten(),
        restore: restore("mutatingadmissionpolicybinding"),
        installed_selector: None,
        effective_policy: settings(policy, findings),
        settings_origin: "the policy's settings",
    };
    Ok(Some((criteria, Engine::Policy { restore: restore_policy }, release)))
}

/// The policy that its settings make, and whether annotations of namespaces count; `None` if they cannot be read.
fn settings(policy: &AdmissionPolicy, findings: &mut Vec<Finding>) -> Option<(Policy, bool)> {
    let problem = match policy.serve_args().map(|args| read_serve_args(&args, None)) {
        Some(Ok(effective_policy)) => return Some(effective_policy),
        Some(Err(problem)) => format!("the settings of the policy cannot be read: {problem}"),
        None => "the policy has no settings that can be read".to_owned(),
    };
    findings.push(Finding::unknown(Check::Settings, problem));
    None
}

fn conditions(policy: &AdmissionPolicy, restore: String) -> Finding {
    let names = policy.match_conditions().iter().map(|one| one.name.as_str());
    let foreign: Vec<_> = names.filter(|name| !CONDITIONS.contains(name)).collect();
    if foreign.is_empty() {
        return Finding::ok(Check::MatchConditions, "the policy's own");
    }
    let cause =
        Cause::ForeignConditions { expected: "the policy's own", names: foreign.join(", "), ruled_out: None };
    Finding::suspected(cause, restore)
}

//! The whole run: the checks that all namespaces share, then those of each namespace.

use super::{
    checks::{Cause, Check},
    criteria::Criteria,
    finding::Finding,
    installation::Installation,
    missing_value::{Engine, attribute_missing_value},
    namespace_checks::NamespaceChecks,
    policy_engine_checks::run_policy_checks,
    release::Release,
    scope::{Chosen, Scope},
};
use crate::cluster::{
    api::{ApiError, Cluster},
    pages::Collected,
    policy_engine::AdmissionPolicy,
};

/// Runs every check, and returns what they have found in the order of the checks.
///
/// # Errors
/// If the flags name something that is not there or is not clear, or the API server does not answer.
pub(super) async fn run(scope: &Scope, cluster: &Cluster) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let Chosen { configuration, others, namespaces, is_known } = scope.choose(cluster, &mut findings).await?;
    let (mut criteria, mut engine, mut release) = (Criteria::default(), Engine::Unknown, Release::unknown());
    if let Some(configuration) = configuration {
        release = scope.release_of(&configuration, &mut findings);
        let mut installation = Installation::new(cluster, release.clone(), configuration);
        findings.extend(installation.run_shared_checks().await?);
        criteria = Criteria::of_webhook(&installation, &mut findings).await?;
        engine = Engine::Webhook;
    } else if is_known {
        release = scope.find_release(cluster, &namespaces).await?;
        if let Some(policies) = policies(cluster, &release, &mut findings).await? {
            match run_policy_checks(cluster, &policies, &mut findings).await? {
                Some(found) => (criteria, engine, release) = found,
                None => findings.push(nothing_decides(&release)),
            }
        }
    }
    let checks =
        NamespaceChecks { cluster, release: &release, criteria: &criteria, dry_run: !scope.no_dry_run };
    for (name, facts) in scope.namespaces(cluster, &criteria, &others, &mut findings).await? {
        findings.extend(checks.run(&name, facts.as_ref()).await?);
    }
    attribute_missing_value(&mut findings, &engine, &release);
    findings.sort_by(|a, b| (a.check, &a.namespace).cmp(&(b.check, &b.namespace)));
    Ok(findings)
}

/// The policies of the API server that decide instead of a webhook; `None` if it is not known whether there are any.
async fn policies(
    cluster: &Cluster,
    release: &Release,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<Option<Vec<AdmissionPolicy>>> {
    match AdmissionPolicy::find(cluster).await {
        Ok(Collected { items, unreadable }) => {
            findings.extend(unreadable.map(|problem| Finding::unknown(Check::Configuration, problem)));
            Ok(Some(items))
        }
        Err(ApiError::Forbidden(problem)) if release.is_absent() || release.is_unknown() => {
            let what = format!(
                "there is no MutatingWebhookConfiguration of gomemlimit, and whether a policy decides instead is not \
                 known: {problem}"
            );
            findings.push(Finding::unknown(Check::Configuration, what));
            Ok(None)
        }
        Err(ApiError::Forbidden(_)) => Ok(Some(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

/// There is neither a configuration nor a policy.
fn nothing_decides(release: &Release) -> Finding {
    let cause = if release.is_absent() {
        Cause::NotInstalled
    } else if release.is_unknown() {
        Cause::ReleaseUnknown
    } else {
        Cause::ConfigurationMissing
    };
    Finding::broken(cause, release.upgrade(""))
}

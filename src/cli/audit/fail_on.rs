//! `--fail-on`: the findings that make the exit code 1. It never passes on nothing: it is an error if there are no pods, or
//! if what a finding depends on cannot be read.

use anyhow::{bail, ensure};
use gomemlimit_core::audit::{AuditFinding, UncoveredReason};

use super::{super::output, audit_report::AuditReport};

/// The arguments of `--fail-on`.
pub(super) struct FailOn<'a> {
    pub(super) findings: &'a [AuditFinding],
    /// Whether a report without containers passes.
    pub(super) allow_empty: bool,
    /// Whether the settings of the installations could be read.
    pub(super) are_settings_known: bool,
}

impl FailOn<'_> {
    /// Whether a container has one of the findings; `false` without `--fail-on`. Prints the counts of these findings.
    ///
    /// # Errors
    ///
    /// If it cannot be known: there are no containers, for which `no_pods` is the message, or something cannot be read.
    pub(super) fn has_failed(&self, report: &AuditReport, no_pods: &str) -> anyhow::Result<bool> {
        let total = report.total();
        // What has happened is worse than what may happen.
        let mut findings = self.findings.to_vec();
        findings.sort_by_key(|finding| *finding != AuditFinding::OomKilled);
        let counts = findings.iter().map(|finding| (total.with_finding(*finding), finding.as_str()));
        let found: Vec<_> = counts.filter(|(count, _)| *count > 0).collect();
        if !found.is_empty() {
            let found: Vec<_> = found.iter().map(|(count, finding)| format!("{count} {finding}")).collect();
            output::message(&format!("--fail-on: {}", found.join(", ")));
            return Ok(true);
        }
        if findings.is_empty() {
            return Ok(false);
        }
        let unreadable = report.unreadable;
        ensure!(unreadable == 0, "{unreadable} pods cannot be read, so --fail-on cannot judge them");
        if report.is_empty() && !self.allow_empty {
            bail!("{no_pods}, so --fail-on has nothing to judge; pass --allow-empty if that is fine");
        }
        let unknown = total.with_finding(AuditFinding::Uncovered(UncoveredReason::NamespaceUnknown));
        if let Some(finding) = findings.iter().find(|finding| unknown > 0 && depends_on_namespace(**finding))
        {
            bail!(
                "--fail-on {} cannot be judged: namespaces may not be read, and {unknown} containers are \
                 namespace-unknown; grant get and list on namespaces, or name namespace-unknown",
                finding.as_str(),
            );
        }
        if let Some(finding) =
            findings.iter().find(|finding| !self.are_settings_known && depends_on_settings(**finding))
        {
            bail!(
                "--fail-on {} cannot be judged: what the webhook selects and decides by cannot be read; grant the \
                 rights, or give its settings as flags",
                finding.as_str()
            );
        }
        Ok(false)
    }
}

/// Whether the finding depends on the labels of the namespace.
fn depends_on_namespace(finding: AuditFinding) -> bool {
    matches!(
        finding,
        AuditFinding::Uncovered(
            UncoveredReason::NotLabelled | UncoveredReason::NotInjected | UncoveredReason::ExcludedNamespace
        )
    )
}

/// Whether the finding depends on the settings of the installation. A status does not: it is the value against the limit.
fn depends_on_settings(finding: AuditFinding) -> bool {
    matches!(finding, AuditFinding::Uncovered(reason) if reason != UncoveredReason::NamespaceUnknown)
}

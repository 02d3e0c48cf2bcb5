//! The findings as a table for people and as JSON, and whether they are enough to know that pods get a value.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::{Value, json};

use super::{
    ca,
    checks::Check,
    finding::{Finding, State, first_broken},
};
use crate::cli::output;

/// Version of the schema of `-o json`; fields are added without a new one.
const SCHEMA_VERSION: u32 = 1;

pub(super) fn table(findings: &[Finding]) -> String {
    let rows = findings.iter().map(|finding| {
        let namespace = finding.namespace.clone().unwrap_or_else(|| "-".to_owned());
        let state = finding.state();
        vec![
            finding.check.as_str().to_owned().into(),
            output::paint(state.as_str(), state.colour()),
            namespace.into(),
            finding.what().into(),
        ]
    });
    let mut text = output::table(&["CHECK", "STATE", "NAMESPACE", "WHAT"], rows);
    text.push_str(&ca::table(findings.iter().find(|one| !one.cas.is_empty()).map_or(&[], |one| &one.cas)));
    // Writing to a String cannot fail.
    let _ = match first_broken(findings) {
        Some((Finding { check, fix, .. }, cause)) => {
            let fix = if fix.is_empty() { String::new() } else { format!("\n  {}\n", output::clean(fix)) };
            let (check, docs, what) = (check.as_str(), cause.docs(), cause.to_string());
            let what = output::clean(&what);
            write!(text, "\nThe first failed check is {check}: {what}.\n{fix}\nSee {docs} for hints.\n")
        }
        None if !is_verified(findings) => Ok(()),
        None => match unknown_checks(findings) {
            checks if checks.is_empty() => Ok(()),
            checks => {
                write!(text, "\nNothing is broken as far as could be looked at; not known: {checks}.\n")
            }
        },
    };
    text
}

pub(super) fn json(findings: &[Finding]) -> Value {
    let broken = first_broken(findings);
    json!({
        "version": SCHEMA_VERSION,
        "broken": broken.map(|(finding, _)| finding.json()),
        "verified": broken.is_none() && is_verified(findings),
        "checks": findings.iter().map(Finding::json).collect::<Vec<_>>(),
    })
}

/// Whether pods are known to get a value, if nothing is broken: all was looked at, or a pod got one by dry run. Such a
/// pod passes every check of its own namespace, and those that all namespaces share.
pub(super) fn is_verified(findings: &[Finding]) -> bool {
    let is_proven = |unknown: &Finding| {
        let is_shared = unknown.namespace.is_none() || unknown.check == Check::DryRun;
        findings.iter().any(|one| {
            (one.check, one.state()) == (Check::DryRun, State::Ok)
                && (is_shared || one.namespace == unknown.namespace)
        })
    };
    findings.iter().filter(|one| one.state() == State::Unknown).all(is_proven)
}

/// Words of the checks that could not be made.
pub(super) fn unknown_checks(findings: &[Finding]) -> String {
    let unknown = findings.iter().filter(|one| one.state() == State::Unknown);
    let checks: BTreeSet<_> = unknown.map(|one| one.check).collect();
    checks.into_iter().map(Check::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_proves_what_it_has_passed() {
        let service = || Finding::unknown(Check::Service, "forbidden");
        let label = || Finding::unknown(Check::NamespaceLabel, "it is not known what opts in").of("shop");
        let dry_run = |state| match state {
            State::Ok => Finding::ok(Check::DryRun, ""),
            _ => Finding::unknown(Check::DryRun, ""),
        };
        let fine = || Finding::ok(Check::Configuration, "");
        for (findings, is_known) in [
            (vec![fine()], true),
            (vec![fine(), service()], false),
            (vec![service(), dry_run(State::Ok).of("shop")], true),
            (vec![service(), dry_run(State::Unknown).of("shop")], false),
            (vec![dry_run(State::Unknown).of("going"), dry_run(State::Ok).of("shop")], true),
            (vec![label(), dry_run(State::Ok).of("shop")], true),
            (vec![label(), dry_run(State::Ok).of("other")], false),
        ] {
            assert_eq!(is_verified(&findings), is_known, "{findings:?}");
        }
    }
}

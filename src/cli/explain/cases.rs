//! The cases of an input, with their findings and the places of these in the text.

use gomemlimit_core::{
    Reason,
    decision::ContainerDecision,
    names::GOMEMLIMIT,
    warning::{Warning, WarningKind},
};
use gomemlimit_manifest::{Document, UnknownKind};
use serde_json::Value;

use super::finding::{Case, FileCases, Finding, Level, Rule};
use crate::cli::{
    manifest_files::{Problem, Severity},
    manifests::{Decided, DecidedInput},
    resource_list::child,
};

/// The rules that `--fail-on` names, and whether it is there.
#[derive(Clone, Copy)]
pub(super) struct Gate<'g> {
    pub(super) is_given: bool,
    pub(super) names: &'g (dyn Fn(Rule) -> bool + Sync),
}

impl Gate<'_> {
    /// The finding about a rule, whose place is not known yet; none if nobody has to act on it.
    fn finding(self, rule: Rule, text: &str) -> Option<Finding> {
        let is_named = (self.names)(rule);
        let level = if is_named { Level::Error } else { rule.level()? };
        let matters = level == Level::Error || matches!(rule, Rule::Warning(_) | Rule::DoubtfulManifest);
        let fails = if self.is_given { is_named || rule == Rule::Unreadable } else { matters };
        Some(Finding { rule, level, fails, text: text.to_owned(), place: (1, 1) })
    }
}

impl FileCases {
    /// The cases of an input, in the order of its text; also those without findings, if `has_sound` is set.
    pub(super) fn of(input: &DecidedInput, gate: Gate<'_>, has_sound: bool) -> Self {
        let mut cases: Vec<Case> = problems(input, gate).collect();
        for one in &input.documents {
            let Some(document) = &one.document else { continue };
            cases.extend(unknown_kinds(input, document, &one.unknown_kinds, gate));
            cases.extend(pods(input, document, &one.decided, gate));
        }
        cases.retain(|case| has_sound || !case.findings.is_empty());
        cases.sort_by_key(|case| case.document);
        Self { path: input.source.path().map(Into::into), source: input.source.to_string(), cases }
    }
}

/// The documents and pods that cannot be read or decided, or that are doubtful.
fn problems(input: &DecidedInput, gate: Gate<'_>) -> impl Iterator<Item = Case> {
    let rule = |problem: &Problem| match problem.severity {
        Severity::Error => Some(Rule::Unreadable),
        // What is left out is no finding.
        Severity::Warning if !input.documents.is_empty() => Some(Rule::DoubtfulManifest),
        _ => None,
    };
    let problems = input.problems.iter().filter_map(move |problem| Some((problem, rule(problem)?)));
    problems.map(move |(problem, rule)| {
        let place = problem.at.unwrap_or((1, 1));
        let text = problem.text.strip_prefix(&format!("{}: ", input.source)).unwrap_or(&problem.text);
        Case {
            document: problem.document,
            object: None,
            container: None,
            findings: gate.finding(rule, text).into_iter().map(|one| Finding { place, ..one }).collect(),
        }
    })
}

/// The objects of kinds that are not known in a document, each at its containers.
fn unknown_kinds(
    input: &DecidedInput,
    document: &Document,
    unknown: &[UnknownKind],
    gate: Gate<'_>,
) -> Vec<Case> {
    // The document is read once for all of them.
    let paths: Vec<_> = unknown.iter().map(|one| one.tokens.clone()).collect();
    let places = input.positions(document, &paths);
    let case = |(one, place): (&UnknownKind, _)| {
        let namespace = one.namespace.iter().map(|namespace| format!("{namespace}/"));
        let finding = gate.finding(Rule::UnknownKind, &one.to_string());
        Case {
            document: document.index,
            object: Some(format!("{} {}{}", one.kind, namespace.collect::<String>(), one.name)),
            container: None,
            findings: finding.into_iter().map(|finding| Finding { place, ..finding }).collect(),
        }
    };
    unknown.iter().zip(places).map(case).collect()
}

/// The cases of the pods of a document.
fn pods(input: &DecidedInput, document: &Document, decided: &[Decided], gate: Gate<'_>) -> Vec<Case> {
    let mut found: Vec<_> = decided.iter().flat_map(|one| pod(document, one, gate)).collect();
    let paths = found.iter_mut().flat_map(|(_, paths)| std::mem::take(paths)).collect::<Vec<_>>();
    // The document is read once for all of them.
    let mut places = input.positions(document, &paths).into_iter();
    for finding in found.iter_mut().flat_map(|(case, _)| &mut case.findings) {
        finding.place = places.next().unwrap_or(finding.place);
    }
    found.into_iter().map(|(case, _)| case).collect()
}

/// A case for each container of a pod, and one for the pod if there are warnings about it; with the path of each finding.
fn pod(document: &Document, decided: &Decided, gate: Gate<'_>) -> Vec<(Case, Vec<Vec<String>>)> {
    let (warnings, containers) = (&decided.decision.warnings, &decided.decision.containers);
    let in_object = |path: &[String]| decided.location.path.iter().chain(path).cloned().collect();
    let case = |container: Option<&str>, found: Vec<(Finding, Vec<String>)>| {
        let (findings, paths) = found.into_iter().unzip();
        let (object, container) = (Some(decided.object()), container.map(str::to_owned));
        (Case { document: document.index, object, container, findings }, paths)
    };
    let of_containers = containers.iter().map(|container| {
        let path = ["spec", container.list.as_str(), &container.index.to_string()].map(String::from);
        let broken = warnings.iter().find(|warning| is_about(warning, container)).and_then(|warning| {
            let path = variable(document, decided, path.to_vec());
            Some((gate.finding(Rule::Warning(warning.kind), container.explanation())?, in_object(&path)))
        });
        let reason = container.outcome.reason;
        let field: &[&str] = match reason {
            Reason::InvalidLimit | Reason::BelowMinimum => &["resources", "limits", "memory"],
            _ => &[],
        };
        let path: Vec<_> = path.into_iter().chain(field.iter().map(|&token| token.into())).collect();
        let of_reason = gate.finding(Rule::Reason(reason), container.explanation());
        let of_reason = of_reason.map(|finding| (finding, in_object(&path)));
        case(Some(&container.label()), broken.into_iter().chain(of_reason).collect())
    });
    let others = warnings.iter().filter(|warning| !containers.iter().any(|one| is_about(warning, one)));
    let others: Vec<_> = others
        .filter_map(|warning| {
            Some((
                gate.finding(Rule::Warning(warning.kind), &warning.text)?,
                in_object(&annotation(document, decided, warning)),
            ))
        })
        .collect();
    let of_pod = (!others.is_empty()).then(|| case(None, others));
    of_containers.chain(of_pod).collect()
}

/// Whether the warning is about the value of this container.
fn is_about(warning: &Warning, container: &ContainerDecision<'_>) -> bool {
    warning.kind == WarningKind::BrokenValue
        && container.existing.is_some()
        && warning.text.ends_with(container.explanation())
        && warning.text.contains(&*container.label())
}

/// The path of the annotation or label that a warning names, or of the pod.
fn annotation(document: &Document, decided: &Decided, warning: &Warning) -> Vec<String> {
    let pod = document.value.pointer(&decided.location.pointer());
    let found = ["annotations", "labels"].into_iter().find_map(|field| {
        let keys = pod?.get("metadata")?.get(field)?.as_object()?.keys();
        let key = keys.into_iter().find(|key| warning.text.contains(&format!("\"{key}\"")))?;
        Some(["metadata", field, key].map(String::from).to_vec())
    });
    found.unwrap_or_default()
}

/// The path of the variable in `env` of the container at `path`, or of the container.
fn variable(document: &Document, decided: &Decided, mut path: Vec<String>) -> Vec<String> {
    let pod = document.value.pointer(&decided.location.pointer());
    let container = path.iter().try_fold(pod.unwrap_or(&Value::Null), |value, token| child(value, token));
    let env = container.and_then(|container| container.get("env")?.as_array());
    // The last one counts.
    let index = env.and_then(|env| env.iter().rposition(|one| one.get("name") == Some(&GOMEMLIMIT.into())));
    if let Some(index) = index {
        path.extend(["env".to_owned(), index.to_string()]);
    }
    path
}

//! `gomemlimit explain`: one line for each container, with its value and the reason; for manifests, and for objects of a
//! cluster.

mod args;
mod cases;
mod finding;
mod junit;
mod live;
mod report;
mod sarif;
mod table;

use std::{collections::BTreeMap, env, path::PathBuf, process::ExitCode};

use anyhow::ensure;
use serde_json::{Value, json};

use self::{
    args::{FailOn, exit_code},
    cases::Gate,
    finding::{FileCases, RunReport},
    report::{SCHEMA_VERSION, container_report},
    table::{Object, decisions, warn},
};
use super::{
    format::Format,
    manifest_files::{Problem, Severity},
    manifests::{Decided, DecidedInput, RunSummary},
    output,
};
use crate::causes::with_causes;

pub(super) use self::args::ExplainArgs;

/// A pod among the manifests.
struct Explained {
    file: String,
    /// The object in messages.
    object: String,
    /// Position of its document in the file, from 0.
    document: usize,
    decided: Decided,
}

impl Explained {
    fn all(input: &mut DecidedInput) -> Vec<Self> {
        let file = input.source.to_string();
        let documents = std::mem::take(&mut input.documents);
        let documents = documents.into_iter().filter_map(|one| {
            let index = one.document.as_ref()?.index;
            Some(one.decided.into_iter().map(move |decided| (index, decided)))
        });
        documents
            .flatten()
            .map(|(document, decided)| Self {
                file: file.clone(),
                object: input.object(&decided),
                document,
                decided,
            })
            .collect()
    }
}

impl ExplainArgs {
    pub(super) fn run(self, policy_is_given: bool) -> anyhow::Result<ExitCode> {
        let is_report = matches!(self.output, Format::Sarif | Format::Junit);
        if !self.targets.is_empty() {
            ensure!(!is_report, "-o sarif and -o junit are about manifests: name them by -f");
            return live::run(&self, policy_is_given);
        }
        let names = |rule| self.names(rule);
        let gate = Gate { is_given: !self.fail_on.is_empty(), names: &names };
        let prepare = |input: &mut DecidedInput| {
            let cases = is_report.then(|| FileCases::of(input, gate, self.output == Format::Junit));
            (Explained::all(input), cases)
        };
        let (mut all, mut files) = (Vec::new(), Vec::new());
        let read = self.manifests.each(
            prepare,
            |_| 0,
            |(mut of_input, cases)| {
                all.append(&mut of_input);
                files.extend(cases);
                Ok(())
            },
        );
        let judged = read.as_ref().map_or(Ok(false), |summary| self.judge(summary, &all));
        let errors = [read.as_ref().err(), judged.as_ref().err()].into_iter().flatten();
        let errors = errors.map(|error| Problem::new(Severity::Error, with_causes(error.as_ref())));
        let left_out = read.as_ref().map(|summary| summary.left_out.as_slice()).unwrap_or_default();
        let report = RunReport {
            files: &files,
            problems: left_out.iter().cloned().chain(errors).collect(),
            is_complete: judged.is_ok() && read.as_ref().is_ok_and(|summary| !summary.has_errors()),
        };
        // Programs read what is printed after the run, whatever was wrong in it.
        let has_several = read.as_ref().is_ok_and(|summary| summary.files > 1);
        let printed = self.print(&all, has_several, &report)?;
        let (summary, has_failed) = (read?, judged?);
        if !summary.has_errors() && !self.manifests.is_quiet() {
            match (summary.pods, summary.containers) {
                (0, _) => output::message("No pods in these manifests."),
                (_, 0) => output::message("No containers in the pods of these manifests."),
                _ => {}
            }
        }
        if summary.has_errors() && !has_failed {
            return Ok(summary.exit_code());
        }
        Ok(exit_code(printed, has_failed))
    }

    /// Whether `--fail-on` names a finding.
    ///
    /// # Errors
    ///
    /// If there is nothing to judge, or if what was left out may have one.
    fn judge(&self, summary: &RunSummary, all: &[Explained]) -> anyhow::Result<bool> {
        let decisions = all.iter().map(|one| &one.decided.decision);
        let has_other = self.fail_on.contains(&FailOn::UnknownKind) && !summary.unknown_kinds.is_empty()
            || self.fail_on.contains(&FailOn::Warning) && summary.has_warnings;
        let has_failed = if has_other || summary.has_errors() {
            has_other || self.is_found(decisions)
        } else {
            let nothing = match summary.pods {
                0 => "pods in these manifests",
                _ => "containers in the pods of these manifests",
            };
            self.has_failed(decisions, nothing)?
        };
        ensure!(
            has_failed || self.fail_on.is_empty() || !summary.is_partial,
            "some of these files are left out, so --fail-on cannot judge them; name what is to be judged"
        );
        Ok(has_failed)
    }

    fn print(
        &self,
        all: &[Explained],
        has_several: bool,
        report: &RunReport<'_>,
    ) -> anyhow::Result<ExitCode> {
        Ok(match self.output {
            Format::Json => output::json(&json_report(all)),
            Format::Sarif => {
                // Without one, no path is relative to it.
                let directory = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
                output::json(&sarif::log(report, &directory))
            }
            Format::Junit => output::stdout(&junit::report(report)?),
            format => {
                let names_files = format == Format::Wide && has_several;
                let code = output::text(&table(all, names_files, format));
                for Explained { object, decided, .. } in all {
                    warn(object, &decided.decision);
                }
                code
            }
        })
    }
}

fn table(all: &[Explained], names_files: bool, format: Format) -> String {
    if all.iter().all(|one| one.decided.decision.containers.is_empty()) {
        return String::new();
    }
    let objects = all.iter().map(|one| Object {
        file: names_files.then_some(&*one.file),
        name: one.decided.object(),
        decision: &one.decided.decision,
    });
    decisions(&objects.collect::<Vec<_>>(), format)
}

fn json_report(all: &[Explained]) -> Value {
    let mut summary: BTreeMap<&str, usize> = BTreeMap::new();
    let objects: Vec<Value> = all
        .iter()
        .map(|Explained { file, document, decided: one, .. }| {
            for container in &one.decision.containers {
                *summary.entry(container.outcome.reason.as_str()).or_default() += 1;
            }
            json!({
                "file": file,
                "document": document,
                "apiVersion": one.location.api_version,
                "kind": one.location.kind,
                "namespace": one.namespace,
                "name": one.location.name,
                "template": one.location.template,
                "containers": one.decision.containers.iter().map(container_report).collect::<Vec<_>>(),
                "warnings": one.decision.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"version": SCHEMA_VERSION, "objects": objects, "summary": summary})
}

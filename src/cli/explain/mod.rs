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

use std::{collections::BTreeMap, env, process::ExitCode};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use self::{
    args::{FailOn, exit_code},
    cases::Gate,
    finding::FileCases,
    report::{SCHEMA_VERSION, container_report},
    table::{Object, decisions, warn},
};
use super::{
    format::Format,
    manifests::{Decided, DecidedInput},
    output,
};

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
        let summary = self.manifests.each(
            prepare,
            |_| 0,
            |(mut of_input, cases)| {
                all.append(&mut of_input);
                files.extend(cases);
                Ok(())
            },
        )?;
        let decisions = || all.iter().map(|one: &Explained| &one.decided.decision);
        let has_unknown = self.fail_on.contains(&FailOn::UnknownKind) && !summary.unknown_kinds.is_empty();
        let has_failed = if has_unknown || summary.has_errors() {
            has_unknown || self.is_found(decisions())
        } else {
            let nothing = match summary.pods {
                0 => "pods in these manifests",
                _ => "containers in the pods of these manifests",
            };
            self.has_failed(decisions(), nothing)?
        };
        ensure!(
            has_failed || self.fail_on.is_empty() || !summary.is_partial,
            "some of these files are left out, so --fail-on cannot judge them; name what is to be judged"
        );
        if !summary.has_errors() && !self.manifests.is_quiet() {
            match (summary.pods, summary.containers) {
                (0, _) => output::message("No pods in these manifests."),
                (_, 0) => output::message("No containers in the pods of these manifests."),
                _ => {}
            }
        }
        let code = match self.output {
            Format::Json => output::json(&report(&all)),
            Format::Sarif => {
                let directory = env::current_dir().context("cannot find the current directory")?;
                output::json(&sarif::log(&files, &directory))
            }
            Format::Junit => output::stdout(&junit::report(&files)?),
            format => {
                let names_files = format == Format::Wide && summary.files > 1;
                let code = output::text(&table(&all, names_files, format));
                for Explained { object, decided, .. } in &all {
                    warn(object, &decided.decision);
                }
                code
            }
        };
        if summary.has_errors() && !has_failed {
            return Ok(summary.exit_code());
        }
        Ok(exit_code(code, has_failed))
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

fn report(all: &[Explained]) -> Value {
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
                "containers": one.decision.containers.iter().map(container_report).collect::<Vec<_>>(),
                "warnings": one.decision.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"version": SCHEMA_VERSION, "objects": objects, "summary": summary})
}

//! `gomemlimit explain`: one line for each container, with its value and the reason; for manifests, and for objects of a
//! cluster.

mod args;
#[allow(dead_code)]
mod finding;
#[allow(dead_code)]
mod junit;
mod live;
mod report;
#[allow(dead_code)]
mod sarif;
mod table;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::ensure;
use serde_json::{Value, json};

use self::{
    args::exit_code,
    report::{SCHEMA_VERSION, container_report},
    table::{decisions, warn},
};
use super::{format::Format, manifests::Manifests, output};

pub(super) use self::args::ExplainArgs;

impl ExplainArgs {
    pub(super) fn run(self, policy_is_given: bool) -> anyhow::Result<ExitCode> {
        if !self.targets.is_empty() {
            return live::run(&self, policy_is_given);
        }
        let manifests = self.manifests.decide()?;
        let has_pods = !manifests.decided.is_empty();
        let nothing =
            if has_pods { "containers in the pods of these manifests" } else { "pods in these manifests" };
        let has_failed = self.has_failed(manifests.decided.iter().map(|one| &one.decision), nothing)?;
        ensure!(
            has_failed || self.fail_on.is_empty() || !manifests.is_partial,
            "some of these files are left out, so --fail-on cannot judge them; name what is to be judged"
        );
        if !has_pods {
            output::message("No pods in these manifests.");
        }
        let code = match self.output {
            Format::Json => output::json(&report(&manifests)),
            format => {
                let code = output::text(&table(&manifests, format));
                for one in &manifests.decided {
                    warn(&one.object(), &one.decision);
                }
                code
            }
        };
        Ok(exit_code(code, has_failed))
    }
}

fn table(manifests: &Manifests, format: Format) -> String {
    if manifests.decided.is_empty() {
        return String::new();
    }
    let all = manifests.decided.iter();
    decisions(&all.map(|one| (one.object(), &one.decision)).collect::<Vec<_>>(), format)
}

fn report(manifests: &Manifests) -> Value {
    let mut summary: BTreeMap<&str, usize> = BTreeMap::new();
    let objects: Vec<Value> = manifests
        .decided
        .iter()
        .map(|one| {
            for container in &one.decision.containers {
                *summary.entry(container.outcome.reason.as_str()).or_default() += 1;
            }
            let source = manifests.inputs.get(one.input).map(|input| input.source.to_string());
            json!({
                "file": source,
                "document": one.document,
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

//! `gomemlimit explain`: a line a container, what it gets and why.

use std::{collections::BTreeMap, process::ExitCode, str::FromStr};

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use gomemlimit_core::{
    Reason,
    decide::{ContainerVerdict, NotTracked, Plan},
    settings::{Level, Setting},
};
use serde_json::{Value, json};

use super::{
    manifests::{Decided, ManifestArgs, Manifests},
    output,
};

/// Show what each container of manifests would get, and which setting decided
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit explain -f deployment.yaml
  helm template shop ./chart | gomemlimit explain -f - -o json
  # A gate for CI: exit 1 where a container has no memory limit or something is wrong
  gomemlimit explain -R -f manifests/ --fail-on no-memory-limit,warning")]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Format of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Exit with 1 where one of these reasons occurs, or `warning`
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    fail_on: Vec<Finding>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What `--fail-on` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Reason(Reason),
    Warning,
}

impl FromStr for Finding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "warning" => Ok(Self::Warning),
            reason => reason.parse().map(Self::Reason).map_err(|error| format!("{error}, warning")),
        }
    }
}

impl ExplainArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let manifests = self.manifests.decide()?;
        let code = match self.output {
            Format::Table => {
                let code = output::stdout(table(&manifests).as_bytes());
                for one in &manifests.decided {
                    for warning in &one.verdict.warnings {
                        eprintln!("warning: {}: {}", one.object(), warning.text);
                    }
                }
                code
            }
            Format::Json => output::stdout(format!("{:#}\n", report(&manifests)).as_bytes()),
        };
        let found = manifests.decided.iter().any(|one| self.is_finding(one));
        Ok(if found && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code })
    }

    fn is_finding(&self, one: &Decided) -> bool {
        self.fail_on.iter().any(|finding| match finding {
            Finding::Warning => !one.verdict.warnings.is_empty(),
            Finding::Reason(reason) => {
                one.verdict.containers.iter().any(|container| container.decision.reason == *reason)
            }
        })
    }
}

fn table(manifests: &Manifests) -> String {
    if manifests.decided.is_empty() {
        return "No pods in these manifests.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["OBJECT", "CONTAINER", "LIMIT", "GOMEMLIMIT", "REASON", "WHY"]);
    for one in &manifests.decided {
        for container in &one.verdict.containers {
            let decision = container.decision;
            table.add_row([
                one.object(),
                container.name().to_owned(),
                decision.limit.map_or_else(|| "-".to_owned(), quantity),
                decision.plan.map_or_else(|| "-".to_owned(), |plan| plan.value.to_string()),
                decision.reason.to_string(),
                why(container),
            ]);
        }
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}

/// The setting that made the value, or what the reason means.
fn why(container: &ContainerVerdict<'_>) -> String {
    let Some(plan) = container.decision.plan else {
        let rule = container.rule.as_ref().map(|rule| format!(" (rule {rule})")).unwrap_or_default();
        return format!("{}{rule}", container.decision.reason.explanation());
    };
    let level = match (plan.source(), &container.rule) {
        (Level::Default, _) => "default".to_owned(),
        (Level::Rule, rule) => format!("rule {}", rule.as_deref().unwrap_or_default()),
        (level, _) => format!("{} annotation", level.as_str()),
    };
    let not_tracked = plan.not_tracked.map(|why| format!("; {}", why.explanation())).unwrap_or_default();
    let of = if plan.from_pod_limit { "of what is left of the pod's limit" } else { "of the limit" };
    match plan.decided_by() {
        Setting::Value => format!("tracks the limit: 95.37 % of it ({level})"),
        Setting::Headroom => format!("headroom {} ({level}){not_tracked}", quantity(plan.headroom)),
        _ => format!("ratio {} {of} ({level}){not_tracked}", plan.ratio),
    }
}

/// Bytes as a quantity of the largest unit that loses nothing.
fn quantity(bytes: u64) -> String {
    let units = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn report(manifests: &Manifests) -> Value {
    let mut summary: BTreeMap<&str, usize> = BTreeMap::new();
    let objects: Vec<Value> = manifests
        .decided
        .iter()
        .map(|one| {
            for container in &one.verdict.containers {
                *summary.entry(container.decision.reason.as_str()).or_default() += 1;
            }
            let source = manifests.inputs.get(one.input).map(|input| input.source.to_string());
            json!({
                "file": source,
                "document": one.document,
                "apiVersion": one.location.api_version,
                "kind": one.location.kind,
                "namespace": one.namespace,
                "name": one.location.name,
                "containers": one.verdict.containers.iter().map(container_report).collect::<Vec<_>>(),
                "warnings": one.verdict.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"objects": objects, "summary": summary})
}

fn container_report(container: &ContainerVerdict<'_>) -> Value {
    let decision = container.decision;
    json!({
        "name": container.name(),
        "list": container.list.as_str(),
        "decision": decision.reason.decision(),
        "reason": decision.reason.as_str(),
        "explanation": decision.reason.explanation(),
        "limit": decision.limit,
        "value": decision.plan.map(|plan| plan.text()),
        "bytes": decision.plan.map(|plan| plan.value),
        "rule": container.rule,
        "repaired": container.repaired(),
        "basis": decision.plan.as_ref().map(basis),
    })
}

fn basis(plan: &Plan) -> Value {
    json!({
        "podLimit": plan.from_pod_limit,
        "kind": plan.kind.as_str(),
        "kindFrom": plan.kind_level.as_str(),
        "notTracked": plan.not_tracked.map(NotTracked::explanation),
        "ratio": plan.ratio.to_string(),
        "ratioFrom": plan.ratio_level.as_str(),
        "headroom": plan.headroom,
        "headroomFrom": plan.headroom_level.as_str(),
        "decidedBy": plan.decided_by().as_str(),
    })
}

//! `gomemlimit explain`: a line a container, what it gets and why; of manifests, and of what runs in a cluster.

mod live;

use std::{collections::BTreeMap, process::ExitCode, str::FromStr};

use anyhow::ensure;
use clap::{ArgGroup, Args, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use gomemlimit_core::{
    PodDecision, Reason,
    decision::{ComputedValue, ContainerDecision, NotTracked},
    settings::{Level, Setting},
    warning::WarningKind,
};
use serde_json::{Value, json};

use super::{
    cluster_args::ClusterArgs,
    complete,
    manifests::{ManifestArgs, Manifests},
    output,
};

/// Version of the schema of `-o json`; fields are added without a new one.
const SCHEMA_VERSION: u32 = 1;

/// Show what each container gets, and which setting decided: of manifests, or of pods and workloads in a cluster
///
/// Of a pod in a cluster it says two things: what its GOMEMLIMIT is now and where it came from, and what a new pod
/// like it would get. Annotations of namespaces count, and so do the flags that the webhook runs with.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit explain -f deployment.yaml
  helm template shop ./chart | gomemlimit explain -f - -o json
  # A gate for CI: exit 1 for a warning or a container without a memory limit
  gomemlimit explain -R -f manifests/ --fail-on no-memory-limit,warning
  # In a cluster
  gomemlimit explain api-7d9c5b8f4-x2x9q -n shop
  gomemlimit explain deployment/api cronjob/report -n shop")]
#[command(group = ArgGroup::new("input").args(["filenames", "targets"]).required(true))]
pub(super) struct ExplainArgs {
    /// Pods and workloads of a cluster, as `kubectl get -o name` prints them; a name alone is of a pod
    #[arg(value_name = "TYPE/NAME", add = ArgValueCompleter::new(complete::targets))]
    targets: Vec<String>,
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Format of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Exit with 1 if one of these reasons occurs, or `warning`, and with 2 if there are no containers to judge, or if
    /// what decides about them cannot be read
    #[arg(long, value_name = "REASON", value_delimiter = ',', add = ArgValueCandidates::new(complete::reasons))]
    fail_on: Vec<Finding>,
    /// Let --fail-on pass if there are no containers
    #[arg(long, requires = "fail_on")]
    allow_empty: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For people, with exact bytes
    Wide,
    /// For programs
    Json,
}

impl Format {
    /// Bytes for a table.
    fn bytes(self, bytes: u64) -> String {
        if matches!(self, Self::Wide) { bytes.to_string() } else { output::quantity(bytes) }
    }
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
    pub(super) fn run(self, policy_is_given: bool) -> anyhow::Result<ExitCode> {
        if !self.targets.is_empty() {
            return live::run(&self, policy_is_given);
        }
        let manifests = self.manifests.decide()?;
        let has_pods = !manifests.decided.is_empty();
        let nothing =
            if has_pods { "containers in the pods of these manifests" } else { "pods in these manifests" };
        let has_failed = self.has_failed(manifests.decided.iter().map(|one| &one.verdict), nothing)?;
        ensure!(
            has_failed || self.fail_on.is_empty() || !manifests.is_partial,
            "some of these files are left out, so --fail-on cannot judge them; name what is to be judged"
        );
        if !has_pods {
            output::message("No pods in these manifests.");
        }
        let code = match self.output {
            Format::Table | Format::Wide => {
                let code = output::text(&table(&manifests, self.output));
                for one in &manifests.decided {
                    warn(&one.object(), &one.verdict);
                }
                code
            }
            Format::Json => output::json(&report(&manifests)),
        };
        Ok(exit_code(code, has_failed))
    }

    /// Whether `--fail-on` names what is found.
    ///
    /// # Errors
    ///
    /// If there is nothing to judge, for which there are no `nothing`.
    fn has_failed<'v>(
        &self,
        verdicts: impl Iterator<Item = &'v PodDecision<'static>>,
        nothing: &str,
    ) -> anyhow::Result<bool> {
        let (mut has_judged, mut found) = (false, false);
        for verdict in verdicts {
            has_judged |= !verdict.containers.is_empty();
            found |= self.is_finding(verdict);
        }
        ensure!(
            has_judged || found || self.fail_on.is_empty() || self.allow_empty,
            "there are no {nothing}, so --fail-on has nothing to judge; pass --allow-empty if that is fine"
        );
        Ok(found)
    }

    fn is_finding(&self, verdict: &PodDecision<'_>) -> bool {
        self.fail_on.iter().any(|finding| match finding {
            Finding::Warning => !verdict.warnings.is_empty(),
            Finding::Reason(reason) => {
                verdict.containers.iter().any(|container| container.outcome.reason == *reason)
            }
        })
    }
}

/// 1 if printing went well and `--fail-on` found something.
fn exit_code(printed: ExitCode, has_failed: bool) -> ExitCode {
    if has_failed && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed }
}

/// Warnings that the table does not show: what is wrong with a value is in its row.
fn warn(object: &str, verdict: &PodDecision<'_>) {
    for warning in verdict.warnings.iter().filter(|warning| warning.kind != WarningKind::BrokenValue) {
        output::warning(&format!("{object}: {}", warning.text));
    }
}

fn table(manifests: &Manifests, format: Format) -> String {
    if manifests.decided.is_empty() {
        return String::new();
    }
    let all = manifests.decided.iter();
    decisions(&all.map(|one| (one.object(), &one.verdict)).collect::<Vec<_>>(), format)
}

/// What was decided about the containers of these objects.
fn decisions(all: &[(String, &PodDecision<'_>)], format: Format) -> String {
    let dash = || "-".to_owned();
    let rows = all.iter().flat_map(|(object, verdict)| {
        verdict.containers.iter().map(|container| {
            let decision = container.outcome;
            vec![
                object.clone(),
                container.name().to_owned(),
                decision.limit.map_or_else(dash, |limit| format.bytes(limit)),
                gomemlimit(container, format).unwrap_or_else(dash),
                decision.reason.to_string(),
                why(container),
            ]
        })
    });
    output::table(&["OBJECT", "CONTAINER", "LIMIT", "GOMEMLIMIT", "REASON", "WHY"], rows)
}

/// The value of ours, or that of the user as it is written.
fn gomemlimit(container: &ContainerDecision<'_>, format: Format) -> Option<String> {
    if let Some(plan) = container.outcome.value {
        return Some(format.bytes(plan.bytes));
    }
    let existing = container.existing.as_ref()?;
    let exact = existing.bytes.filter(|_| matches!(format, Format::Wide)).map(|bytes| bytes.to_string());
    let text = if existing.value.is_empty() { "\"\"" } else { &existing.value };
    Some(exact.unwrap_or_else(|| text.to_owned()))
}

/// The setting that made the value, or what the reason means.
fn why(container: &ContainerDecision<'_>) -> String {
    let reason = container.outcome.reason;
    let Some(plan) = container.outcome.value else {
        let rule = container.reason_rule.as_ref().map(|rule| format!(" (rule {rule})")).unwrap_or_default();
        return format!("{}{rule}", container.explanation());
    };
    let level = level_told(plan.level().as_str(), container.value_rule.as_deref());
    let by_rule =
        container.reason_rule.as_ref().map(|rule| format!("; {reason} by rule {rule}")).unwrap_or_default();
    let not_tracked = plan.not_tracked.map(|why| format!("; {}", why.explanation())).unwrap_or_default();
    let of = if plan.from_pod_limit { "of what is left of the pod's limit" } else { "of the limit" };
    let value = match plan.made_by() {
        Setting::Value => format!("tracks the limit: 95.37 % of it ({level})"),
        Setting::Headroom => format!("headroom {} ({level}){not_tracked}", output::quantity(plan.headroom)),
        _ => format!("ratio {} {of} ({level}){not_tracked}", plan.ratio),
    };
    // What is wrong with the value that it replaces.
    let replaced = container.existing.as_ref().map(|_| format!("; {}", container.explanation()));
    value + &by_rule + &replaced.unwrap_or_default()
}

/// Where a setting stands, by the word of the status annotation.
fn level_told(level: &str, rule: Option<&str>) -> String {
    if level == Level::Default.as_str() {
        level.to_owned()
    } else if level == Level::Rule.as_str() {
        format!("rule {}", rule.unwrap_or_default())
    } else {
        format!("{level} annotation")
    }
}

fn report(manifests: &Manifests) -> Value {
    let mut summary: BTreeMap<&str, usize> = BTreeMap::new();
    let objects: Vec<Value> = manifests
        .decided
        .iter()
        .map(|one| {
            for container in &one.verdict.containers {
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
                "containers": one.verdict.containers.iter().map(container_report).collect::<Vec<_>>(),
                "warnings": one.verdict.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"version": SCHEMA_VERSION, "objects": objects, "summary": summary})
}

fn container_report(container: &ContainerDecision<'_>) -> Value {
    let decision = container.outcome;
    json!({
        "name": container.name(),
        "list": container.list.as_str(),
        "decision": decision.reason.decision(),
        "reason": decision.reason.as_str(),
        "explanation": container.explanation(),
        "limit": decision.limit,
        "value": decision.value.map(|plan| plan.text()),
        "bytes": decision.value.map(|plan| plan.bytes),
        "existing": container.existing,
        "rule": container.rule(),
        "repaired": container.repaired(),
        "basis": decision.value.as_ref().map(basis),
    })
}

fn basis(plan: &ComputedValue) -> Value {
    json!({
        "podLimit": plan.from_pod_limit,
        "kind": plan.kind.as_str(),
        "kindFrom": plan.kind_level.as_str(),
        "notTracked": plan.not_tracked.map(NotTracked::explanation),
        "ratio": plan.ratio.to_string(),
        "ratioFrom": plan.ratio_level.as_str(),
        "headroom": plan.headroom,
        "headroomFrom": plan.headroom_level.as_str(),
        "decidedBy": plan.made_by().as_str(),
    })
}

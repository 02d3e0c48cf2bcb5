//! `explain` for objects of a cluster: the decision at the creation of a pod, and the decision about a new pod.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use gomemlimit_core::{
    PodContext, PodDecision,
    audit::{ContainerCoverage, Selected, UncoveredReason},
    names::STATUS_ANNOTATION,
    pod::LivePod,
    value::Recipe,
};
use gomemlimit_manifest::{Kinds, PodLocation, pods};
use kube::{api::GetParams, core::Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    args::{ExplainArgs, exit_code},
    report::{SCHEMA_VERSION, container_report},
    table::{Object, decisions, level_text, warn},
};
use crate::{
    cli::{
        audit::{painted_status, value, why},
        format::Format,
        manifests::decide_at,
        object_ref::{ObjectRef, ObjectRefError, or_files},
        output::{self, quantity},
        policy_resolver::PolicyResolver,
        progress,
        runtime::runtime,
    },
    cluster::{
        api::{ApiError, Cluster},
        cluster_state::ClusterState,
        resource::path_of_kind,
    },
};

/// One object of the cluster.
struct Explained {
    location: PodLocation,
    namespace: String,
    /// The decision about a new pod.
    decision: PodDecision<'static>,
    /// The containers of the pod that runs; empty for a workload.
    running: Vec<ContainerCoverage>,
    /// The status annotation of the pod.
    status: Option<Value>,
    selected: Selected,
}

impl Explained {
    fn object(&self) -> String {
        self.location.title(&self.namespace)
    }

    /// The origin of a container's value, by the status annotation.
    fn recorded(&self, container: &str) -> Option<String> {
        let entry = self.status.as_ref()?.get("containers")?.get(container)?;
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let limit = entry.get("limit").and_then(Value::as_u64).map(quantity)?;
        let level = level_text(text("source")?, text("rule"));
        if text("kind") == Some("track") {
            return Some(format!("tracks the limit, {limit} ({level}) at its creation"));
        }
        let recipe = Recipe::deserialize(entry).ok()?;
        Some(format!("{recipe} of {limit} ({level}) at its creation"))
    }
}

pub(super) fn run(args: &ExplainArgs, policy_is_given: bool) -> anyhow::Result<ExitCode> {
    let targets: Vec<_> = args.targets.iter().map(|text| target(text)).collect::<Result<_, _>>()?;
    runtime()?.block_on(async {
        let cluster = args.cluster.open().await.map_err(or_files)?;
        let namespace = args.manifests.namespace().unwrap_or(cluster.client.default_namespace()).to_owned();
        let read = async {
            let mut objects = Vec::new();
            for target in &targets {
                objects.push(fetch(&cluster, &namespace, target).await?);
            }
            let cluster_state = ClusterState::read(&cluster, Some(&namespace)).await?;
            anyhow::Ok((objects, cluster_state))
        };
        let (objects, cluster_state) =
            progress::shown(&progress::spinner("Reading the cluster"), read).await?;
        let resolver = PolicyResolver::new(cluster_state, args.manifests.settings_args(), policy_is_given)?;
        let mut all = Vec::new();
        let mut without_pods = Vec::new();
        for (target, text) in targets.iter().zip(&objects) {
            let explained = explain(text, &namespace, &resolver)?;
            if explained.is_empty() {
                without_pods.push(no_template(target, text, &namespace));
            }
            all.extend(explained);
        }
        for sentence in &without_pods {
            output::warning(sentence);
        }
        let judged = args.has_failed(all.iter().map(|one| &one.decision), "containers in these objects");
        let printed = match args.output {
            Format::Json => output::json(&report(&all, &resolver)),
            format => {
                let printed = output::text(&tables(&all, format));
                print_messages(&all, &resolver);
                printed
            }
        };
        let has_failed = judged?;
        if !has_failed && !args.fail_on.is_empty() {
            ensure_known(&resolver)?;
        }
        Ok(exit_code(printed, has_failed))
    })
}

/// Findings of `--fail-on` may be hidden in objects that could not be read.
///
/// # Errors
///
/// If something could not be read.
fn ensure_known(resolver: &PolicyResolver) -> anyhow::Result<()> {
    let (installations, advice) = if resolver.are_settings_known() {
        (None, "")
    } else {
        (Some("what the webhook selects and decides by"), ", or give its settings as flags")
    };
    let unread = resolver.cluster_state.unread;
    let unread: Vec<_> = unread.namespaces.then_some("namespaces").into_iter().chain(installations).collect();
    ensure!(
        unread.is_empty(),
        "--fail-on cannot be judged: {} cannot be read; grant the rights{advice}",
        unread.join(", ")
    );
    Ok(())
}

/// The object; there is no flag for one of its containers.
fn target(text: &str) -> anyhow::Result<ObjectRef> {
    ObjectRef::parse_beside_files(text).map_err(|error| match error {
        ObjectRefError::Container { object, .. } => {
            anyhow!("{text} has a slash too many: all containers of {object} are explained")
        }
        error => error.into(),
    })
}

/// The JSON of an object.
async fn fetch(cluster: &Cluster, namespace: &str, target: &ObjectRef) -> anyhow::Result<String> {
    let (kind, name) = (target.kind, &target.name);
    let path = path_of_kind(cluster, kind, namespace).await?;
    match cluster.text(Request::new(path).get(name, &GetParams::default())).await {
        Ok(text) => Ok(text),
        Err(ApiError::NotFound(_)) => Err(target.not_found_beside_files(namespace)),
        Err(ApiError::Forbidden(problem)) => bail!("{problem}; grant get on {}", kind.plural_resource()),
        Err(error) => Err(error.into()),
    }
}

fn explain(text: &str, namespace: &str, resolver: &PolicyResolver) -> anyhow::Result<Vec<Explained>> {
    let object: Value = serde_json::from_str(text).context("the API server's answer cannot be read")?;
    let mut all = Vec::new();
    for location in pods(&object, &Kinds::default()).locations {
        let pod = object.pointer(&location.pointer());
        let metadata = pod.and_then(|pod| pod.get("metadata"));
        let labels = metadata.and_then(|metadata| metadata.get("labels")).cloned();
        let labels =
            || labels.clone().and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
        let Some((installation, selected)) = resolver.installation(namespace, labels) else { continue };
        let annotations = &resolver.annotations(namespace, installation);
        let context = PodContext {
            namespace,
            annotations,
            owner: location.pods_owner(),
            is_in_template: location.is_in_template,
        };
        let decision = decide_at(&object, &location, context, &installation.policy)?;
        let mut explained = Explained {
            selected,
            namespace: namespace.to_owned(),
            decision,
            running: Vec::new(),
            status: None,
            location,
        };
        if explained.location.is_pod() {
            explained.running = resolver.assess(&LivePod::parse(text)?);
            let annotation =
                metadata.and_then(|metadata| metadata.get("annotations")?.get(STATUS_ANNOTATION));
            let status = annotation.and_then(Value::as_str).map(serde_json::from_str);
            explained.status = status.and_then(Result::ok);
        }
        all.push(explained);
    }
    Ok(all)
}

/// Why an object has no pods to explain: that of a Rollout may be in another object
/// (<https://argo-rollouts.readthedocs.io/en/stable/migrating/#reference-deployment-from-rollout>).
fn no_template(target: &ObjectRef, text: &str, namespace: &str) -> String {
    #[derive(Deserialize)]
    struct Object {
        spec: Spec,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        workload_ref: Workload,
    }
    #[derive(Deserialize)]
    struct Workload {
        kind: String,
        name: String,
    }
    let Ok(Object { spec: Spec { workload_ref: Workload { kind, name } } }) = serde_json::from_str(text)
    else {
        return format!("{target} has no pod template");
    };
    let workload = ObjectRef::parse(&format!("{kind}/{name}"));
    let hint = workload.map(|workload| format!(": gomemlimit explain {workload} -n {namespace}"));
    format!("{target} has the pod template of {kind} {name} (workloadRef){}", hint.unwrap_or_default())
}

fn tables(all: &[Explained], format: Format) -> String {
    if all.is_empty() {
        return String::new();
    }
    let dash = || "-".to_owned();
    let rows = all.iter().flat_map(|one| {
        one.running.iter().map(|found| {
            let recorded = one.recorded(&found.name).map(|recorded| recorded + "; ").unwrap_or_default();
            vec![
                one.object().into(),
                found.name.clone().into(),
                found.limit.map_or_else(dash, |(bytes, _)| format.bytes(bytes)).into(),
                value(found, |bytes| format.bytes(bytes)).unwrap_or_else(dash).into(),
                painted_status(found),
                (recorded + &why(found)).into(),
            ]
        })
    });
    let rows: Vec<_> = rows.collect();
    let new: Vec<_> =
        all.iter().map(|one| Object { file: None, name: one.object(), decision: &one.decision }).collect();
    if rows.is_empty() {
        return decisions(&new, format);
    }
    let header = ["OBJECT", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "WHY"];
    format!("As it runs:\n{}\nA new pod like it:\n{}", output::table(&header, rows), decisions(&new, format))
}

/// Prints the obstacles to these decisions, and the origin of the settings.
fn print_messages(all: &[Explained], resolver: &PolicyResolver) {
    for unknown in &resolver.cluster_state.unknown {
        output::warning(unknown);
    }
    for one in all {
        warn(&one.object(), &one.decision);
        if let Some(problem) = not_called(one) {
            output::warning(&format!("{}: {problem}", one.object()));
        }
    }
    output::message(&format!("Decided by {}.", resolver.source));
}

/// The reason why the API server does not call the webhook for a new pod.
fn not_called(one: &Explained) -> Option<String> {
    let namespace = &one.namespace;
    match &one.selected {
        Selected::Yes | Selected::Unknown => None,
        Selected::OptedOut => {
            Some("the webhook is not asked about new pods: the pod has opted out".to_owned())
        }
        Selected::NotLabelled { label } => Some(format!(
            "the webhook is not asked about new pods: kubectl label namespace {namespace} {label}"
        )),
        Selected::Excluded => {
            Some(format!("the webhook is not asked about new pods: namespace {namespace} is excluded"))
        }
    }
}

fn report(all: &[Explained], resolver: &PolicyResolver) -> Value {
    let objects = all.iter().map(|one| {
        json!({
            "apiVersion": one.location.api_version,
            "kind": one.location.kind,
            "namespace": one.namespace,
            "name": one.location.name,
            "template": one.location.template,
            "containers": one.decision.containers.iter().map(container_report).collect::<Vec<_>>(),
            "warnings": one.decision.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
            "notCalled": not_called(one),
            "status": one.status,
            "running": one.running.iter().map(|found| json!({
                "name": found.name,
                "status": found.status.as_str(),
                "reason": found.reason.map(UncoveredReason::as_str),
                "limit": found.limit.map(|(bytes, _)| bytes),
                "value": found.text,
                "why": found.explanation,
                "advice": found.advice,
            })).collect::<Vec<_>>(),
        })
    });
    json!({
        "version": SCHEMA_VERSION,
        "objects": objects.collect::<Vec<_>>(),
        "settingsFrom": resolver.source,
        "unknown": resolver.cluster_state.unknown,
    })
}

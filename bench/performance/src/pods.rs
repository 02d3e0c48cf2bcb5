//! What the creation of a pod costs in a real API server: without admission, with policies, with each webhook. One after
//! the other in turn, by server-side dry run, so that nothing but the API server and whom it asks is measured.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use gomemlimit_procfs::quantile;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::PostParams};
use serde_json::json;

use crate::{
    candidates::{Kind, Programs, Server},
    kyverno::Kyverno,
    load,
    objects::{Objects, namespace_of},
    record::{Closed, FLOOR, KYVERNO, OURS, PEER, POLICY, PodCreation, PodCreations, WHOLE_POLICY},
    reviews,
};

const NONE: &str = "nothing";
const VALUE: &str = "966367641";
/// Before anything counts: connections are made, expressions compiled.
const WARM_UP: usize = 100;

/// Whom a namespace's pods are sent to.
struct Arm {
    name: &'static str,
    label: &'static str,
    pods: Api<Pod>,
    times: Vec<f64>,
}

/// Name in the results, label of the namespace.
const ARMS: [(&str, &str); 7] = [
    (NONE, "nothing"),
    (POLICY, "policy"),
    (WHOLE_POLICY, "whole-policy"),
    (OURS, "gomemlimit"),
    (FLOOR, "floor"),
    (PEER, "controller-runtime"),
    (KYVERNO, "kyverno"),
];

/// How much, and how long.
#[derive(Clone, Copy)]
pub struct Extent {
    /// Pods in each arm.
    pub count: usize,
    /// Seconds of one measurement with Kyverno alone.
    pub seconds: u32,
    pub rounds: usize,
}

/// Creates pods in each arm; and how Kyverno, which needs a cluster, answers the small review, beside ours. Without the
/// program of Kyverno there is no such arm.
pub async fn run(
    programs: &Programs,
    kyverno: Option<&Path>,
    host: &str,
    extent: Extent,
) -> Result<(PodCreations, Vec<Closed>)> {
    let client = Client::try_default().await.context("KUBECONFIG names no cluster")?;
    let version = client.apiserver_version().await?.git_version;
    let kyverno = kyverno.map(|program| Kyverno::start(program, host)).transpose()?;
    let objects = Objects(client.clone());
    let labels = ARMS.map(|(_, label)| label);
    objects.remove(&labels).await;
    let result = measure(&objects, programs, kyverno, host, extent).await;
    objects.remove(&labels).await;
    let (arms, closed) = result?;
    Ok((PodCreations { kubernetes: version, count: extent.count, arms }, closed))
}

async fn measure(
    objects: &Objects,
    programs: &Programs,
    kyverno: Option<Kyverno>,
    host: &str,
    extent: Extent,
) -> Result<(Vec<PodCreation>, Vec<Closed>)> {
    let mut arms: Vec<Arm> = ARMS
        .into_iter()
        .filter(|(name, _)| kyverno.is_some() || *name != KYVERNO)
        .map(|(name, label)| {
            let pods = Api::namespaced(objects.0.clone(), &namespace_of(label));
            Arm { name, label, pods, times: Vec::with_capacity(extent.count) }
        })
        .collect();
    for arm in &arms {
        objects.namespace(arm.label).await?;
    }
    let unused = PathBuf::new();
    let ours = Server::start_on(Kind::Gomemlimit, programs, &unused, host)?;
    // The floor answers what ours answers to the same pod.
    let review = reviews::small_in(&namespace_of("floor"), programs.folder())?;
    let answer = programs.folder().join("answer");
    std::fs::write(&answer, load::answer(&ours, &review.path)?)?;
    let floor = Server::start_on(Kind::Floor, programs, &answer, host)?;
    let peer = Server::start_on(Kind::ControllerRuntime, programs, &unused, host)?;
    objects.our_webhook("gomemlimit", &ours, programs.folder()).await?;
    objects.webhook("controller-runtime", &peer, programs.folder()).await?;
    objects.webhook("floor", &floor, programs.folder()).await?;
    objects.policy("policy").await?;
    objects.whole_policy("whole-policy", &programs.paths.gomemlimit).await?;
    if let Some(kyverno) = &kyverno {
        kyverno.ready().await?;
        objects.kyverno_policy("kyverno").await?;
    }
    for arm in &arms {
        arm.settle().await?;
    }
    for round in 0..WARM_UP + extent.count {
        for arm in &mut arms {
            let took = arm.create().await?;
            if round >= WARM_UP {
                arm.times.push(took);
            }
        }
    }
    let closed = match kyverno {
        Some(kyverno) => kyverno.closed(&ours, &objects.0, programs.folder(), extent).await?,
        None => Vec::new(),
    };
    Ok((arms.into_iter().map(Arm::result).collect(), closed))
}

impl Arm {
    /// Seconds of one creation; what comes back has to be what this arm makes of it.
    async fn create(&self) -> Result<f64> {
        let pod = json!({
            "metadata": {"name": "api", "labels": {"app": "api"}, "annotations": {"team": "shop"}},
            "spec": {"containers": [{
                "name": "api", "image": "registry.example/shop/api:1",
                "resources": {"limits": {"memory": "1Gi"}},
                "env": [{"name": "QUEUE", "value": "orders"}],
            }]},
        });
        let pod: Pod = serde_json::from_value(pod)?;
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let started = Instant::now();
        let pod = self.pods.create(&dry_run, &pod).await.with_context(|| self.name.to_owned())?;
        let took = started.elapsed().as_secs_f64();
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut env = containers.flat_map(|container| container.env.iter().flatten());
        let is_set = env.any(|env| env.name == "GOMEMLIMIT" && env.value.as_deref() == Some(VALUE));
        ensure!(
            is_set == (self.name != NONE),
            "{}: GOMEMLIMIT is {} in {}",
            self.name,
            if is_set { "set" } else { "missing" },
            pod.name_any()
        );
        Ok(took)
    }

    /// The API server learns of configurations and policies a moment after they are made.
    async fn settle(&self) -> Result<()> {
        for attempt in 0.. {
            match self.create().await {
                Ok(_) => return Ok(()),
                Err(error) if attempt > 150 => return Err(error),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            }
        }
        Ok(())
    }

    fn result(mut self) -> PodCreation {
        self.times.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&self.times, share).unwrap_or_default() * 1e3;
        PodCreation { arm: self.name.to_owned(), p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99) }
    }
}

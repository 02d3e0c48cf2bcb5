//! What the creation of a pod costs in a real API server: without admission, with the policy, with each webhook. One after
//! the other in turn, by server-side dry run, so that nothing but the API server and whom it asks is measured.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::{Value, json};

use crate::{
    candidates::{Kind, Programs, Server},
    record::{PodCreation, PodCreations},
    report::POLICY,
};

/// Labels and names of everything that is made.
const LABEL: &str = "gomemlimit-performance";
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

/// Creates `count` pods in each arm.
pub async fn run(programs: &Programs, host: &str, count: usize) -> Result<PodCreations> {
    let client = Client::try_default().await.context("KUBECONFIG names no cluster")?;
    let version = client.apiserver_version().await?.git_version;
    let made = Made { client: client.clone() };
    made.remove().await;
    let result = made.measure(programs, host, count).await;
    made.remove().await;
    Ok(PodCreations { kubernetes: version, count, arms: result? })
}

/// What is made in the cluster, and taken away again.
struct Made {
    client: Client,
}

impl Made {
    async fn measure(&self, programs: &Programs, host: &str, count: usize) -> Result<Vec<PodCreation>> {
        let arms = [
            (NONE, "nothing"),
            (POLICY, "policy"),
            ("gomemlimit", "gomemlimit"),
            ("controller-runtime", "controller-runtime"),
        ];
        let mut arms = arms.map(|(name, label)| {
            let pods = Api::namespaced(self.client.clone(), &format!("{LABEL}-{label}"));
            Arm { name, label, pods, times: Vec::with_capacity(count) }
        });
        for arm in &arms {
            self.namespace(arm.label).await?;
        }
        let unused = PathBuf::new();
        let ours = Server::start_on(Kind::Gomemlimit, programs, &unused, host)?;
        let peer = Server::start_on(Kind::ControllerRuntime, programs, &unused, host)?;
        self.webhook("gomemlimit", &ours, &programs.certificates).await?;
        self.webhook("controller-runtime", &peer, &programs.certificates).await?;
        self.policy(&programs.gomemlimit).await?;
        for arm in &arms {
            arm.settle().await?;
        }
        for round in 0..WARM_UP + count {
            for arm in &mut arms {
                let took = arm.create().await?;
                if round >= WARM_UP {
                    arm.times.push(took);
                }
            }
        }
        Ok(arms.into_iter().map(Arm::result).collect())
    }

    async fn namespace(&self, label: &str) -> Result<()> {
        let namespace = json!({"metadata": {"name": format!("{LABEL}-{label}"), "labels": {LABEL: label}}});
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
        Ok(())
    }

    async fn webhook(&self, label: &str, server: &Server, certificates: &Path) -> Result<()> {
        let bundle = STANDARD.encode(std::fs::read(certificates.join("tls.crt"))?);
        let configuration = json!({
            "metadata": {"name": format!("{LABEL}-{label}"), "labels": {LABEL: label}},
            "webhooks": [{
                "name": format!("{label}.performance.invalid"),
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 10,
                "clientConfig": {"url": format!("https://{}/mutate", server.address), "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {LABEL: label}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }],
        });
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        configurations.create(&PostParams::default(), &serde_json::from_value(configuration)?).await?;
        Ok(())
    }

    /// What `gomemlimit policy` prints, for the namespaces of its arm.
    async fn policy(&self, gomemlimit: &Path) -> Result<()> {
        let output =
            Command::new(gomemlimit).arg("policy").output().context("cannot start gomemlimit policy")?;
        let text = String::from_utf8(output.stdout)?;
        for document in text.split("\n---\n") {
            let mut object: Value = serde_saphyr::from_str(document)?;
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            object["metadata"] = json!({"name": format!("{LABEL}-policy"), "labels": {LABEL: "policy"}});
            if kind == "MutatingAdmissionPolicyBinding" {
                object["spec"]["policyName"] = format!("{LABEL}-policy").into();
                object["spec"]["matchResources"]["namespaceSelector"] =
                    json!({"matchLabels": {LABEL: "policy"}});
            }
            let object: DynamicObject = serde_json::from_value(object)?;
            self.policies(&kind).create(&PostParams::default(), &object).await.context(kind)?;
        }
        Ok(())
    }

    fn policies(&self, kind: &str) -> Api<DynamicObject> {
        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let plural = kind.to_lowercase().replace("policybinding", "policybindings");
        let plural = if plural.ends_with("policy") { plural.replace("policy", "policies") } else { plural };
        Api::all_with(self.client.clone(), &ApiResource { plural, ..resource })
    }

    /// Whatever is there; nothing where there is nothing.
    async fn remove(&self) {
        let gone = DeleteParams::default();
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        for label in ["gomemlimit", "controller-runtime"] {
            let _ = configurations.delete(&format!("{LABEL}-{label}"), &gone).await;
        }
        for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"] {
            let _ = self.policies(kind).delete(&format!("{LABEL}-policy"), &gone).await;
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for label in ["nothing", "policy", "gomemlimit", "controller-runtime"] {
            let name = format!("{LABEL}-{label}");
            let _ = namespaces.delete(&name, &gone).await;
            for _ in 0..300 {
                if namespaces.get_opt(&name).await.is_ok_and(|namespace| namespace.is_none()) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

impl Arm {
    /// Seconds of one creation; what comes back has to be what this arm makes of it.
    async fn create(&self) -> Result<f64> {
        let pod = json!({
            "metadata": {"name": "api", "labels": {"app": "api"}},
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
        let at = |share: f64| {
            let index = (self.times.len() as f64 * share) as usize;
            self.times.get(index).copied().unwrap_or_default() * 1e3
        };
        PodCreation { arm: self.name.to_owned(), p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99) }
    }
}

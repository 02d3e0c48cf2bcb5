//! What is made in the cluster for the arms, and taken away again.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Namespace};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::{Value, json};

use crate::candidates::Server;

/// Label of the namespaces, and the beginning of all names.
const LABEL: &str = "gomemlimit-performance";
/// The policy of twenty lines.
const POLICY: &str = "bench/performance/policy.yaml";

/// The chart, rendered.
const RENDERED: &str = "deploy/install.yaml";

/// Objects of a cluster.
pub struct Objects(pub Client);

/// The namespace of an arm.
pub fn namespace_of(arm: &str) -> String {
    format!("{LABEL}-{arm}")
}

impl Objects {
    pub async fn namespace(&self, arm: &str) -> Result<()> {
        let namespace = json!({"metadata": {"name": namespace_of(arm), "labels": {LABEL: arm}}});
        let namespaces: Api<Namespace> = Api::all(self.0.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
        Ok(())
    }

    /// Ours as the chart sets it up, with its conditions.
    pub async fn our_webhook(&self, arm: &str, server: &Server, certificates: &Path) -> Result<()> {
        let rendered = std::fs::read_to_string(RENDERED).context(RENDERED)?;
        let document =
            rendered.split("\n---\n").find(|text| text.contains("kind: MutatingWebhookConfiguration"));
        let configuration: Value = serde_saphyr::from_str(document.context("no webhook configuration")?)?;
        let webhook = configuration["webhooks"][0].clone();
        self.create_webhook(arm, webhook, server, certificates).await
    }

    /// As short as it can be.
    pub async fn webhook(&self, arm: &str, server: &Server, certificates: &Path) -> Result<()> {
        let webhook = json!({
            "name": format!("{arm}.performance.invalid"),
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 10,
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        });
        self.create_webhook(arm, webhook, server, certificates).await
    }

    async fn create_webhook(
        &self,
        arm: &str,
        mut webhook: Value,
        server: &Server,
        certificates: &Path,
    ) -> Result<()> {
        let bundle = STANDARD.encode(std::fs::read(certificates.join("tls.crt"))?);
        webhook["clientConfig"] = json!({"url": server.url(), "caBundle": bundle});
        webhook["namespaceSelector"] = json!({"matchLabels": {LABEL: arm}});
        let configuration = json!({"metadata": {"name": namespace_of(arm)}, "webhooks": [webhook]});
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.0.clone());
        configurations.create(&PostParams::default(), &serde_json::from_value(configuration)?).await?;
        Ok(())
    }

    /// The policy of twenty lines, inside of the API server.
    pub async fn policy(&self, arm: &str) -> Result<()> {
        let mut spec = short_policy()?;
        spec["reinvocationPolicy"] = "Never".into();
        spec["failurePolicy"] = "Fail".into();
        self.create("MutatingAdmissionPolicy", arm, spec).await?;
        self.create("MutatingAdmissionPolicyBinding", arm, json!({"policyName": namespace_of(arm)})).await
    }

    /// What `gomemlimit policy` prints, which decides nearly all that the webhook does.
    pub async fn whole_policy(&self, arm: &str, gomemlimit: &Path) -> Result<()> {
        let output =
            Command::new(gomemlimit).arg("policy").output().context("cannot start gomemlimit policy")?;
        for document in String::from_utf8(output.stdout)?.split("\n---\n") {
            let mut object: Value = serde_saphyr::from_str(document)?;
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            if kind == "MutatingAdmissionPolicyBinding" {
                object["spec"]["policyName"] = namespace_of(arm).into();
            }
            self.create(&kind, arm, object["spec"].take()).await?;
        }
        Ok(())
    }

    /// The policy of twenty lines for Kyverno, whose webhook it makes.
    pub async fn kyverno_policy(&self, arm: &str) -> Result<()> {
        let mut spec = short_policy()?;
        spec["matchConstraints"]["namespaceSelector"] = json!({"matchLabels": {LABEL: arm}});
        spec["failurePolicy"] = "Fail".into();
        self.create("MutatingPolicy", arm, spec).await
    }

    async fn create(&self, kind: &str, arm: &str, mut spec: Value) -> Result<()> {
        if kind == "MutatingAdmissionPolicyBinding" {
            spec["matchResources"]["namespaceSelector"] = json!({"matchLabels": {LABEL: arm}});
        }
        let resource = resource(kind);
        let object = json!({
            "apiVersion": resource.api_version, "kind": kind, "metadata": {"name": namespace_of(arm)}, "spec": spec,
        });
        let object: DynamicObject = serde_json::from_value(object)?;
        let api: Api<DynamicObject> = Api::all_with(self.0.clone(), &resource);
        api.create(&PostParams::default(), &object).await.with_context(|| kind.to_owned())?;
        Ok(())
    }

    /// Whatever is there of these arms; nothing where there is nothing.
    pub async fn remove(&self, arms: &[&str]) {
        let gone = DeleteParams::default();
        let configurations: Api<MutatingWebhookConfiguration> = Api::all(self.0.clone());
        let namespaces: Api<Namespace> = Api::all(self.0.clone());
        for name in arms.iter().map(|arm| namespace_of(arm)) {
            let _ = configurations.delete(&name, &gone).await;
            for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingPolicy"] {
                let api: Api<DynamicObject> = Api::all_with(self.0.clone(), &resource(kind));
                let _ = api.delete(&name, &gone).await;
            }
            let _ = namespaces.delete(&name, &gone).await;
            for _ in 0..300 {
                if namespaces.get_opt(&name).await.is_ok_and(|namespace| namespace.is_none()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn short_policy() -> Result<Value> {
    let text = std::fs::read_to_string(POLICY).context(POLICY)?;
    serde_saphyr::from_str(&text).context(POLICY)
}

fn resource(kind: &str) -> ApiResource {
    let (group, plural) = match kind {
        "MutatingPolicy" => ("policies.kyverno.io", "mutatingpolicies"),
        "MutatingAdmissionPolicy" => ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        _ => ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
}

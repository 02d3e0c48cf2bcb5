//! What a decision about a pod of a cluster depends on beside the pod: its namespace, what the webhook is asked
//! about, and the flags that the webhook runs with. What cannot be read is said, and replaced by a default.

use std::collections::HashMap;

use gomemlimit_core::{
    NamespaceAnnotations,
    pod::is_ours,
    selection::{Labels, Selection},
};
use serde::Deserialize;

use super::{
    api::{ApiError, Cluster, path_of},
    installation::{Configuration, Metadata, admission_policy},
    pages::{Heard, Listing},
    serving::{Service, WebhookPod},
    webhook_policy::{PolicyText, policy_text},
};

/// A namespace, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct NamespaceFacts {
    /// All labels: selectors may use any.
    pub labels: Labels,
    /// Annotations of ours.
    pub annotations: NamespaceAnnotations,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The namespaces that could be read.
    pub namespaces: HashMap<String, NamespaceFacts>,
    /// Which pods the webhook is asked about.
    pub selection: Selection,
    /// What a webhook's pod runs with.
    pub webhook: Option<Webhook>,
    /// What could not be read, and what is assumed instead.
    pub unknown: Vec<String>,
}

/// What a webhook's pod runs with.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The pod, as namespace and name.
    pub pod: String,
    /// The arguments of `serve`.
    pub args: Vec<String>,
    /// Its policy file, where it has one that could be read.
    pub policy: Option<PolicyText>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

impl Surroundings {
    /// Reads what may be read about `namespace`, or about all.
    pub async fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, ApiError> {
        let mut known = Self::default();
        let namespaces = known.read_namespaces(cluster, namespace).await;
        known.note(
            namespaces,
            "namespaces, so which of them have opted in and their settings are not known",
        )?;
        let webhook = known.read_webhook(cluster).await;
        known.note(
            webhook,
            "the installation, so the chart's selectors and this program's settings are assumed",
        )?;
        Ok(known)
    }

    /// A missing right is told; that there is no cluster ends all.
    fn note(&mut self, read: Result<(), ApiError>, what: &str) -> Result<(), ApiError> {
        match read {
            Err(ApiError::Forbidden(problem)) => {
                self.unknown.push(format!("cannot read {what} ({problem})"));
                Ok(())
            }
            other => other,
        }
    }

    /// Reads one namespace, or all.
    pub async fn read_namespaces(
        &mut self,
        cluster: &Cluster,
        namespace: Option<&str>,
    ) -> Result<(), ApiError> {
        let put = |namespaces: &mut HashMap<_, _>, object: Object| {
            let annotations =
                object.metadata.annotations.into_iter().filter(|(key, _)| is_ours(key)).collect();
            let facts = NamespaceFacts { labels: object.metadata.labels, annotations };
            namespaces.insert(object.metadata.name, facts);
        };
        if let Some(name) = namespace {
            let object = cluster.get("/api/v1/namespaces", name).await?;
            put(&mut self.namespaces, object);
            return Ok(());
        }
        let namespaces = &mut self.namespaces;
        let hear = |heard: Heard<'_>| match heard {
            Heard::Begin => namespaces.clear(),
            Heard::Item(item) => {
                if let Ok(object) = serde_json::from_str(item) {
                    put(namespaces, object);
                }
            }
            Heard::Page { .. } => {}
        };
        Listing::all("/api/v1/namespaces").read(cluster, hear).await.map(|_| ())
    }

    async fn read_webhook(&mut self, cluster: &Cluster) -> Result<(), ApiError> {
        let found = Configuration::find(cluster, None).await?;
        let Some(configuration) = found.first() else {
            if let Some(name) = admission_policy(cluster).await? {
                self.unknown.push(format!(
                    "the MutatingAdmissionPolicy {name} decides; its settings are not read, and this program's are assumed"
                ));
                return Ok(());
            }
            self.unknown.push(
                "there is no webhook configuration of gomemlimit in this cluster: no pod gets a value (see gomemlimit \
                 check)"
                    .to_owned(),
            );
            return Ok(());
        };
        self.selection = configuration.selection();
        let Some(reference) = configuration.service() else { return Ok(()) };
        let path = path_of("/api/v1", Some(&reference.namespace), "services");
        let Some(service) = cluster.find::<Service>(&path, &reference.name).await? else { return Ok(()) };
        let pods = WebhookPod::of(cluster, &reference.namespace, &service).await?;
        let ready = pods.iter().find(|pod| pod.is_ready()).or(pods.first());
        let Some((pod, args)) = ready.and_then(|pod| Some((pod, pod.serve_args()?.to_vec()))) else {
            return Ok(());
        };
        let name = format!("{}/{}", reference.namespace, pod.metadata.name);
        let policy = policy_text(cluster, &reference.namespace, pod).await;
        let webhook = self.webhook.insert(Webhook { pod: name, args, policy: None });
        let policy = policy.map(|policy| webhook.policy = policy);
        self.note(policy, "the webhook's policy file, so none but the built-in rules are assumed")
    }
}

//! What a decision about a pod of a cluster depends on beside the pod: its namespace, what is asked about new pods,
//! and the settings that are decided by. What cannot be read is said, and replaced by a default.

use std::collections::HashMap;

use gomemlimit_core::{
    NamespaceAnnotations,
    pod::is_ours,
    selection::{Labels, Selection},
};
use serde::Deserialize;

use super::{
    api::{ApiError, Cluster, path_of},
    installation::{Configuration, Metadata},
    pages::{Collected, Listing},
    policy_engine::AdmissionPolicy,
    serving::{Service, WebhookPod},
    webhook_policy::{PolicyText, PolicyTextError, policy_text},
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
    /// What decides about new pods: one for each webhook configuration, or one that assumes defaults.
    pub installations: Vec<Installation>,
    /// What could not be read, and what is assumed instead.
    pub unknown: Vec<String>,
    /// Which of it decisions depend on.
    pub unread: Unread,
}

/// What could not be read, or not all of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread {
    /// Namespaces: their labels and annotations.
    pub namespaces: bool,
    /// Selectors and settings of what decides about new pods.
    pub installations: bool,
}

/// What decides about new pods.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The webhook configuration or the policy; empty where there is none.
    pub name: String,
    /// Which pods it decides about.
    pub selection: Selection,
    /// What it decides by, where that is known.
    pub settings: Option<ServeSettings>,
}

/// The settings of an installation.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Where they stand, for people.
    pub origin: String,
    /// The arguments of `serve`.
    pub args: Vec<String>,
    /// The policy file, where there is one that could be read.
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
        match known.read_namespaces(cluster, namespace).await {
            Err(ApiError::Forbidden(problem)) => {
                known.unread.namespaces = true;
                known.unknown.push(format!(
                    "cannot read namespaces, so which of them have opted in and their settings are not known ({problem})"
                ));
            }
            other => other?,
        }
        known.read_installations(cluster).await?;
        if known.installations.is_empty() {
            known.installations.push(Installation::default());
        }
        Ok(known)
    }

    /// What may not be read, or has just been deleted, is told; that there is no cluster ends all.
    fn note<T>(
        &mut self,
        read: Result<T, impl Into<PolicyTextError>>,
        what: &str,
    ) -> Result<Option<T>, ApiError> {
        match read.map_err(Into::into) {
            Ok(read) => Ok(Some(read)),
            Err(
                problem @ (PolicyTextError::Elsewhere { .. }
                | PolicyTextError::Api(ApiError::Forbidden(_) | ApiError::NotFound(_))),
            ) => {
                self.unread(format!("cannot read {what} ({problem})"));
                Ok(None)
            }
            Err(PolicyTextError::Api(error)) => Err(error),
        }
    }

    /// Something of an installation could not be read.
    pub(crate) fn unread(&mut self, problem: String) {
        self.unread.installations = true;
        self.unknown.push(problem);
    }

    /// Reads one namespace, or all.
    pub async fn read_namespaces(
        &mut self,
        cluster: &Cluster,
        namespace: Option<&str>,
    ) -> Result<(), ApiError> {
        let objects = match namespace {
            Some(name) => {
                Collected { items: vec![cluster.get("/api/v1/namespaces", name).await?], unreadable: None }
            }
            None => Listing::all("/api/v1/namespaces").collect::<Object>(cluster).await?,
        };
        self.unread.namespaces |= objects.unreadable.is_some();
        self.unknown.extend(objects.unreadable);
        self.namespaces = objects
            .items
            .into_iter()
            .map(|Object { metadata }| {
                let annotations = metadata.annotations.into_iter().filter(|(key, _)| is_ours(key)).collect();
                (metadata.name, NamespaceFacts { labels: metadata.labels, annotations })
            })
            .collect();
        Ok(())
    }

    async fn read_installations(&mut self, cluster: &Cluster) -> Result<(), ApiError> {
        let found = Configuration::find(cluster).await;
        let what =
            "the webhook configuration, so the chart's selectors and this program's settings are assumed";
        let Some(found) = self.note(found, what)? else { return Ok(()) };
        if let Some(problem) = found.unreadable {
            self.unread(problem);
        }
        for configuration in &found.items {
            let name = &configuration.metadata.name;
            let selection = configuration.selection();
            if selection.is_none() {
                self.unknown.push(format!(
                    "webhook configuration {name} is not about the creation of pods, so no pod gets a value by it; the \
                     chart's selectors are assumed (see gomemlimit check)"
                ));
            }
            let mut installation =
                Installation { name: name.clone(), selection: selection.unwrap_or_default(), settings: None };
            match self.read_settings(cluster, configuration).await? {
                Ok(settings) => installation.settings = settings,
                Err(problem) => self.unread(format!(
                    "the settings of webhook configuration {name} are not known, and this program's are assumed: {problem}"
                )),
            }
            self.installations.push(installation);
        }
        if found.items.is_empty() { self.read_admission_policies(cluster).await } else { Ok(()) }
    }

    /// What the pods behind a configuration run with, or why that is not known. `None`: it was told already.
    async fn read_settings(
        &mut self,
        cluster: &Cluster,
        configuration: &Configuration,
    ) -> Result<Result<Option<ServeSettings>, String>, ApiError> {
        let Some(reference) = configuration.service() else {
            return Ok(Err("it names a URL instead of a Service".to_owned()));
        };
        let place = format!("service {} in {}", reference.name, reference.namespace);
        let path = path_of("/api/v1", Some(&reference.namespace), "services");
        let what = format!("{place}, so this program's settings are assumed");
        let service = cluster.find::<Service>(&path, &reference.name).await;
        let Some(service) = self.note(service, &what)? else { return Ok(Ok(None)) };
        let Some(service) = service else { return Ok(Err(format!("{place} does not exist"))) };
        let pods = WebhookPod::of(cluster, &reference.namespace, &service).await;
        let what = format!("the pods of {place}, so this program's settings are assumed");
        let Some(pods) = self.note(pods, &what)? else { return Ok(Ok(None)) };
        if let Some(problem) = pods.unreadable {
            self.unread(problem);
        }
        let pods = pods.items;
        let Some(pod) = pods.iter().find(|pod| pod.is_ready()).or(pods.first()) else {
            return Ok(Err(format!("{place} has no pods")));
        };
        let name = format!("{}/{}", reference.namespace, pod.metadata.name);
        let Some(args) = pod.serve_args() else {
            return Ok(Err(format!("the arguments of pod {name} do not begin with `serve`")));
        };
        let policy = policy_text(cluster, &reference.namespace, pod).await;
        let policy =
            self.note(policy, "the webhook's policy file, so none but the built-in rules are assumed")?;
        Ok(Ok(Some(ServeSettings {
            origin: format!("the flags of pod {name}"),
            args: args.to_vec(),
            policy: policy.flatten(),
        })))
    }

    /// Policies of the API server, which decide where there is no webhook.
    async fn read_admission_policies(&mut self, cluster: &Cluster) -> Result<(), ApiError> {
        let found = AdmissionPolicy::find(cluster).await;
        let what = "MutatingAdmissionPolicies, and there is no webhook configuration; the chart's selectors and this \
                    program's settings are assumed";
        let Some(found) = self.note(found, what)? else { return Ok(()) };
        if let Some(problem) = found.unreadable {
            self.unread(problem);
        }
        if found.items.is_empty() {
            self.unknown.push(
                "there is no webhook configuration of gomemlimit in this cluster: no pod gets a value (see gomemlimit \
                 check)"
                    .to_owned(),
            );
        }
        for policy in found.items {
            let name = policy.metadata.name.clone();
            let origin = format!("the MutatingAdmissionPolicy {name}");
            let what = format!("the bindings of {origin}, so the chart's selectors are assumed");
            let selection = policy.selection(cluster).await;
            let (selection, unreadable) = self.note(selection, &what)?.unzip();
            if let Some(problem) = unreadable.flatten() {
                self.unread(problem);
            }
            if selection == Some(None) {
                self.unknown.push(format!(
                    "{origin} has no binding, so no pod gets a value by it; the chart's selectors are assumed"
                ));
            }
            let args = policy.serve_args();
            if args.is_none() {
                self.unread(format!(
                    "the settings of {origin} cannot be read, and this program's are assumed"
                ));
            }
            self.installations.push(Installation {
                name,
                selection: selection.flatten().unwrap_or_default(),
                settings: args.map(|args| ServeSettings { origin, args, policy: None }),
            });
        }
        Ok(())
    }
}

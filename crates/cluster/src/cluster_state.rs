//! What a decision about a pod of a cluster depends on beside the pod: its namespace, what is asked about new pods,
//! and the settings that are decided by. What cannot be read is said, and replaced by a default.

use std::collections::HashMap;

use gomemlimit_core::{
    NamespaceAnnotations,
    audit::{Labels, Selection},
    names::{DOMAIN, INJECT_LABEL, is_own_key},
    settings::Setting,
};
use serde::Deserialize;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
    object_meta::ObjectMeta,
    pages::{Collected, Listing},
    policy_engine::AdmissionPolicy,
    webhook_configuration::WebhookConfiguration,
    webhook_objects::{Service, WebhookPod},
    webhook_policy::{PolicyText, PolicyTextError, policy_text},
};

/// The text of an annotation that is kept; bytes. No setting is so long, and what is wrong with a longer text shows in
/// its start.
const MAX_TEXT: usize = 512;

/// Annotations of our domain that are kept beside those that are settings: they do nothing but warn.
const MAX_OTHERS: usize = 8;

/// A namespace, as far as it matters. Whoever may annotate and label namespaces writes most of it: what is kept of each
/// has a bound.
#[derive(Clone, Debug, Default)]
pub struct NamespaceFacts {
    /// The labels that selectors ask for.
    pub labels: Labels,
    /// Annotations of gomemlimit.
    pub annotations: NamespaceAnnotations,
}

impl NamespaceFacts {
    fn new(metadata: ObjectMeta, asks_for: impl Fn(&str) -> bool) -> Self {
        let mut labels = metadata.labels;
        labels.retain(|key, _| key == INJECT_LABEL || asks_for(key));
        let is_setting = |key: &str| {
            let name = key.strip_prefix(DOMAIN).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| Setting::ALL.iter().any(|setting| setting.as_str() == name))
        };
        let mut others = 0;
        let annotations = metadata.annotations.into_iter().filter(|(key, _)| is_own_key(key));
        let annotations = annotations.filter(|(key, _)| {
            others += usize::from(!is_setting(key));
            is_setting(key) || others <= MAX_OTHERS
        });
        let annotations = annotations.map(|(key, mut text)| {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.shrink_to_fit();
            (key, text)
        });
        let annotations = annotations.collect();
        Self { labels, annotations }
    }
}

/// The facts about a cluster that decisions depend on.
#[derive(Debug, Default)]
pub struct ClusterState {
    /// The namespaces that could be read.
    pub namespaces: HashMap<String, NamespaceFacts>,
    /// Settings of each webhook configuration; one entry with the defaults if there is none.
    pub installations: Vec<InstallationSettings>,
    /// Sentences about objects that could not be read, each with the default that replaces them.
    pub unknown: Vec<String>,
    /// Which of it decisions depend on.
    pub unread: Unread,
}

/// Kinds of objects of which not all could be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread {
    /// Namespaces: their labels and annotations.
    pub namespaces: bool,
    /// Selectors and settings of what decides about new pods.
    pub installations: bool,
}

/// Selection and settings of one installation.
#[derive(Clone, Debug, Default)]
pub struct InstallationSettings {
    /// The webhook configuration or the policy; empty if there is none.
    pub name: String,
    /// Which pods it decides about.
    pub selection: Selection,
    /// Its settings, if they are known.
    pub settings: Option<ServeSettings>,
}

/// The settings of an installation.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Their origin, for people.
    pub origin: String,
    /// The arguments of `serve`.
    pub args: Vec<String>,
    /// The policy file, if there is one that could be read.
    pub policy: Option<PolicyText>,
}

#[derive(Deserialize)]
struct Object {
    metadata: ObjectMeta,
}

impl ClusterState {
    /// Reads what may be read about `namespace`, or about all.
    ///
    /// # Errors
    /// [`ApiError`] if the API server cannot be asked at all; what may not be read becomes an entry of `unknown`.
    pub async fn read(cluster: &Cluster, namespace: Option<&str>) -> Result<Self, ApiError> {
        let mut known = Self::default();
        known.read_installations(cluster).await?;
        if known.installations.is_empty() {
            known.installations.push(InstallationSettings::default());
        }
        let selections: Vec<_> = known.installations.iter().map(|one| one.selection.clone()).collect();
        match known.read_namespaces(cluster, namespace, &selections).await {
            Err(problem @ (ApiError::Forbidden(_) | ApiError::TooLarge { .. })) => {
                known.unread.namespaces = true;
                known.unknown.push(format!(
                    "cannot read namespaces, so which of them have opted in and their settings are not known ({problem})"
                ));
            }
            other => other?,
        }
        Ok(known)
    }

    /// Notes an object that may not be read, or has just been deleted. Any other error ends the reading.
    fn note<T>(
        &mut self,
        read: Result<T, impl Into<PolicyTextError>>,
        what: &str,
    ) -> Result<Option<T>, ApiError> {
        match read.map_err(Into::into) {
            Ok(read) => Ok(Some(read)),
            Err(
                problem @ (PolicyTextError::Elsewhere { .. }
                | PolicyTextError::Api(
                    ApiError::Forbidden(_) | ApiError::NotFound(_) | ApiError::TooLarge { .. },
                )),
            ) => {
                self.unread(format!("cannot read {what} ({problem})"));
                Ok(None)
            }
            Err(PolicyTextError::Api(error)) => Err(error),
        }
    }

    /// Something of an installation could not be read.
    pub fn unread(&mut self, problem: String) {
        self.unread.installations = true;
        self.unknown.push(problem);
    }

    /// Reads one namespace, or all: of their labels those that `selections` ask for.
    ///
    /// # Errors
    /// [`ApiError`] if the API server cannot be asked at all.
    pub async fn read_namespaces(
        &mut self,
        cluster: &Cluster,
        namespace: Option<&str>,
        selections: &[Selection],
    ) -> Result<(), ApiError> {
        let asks_for = |key: &str| selections.iter().any(|selection| selection.asks_for(key));
        let facts = |Object { metadata }| (metadata.name.clone(), NamespaceFacts::new(metadata, asks_for));
        let read = if let Some(name) = namespace {
            let items = vec![facts(cluster.get("/api/v1/namespaces", name).await?)];
            Collected { items, unreadable: None }
        } else {
            let listing = Listing::all("/api/v1/namespaces");
            listing.collect_as(cluster, |json| serde_json::from_str(json).map(facts)).await?
        };
        self.unread.namespaces |= read.unreadable.is_some();
        self.unknown.extend(read.unreadable);
        self.namespaces = read.items.into_iter().collect();
        Ok(())
    }

    async fn read_installations(&mut self, cluster: &Cluster) -> Result<(), ApiError> {
        let found = WebhookConfiguration::find(cluster).await;
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
            let mut installation = InstallationSettings {
                name: name.clone(),
                selection: selection.unwrap_or_default(),
                settings: None,
            };
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

    /// The settings of the pods behind a configuration, or why they are not known. `None`: that is noted already.
    async fn read_settings(
        &mut self,
        cluster: &Cluster,
        configuration: &WebhookConfiguration,
    ) -> Result<Result<Option<ServeSettings>, String>, ApiError> {
        let reference = match configuration.called() {
            Ok(reference) => reference,
            Err(problem) => return Ok(Err(problem.to_string())),
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

    /// Policies of the API server, which decide if there is no webhook.
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
            self.installations.push(InstallationSettings {
                name,
                selection: selection.flatten().unwrap_or_default(),
                settings: args.map(|args| ServeSettings { origin, args, policy: None }),
            });
        }
        Ok(())
    }
}

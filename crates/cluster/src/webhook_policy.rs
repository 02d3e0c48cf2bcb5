//! The policy file that a running webhook reads: the ConfigMap which its pod mounts at the path of `--policy-file`.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
    webhook_objects::WebhookPod,
};

/// The text of a policy file in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// Its ConfigMap, for people.
    pub origin: String,
    /// The file, as YAML.
    pub text: String,
}

/// Why the policy file is not known.
#[derive(Debug, Error)]
pub enum PolicyTextError {
    /// The `ConfigMap` could not be read.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No `ConfigMap` of the pod holds it.
    #[error("no ConfigMap of pod {pod} holds {path}")]
    Elsewhere {
        /// The pod.
        pod: String,
        /// The path of `--policy-file`.
        path: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    data: BTreeMap<String, String>,
}

/// The policy file of the webhook's pod in `namespace`; `None` if it runs without one.
///
/// # Errors
/// If the `ConfigMap` cannot be read, or the file is not one that a `ConfigMap` holds.
pub async fn policy_text(
    cluster: &Cluster,
    namespace: &str,
    pod: &WebhookPod,
) -> Result<Option<PolicyText>, PolicyTextError> {
    let Some(path) = pod.policy_file() else { return Ok(None) };
    let elsewhere = || PolicyTextError::Elsewhere { pod: pod.metadata.name.clone(), path: path.to_owned() };
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let name = pod.config_map_at(folder).ok_or_else(elsewhere)?;
    let folder = path_of("/api/v1", Some(namespace), "configmaps");
    let mut map: ConfigMap = cluster.get(&folder, name).await?;
    let text = map.data.remove(file).ok_or_else(elsewhere)?;
    Ok(Some(PolicyText { origin: format!("ConfigMap {namespace}/{name}"), text }))
}

//! The policy file that a running webhook reads: the ConfigMap which its pod mounts at the path of `--policy-file`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{
    api::{ApiError, Cluster, path_of},
    serving::WebhookPod,
};

/// A policy file as it stands in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// Where it stands, for people.
    pub origin: String,
    /// What it says.
    pub text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMap {
    data: BTreeMap<String, String>,
}

/// The policy file of the webhook's pod in `namespace`; `None` where it runs without one.
///
/// # Errors
/// Where the `ConfigMap` cannot be read, or the file is not one that a `ConfigMap` holds.
pub async fn policy_text(
    cluster: &Cluster,
    namespace: &str,
    pod: &WebhookPod,
) -> Result<Option<PolicyText>, ApiError> {
    let Some(path) = pod.policy_file() else { return Ok(None) };
    let path = Path::new(path);
    let folder = path.parent().and_then(Path::to_str).unwrap_or_default();
    let file = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let unknown = |what: &str| ApiError::Forbidden(format!("{what} of {} is not known", path.display()));
    let name = pod.config_map_at(folder).ok_or_else(|| unknown("the ConfigMap"))?;
    let folder = path_of("/api/v1", Some(namespace), "configmaps");
    let mut map: ConfigMap = cluster.get(&folder, name).await?;
    let text = map.data.remove(file).ok_or_else(|| unknown("the content"))?;
    Ok(Some(PolicyText { origin: format!("ConfigMap {namespace}/{name}"), text }))
}

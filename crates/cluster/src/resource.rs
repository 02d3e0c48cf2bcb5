//! Paths of the objects of a kind, with the version that the API server has.

use gomemlimit_core::names::is_object_name;
use gomemlimit_manifest::WorkloadKind;
use serde::Deserialize;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
};

/// Maximum number of versions of a group that are looked at. Groups have at most a few.
const MAX_VERSIONS: usize = 8;

/// `APIGroup` of `/apis/GROUP`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiGroup {
    preferred_version: ApiVersion,
    versions: Vec<ApiVersion>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(default)]
struct ApiVersion {
    version: String,
}

/// `APIResourceList` of `/apis/GROUP/VERSION`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiResources {
    resources: Vec<ApiResource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiResource {
    name: String,
}

/// The path of the objects of a kind, in this namespace if the kind has namespaces.
///
/// Every API server has the kinds of Kubernetes itself. For another it is asked which version of the group has the kind:
/// the preferred one first, as `kubectl` does (`client-go/restmapper/discovery.go`). Every user may ask that
/// (`system:discovery`).
///
/// # Errors
/// [`ApiError::NoResource`] if the API server does not have the kind, or another [`ApiError`] if it cannot be asked.
pub async fn path_of_kind(
    cluster: &Cluster,
    kind: &WorkloadKind,
    namespace: &str,
) -> Result<String, ApiError> {
    let api = match kind.group {
        "" => "/api/v1".to_owned(),
        group if kind.is_built_in() => format!("/apis/{group}/v1"),
        group => format!("/apis/{group}/{}", version_of(cluster, kind).await?),
    };
    let namespace = (!kind.is_cluster_scoped).then_some(namespace);
    Ok(path_of(&api, namespace, kind.plural))
}

async fn version_of(cluster: &Cluster, kind: &WorkloadKind) -> Result<String, ApiError> {
    let missing = || ApiError::NoResource(format!("{}.{}", kind.plural, kind.group));
    let group: ApiGroup = cluster.find("/apis", kind.group).await?.ok_or_else(missing)?;
    let ApiGroup { preferred_version, versions } = group;
    let others = versions.into_iter().filter(|one| *one != preferred_version).collect::<Vec<_>>();
    let path = format!("/apis/{}", kind.group);
    for ApiVersion { version } in std::iter::once(preferred_version).chain(others).take(MAX_VERSIONS) {
        if !is_object_name(&version) {
            continue;
        }
        let found: Option<ApiResources> = cluster.find(&path, &version).await?;
        if found.is_some_and(|found| found.resources.iter().any(|resource| resource.name == kind.plural)) {
            return Ok(version);
        }
    }
    Err(missing())
}

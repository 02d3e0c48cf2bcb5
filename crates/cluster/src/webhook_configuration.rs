//! The webhook configuration of gomemlimit, its entries, and the Service that they call.

use gomemlimit_core::audit::{EntrySelectors, LabelSelector, Selection};
use serde::Deserialize;
use thiserror::Error;

use super::{
    api::Cluster,
    error::ApiError,
    object_meta::{ObjectMeta, Origin, object_name},
    pages::{Collected, Listing},
};

/// Path of roles of the whole cluster.
const CLUSTER_ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

/// Path of webhook configurations.
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// Ending of the names of gomemlimit's entries, whatever the release is called.
pub const ENTRY_ENDING: &str = ".gomemlimit.dev";

/// A `MutatingWebhookConfiguration`, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookConfiguration {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// Its entries; each selects objects by itself.
    pub webhooks: Vec<WebhookEntry>,
}

/// One entry of a webhook configuration (`MutatingWebhook` of `admissionregistration.k8s.io/v1`).
///
/// Another field of the API is one more line here, named as there in snake case. Without a value in the object it is the
/// default of its type; a default of Kubernetes is given by an `Option` and a method, as in [`ServiceReference::port`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookEntry {
    /// Its name, unique within the configuration.
    pub name: String,
    /// The Service or URL that is called.
    pub client_config: ClientConfig,
    /// Which namespaces.
    pub namespace_selector: LabelSelector,
    /// Which objects.
    pub object_selector: LabelSelector,
    /// Which requests.
    pub rules: Vec<Rule>,
    /// Conditions in CEL.
    pub match_conditions: Vec<MatchCondition>,
    /// `Ignore` or `Fail`.
    pub failure_policy: String,
}

impl WebhookEntry {
    /// Whether it is an entry of gomemlimit, by its name.
    #[must_use]
    pub fn is_of_gomemlimit(&self) -> bool {
        self.name.ends_with(ENTRY_ENDING)
    }
}

/// The Service or URL that the API server calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientConfig {
    /// Base64 of PEM certificates.
    pub ca_bundle: Option<k8s_openapi::ByteString>,
    /// The Service that is called; `None` if `url` is given.
    pub service: Option<ServiceReference>,
    /// Instead of a Service.
    pub url: Option<String>,
}

/// A Service and a port of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct ServiceReference {
    /// Namespace of the Service.
    #[serde(deserialize_with = "object_name")]
    pub namespace: String,
    /// Name of the Service.
    #[serde(deserialize_with = "object_name")]
    pub name: String,
    /// Default 443.
    pub port: Option<u16>,
    /// Default `/`.
    pub path: Option<String>,
}

impl ServiceReference {
    /// The name that the API server verifies the certificate for.
    #[must_use]
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Path that the webhook is called at.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/")
    }

    /// The port of the Service.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }
}

/// Which requests an entry is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    operations: Vec<String>,
    resources: Vec<String>,
    scope: Option<String>,
}

impl Rule {
    /// Whether it is about the creation of pods.
    #[must_use]
    pub(crate) fn is_pod_creation(&self) -> bool {
        let has = |list: &[String], word: &str| list.iter().any(|one| one == word || one == "*");
        has(&self.api_groups, "")
            && has(&self.api_versions, "v1")
            && has(&self.operations, "CREATE")
            && (has(&self.resources, "pods") || self.resources.iter().any(|one| one == "*/*"))
            && self.scope.as_deref().is_none_or(|scope| scope != "Cluster")
    }
}

/// A condition in CEL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MatchCondition {
    /// Its name, unique within the entry.
    pub name: String,
    /// CEL; the webhook is called if it is true.
    pub expression: String,
}

impl WebhookConfiguration {
    /// The configurations of the cluster that the chart made or that have its entries.
    ///
    /// # Errors
    /// [`ApiError`] if configurations cannot be listed.
    pub async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        let mut found: Collected<Self> = Listing::all(CONFIGURATIONS).collect(cluster).await?;
        found.items.retain(Self::is_of_gomemlimit);
        Ok(found)
    }

    /// The one with this name, whosever it is.
    ///
    /// # Errors
    /// [`ApiError`] if it cannot be read; a missing one is `None`.
    pub async fn named(cluster: &Cluster, name: &str) -> Result<Option<Self>, ApiError> {
        cluster.find(CONFIGURATIONS, name).await
    }

    /// By its labels or its entries: either may have been damaged.
    #[must_use]
    pub fn is_of_gomemlimit(&self) -> bool {
        self.metadata.is_of_the_chart() || self.own_entries().next().is_some()
    }

    /// The entries of gomemlimit.
    pub fn own_entries(&self) -> impl Iterator<Item = &WebhookEntry> {
        self.webhooks.iter().filter(|entry| entry.is_of_gomemlimit())
    }

    /// The entries of gomemlimit that are asked about the creation of pods.
    pub fn pod_entries(&self) -> impl Iterator<Item = &WebhookEntry> {
        self.own_entries().filter(|entry| entry.rules.iter().any(Rule::is_pod_creation))
    }

    /// The pods that these entries select; `None` if none is about the creation of pods.
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        let entries = self.pod_entries().map(|entry| EntrySelectors {
            namespaces: entry.namespace_selector.clone(),
            objects: entry.object_selector.clone(),
        });
        let entries: Vec<_> = entries.collect();
        (!entries.is_empty()).then(|| Selection::new(entries))
    }

    /// The Service that they name, if the release can have it: what runs behind any other shows nothing about the
    /// release.
    ///
    /// # Errors
    /// If they name no Service, or one in another namespace than that of the release.
    pub fn called(&self) -> Result<&ServiceReference, CalledError> {
        let reference = self.service().ok_or(CalledError::Url)?;
        match self.metadata.origin() {
            Origin::Helm { namespace, .. } if namespace != reference.namespace => {
                Err(CalledError::OutsideRelease {
                    service: reference.name.clone(),
                    namespace: reference.namespace.clone(),
                    release_namespace: namespace,
                })
            }
            _ => Ok(reference),
        }
    }

    /// The namespace of its release; if Helm did not make it, that of the Service.
    #[must_use]
    pub fn release_namespace(&self) -> Option<String> {
        match self.metadata.origin() {
            Origin::Helm { namespace, .. } => Some(namespace),
            _ => self.service().map(|service| service.namespace.clone()),
        }
    }

    /// The Service that they name.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceReference> {
        let mut entries = self.pod_entries().chain(self.own_entries());
        entries.find_map(|entry| entry.client_config.service.as_ref())
    }
}

/// Why a webhook configuration calls no Service of its release.
#[derive(Clone, Debug, Error)]
pub enum CalledError {
    /// A URL instead of a Service.
    #[error("it names a URL instead of a Service")]
    Url,
    /// A Service in another namespace than that of the release.
    #[error(
        "it calls service {service} in namespace {namespace}, and its release is in namespace {release_namespace}"
    )]
    OutsideRelease {
        /// Name of the Service.
        service: String,
        /// Namespace of the Service.
        namespace: String,
        /// Namespace of the release.
        release_namespace: String,
    },
}

/// Metadata of what the chart's `ClusterRole`s are made of: a release without a webhook configuration is known by them.
///
/// # Errors
/// [`ApiError`] if cluster roles cannot be listed.
pub async fn cluster_roles(cluster: &Cluster) -> Result<Vec<ObjectMeta>, ApiError> {
    #[derive(Deserialize)]
    struct Role {
        metadata: ObjectMeta,
    }
    // Names of other roles may have colons: such a role is none of the chart's.
    let roles: Collected<Role> = Listing::all(CLUSTER_ROLES).collect(cluster).await?;
    let metadata = roles.items.into_iter().map(|role| role.metadata);
    Ok(metadata.filter(ObjectMeta::is_of_the_chart).collect())
}

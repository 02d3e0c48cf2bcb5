//! How gomemlimit is installed in a cluster: its webhook configuration and whom that calls.

use gomemlimit_core::audit::{LabelSelector, Selection, WebhookEntry};
use serde::Deserialize;

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

/// Ending of the names of our entries, whatever the release is called.
pub(crate) const ENTRY_ENDING: &str = ".gomemlimit.dev";

/// A `MutatingWebhookConfiguration`, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Configuration {
    /// Name and labels.
    pub(crate) metadata: ObjectMeta,
    pub(crate) webhooks: Vec<Webhook>,
}

/// One entry of a webhook configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Webhook {
    pub(crate) name: String,
    /// Whom to call.
    pub(crate) client_config: ClientConfig,
    /// Which namespaces.
    pub(crate) namespace_selector: LabelSelector,
    /// Which objects.
    pub(crate) object_selector: LabelSelector,
    /// Which requests.
    pub(crate) rules: Vec<Rule>,
    /// Conditions in CEL.
    pub(crate) match_conditions: Vec<MatchCondition>,
    /// `Ignore` or `Fail`.
    pub(crate) failure_policy: String,
}

/// Whom the API server calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClientConfig {
    /// Base64 of PEM certificates.
    pub(crate) ca_bundle: Option<k8s_openapi::ByteString>,
    pub(crate) service: Option<ServiceReference>,
    /// Instead of a Service.
    pub(crate) url: Option<String>,
}

/// A Service and a port of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct ServiceReference {
    #[serde(deserialize_with = "object_name")]
    pub(crate) namespace: String,
    #[serde(deserialize_with = "object_name")]
    pub(crate) name: String,
    /// Default 443.
    pub(crate) port: Option<u16>,
    /// Default `/`.
    pub(crate) path: Option<String>,
}

impl ServiceReference {
    /// The name that the API server verifies the certificate for.
    #[must_use]
    pub(crate) fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Where the webhook is called.
    #[must_use]
    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/")
    }

    /// The port of the Service.
    #[must_use]
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(443)
    }
}

/// Which requests an entry is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Rule {
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
pub(crate) struct MatchCondition {
    pub(crate) name: String,
    pub(crate) expression: String,
}

impl Configuration {
    /// The configurations of the cluster that the chart made or that have its entries.
    pub(crate) async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        let mut found: Collected<Self> = Listing::all(CONFIGURATIONS).collect(cluster).await?;
        found.items.retain(Self::is_ours);
        Ok(found)
    }

    /// The one with this name, whosever it is.
    pub(crate) async fn named(cluster: &Cluster, name: &str) -> Result<Option<Self>, ApiError> {
        cluster.find(CONFIGURATIONS, name).await
    }

    /// By its labels or its entries: either may have been damaged.
    #[must_use]
    pub(crate) fn is_ours(&self) -> bool {
        self.metadata.is_of_the_chart() || self.ours().next().is_some()
    }

    /// Our entries.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Webhook> {
        self.webhooks.iter().filter(|entry| entry.name.ends_with(ENTRY_ENDING))
    }

    /// Our entries that are asked about the creation of pods.
    pub(crate) fn pod_entries(&self) -> impl Iterator<Item = &Webhook> {
        self.ours().filter(|entry| entry.rules.iter().any(Rule::is_pod_creation))
    }

    /// The pods that these entries select; `None` if none is about the creation of pods.
    #[must_use]
    pub(crate) fn selection(&self) -> Option<Selection> {
        let entries = self.pod_entries().map(|entry| WebhookEntry {
            namespaces: entry.namespace_selector.clone(),
            objects: entry.object_selector.clone(),
        });
        let entries: Vec<_> = entries.collect();
        (!entries.is_empty()).then(|| Selection::new(entries))
    }

    /// The Service that they name, if the release can have it: pods behind any other show nothing about the
    /// release. The error is the reason why there is none.
    pub(crate) fn called(&self) -> Result<&ServiceReference, String> {
        let reference = self.service().ok_or("it names a URL instead of a Service")?;
        match self.metadata.origin() {
            Origin::Helm { namespace, .. } if namespace != reference.namespace => Err(format!(
                "it calls service {} in namespace {}, and its release is in namespace {namespace}",
                reference.name, reference.namespace
            )),
            _ => Ok(reference),
        }
    }

    /// The namespace of its release; if Helm did not make it, that of the Service.
    #[must_use]
    pub(crate) fn release_namespace(&self) -> Option<String> {
        match self.metadata.origin() {
            Origin::Helm { namespace, .. } => Some(namespace),
            _ => self.service().map(|service| service.namespace.clone()),
        }
    }

    /// The Service that they name.
    #[must_use]
    pub(crate) fn service(&self) -> Option<&ServiceReference> {
        let mut entries = self.pod_entries().chain(self.ours());
        entries.find_map(|entry| entry.client_config.service.as_ref())
    }
}

/// Metadata of what the chart's `ClusterRole`s are made of: a release without a webhook configuration is known by them.
pub(crate) async fn cluster_roles(cluster: &Cluster) -> Result<Vec<ObjectMeta>, ApiError> {
    #[derive(Deserialize)]
    struct Role {
        metadata: ObjectMeta,
    }
    // Names of other roles may have colons: such a role is none of the chart's.
    let roles: Collected<Role> = Listing::all(CLUSTER_ROLES).collect(cluster).await?;
    let metadata = roles.items.into_iter().map(|role| role.metadata);
    Ok(metadata.filter(ObjectMeta::is_of_the_chart).collect())
}

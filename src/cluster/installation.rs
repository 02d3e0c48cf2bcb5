//! How gomemlimit is installed in a cluster: its webhook configuration and whom that calls.

use std::collections::BTreeMap;

use gomemlimit_core::selection::{Entry, LabelSelector, Labels, Selection};
use serde::Deserialize;

use super::{
    api::{ApiError, Cluster},
    pages::{Collected, Listing},
};

/// Where webhook configurations are.
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// Labels of the chart: its name, which a release may replace, and its name and version.
const NAME_LABEL: &str = "app.kubernetes.io/name";
const CHART_LABEL: &str = "helm.sh/chart";
const VERSION_LABEL: &str = "app.kubernetes.io/version";
const NAME: &str = "gomemlimit";

/// Ending of the names of our entries, whatever the release is called.
pub const ENTRY_ENDING: &str = ".gomemlimit.dev";

/// Metadata of any object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Since when it is about to go.
    #[serde(rename = "deletionTimestamp")]
    pub deletion_timestamp: Option<String>,
}

impl Metadata {
    /// The version that the chart's label names, if it can be one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        let version = self.labels.get(VERSION_LABEL)?;
        let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_fine);
        is_version.then_some(version.as_str())
    }

    /// Whether the chart made it, by its labels.
    #[must_use]
    pub fn is_of_the_chart(&self) -> bool {
        let is_chart = |chart: &String| {
            chart
                .strip_prefix(NAME)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.labels.get(NAME_LABEL).is_some_and(|name| name == NAME)
            || self.labels.get(CHART_LABEL).is_some_and(is_chart)
    }
}

/// A `MutatingWebhookConfiguration`, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Name and labels.
    pub metadata: Metadata,
    /// Its entries.
    pub webhooks: Vec<Webhook>,
}

/// One entry of a webhook configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Whom to call.
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

/// Whom the API server calls.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientConfig {
    /// Base64 of PEM certificates.
    pub ca_bundle: Option<k8s_openapi::ByteString>,
    /// The Service.
    pub service: Option<ServiceReference>,
    /// Instead of a Service.
    pub url: Option<String>,
}

/// A Service and a port of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct ServiceReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// 443 where not given.
    pub port: Option<u16>,
    /// `/` where not given.
    pub path: Option<String>,
}

impl ServiceReference {
    /// The name that the API server verifies the certificate for.
    #[must_use]
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// Where the webhook is called.
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
    pub fn is_pod_creation(&self) -> bool {
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
    /// Its name.
    pub name: String,
    /// The expression.
    pub expression: String,
}

impl Configuration {
    /// The configurations of the cluster that are ours or have entries of ours.
    pub async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        let mut found: Collected<Self> = Listing::all(CONFIGURATIONS).collect(cluster).await?;
        found.items.retain(Self::is_ours);
        Ok(found)
    }

    /// The one with this name, whosever it is.
    pub async fn named(cluster: &Cluster, name: &str) -> Result<Option<Self>, ApiError> {
        cluster.find(CONFIGURATIONS, name).await
    }

    /// By its labels or its entries: either may have been damaged.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.metadata.is_of_the_chart() || self.ours().next().is_some()
    }

    /// Our entries.
    pub fn ours(&self) -> impl Iterator<Item = &Webhook> {
        self.webhooks.iter().filter(|entry| entry.name.ends_with(ENTRY_ENDING))
    }

    /// Our entries that are asked about the creation of pods.
    pub fn pod_entries(&self) -> impl Iterator<Item = &Webhook> {
        self.ours().filter(|entry| entry.rules.iter().any(Rule::is_pod_creation))
    }

    /// Which pods they are asked about; `None` where none is about the creation of pods.
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        let entries = self.pod_entries().map(|entry| Entry {
            namespaces: entry.namespace_selector.clone(),
            objects: entry.object_selector.clone(),
        });
        let entries: Vec<_> = entries.collect();
        (!entries.is_empty()).then(|| Selection::new(entries))
    }

    /// The Service that they name.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceReference> {
        let mut entries = self.pod_entries().chain(self.ours());
        entries.find_map(|entry| entry.client_config.service.as_ref())
    }
}

//! Policies of the API server that decide as the webhook does: what `gomemlimit policy` prints, or the chart with
//! `engine: policy`. Clusters before 1.36 have none.

use gomemlimit_core::audit::{EntrySelectors, LabelSelector, Selection};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    api::Cluster,
    error::ApiError,
    object_meta::ObjectMeta,
    pages::{Collected, Listing},
    webhook_configuration::MatchCondition,
};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

/// Variables by which a policy is known, whatever its name and labels are.
const VARIABLES: [&str; 4] = ["settings", "containers", "candidates", "plans"];

/// A `MutatingAdmissionPolicy` of gomemlimit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AdmissionPolicy {
    /// Name and labels.
    pub metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    variables: Vec<Variable>,
    match_conditions: Vec<MatchCondition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Variable {
    name: String,
    expression: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Binding {
    spec: BindingSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BindingSpec {
    policy_name: String,
    match_resources: MatchResources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MatchResources {
    namespace_selector: LabelSelector,
    object_selector: LabelSelector,
}

impl AdmissionPolicy {
    /// The policies of gomemlimit in the cluster.
    ///
    /// # Errors
    /// If policies cannot be read.
    pub async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        match Listing::all(POLICIES).collect::<Self>(cluster).await {
            Ok(mut found) => {
                found.items.retain(Self::is_of_gomemlimit);
                Ok(found)
            }
            Err(ApiError::NotFound(_)) => Ok(Collected { items: Vec::new(), unreadable: None }),
            Err(error) => Err(error),
        }
    }

    /// Whether it belongs to gomemlimit: labels of the chart, or the variables of the policy that `gomemlimit policy` prints.
    #[must_use]
    pub fn is_of_gomemlimit(&self) -> bool {
        let has = |name: &&str| self.spec.variables.iter().any(|variable| variable.name == *name);
        self.metadata.is_of_the_chart() || VARIABLES.iter().all(has)
    }

    /// The pods that its bindings select; `None` if it has none and so decides nothing. Also which
    /// bindings were left out.
    ///
    /// # Errors
    /// If bindings cannot be read.
    pub async fn selection(
        &self,
        cluster: &Cluster,
    ) -> Result<(Option<Selection>, Option<String>), ApiError> {
        let bindings = Listing::all(BINDINGS).collect::<Binding>(cluster).await?;
        let own = bindings.items.into_iter().filter(|one| one.spec.policy_name == self.metadata.name);
        let entries = own.map(|one| one.spec.match_resources).map(|resources| EntrySelectors {
            namespaces: resources.namespace_selector,
            objects: resources.object_selector,
        });
        let entries: Vec<_> = entries.collect();
        Ok(((!entries.is_empty()).then(|| Selection::new(entries)), bindings.unreadable))
    }

    /// The settings that its text begins with, as arguments of `serve`; `None` if they cannot be read.
    #[must_use]
    pub fn serve_args(&self) -> Option<Vec<String>> {
        let settings = self.spec.variables.iter().find(|variable| variable.name == "settings")?;
        let settings: Map<String, Value> = serde_json::from_str(&settings.expression).ok()?;
        let arguments = settings.iter().filter_map(|(name, value)| match (name.as_str(), value.as_str()?) {
            ("namespace-annotations", "follow") => Some("--namespace-settings".to_owned()),
            ("namespace-annotations", _) => None,
            (name, value) => Some(format!("--{name}={value}")),
        });
        Some(std::iter::once("serve".to_owned()).chain(arguments).collect())
    }

    /// Its conditions in CEL.
    #[must_use]
    pub fn match_conditions(&self) -> &[MatchCondition] {
        &self.spec.match_conditions
    }
}

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
pub(crate) struct AdmissionPolicy {
    /// Name and labels.
    pub(crate) metadata: ObjectMeta,
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
    pub(crate) async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        match Listing::all(POLICIES).collect::<Self>(cluster).await {
            Ok(mut found) => {
                found.items.retain(Self::is_of_gomemlimit);
                Ok(found)
            }
            Err(ApiError::NotFound(_)) => Ok(Collected { items: Vec::new(), unreadable: None }),
            Err(error) => Err(error),
        }
    }

    fn is_of_gomemlimit(&self) -> bool {
        let has = |name: &&str| self.spec.variables.iter().any(|variable| variable.name == *name);
        self.metadata.is_of_the_chart() || VARIABLES.iter().all(has)
    }

    /// The pods that its bindings select; `None` if it has none and so decides nothing. Also which
    /// bindings were left out.
    ///
    /// # Errors
    /// If bindings cannot be read.
    pub(crate) async fn selection(
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
    pub(crate) fn serve_args(&self) -> Option<Vec<String>> {
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
    pub(crate) fn match_conditions(&self) -> &[MatchCondition] {
        &self.spec.match_conditions
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use gomemlimit_core::Policy;

    use super::*;

    fn printed() -> AdmissionPolicy {
        let text = crate::admission_policy::AdmissionPolicy {
            name: "x".into(),
            policy: Policy::default(),
            follow_namespaces: true,
        };
        let list = text.json().unwrap();
        serde_json::from_value(list["items"][0].clone()).unwrap()
    }

    #[test]
    fn the_policy_that_this_program_prints_is_known_by_its_variables() {
        assert!(printed().is_of_gomemlimit());
        let mut foreign = printed();
        foreign.spec.variables.retain(|variable| variable.name != "plans");
        assert!(!foreign.is_of_gomemlimit());
        foreign.metadata.labels.insert("helm.sh/chart".to_owned(), "gomemlimit-0.1.0".to_owned());
        assert!(foreign.is_of_gomemlimit());
    }

    #[test]
    fn its_settings_are_read_as_those_of_the_webhook() {
        let arguments = printed().serve_args().unwrap();
        assert_eq!(arguments.first().unwrap(), "serve");
        for one in ["--ratio=0.9", "--min-limit=32Mi", "--mode=inject", "--namespace-settings"] {
            assert!(arguments.iter().any(|argument| argument == one), "{one}: {arguments:?}");
        }
    }
}

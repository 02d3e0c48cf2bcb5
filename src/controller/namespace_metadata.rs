//! What is kept of the metadata of a namespace. Whoever may annotate one decides how large it is.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use gomemlimit_core::{
    NamespaceAnnotations,
    names::{DOMAIN, is_own_key},
    settings::Setting,
};
use k8s_openapi::{
    ClusterResourceScope, api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Resource;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// Characters of a value that are kept: more than any setting has.
const MAX_VALUE: usize = 128;

/// Annotations of our domain that are kept although they are no setting of a namespace, to warn of them.
const MAX_UNKNOWN: usize = 8;

/// The metadata of a namespace, of which only the name, the version and annotations of our domain are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NamespaceMetadata {
    #[serde(deserialize_with = "metadata")]
    metadata: ObjectMeta,
}

impl NamespaceMetadata {
    /// What the core reads.
    pub(super) fn settings(self) -> NamespaceAnnotations {
        self.metadata.annotations.unwrap_or_default()
    }
}

impl Resource for NamespaceMetadata {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Namespace::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Namespace::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Namespace::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Namespace::plural(&())
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct KeptMetadata {
        name: Option<String>,
        resource_version: Option<String>,
        annotations: Option<Own>,
    }
    let KeptMetadata { name, resource_version, annotations } = KeptMetadata::deserialize(deserializer)?;
    let annotations = annotations.map(|Own(annotations)| annotations);
    Ok(ObjectMeta { name, resource_version, annotations, ..ObjectMeta::default() })
}

/// Annotations of our domain.
struct Own(NamespaceAnnotations);

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OwnVisitor;
        impl<'de> Visitor<'de> for OwnVisitor {
            type Value = Own;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Own, M::Error> {
                let (mut own, mut unknown) = (BTreeMap::new(), 0);
                while let Some(key) = map.next_key::<String>()? {
                    unknown += usize::from(is_own_key(&key) && !is_setting(&key));
                    if is_setting(&key) || (is_own_key(&key) && unknown <= MAX_UNKNOWN) {
                        own.insert(key, shortened(map.next_value()?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Own(own))
            }
        }
        deserializer.deserialize_map(OwnVisitor)
    }
}

fn is_setting(key: &str) -> bool {
    let name = key.strip_prefix(DOMAIN).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| Setting::ALL.iter().any(|setting| setting.as_str() == name))
}

/// A longer value is none that any setting has, which the mark at its end keeps so.
fn shortened(value: String) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => value.get(..end).unwrap_or_default().to_owned() + "…",
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_annotations_that_the_core_reads_are_kept_and_only_the_start_of_long_ones() {
        let mut annotations = json!({
            "gomemlimit.dev/ratio": "0.8",
            "gomemlimit.dev/headroom": "1".repeat(1000),
            "mode.gomemlimit.dev/c": "off",
            "other.example/note": "x".repeat(1000),
        });
        for number in 0..100 {
            annotations[format!("gomemlimit.dev/a{number:02}")] = "x".repeat(1000).into();
        }
        let object = json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": "shop", "resourceVersion": "7", "annotations": annotations,
                "labels": {"team": "shop"}, "managedFields": [{"manager": "kubectl"}], "finalizers": null,
            },
        });
        let namespace: NamespaceMetadata = serde_json::from_str(&object.to_string()).unwrap();
        let metadata = namespace.meta();
        assert_eq!(
            (metadata.name.as_deref(), metadata.resource_version.as_deref()),
            (Some("shop"), Some("7"))
        );
        assert!(metadata.labels.is_none() && metadata.managed_fields.is_none());
        let settings = namespace.settings();
        assert_eq!(settings["gomemlimit.dev/ratio"], "0.8");
        assert_eq!(settings["gomemlimit.dev/headroom"], "1".repeat(MAX_VALUE) + "…");
        assert_eq!(settings.len(), 2 + MAX_UNKNOWN);
        assert!(settings.values().all(|value| value.len() < 2 * MAX_VALUE));
    }

    #[test]
    fn what_is_missing_or_null_is_none() {
        for metadata in [json!({"name": "shop"}), json!({"name": "shop", "annotations": null})] {
            let object = json!({"metadata": metadata});
            let namespace: NamespaceMetadata = serde_json::from_str(&object.to_string()).unwrap();
            assert!(namespace.settings().is_empty());
        }
    }
}

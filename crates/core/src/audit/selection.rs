//! The pods that the API server sends to the webhook: label selectors, as in
//! `k8s.io/apimachinery/pkg/apis/meta/v1.LabelSelector`.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use crate::names::{INJECT_LABEL, OPTED_OUT};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// The label of every namespace with its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Namespaces that the chart never selects, beside its own.
const NEVER: [&str; 3] = ["kube-system", "kube-node-lease", "kube-public"];

/// A label selector. One without requirements matches everything.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    match_labels: Option<Labels>,
    match_expressions: Option<Vec<Requirement>>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Requirement {
    fn is_met(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let is_listed = || value.is_some_and(|value| self.values.iter().flatten().any(|one| one == value));
        match self.operator.as_str() {
            "In" => is_listed(),
            "NotIn" => !is_listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            // The API server accepts no other.
            _ => false,
        }
    }

    fn mismatch(&self, labels: &Labels) -> Mismatch {
        let has =
            labels.get(&self.key).map_or_else(|| "is not there".to_owned(), |value| format!("is {value:?}"));
        let values = self.values.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("label {} {has}, wanted: {} {values}", self.key, self.operator);
        Mismatch { text: text.trim_end().to_owned(), is_exclusion: self.operator == "NotIn" }
    }
}

/// A requirement that labels do not meet. `Display` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    text: String,
    /// Whether it excludes objects with this value of the label (`NotIn`).
    pub is_exclusion: bool,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.unmet(labels).is_none()
    }

    /// Whether it depends on a label.
    #[must_use]
    pub fn asks_for(&self, key: &str) -> bool {
        self.match_labels.iter().flatten().any(|(one, _)| one == key)
            || self.match_expressions.iter().flatten().any(|one| one.key == key)
    }

    /// The first requirement that these labels do not meet.
    #[must_use]
    pub fn unmet(&self, labels: &Labels) -> Option<Mismatch> {
        let equal = self.match_labels.iter().flatten().map(|(key, value)| Requirement {
            key: key.clone(),
            operator: "In".to_owned(),
            values: Some(vec![value.clone()]),
        });
        let expressions = self.match_expressions.iter().flatten().cloned();
        equal.chain(expressions).find(|one| !one.is_met(labels)).map(|one| one.mismatch(labels))
    }

    /// The same as the API server takes it in the parameter `labelSelector` (`k8s.io/apimachinery/pkg/labels`,
    /// `Requirement.String`); empty if everything is selected.
    #[must_use]
    pub fn query(&self) -> String {
        let equal = self.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
        let expressions = self.match_expressions.iter().flatten().map(|one| {
            let (key, values) = (&one.key, one.values.as_deref().unwrap_or_default().join(","));
            match one.operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.clone(),
            }
        });
        equal.chain(expressions).collect::<Vec<_>>().join(",")
    }

    /// A label that a namespace lacks and that would make these labels match: key and value. `None` if
    /// a label alone does not help.
    #[must_use]
    pub fn missing_label(&self, labels: &Labels) -> Option<(String, String)> {
        let equal = self.match_labels.iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
        let listed = self.match_expressions.iter().flatten().filter(|one| one.operator == "In");
        let listed = listed.filter_map(|one| Some((one.key.clone(), one.values.as_ref()?.first()?.clone())));
        equal.chain(listed).find(|(key, value)| {
            // It goes into printed commands, unquoted and as the first word that is no option.
            if !(is_plain(key) && is_plain(value)) {
                return false;
            }
            let mut more = labels.clone();
            more.insert(key.clone(), value.clone());
            !self.matches(labels) && self.matches(&more)
        })
    }
}

/// Whether a text has only characters of label keys and values, and does not begin as an option of a program does.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte)) && !text.starts_with('-')
}

/// What one entry of a webhook configuration, or one binding of a policy, selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntrySelectors {
    /// Which namespaces.
    pub namespaces: LabelSelector,
    /// Which pods in them.
    pub objects: LabelSelector,
}

impl EntrySelectors {
    /// Whether it is about ordinary pods. One that is not looks for pods that opt in by themselves, in namespaces
    /// that have not: that it selects a namespace does not opt the namespace in.
    fn takes_ordinary_pods(&self) -> bool {
        self.objects.matches(&Labels::new())
    }
}

/// Whether the webhook is asked about a pod when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// It is.
    Yes,
    /// The namespace has opted in, and the pod has opted out.
    OptedOut,
    /// The namespace has not opted in.
    NotLabelled {
        /// The label that would do it, `key=value`.
        label: String,
    },
    /// The namespace is one that no label opts in.
    Excluded,
    /// The namespace's labels are not known.
    Unknown,
}

/// The entries of the webhook configuration, by default those of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    entries: Vec<EntrySelectors>,
}

impl Selection {
    /// The selection by these entries of the webhook configuration.
    #[must_use]
    pub fn new(entries: Vec<EntrySelectors>) -> Self {
        Self { entries }
    }

    /// The entries that opt a namespace in: those about ordinary pods. If none is, the selectors of pods
    /// are an own choice, and all of them count.
    pub fn opting_in(&self) -> impl Iterator<Item = &EntrySelectors> {
        let has_any = self.entries.iter().any(EntrySelectors::takes_ordinary_pods);
        self.entries.iter().filter(move |entry| !has_any || entry.takes_ordinary_pods())
    }

    /// Whether it depends on a label of namespaces: what is known of them may be limited to such labels.
    #[must_use]
    pub fn asks_for(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.namespaces.asks_for(key))
    }

    /// Whether a namespace with these labels has opted in.
    #[must_use]
    pub fn has_opted_in(&self, namespace: &Labels) -> bool {
        self.opting_in().any(|entry| entry.namespaces.matches(namespace))
    }

    /// Whether a pod with labels `pod` in a namespace with labels `namespace` is sent to the webhook.
    #[must_use]
    pub fn selects(&self, namespace: Option<&Labels>, pod: impl FnOnce() -> Labels) -> Selected {
        let Some(namespace) = namespace else { return Selected::Unknown };
        let mut entries = self.entries.iter().filter(|entry| entry.namespaces.matches(namespace)).peekable();
        if entries.peek().is_some() {
            let pod = pod();
            if entries.any(|entry| entry.objects.matches(&pod)) {
                return Selected::Yes;
            }
        }
        if self.has_opted_in(namespace) {
            return Selected::OptedOut;
        }
        match self.missing_label(namespace) {
            Some((key, value)) => Selected::NotLabelled { label: format!("{key}={value}") },
            None => Selected::Excluded,
        }
    }

    /// A label that would opt in a namespace with these labels.
    #[must_use]
    pub fn missing_label(&self, namespace: &Labels) -> Option<(String, String)> {
        self.opting_in().find_map(|entry| entry.namespaces.missing_label(namespace))
    }
}

impl Default for Selection {
    /// The selection of the chart with its default values.
    fn default() -> Self {
        let requirement = |key: &str, operator: &str, values: &[&str]| Requirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        let selector =
            |requirements| LabelSelector { match_labels: None, match_expressions: Some(requirements) };
        Self::new(vec![EntrySelectors {
            namespaces: selector(vec![
                requirement(INJECT_LABEL, "In", &["enabled"]),
                requirement(NAME_LABEL, "NotIn", &NEVER),
            ]),
            objects: selector(vec![requirement(INJECT_LABEL, "NotIn", &OPTED_OUT)]),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selector(json: &str) -> LabelSelector {
        serde_json::from_str(json).unwrap()
    }

    /// What the chart makes with `podOptIn`.
    fn with_pod_opt_in() -> Selection {
        let mut selection = Selection::default();
        selection.entries.push(EntrySelectors {
            namespaces: selector(
                r#"{"matchExpressions": [{"key": "gomemlimit.dev/inject", "operator": "NotIn", "values": ["enabled", "disabled"]}]}"#,
            ),
            objects: selector(
                r#"{"matchExpressions": [{"key": "gomemlimit.dev/inject", "operator": "In", "values": ["enabled"]}]}"#,
            ),
        });
        selection
    }

    #[test]
    fn an_entry_for_single_pods_opts_no_namespace_in() {
        let selection = with_pod_opt_in();
        let (bare, labelled) = (Labels::new(), labels(&[(INJECT_LABEL, "enabled")]));
        let disabled = labels(&[(INJECT_LABEL, "disabled")]);
        assert!(!selection.has_opted_in(&bare) && selection.has_opted_in(&labelled));
        let not_labelled = Selected::NotLabelled { label: "gomemlimit.dev/inject=enabled".to_owned() };
        for (namespace, pod, wanted) in [
            (&bare, &bare, &not_labelled),
            (&bare, &disabled, &not_labelled),
            (&bare, &labelled, &Selected::Yes),
            (&disabled, &labelled, &not_labelled),
            (&labelled, &bare, &Selected::Yes),
            (&labelled, &disabled, &Selected::OptedOut),
        ] {
            assert_eq!(selection.selects(Some(namespace), || pod.clone()), *wanted, "{namespace:?} {pod:?}");
        }
    }

    #[test]
    fn a_selector_of_pods_that_is_an_own_choice_leaves_namespaces_opted_in() {
        let mut selection = Selection::default();
        selection.entries[0].objects = selector(r#"{"matchLabels": {"lang": "go"}}"#);
        let labelled = labels(&[(INJECT_LABEL, "enabled")]);
        assert!(selection.has_opted_in(&labelled));
        assert_eq!(selection.selects(Some(&labelled), Labels::new), Selected::OptedOut);
        assert_eq!(selection.selects(Some(&labelled), || labels(&[("lang", "go")])), Selected::Yes);
        assert!(matches!(selection.selects(Some(&Labels::new()), Labels::new), Selected::NotLabelled { .. }));
    }
}

//! Which kinds of objects have pods, and where: the table, the kinds that a user names, and the form of any other.

use serde_json::Value;

use crate::{
    custom_kind::{CONTAINERS_OF_POD, CustomKind},
    template_path,
    workload_kind::{WorkloadKind, group_of, takes_annotations},
};

/// Path of the pod template of a kind that is not known: that of most kinds.
const USUAL_PATH: &str = "spec.template";

/// The kinds that have pods. The default is the table of [`WorkloadKind::ALL`].
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    custom: Vec<CustomKind>,
}

impl FromIterator<CustomKind> for Kinds {
    /// The table, and these kinds.
    fn from_iter<I: IntoIterator<Item = CustomKind>>(custom: I) -> Self {
        Self { custom: custom.into_iter().collect() }
    }
}

/// An object of a kind that a user names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedKind {
    /// Position of the kind among those that the user names.
    pub index: usize,
    /// Whether there are pods at its path.
    pub has_pods: bool,
}

/// A pod or a pod template in an object.
pub(crate) struct FoundPod {
    /// Tokens of its JSON pointer in the object.
    pub(crate) tokens: Vec<String>,
    /// Kind of the object that owns the pods, if it is known.
    pub(crate) pods_owner: Option<&'static str>,
}

impl Kinds {
    /// The pods of an object that is no list, and whether its kind is in the table, which has all of its pods.
    pub(crate) fn of_object(&self, object: &Value, kind: &str, api_version: &str) -> (Vec<FoundPod>, bool) {
        let mut found: Vec<FoundPod> = Vec::new();
        let known = WorkloadKind::of_object(kind, api_version);
        for template in known.into_iter().flat_map(|known| known.templates) {
            template_path::each(object, template.path, &mut Vec::new(), &mut |tokens, pod| {
                if pod.is_object() {
                    found.push(FoundPod { tokens: tokens.to_vec(), pods_owner: template.pods_owner });
                }
            });
        }
        let custom =
            self.custom.iter().filter(|custom| custom.is_kind(kind, api_version)).map(|custom| &*custom.path);
        // A kind without a name is no object of Kubernetes, such as the values of a chart.
        let is_other = known.is_none()
            && !kind.is_empty()
            && !api_version.is_empty()
            && takes_annotations(group_of(api_version), kind);
        for path in custom.chain(is_other.then_some(USUAL_PATH)) {
            template_path::each(object, path, &mut Vec::new(), &mut |tokens, pod| {
                if has_containers(pod) && found.iter().all(|other| other.tokens != tokens) {
                    found.push(FoundPod { tokens: tokens.to_vec(), pods_owner: None });
                }
            });
        }
        (found, known.is_some())
    }

    /// The kinds of the user that an object is of: several, if it has several paths.
    pub(crate) fn added(
        &self,
        object: &Value,
        kind: &str,
        api_version: &str,
    ) -> impl Iterator<Item = AddedKind> {
        let of_object =
            self.custom.iter().enumerate().filter(move |(_, custom)| custom.is_kind(kind, api_version));
        of_object.map(|(index, custom)| {
            let mut has_pods = false;
            template_path::each(object, &custom.path, &mut Vec::new(), &mut |_, pod| {
                has_pods |= has_containers(pod);
            });
            AddedKind { index, has_pods }
        })
    }
}

impl CustomKind {
    fn is_kind(&self, kind: &str, api_version: &str) -> bool {
        self.kind == kind && self.group == group_of(api_version)
    }
}

/// Whether a value has the form of a pod: a list of containers in its `spec`.
fn has_containers(pod: &Value) -> bool {
    let path = CONTAINERS_OF_POD.trim_start_matches('.');
    let mut found = false;
    template_path::each(pod, path, &mut Vec::new(), &mut |_, list| {
        found = list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object));
    });
    found
}

//! What the tests of the core share: asking for an answer and reading it like the API server.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use gomemlimit_core::{
    NamespaceAnnotations, Policy,
    admission::{Admission, admit},
    printable::is_hidden,
};
use serde_json::{Value, json};

/// A response with everything decoded.
pub(crate) struct Answer {
    pub(crate) patch: Vec<Value>,
    pub(crate) warnings: Vec<String>,
    /// The `decisions` audit annotation.
    pub(crate) decisions: Value,
}

/// Answers a review body, checking what the API server would check.
pub(crate) fn answer_in(body: &[u8], namespace: &NamespaceAnnotations, policy: &Policy) -> Answer {
    let Admission { review, answer, .. } =
        admit(body, |_| namespace.clone(), policy).expect("a review with a uid");
    let document: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    assert_eq!(document["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(document["kind"], "AdmissionReview");
    let response = document["response"].clone();
    assert_eq!(response["uid"], review.uid());
    assert_eq!(response["allowed"], true);
    let patch = match (response.get("patch"), response.get("patchType")) {
        (None, None) => Vec::new(),
        (Some(patch), Some(kind)) => {
            assert_eq!(kind, "JSONPatch");
            let json = BASE64.decode(patch.as_str().expect("base64 text")).expect("base64");
            let patch: Vec<Value> = serde_json::from_slice(&json).expect("a list of operations");
            assert!(!patch.is_empty(), "an empty patch must be left out");
            patch
        }
        _ => panic!("patch and patchType come together or not at all: {response}"),
    };
    let warnings: Vec<String> = response
        .get("warnings")
        .map(|list| serde_json::from_value(list.clone()).unwrap())
        .unwrap_or_default();
    for warning in &warnings {
        assert!(!warning.contains(is_hidden), "dropped by the API server, or not what it seems: {warning:?}");
    }
    assert!(warnings.iter().map(|w| w.chars().count()).sum::<usize>() <= 4096);
    let decisions = response["auditAnnotations"]["decisions"].as_str();
    assert!(decisions.is_some_and(|text| !text.contains(is_hidden)), "{decisions:?}");
    let decisions = decisions.map(serde_json::from_str);
    let decisions = decisions.expect("a decisions annotation").expect("of JSON");
    Answer { patch, warnings, decisions }
}

pub(crate) fn answer(body: &[u8]) -> Answer {
    answer_in(body, &NamespaceAnnotations::new(), &Policy::default())
}

/// A review as the API server sends it for the creation of `pod`.
pub(crate) fn review_of(pod: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "object": pod,
            "oldObject": null,
            "dryRun": false,
        },
    }))
    .unwrap()
}

/// The pod after the patch, applied by the json-patch crate.
pub(crate) fn patched(pod: &Value, patch: &[Value]) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(patch.into()).expect("RFC 6902");
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).expect("the patch applies");
    pod
}

/// Every container of a pod: list, container.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        pod["spec"][list].as_array().into_iter().flatten().map(move |container| (list, container))
    })
}

/// A pod with one container, `app`, and its memory limit.
pub(crate) fn app(limit: &str) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "app", "resources": {"limits": {"memory": limit}}},
    ]}})
}

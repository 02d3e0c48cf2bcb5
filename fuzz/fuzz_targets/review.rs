//! Whatever the body: no panic, and an answer that the API server takes, with a patch that applies and
//! leaves nothing to do.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use gomemlimit_core::{NamespaceAnnotations, Policy, admission::{Admission, MAX_UID_BYTES, admit}, settings::{Form, Setting}};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Something at the level of the namespace, so that precedence takes part.
static NAMESPACE: LazyLock<NamespaceAnnotations> = LazyLock::new(|| {
    let annotation = |setting: &Setting| {
        let text = match setting.form() {
            Form::Ratio => "0.8",
            Form::Quantity => "16Mi",
            // `mode: inject`, `value: track`, `repair: fix`.
            Form::Words(_) if *setting == Setting::Mode => "inject",
            Form::Words(words) => words.last().map_or("", |(word, _)| word),
        };
        (format!("gomemlimit.dev/{}", setting.as_str()), text.to_owned())
    };
    Setting::ALL.iter().map(annotation).collect()
});

fuzz_target!(|body: &[u8]| {
    let answer = answer(body);
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return };
    if let Some(patch) = answer.and_then(|answer| answer.patch) {
        patched(&document, &patch);
    }
    check_document(&document);
});

/// What holds for a body without duplicate keys, whose numbers keep their text when written again.
fn check_document(document: &Value) {
    let uid = document["request"]["uid"].as_str().unwrap_or_default();
    let Some(answer) = answer(&to_bytes(document)) else {
        assert!(uid.is_empty() || uid.len() > MAX_UID_BYTES, "a uid that can be read gets an answer");
        return;
    };
    if document["request"].is_object() {
        assert_eq!(answer.uid, uid);
    }
    let Some(patch) = answer.patch else { return };
    let patched = patched(document, &patch);
    let again = self::answer(&to_bytes(&patched)).expect("the uid is still there");
    assert_eq!(again.patch, None, "nothing is left to do");
}

struct Response {
    uid: String,
    patch: Option<Value>,
}

/// Answers and checks what the API server checks; `None` where there is no uid to answer to.
fn answer(body: &[u8]) -> Option<Response> {
    let Admission { review, response: answer, .. } = match admit(body, |_| NAMESPACE.clone(), &Policy::default()) {
        Ok(admission) => admission,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!(response["uid"], review.uid());
    assert_eq!(response["allowed"], true);
    check_warnings(response);
    let decisions = response["auditAnnotations"]["decisions"].as_str().expect("a decisions annotation");
    serde_json::from_str::<Value>(decisions).expect("of JSON");

    let patch = match (response.get("patch"), response.get("patchType")) {
        (None, None) => None,
        (Some(patch), Some(kind)) => {
            assert_eq!(kind, "JSONPatch");
            let json = BASE64.decode(patch.as_str().expect("base64 text")).expect("base64");
            Some(serde_json::from_slice(&json).expect("the patch is JSON"))
        }
        _ => panic!("patch and patchType come together or not at all: {response}"),
    };
    Some(Response { uid: review.uid().to_owned(), patch })
}

fn check_warnings(response: &Value) {
    let warnings = response["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut total = 0;
    for warning in warnings {
        let text = warning.as_str().expect("a warning is text");
        assert!(!text.contains(char::is_control), "the API server drops it: {text:?}");
        let length = text.chars().count();
        assert!(length > 0, "an empty warning");
        total += length;
    }
    assert!(total <= 4096, "the API server cuts the list");
}

/// The review with the patch applied to its object.
fn patched(document: &Value, patch: &Value) -> Value {
    let operations = patch.as_array().expect("a list of operations");
    assert!(!operations.is_empty(), "an empty patch must be left out");
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).expect("RFC 6902");
    let mut document = document.clone();
    let object = document.pointer_mut("/request/object").expect("a patch is for an object");
    json_patch::patch(object, &patch).expect("the patch applies");
    document
}

fn to_bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).expect("a value can be written")
}

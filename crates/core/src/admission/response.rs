//! The answer to a review. The checks of the API server for it are in
//! `k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Serialize;

use crate::{
    admission::{
        patch::Operation,
        review::{API_VERSION, KIND},
        status::Status,
        warnings::warning_texts,
    },
    decision::outcome::PodDecision,
    names::AUDIT_ANNOTATION,
};

/// The answer after a failure of this program: allowed, unchanged, with a warning.
#[must_use]
pub fn respond_failure(uid: &str) -> Vec<u8> {
    let warning = "gomemlimit failed on this pod and left it unchanged; please report this";
    write(uid, None, &[Cow::Borrowed(warning)], None)
}

/// The AdmissionReview that answers the request with this uid: always allowed, with a patch of these operations unless
/// there are none.
pub(super) fn respond(uid: &str, decision: &PodDecision<'_>, operations: &[Operation]) -> Vec<u8> {
    // Operations are strings in lists: serialising them cannot fail.
    let patch = (!operations.is_empty())
        .then(|| serde_json::to_vec(operations).map(|json| BASE64.encode(json)).ok())
        .flatten();
    let audit = Status::new(decision, &[]).to_json();
    write(uid, patch, &warning_texts(&decision.warnings), Some(audit))
}

fn write(uid: &str, patch: Option<String>, warnings: &[Cow<'_, str>], audit: Option<String>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'r> {
        api_version: &'static str,
        kind: &'static str,
        response: Response<'r>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'r> {
        uid: &'r str,
        allowed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        patch_type: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        patch: Option<String>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        warnings: &'r [Cow<'r, str>],
        #[serde(skip_serializing_if = "Option::is_none")]
        audit_annotations: Option<AuditAnnotations>,
    }
    struct AuditAnnotations(String);
    impl Serialize for AuditAnnotations {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(AUDIT_ANNOTATION, &self.0)])
        }
    }
    let response = Response {
        uid,
        allowed: true,
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch,
        warnings,
        audit_annotations: audit.map(AuditAnnotations),
    };
    // Strings, a bool and string keys: serialising them cannot fail.
    serde_json::to_vec(&Envelope { api_version: API_VERSION, kind: KIND, response }).unwrap_or_default()
}

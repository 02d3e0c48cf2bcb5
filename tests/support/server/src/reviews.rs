//! Reviews, and whether one was answered with a patch.

use super::Response;

/// A real review: one container with a limit of 1 GiB.
pub const REVIEW: &[u8] =
    include_bytes!("../../../../crates/core/tests/golden/reviews/001-create-limit-1gi.json");

/// A review that is `size` bytes long, with an annotation as filler.
pub fn review_of_size(size: usize) -> Vec<u8> {
    let (before, after) = (
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","operation":"CREATE","object":{"metadata":{"name":"api"},"spec":{"x":""#,
        r#"","containers":[{"name":"api","resources":{"limits":{"memory":"1Gi"}}}]}}}}"#,
    );
    [before, &"x".repeat(size - before.len() - after.len()), after].concat().into_bytes()
}

/// Whether a response carries the patch for 1 GiB.
pub fn is_injected(response: &Response) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let patch = response.json()["response"]["patch"].as_str().map(|patch| STANDARD.decode(patch).unwrap());
    patch.is_some_and(|patch| String::from_utf8(patch).unwrap().contains("966367641"))
}

//! The sample pod, which `serve` prints a review of, `check` creates by dry run, and `probe` has the webhook decide about.

use serde_json::{Value, json};

/// Memory limit of the container of the sample pod.
const LIMIT: &str = "1Gi";

/// Memory limit of the container of the sample pod, in bytes.
pub(super) const LIMIT_BYTES: u64 = 1 << 30;

/// A pod `name` with one container of the same name and a memory limit of 1 GiB. `container` and `pod` are merged into it
/// (JSON Merge Patch, RFC 7396).
pub(super) fn pod(name: &str, container: &Value, pod: &Value) -> Value {
    let mut own_container = json!({"name": name, "resources": {"limits": {"memory": LIMIT}}});
    json_patch::merge(&mut own_container, container);
    let mut own = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [own_container]},
    });
    json_patch::merge(&mut own, pod);
    own
}

/// The review of the creation of `pod`, as the API server sends it.
pub(super) fn review(uid: &str, namespace: &str, pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid, "operation": "CREATE", "namespace": namespace,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": pod,
        },
    })
}

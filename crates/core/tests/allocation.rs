//! Answering takes little heap: the body is borrowed, not copied, and only what decides is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{fs, path::Path};

use dhat::{HeapStats, Profiler};
use gomemlimit_core::{NamespaceAnnotations, Policy, admission::admit};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const KIB: usize = 1 << 10;

/// Bytes of heap that the worst review of 6 MiB takes beside its text.
const MAX_BOMB_HEAP_BYTES: usize = 3 << 20;

/// The most heap in use at any moment from the bytes of the review to the bytes of the answer, which
/// are included; the review itself was there before and is not. And the answer.
fn peak_heap(name: &str, body: &[u8]) -> (usize, Vec<u8>) {
    let (namespace, policy) = (NamespaceAnnotations::new(), Policy::default());

    let profiler = Profiler::builder().testing().build();
    let answer = match admit(body, |_| namespace, &policy) {
        Ok(admission) => admission.response,
        Err(error) => error.to_string().into_bytes(),
    };
    let stats = HeapStats::get();
    drop(profiler);

    println!(
        "{name}: {} bytes in, {} bytes out, {} bytes of heap at the peak, {} bytes in {} allocations in all",
        body.len(),
        answer.len(),
        stats.max_bytes,
        stats.total_bytes,
        stats.total_blocks
    );
    (stats.max_bytes, answer)
}

/// The same for a review that is written down.
fn peak_heap_of(case: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reviews").join(case);
    let (peak, answer) = peak_heap(case, &fs::read(path).unwrap());
    // A review that is turned away would cost nothing and prove nothing.
    assert!(answer.windows(13).any(|bytes| bytes == br#""patchType":""#), "{case} gets a patch");
    peak
}

/// One test, since only one profiler may run at a time and it sees the allocations of every thread.
#[test]
fn peak_heap_stays_small() {
    let ordinary = peak_heap_of("001-create-limit-1gi.json");
    assert!(ordinary < 16 * KIB, "{ordinary}");
    let huge = peak_heap_of("054-create-huge-40-containers-60-env.json");
    assert!(huge < 1024 * KIB, "{huge}");
    for bomb in gomemlimit_adversarial_reviews::all() {
        let (peak, _) = peak_heap(bomb.name, bomb.body.as_bytes());
        // Memory for bodies is bounded, so this must be small beside it.
        assert!(peak < MAX_BOMB_HEAP_BYTES, "{}: {peak} bytes of heap", bomb.name);
    }
    no_text_is_repeated();
}

/// Wherever a long text is in a review, as a value or as a key, little of it is kept, answered or logged.
fn no_text_is_repeated() {
    let review = serde_json::to_string(&rich_review()).unwrap();
    let (plain, _) = peak_heap("a rich review", review.as_bytes());
    // Debug output makes six characters of this one.
    let long = "\u{7f}".repeat(256 * KIB);
    let values = [format!(r#""{long}""#), format!(r#"{{"{long}":1}}"#), "9".repeat(1 << 20)];
    let mut gomemlimit_indexes = 0;
    let mut start = 0;
    // Every value of the review, a subtree at a time.
    while let Some(at) = review[start..].find([':', '[']).map(|at| start + at) {
        start = at + 1;
        let mut rest = serde_json::Deserializer::from_str(&review[start..]).into_iter::<Value>();
        let Some(Ok(_)) = rest.next() else { continue };
        let end = start + rest.byte_offset();
        for value in &values {
            let body = [&review[..start], value, &review[end..]].concat();
            let (peak, answer) =
                peak_heap(&format!("a long value after {}", &review[..start]), body.as_bytes());
            assert!(peak < 2 * plain + 64 * KIB, "{peak} bytes of heap: {}", &review[..start]);
            assert!(answer.len() < 16 * KIB, "{} bytes out: {}", answer.len(), &review[..start]);
        }
        gomemlimit_indexes += 1;
    }
    assert!(gomemlimit_indexes > 60, "{gomemlimit_indexes} gomemlimit_indexes");
}

/// The creation of a pod with everything that is read.
fn rich_review() -> Value {
    let limits = json!({ "limits": { "memory": "1Gi" }, "requests": { "memory": "1Gi" } });
    let reference = json!({ "resourceFieldRef": { "containerName": "app", "resource": "limits.memory", "divisor": "1" } });
    let container = json!({
        "name": "app", "image": "registry/app:1", "command": ["app"], "args": ["--auto-gomemlimit.ratio=0.8"],
        "env": [{ "name": "A", "value": "b" }, { "name": "AUTOMEMLIMIT", "value": "off" }],
        "envFrom": [{ "prefix": "X_", "configMapRef": { "name": "a" } }],
        "resources": limits, "resizePolicy": [{ "resourceName": "memory", "restartPolicy": "NotRequired" }],
    });
    let own = json!({ "name": "own", "resources": limits, "env": [{ "name": "GOMEMLIMIT", "valueFrom": reference }] });
    let wrong = json!({ "name": "wrong", "env": [{ "name": "GOMEMLIMIT", "value": "1Zi" }] });
    let sidecar = json!({ "name": "side", "restartPolicy": "Always", "resources": limits });
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": { "group": "", "version": "v1", "kind": "Pod" }, "namespace": "shop", "name": "api",
            "operation": "CREATE", "subResource": "", "dryRun": false, "oldObject": null,
            "object": {
                "metadata": {
                    "name": "api", "generateName": "api-", "namespace": "shop",
                    "labels": { "app": "api", "gomemlimit.dev/inject": "enabled" },
                    "annotations": {
                        "a": "b", "gomemlimit.dev/ratio": "0.8", "own.gomemlimit.dev/repair": "fix",
                        "gomemlimit.dev/status": "{\"version\":1,\"containers\":{}}",
                    },
                    "ownerReferences": [{ "kind": "ReplicaSet", "name": "api" }],
                },
                "spec": {
                    "containers": [container, own, wrong], "initContainers": [sidecar], "resources": limits,
                    "os": { "name": "linux" }, "nodeSelector": { "kubernetes.io/os": "linux" },
                },
            },
        },
    })
}

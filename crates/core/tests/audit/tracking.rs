//! Values that follow the limit.

use gomemlimit_core::audit::{Coverage, Selected};
use rstest::rstest;
use serde_json::{Value, json};

use super::{GI, TRACKING, assess_one, effective_bytes, pod, tracking};

/// A value that follows the limit is read when the container starts, and only then. That it was started again
/// since a resize is certain where the resize itself does so.
#[rstest]
#[case::as_made("1Gi", json!({}), Coverage::Covered, 1_024_000_000)]
#[case::resized("2Gi", json!({}), Coverage::Stale, 1_024_000_000)]
#[case::restarted_at_some_time("2Gi", json!({"restarts": 1}), Coverage::Stale, 1_024_000_000)]
#[case::lowered_long_after_a_restart("512Mi", json!({"restarts": 1}), Coverage::Stale, 1_024_000_000)]
#[case::restarted_by_the_resize("2Gi", json!({"restarts": 1, "policy": "RestartContainer"}), Coverage::Covered, 2_048_000_000)]
#[case::of_another_resource(
    "2Gi", json!({"restarts": 1, "policy": "RestartContainer", "resource": "cpu"}), Coverage::Stale, 1_024_000_000
)]
#[case::not_required("2Gi", json!({"restarts": 1, "policy": "NotRequired"}), Coverage::Stale, 1_024_000_000)]
#[case::changed_before_it_was_created("2Gi", json!({"generation": 1}), Coverage::Covered, 2_048_000_000)]
#[case::changed_later("2Gi", json!({"generation": 2}), Coverage::Stale, 1_024_000_000)]
fn values_that_track_the_limit(
    #[case] running: &str,
    #[case] more: Value,
    #[case] status: Coverage,
    #[case] bytes: u64,
) {
    let mut pod = pod(&tracking(), Some(running), Some(running));
    let recorded = json!({"version": 1, "containers": {"app": {"value": TRACKING, "bytes": 1_024_000_000, "limit": GI, "kind": "track"}}});
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/status": recorded.to_string()});
    pod["metadata"]["generation"] = more["generation"].clone();
    pod["status"]["containerStatuses"][0]["restartCount"] = more["restarts"].clone();
    let resource = more["resource"].as_str().unwrap_or("memory");
    pod["spec"]["containers"][0]["resizePolicy"] =
        json!([{"resourceName": "other"}, {"resourceName": resource, "restartPolicy": more["policy"]}]);
    let found = assess_one(&pod, &Selected::Yes);
    assert_eq!(
        (found.status, found.bytes, found.is_ours),
        (status, Some(bytes), true),
        "{}",
        found.explanation
    );
    assert_eq!(effective_bytes(&pod), Some(bytes));
}

/// As a `MutatingAdmissionPolicy` writes it: without a status. It is computable, and not ours.
#[rstest]
#[case::fits(Some("1Gi"), Coverage::Covered, Some(1_024_000_000), "95.4 % of the limit, which it follows")]
#[case::rounded_up(Some("1572864"), Coverage::AboveLimit, Some(2_000_000), "the OOM killer comes first")]
#[case::node_size(None, Coverage::Uncovered, None, "the node's size")]
#[case::of_no_usable_limit(Some("9Ei"), Coverage::Opaque, None, "not a usable quantity")]
fn tracking_values_without_a_status(
    #[case] limit: Option<&str>,
    #[case] status: Coverage,
    #[case] bytes: Option<u64>,
    #[case] explanation: &str,
) {
    let pod = pod(&tracking(), limit, limit);
    let found = assess_one(&pod, &Selected::Yes);
    assert_eq!((found.status, found.bytes, found.is_ours), (status, bytes, false), "{found:?}");
    assert_eq!(effective_bytes(&pod), bytes);
    assert!(found.explanation.contains(explanation), "{found:?}");
}

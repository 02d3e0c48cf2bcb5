//! Which pod of a workload is looked at.

use std::cmp::Reverse;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::PodView;

impl PodView {
    /// The first of them in the order of `kubectl logs TYPE/NAME` (`ByLogging` in `k8s.io/kubectl/pkg/util/podutils`):
    /// one that has a node; one that runs; one that is ready, for the longest time; one that was restarted most; the
    /// oldest.
    pub fn best_for_logs(pods: impl IntoIterator<Item = Self>) -> Option<Self> {
        // A time that is missing comes last.
        let oldest = |time: Option<&Time>| (time.is_none(), time.map(|time| time.0));
        pods.into_iter().min_by_key(|pod| {
            let phase = match pod.status.phase.as_str() {
                "Pending" => 2,
                "Unknown" => 1,
                _ => 0,
            };
            let ready = pod.status.ready();
            let restarts = pod.status.container_statuses.iter().map(|one| one.restart_count).max();
            (
                pod.node().is_none_or(str::is_empty),
                phase,
                ready.is_none(),
                oldest(ready.and_then(|one| one.last_transition_time.as_ref())),
                Reverse(restarts.unwrap_or_default()),
                oldest(pod.metadata.creation_timestamp.as_ref()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The first of each pair is taken, whatever the order of the list.
    #[test]
    fn pods_have_the_order_of_kubectl_logs() {
        let ready = |since: &str| json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        for (first, second) in [
            (json!({"node": "n", "phase": "Pending"}), json!({"phase": "Running"})),
            (json!({"node": "n", "phase": "Running"}), json!({"node": "n", "phase": "Unknown"})),
            (json!({"node": "n", "phase": "Unknown"}), json!({"node": "n", "phase": "Pending"})),
            (
                json!({"phase": "Running", "conditions": ready(late)}),
                json!({"phase": "Running", "restarts": 9}),
            ),
            (json!({"conditions": ready(early)}), json!({"conditions": ready(late), "restarts": 9})),
            (
                json!({"conditions": ready(late)}),
                json!({"conditions": [{"type": "Ready", "status": "True"}]}),
            ),
            (json!({"restarts": 2, "created": late}), json!({"restarts": 1, "created": early})),
            (json!({"created": early}), json!({"created": late})),
            (json!({"created": late}), json!({})),
        ] {
            let pod = |name: &str, of: &serde_json::Value| {
                let pod = json!({
                    "metadata": {"name": name, "creationTimestamp": of["created"]},
                    "spec": {"nodeName": of["node"], "containers": [{"name": "app"}]},
                    "status": {
                        "phase": of["phase"].as_str().unwrap_or_default(),
                        "conditions": of["conditions"].as_array().cloned().unwrap_or_default(),
                        "containerStatuses": [{"name": "app", "restartCount": of["restarts"].as_u64().unwrap_or(0)}],
                    },
                });
                PodView::parse(&pod.to_string()).unwrap()
            };
            for pods in [[&first, &second], [&second, &first]] {
                let pods = pods.map(|of| pod(if of == &first { "first" } else { "second" }, of));
                assert_eq!(PodView::best_for_logs(pods).unwrap().name(), "first", "{first} {second}");
            }
        }
    }
}

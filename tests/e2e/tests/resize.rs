//! In-place resize of running pods: its effect on a literal value and of a pair of variables that follows the limit.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::harness::{LONG, Manifest, Namespace, check, demo_image, metric, ready, resize, values, wait_for};

/// How the container gets its GOMEMLIMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A number, as the webhook injects it.
    Literal,
    /// The limit by the downward API in MiB, and a second variable that makes bytes of it.
    Pair,
}

/// `resizePolicy` for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    NotRequired,
    RestartContainer,
}

/// What the container and its runtime know at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Observed {
    restarts: i32,
    cgroup_limit: u64,
    gomemlimit: u64,
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restarts, cgroup_limit, gomemlimit } = *self;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let percent = 100.0 * gomemlimit as f64 / cgroup_limit as f64;
        write!(f, "{gomemlimit} of {cgroup_limit} ({percent:.1} %), {restarts} restarts")
    }
}

const MIB: u64 = 1 << 20;
/// At first, then raised, then lowered.
const LIMITS: [u64; 3] = [256, 512, 192];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resize_leaves_a_literal_behind_and_a_pair_follows_with_a_restart() {
    let (client, _) = ready().await;
    let labelled = Namespace::labelled(&client).await;
    let plain = Namespace::new(&client, &[], &[]).await;
    println!(
        "| value | resizePolicy | at 256Mi | raised to 512Mi | lowered to 192Mi |\n|---|---|---|---|---|"
    );
    for form in [Form::Literal, Form::Pair] {
        let namespace = if form == Form::Literal { &labelled.name } else { &plain.name };
        for policy in [Policy::NotRequired, Policy::RestartContainer] {
            let seen = follow(&client, namespace, form, policy).await;
            println!("| {form:?} | {policy:?} | {} | {} | {} |", seen[0], seen[1], seen[2]);
            // Restarted with each resize or not at all; the cgroup's limit is the new one at once.
            let restarts = |step: i32| if policy == Policy::RestartContainer { step } else { 0 };
            let gomemlimit = |limit: u64| match (form, policy) {
                // A container restart reads the same pod again.
                (Form::Literal, _) => 256 * MIB * 9 / 10,
                (Form::Pair, Policy::NotRequired) => 256_000_000,
                (Form::Pair, Policy::RestartContainer) => limit * 1_000_000,
            };
            for ((step, limit), seen) in (0..).zip(LIMITS).zip(seen) {
                let wanted = Observed {
                    restarts: restarts(step),
                    cgroup_limit: limit * MIB,
                    gomemlimit: gomemlimit(limit),
                };
                assert_eq!(seen, wanted, "{form:?}, {policy:?}, {limit} MiB");
            }
        }
    }
}

/// Takes a running pod through all limits.
async fn follow(client: &Client, namespace: &str, form: Form, policy: Policy) -> [Observed; 3] {
    let name = format!("{form:?}-{policy:?}").to_lowercase();
    let image = demo_image();
    let env = match form {
        Form::Literal => json!([]),
        Form::Pair => json!([
            {"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "GOMEMLIMIT", "value": "$(GOMEMLIMIT_MIB)000000"},
        ]),
    };
    let pod = Manifest(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": image, "args": ["serve", "-live=20MiB"], "env": env,
                "resources": {"limits": {"memory": "256Mi"}, "requests": {"memory": "32Mi"}},
                "resizePolicy": [{"resourceName": "memory", "restartPolicy": format!("{policy:?}")}],
            }],
        },
    }));
    let stored = pod.create(client, namespace).await.unwrap();
    if form == Form::Literal {
        assert_eq!(values(&stored, "app"), ["241591910"], "injected by the webhook");
    }
    let mut all = Vec::new();
    for (step, limit) in (0..).zip(LIMITS) {
        if step > 0 {
            resize(namespace, &name, &json!({"limits": {"memory": format!("{limit}Mi")}}));
        }
        let wanted_restarts = if policy == Policy::RestartContainer { step } else { 0 };
        all.push(settled(client, namespace, &name, limit, wanted_restarts).await);
    }
    all.try_into().unwrap()
}

/// What is seen once kubelet has done the resize to this number of MiB, and has restarted the container as often as it has to.
async fn settled(client: &Client, namespace: &str, name: &str, limit: u64, restarts: i32) -> Observed {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    wait_for(&format!("{name} runs with {limit} MiB"), LONG, async || {
        let pod = pods.get(name).await.map_err(|error| error.to_string())?;
        let status = serde_json::to_value(&pod.status).unwrap();
        let container = &status["containerStatuses"][0];
        let (ready, actual) = (&container["ready"], &container["resources"]["limits"]["memory"]);
        let seen = i32::try_from(container["restartCount"].as_i64().unwrap_or(-1)).unwrap();
        let is_pending = pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .any(|condition| condition.type_.starts_with("PodResize") && condition.status == "True");
        check(
            *ready == Value::Bool(true) && *actual == format!("{limit}Mi") && seen >= restarts && !is_pending,
            || format!("ready {ready}, limit {actual}, {seen} restarts, resize pending: {is_pending}"),
        )?;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}:8080/proxy/metrics", pod.name_any());
        let text = crate::harness::try_kubectl(&["get", "--raw", &path], "")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes below 2^53")]
        let bytes = |name: &str| metric(&text, name) as u64;
        let cgroup_limit = bytes("oom_demo_container_memory_limit_bytes");
        check(cgroup_limit == limit * MIB, || format!("the cgroup's limit is {cgroup_limit}"))?;
        Ok(Observed { restarts: seen, cgroup_limit, gomemlimit: bytes("go_gc_gomemlimit_bytes") })
    })
    .await
}

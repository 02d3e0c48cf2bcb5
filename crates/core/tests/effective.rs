//! What applies to the containers of a running pod, as a table.

use gomemlimit_core::{
    audit::{
        Effective,
        EffectiveGomemlimit::{self, Bytes, Malformed, Unknown, Unset},
        EffectiveLimit, effective,
    },
    pod::LivePod,
};
use rstest::rstest;
use serde_json::{Value, json};

const GI: u64 = 1 << 30;

/// The container `app`, which is a JSON object, of a pod with `spec` and `status` merged in.
fn app(container: &Value, spec: &Value, status: &Value) -> Effective {
    let mut pod = json!({"spec": {"containers": [{"name": "app"}]}, "status": {}});
    let merge = |into: &mut Value, from: &Value| {
        into.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    };
    merge(&mut pod["spec"]["containers"][0], container);
    if let Some(more) = spec["more"].as_array() {
        pod["spec"]["containers"].as_array_mut().unwrap().extend(more.clone());
    }
    merge(&mut pod["spec"], spec);
    merge(&mut pod["status"], status);
    let text = pod.to_string();
    let found = effective(&LivePod::parse(&text).unwrap());
    found.into_iter().find(|one| one.name == "app").unwrap()
}

fn limit(memory: &str) -> Value {
    json!({"limits": {"memory": memory}})
}

#[rstest]
#[case::none(json!({}), json!({}), EffectiveLimit::Unlimited)]
#[case::zero(json!({"resources": limit("0")}), json!({}), EffectiveLimit::Unlimited)]
#[case::own(json!({"resources": limit("1Gi")}), json!({}), EffectiveLimit::Bytes(GI))]
#[case::no_amount(json!({"resources": limit("much")}), json!({}), EffectiveLimit::Unknown)]
#[case::of_the_pod(json!({}), json!({"resources": limit("1Gi")}), EffectiveLimit::Bytes(GI))]
#[case::what_a_sidecar_leaves(
    json!({}),
    json!({"resources": limit("1Gi"),
           "initContainers": [{"name": "proxy", "restartPolicy": "Always", "resources": limit("128Mi")}]}),
    EffectiveLimit::Bytes(896 << 20)
)]
#[case::shared(json!({}), json!({"resources": limit("1Gi"), "more": [{"name": "other"}]}), EffectiveLimit::Unknown)]
fn limits(#[case] container: Value, #[case] spec: Value, #[case] wanted: EffectiveLimit) {
    assert_eq!(app(&container, &spec, &json!({})).limit, wanted);
}

#[test]
fn a_resize_counts_and_plain_init_containers_do_not() {
    let status = json!({"containerStatuses": [{"name": "app", "resources": limit("2Gi")}]});
    let found = app(&json!({"resources": limit("1Gi")}), &json!({}), &status);
    assert_eq!(found.limit, EffectiveLimit::Bytes(2 * GI));
    let pod =
        json!({"spec": {"initContainers": [{"name": "setup"}], "containers": [{"name": "app"}]}}).to_string();
    let names: Vec<_> = effective(&LivePod::parse(&pod).unwrap()).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["app"]);
}

#[rstest]
#[case::none(json!([]), Unset)]
#[case::off(json!([{"name": "GOMEMLIMIT", "value": "off"}]), Unset)]
#[case::bytes(json!([{"name": "GOMEMLIMIT", "value": "900MiB"}]), Bytes(900 << 20))]
#[case::the_last_counts(
    json!([{"name": "GOMEMLIMIT", "value": "1"}, {"name": "GOMEMLIMIT", "value": "2"}]),
    Bytes(2)
)]
#[case::malformed(json!([{"name": "GOMEMLIMIT", "value": "900Mi"}]), Malformed("900Mi".to_owned()))]
#[case::expanded_from_a_service(json!([{"name": "GOMEMLIMIT", "value": "$(OTHER_PORT)"}]), Unknown)]
#[case::expanded_from_nothing(json!([{"name": "GOMEMLIMIT", "value": "$(OTHER)"}]), Malformed("$(OTHER)".into()))]
#[case::expanded(json!([{"name": "M", "value": "7"}, {"name": "GOMEMLIMIT", "value": "$(M)MiB"}]), Bytes(7 << 20))]
#[case::secret(json!([{"name": "GOMEMLIMIT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]), Unknown)]
#[case::limit(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}]),
    Bytes(GI)
)]
#[case::divided(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "3"}}}]),
    Bytes(GI.div_ceil(3))
)]
#[case::of_another(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "containerName": "x"}}}]),
    Unknown
)]
#[case::tracking(
    json!([{"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
           {"name": "GOMEMLIMIT", "value": "$(GOMEMLIMIT_MIB)000000"}]),
    Bytes(1_024_000_000)
)]
fn values(#[case] env: Value, #[case] wanted: EffectiveGomemlimit) {
    let found = app(&json!({"env": env, "resources": limit("1Gi")}), &json!({}), &json!({}));
    assert_eq!(found.gomemlimit, wanted);
}

#[test]
fn what_an_env_from_may_define_is_not_known() {
    let of = |prefix: &str| {
        let container = json!({"envFrom": [{"prefix": prefix, "configMapRef": {"name": "c"}}]});
        app(&container, &json!({}), &json!({})).gomemlimit
    };
    assert_eq!((of(""), of("APP_")), (Unknown, Unset));
}

#[rstest]
#[case("OOMKilled", true)]
#[case("Error", false)]
fn ends_are_told(#[case] reason: &str, #[case] is_oom_kill: bool) {
    let status = json!({"containerStatuses": [{"name": "app", "restartCount": 3, "lastState":
        {"terminated": {"reason": reason, "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z"}}}]});
    let found = app(&json!({}), &json!({}), &status);
    let end = found.end.unwrap();
    assert_eq!((found.restarts, end.is_oom_kill(), end.is_sigkill()), (3, is_oom_kill, !is_oom_kill));
}

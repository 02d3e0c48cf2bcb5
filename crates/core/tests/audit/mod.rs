//! The assessment of running pods, as a table.

use gomemlimit_core::{
    NamespaceAnnotations, Policy,
    audit::{
        AuditFinding, ContainerCoverage, Coverage, EffectiveGomemlimit, LimitSource, Selected,
        UncoveredReason, assess, effective,
    },
    pod::LivePod,
};
use rstest::rstest;
use serde_json::{Value, json};

mod tracking;

const GI: u64 = 1 << 30;

/// A pod of one container `app`, with this env and limits of spec and status.
fn pod(env: &Value, spec: Option<&str>, running: Option<&str>) -> Value {
    let resources =
        |limit: Option<&str>| limit.map_or(json!({}), |limit| json!({"limits": {"memory": limit}}));
    let mut status = json!({"name": "app", "restartCount": 0, "state": {"running": {}}});
    if let Some(running) = running {
        status["resources"] = resources(Some(running).filter(|limit| *limit != "none"));
    }
    json!({
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "env": env, "resources": resources(spec)}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    })
}

fn status_annotation(value: &str, limit: u64) -> Value {
    let status = json!({"version": 1, "containers": {"app": {
        "value": value, "limit": limit, "ratio": "0.9", "headroom": 0, "kind": "literal", "source": "default",
    }}});
    json!({"gomemlimit.dev/status": status.to_string()})
}

fn assess_one(pod: &Value, selected: &Selected) -> ContainerCoverage {
    let text = pod.to_string();
    let pod = LivePod::parse(&text).unwrap();
    let mut found = assess(&pod, &NamespaceAnnotations::new(), &Policy::default(), selected);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// What those have as GOMEMLIMIT who look at the program: the same.
fn effective_bytes(pod: &Value) -> Option<u64> {
    match effective(&LivePod::parse(&pod.to_string()).unwrap()).remove(0).gomemlimit {
        EffectiveGomemlimit::Bytes(bytes) => Some(bytes),
        EffectiveGomemlimit::Unknown => None,
        other => panic!("{other:?}"),
    }
}

fn literal(value: &str) -> Value {
    json!([{"name": "GOMEMLIMIT", "value": value}])
}

fn reference(resource: &str, more: &Value) -> Value {
    let mut reference = json!({"resource": resource});
    reference.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": reference}}])
}

const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";

fn tracking() -> Value {
    let mib = json!({"name": "GOMEMLIMIT_MIB", "valueFrom": {
        "resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}});
    json!([mib, {"name": "GOMEMLIMIT", "value": TRACKING}])
}

/// What the pod determines is judged like a literal.
#[test]
fn other_expansions_are_judged() {
    let [mib, limit] = [0, 1].map(|index| tracking()[index].clone());
    let mut other = mib.clone();
    other["valueFrom"]["resourceFieldRef"]["divisor"] = "1".into();
    let named = |name: &str| {
        let mut mib = mib.clone();
        mib["name"] = name.into();
        mib
    };
    for (env, status, bytes) in [
        (json!([limit, mib]), Coverage::Malformed, None),
        (json!([limit]), Coverage::Malformed, None),
        (json!([other, limit]), Coverage::AboveLimit, Some(GI * 1_000_000)),
        (json!([named("M"), literal("$(M)MiB")[0]]), Coverage::AtLimit, Some(GI)),
        (json!([named("M"), literal("$(M)000000")[0]]), Coverage::Covered, Some(1_024_000_000)),
        (json!([{"name": "M", "value": "700"}, literal("$(M)MiB")[0]]), Coverage::Covered, Some(700 << 20)),
        (json!([literal("$(CACHE_SERVICE_PORT)MiB")[0]]), Coverage::Opaque, None),
    ] {
        let pod = pod(&env, Some("1Gi"), Some("1Gi"));
        let found = assess_one(&pod, &Selected::Yes);
        assert_eq!((found.status, found.bytes), (status, bytes), "{env}: {found:?}");
        if status != Coverage::Malformed {
            assert_eq!(effective_bytes(&pod), bytes);
        }
    }
}

#[rstest]
#[case::sound(literal("900MiB"), Some("1Gi"), Some("1Gi"), Coverage::Covered)]
#[case::sound_without_a_limit(literal("900MiB"), None, None, Coverage::Covered)]
#[case::whole(literal("1GiB"), Some("1Gi"), Some("1Gi"), Coverage::AtLimit)]
#[case::no_room(literal("1023MiB"), Some("1Gi"), Some("1Gi"), Coverage::AtLimit)]
#[case::above(literal("1025MiB"), Some("1Gi"), Some("1Gi"), Coverage::AboveLimit)]
#[case::above_what_runs(literal("900MiB"), Some("1Gi"), Some("512Mi"), Coverage::AboveLimit)]
#[case::sound_for_what_runs(literal("900MiB"), Some("512Mi"), Some("1Gi"), Coverage::Covered)]
#[case::malformed(literal("512Mi"), Some("1Gi"), Some("1Gi"), Coverage::Malformed)]
#[case::zero(literal("0"), Some("1Gi"), Some("1Gi"), Coverage::TooLow)]
#[case::low(literal("10MiB"), Some("1Gi"), Some("1Gi"), Coverage::TooLow)]
#[case::off(literal("off"), Some("1Gi"), Some("1Gi"), Coverage::Off)]
#[case::empty(literal(""), Some("1Gi"), Some("1Gi"), Coverage::Off)]
#[case::expansion_of_nothing(literal("$(X)MiB"), Some("1Gi"), Some("1Gi"), Coverage::Malformed)]
#[case::hundred_percent(reference("limits.memory", &json!({})), Some("1Gi"), Some("1Gi"), Coverage::AtLimit)]
#[case::node_size(reference("limits.memory", &json!({})), None, None, Coverage::Uncovered)]
#[case::in_mebibytes(
    reference("limits.memory", &json!({"divisor": "1Mi"})), Some("1Gi"), Some("1Gi"), Coverage::TooLow
)]
#[case::of_another(
    reference("limits.memory", &json!({"containerName": "other"})), Some("1Gi"), Some("1Gi"), Coverage::Opaque
)]
#[case::request_that_is_the_limit(reference("requests.memory", &json!({})), Some("1Gi"), Some("1Gi"), Coverage::AtLimit)]
#[case::config_map(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]),
    Some("1Gi"), Some("1Gi"), Coverage::Opaque
)]
#[case::none(json!([]), Some("1Gi"), Some("1Gi"), Coverage::Uncovered)]
fn values_of_the_user(
    #[case] env: Value,
    #[case] spec: Option<&str>,
    #[case] running: Option<&str>,
    #[case] status: Coverage,
) {
    let found = assess_one(&pod(&env, spec, running), &Selected::Yes);
    assert_eq!(found.status, status, "{found:?}");
    assert_eq!(found.reason.is_some(), status == Coverage::Uncovered, "{found:?}");
    assert!(!found.is_ours);
    assert!(!found.explanation.is_empty());
}

#[rstest]
#[case::fits("1Gi", Some("1Gi"), Coverage::Covered, "90 % of the limit")]
#[case::not_running_yet("1Gi", None, Coverage::Covered, "90 % of the limit")]
#[case::rounded_down_to_a_page("1Gi", Some("1073737728"), Coverage::Covered, "90 % of the limit")]
#[case::raised("2Gi", Some("2Gi"), Coverage::Stale, "made for a limit of 1Gi; 45 % of the limit now")]
#[case::raised_but_not_yet("2Gi", Some("1Gi"), Coverage::Covered, "90 % of the limit")]
#[case::lowered("512Mi", Some("512Mi"), Coverage::Stale, "made for a limit of 1Gi; 180 % of the limit now")]
#[case::removed("1Gi", Some("none"), Coverage::Stale, "made for a limit of 1Gi; there is none now")]
fn values_of_ours(
    #[case] spec: &str,
    #[case] running: Option<&str>,
    #[case] status: Coverage,
    #[case] explanation: &str,
) {
    let mut pod = pod(&literal("966367641"), Some(spec), running);
    pod["metadata"]["annotations"] = status_annotation("966367641", GI);
    let found = assess_one(&pod, &Selected::Yes);
    assert_eq!((found.status, found.explanation.as_str(), found.is_ours), (status, explanation, true));
    assert_eq!(found.advice.is_empty(), status == Coverage::Covered);
}

#[test]
fn a_forged_record_is_not_ours() {
    let mut pod = pod(&literal("966367642"), Some("1Gi"), Some("1Gi"));
    pod["metadata"]["annotations"] = status_annotation("966367642", GI);
    assert!(!assess_one(&pod, &Selected::Yes).is_ours);
}

#[rstest]
#[case::created_before(Selected::Yes, "not-injected")]
#[case::namespace(Selected::NotLabelled { label: "a=b".to_owned() }, "not-labelled")]
#[case::excluded(Selected::Excluded, "excluded-namespace")]
#[case::pod(Selected::OptedOut, "opted-out")]
#[case::unknown(Selected::Unknown, "namespace-unknown")]
fn the_webhook_would_have_set_one(#[case] selected: Selected, #[case] reason: &str) {
    let found = assess_one(&pod(&json!([]), Some("1Gi"), Some("1Gi")), &selected);
    assert_eq!(found.reason.unwrap().as_str(), reason);
    // The decision comes first: a label would not help here.
    let found = assess_one(&pod(&json!([]), None, Some("none")), &selected);
    assert_eq!(found.reason.unwrap().as_str(), "no-memory-limit");
}

#[test]
fn the_thing_to_do_is_a_command_that_fits_the_owner() {
    let mut pod = pod(&json!([]), Some("1Gi"), Some("1Gi"));
    let advice = |pod: &Value| assess_one(pod, &Selected::Yes).advice;
    assert_eq!(advice(&pod), "create pod p in shop again");
    pod["metadata"]["labels"] = json!({"pod-template-hash": "5d"});
    pod["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "api-5d", "controller": true}]);
    assert_eq!(advice(&pod), "kubectl rollout restart deployment/api -n shop");
    let label = Selected::NotLabelled { label: "gomemlimit.dev/inject=enabled".to_owned() };
    assert_eq!(
        assess_one(&pod, &label).advice,
        "kubectl label namespace shop gomemlimit.dev/inject=enabled; then kubectl rollout restart deployment/api -n shop"
    );
    pod["metadata"]["ownerReferences"] = json!([{"kind": "StatefulSet", "name": "db", "controller": true}]);
    assert_eq!(advice(&pod), "kubectl rollout restart statefulset/db -n shop");
    pod["metadata"]["ownerReferences"] = json!([{"kind": "Job", "name": "report", "controller": true}]);
    assert_eq!(advice(&pod), "run job/report in shop again");
    let owner = |api_version: &str, kind: &str, name: &str| json!([{"apiVersion": api_version, "kind": kind, "name": name, "controller": true}]);
    pod["metadata"]["ownerReferences"] = owner("apps/v1", "ReplicaSet", "api-5d");
    pod["metadata"]["labels"] = json!({"rollouts-pod-template-hash": "5d"});
    assert_eq!(advice(&pod), "kubectl argo rollouts restart api -n shop");
    pod["metadata"]["ownerReferences"] = owner("v1", "ReplicationController", "api-3");
    pod["metadata"]["labels"] = json!({"deploymentconfig": "api"});
    assert_eq!(advice(&pod), "oc rollout latest deploymentconfig/api -n shop");
    pod["metadata"]["ownerReferences"] = owner("batch/v1", "Job", "train-workers-0");
    pod["metadata"]["labels"] = json!({"jobset.sigs.k8s.io/jobset-name": "train"});
    assert_eq!(advice(&pod), "run jobset/train in shop again");
    // Knative puts the template of its Deployments back.
    pod["metadata"]["ownerReferences"] = owner("apps/v1", "ReplicaSet", "hello-00001-deployment-5d");
    pod["metadata"]["labels"] = json!({"pod-template-hash": "5d", "serving.knative.dev/service": "hello"});
    assert_eq!(advice(&pod), "kubectl delete pod p -n shop");
    // Of another group: `kubectl rollout restart` knows no such kind, or another one.
    for (api_version, kind) in
        [("apps.kruise.io/v1beta1", "StatefulSet"), ("batch.volcano.sh/v1alpha1", "Job")]
    {
        pod["metadata"]["ownerReferences"] = owner(api_version, kind, "db");
        assert_eq!(advice(&pod), "kubectl delete pod p -n shop", "{kind}");
    }
}

/// A container of 1Gi that ended so in this state.
fn ended(value: &str, state: &str, reason: &str, code: i32) -> ContainerCoverage {
    let mut pod = pod(&literal(value), Some("1Gi"), Some("1Gi"));
    let status = &mut pod["status"]["containerStatuses"][0];
    status["restartCount"] = json!(3);
    status[state] =
        json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}});
    assess_one(&pod, &Selected::Yes)
}

#[test]
fn ends_are_told_apart() {
    let found = ended("900MiB", "lastState", "OOMKilled", 137);
    assert!(found.was_oom_killed() && !found.died_of_malformed_value());
    assert_eq!((found.restarts, found.status), (3, Coverage::Covered));
    assert!(
        found.explanation.ends_with("; OOM-killed") && found.advice.contains("look for a leak"),
        "{found:?}"
    );
    let found = ended("512Mi", "lastState", "Error", 2);
    assert!(found.died_of_malformed_value() && !found.was_oom_killed());
    assert!(!ended("900MiB", "lastState", "Error", 2).died_of_malformed_value(), "a panic of its own");
    assert!(!ended("900MiB", "lastState", "Completed", 0).was_oom_killed());
}

/// The kubelet kills with SIGKILL, too; only the runtime knows of the OOM killer.
#[rstest]
#[case::of_the_cgroup("OOMKilled", 137, true, false)]
#[case::of_a_child("OOMKilled", 1, true, false)]
#[case::liveness_probe("Error", 137, false, true)]
#[case::without_a_reason("", 137, false, true)]
#[case::strange("Completed", 137, false, true)]
#[case::lost_by_the_kubelet("ContainerStatusUnknown", 137, false, false)]
#[case::sigterm("Error", 143, false, false)]
#[case::failed("Error", 1, false, false)]
fn a_sigkill_is_no_oom_kill(
    #[case] reason: &str,
    #[case] code: i32,
    #[case] is_oom_kill: bool,
    #[case] is_sigkill: bool,
    #[values("state", "lastState")] state: &str,
) {
    let found = ended("900MiB", state, reason, code);
    assert_eq!((found.was_oom_killed(), found.was_sigkilled()), (is_oom_kill, is_sigkill));
    assert_eq!(
        (AuditFinding::OomKilled.holds(&found), AuditFinding::Sigkilled.holds(&found)),
        (is_oom_kill, is_sigkill)
    );
    assert_eq!(found.status, Coverage::Covered);
    assert_eq!(found.advice.contains("liveness probe"), is_sigkill, "{}", found.advice);
    assert_eq!(found.explanation.contains("SIGKILL"), is_sigkill, "{}", found.explanation);
}

#[test]
fn a_part_of_the_pods_limit_is_measured_against() {
    let text = json!({
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "resources": {"limits": {"memory": "1Gi"}},
            "initContainers": [
                {"name": "setup"},
                {"name": "proxy", "restartPolicy": "Always", "resources": {"limits": {"memory": "256Mi"}}},
            ],
            "containers": [{"name": "app", "env": literal("700MiB")}],
        },
        "status": {
            "initContainerStatuses": [{"name": "proxy", "resources": {"limits": {"memory": "512Mi"}}}],
            "containerStatuses": [{"name": "app", "resources": {}}],
        },
    })
    .to_string();
    let pod = LivePod::parse(&text).unwrap();
    let found = assess(&pod, &NamespaceAnnotations::new(), &Policy::default(), &Selected::Yes);
    let reported: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.status.as_str(), one.reason.map(UncoveredReason::as_str)))
        .collect();
    assert_eq!(
        reported,
        [
            ("setup", "uncovered", Some("init-container")),
            ("proxy", "uncovered", Some("not-injected")),
            // 512Mi are left since the sidecar was resized.
            ("app", "above-limit", None),
        ]
    );
    assert_eq!(found[1].limit, Some((512 << 20, LimitSource::Running)));
    assert_eq!(found[2].limit, Some((512 << 20, LimitSource::Pod)));
}

#[test]
fn the_sum_that_a_cluster_reports_is_no_limit_of_the_pod() {
    let mut pod = pod(&json!([]), None, Some("none"));
    pod["status"]["resources"] = json!({"limits": {"memory": "1Gi"}});
    let found = assess_one(&pod, &Selected::Yes);
    assert_eq!((found.limit, found.reason.map(UncoveredReason::as_str)), (None, Some("no-memory-limit")));
    pod["spec"]["resources"] = json!({"limits": {"memory": "512Mi"}});
    assert_eq!(assess_one(&pod, &Selected::Yes).limit, Some((GI, LimitSource::Pod)), "resized");
}

#[test]
fn words_are_unique_and_read_back() {
    let words: Vec<_> = AuditFinding::all().map(AuditFinding::as_str).collect();
    for word in &words {
        assert_eq!(words.iter().filter(|other| *other == word).count(), 1, "{word}");
        assert_eq!(word.parse::<AuditFinding>().unwrap().as_str(), *word);
    }
    assert!("covered!".parse::<AuditFinding>().unwrap_err().to_string().starts_with("is none of covered, "));
}

#[test]
fn strange_pods_are_errors_or_harmless() {
    for text in ["", "[]", "{", r#"{"status": []}"#, r#"{"status": {"containerStatuses": {}}}"#] {
        assert!(LivePod::parse(text).is_err(), "{text}");
    }
    for text in [
        "{}",
        r#"{"status": null, "metadata": null}"#,
        r#"{"status": {"containerStatuses": null}}"#,
        r#"{"metadata": {"labels": 7, "ownerReferences": null}}"#,
    ] {
        let pod = LivePod::parse(text);
        if let Ok(pod) = pod {
            assert!(pod.workload().is_none());
            assert!(assess(&pod, &[].into(), &Policy::default(), &Selected::Yes).is_empty());
        }
    }
}

/// The text of a limit that is surprisingly small shows what it is, and what was probably meant.
#[rstest]
#[case::milli("128m", "the memory limit \"128m\" is 0.128 bytes: m is milli", "did you mean 128Mi?")]
#[case::small(
    "16Mi",
    "the memory limit of 16Mi is too small for GOMEMLIMIT to help: min-limit is 32Mi",
    "raise the memory limit, or set min-limit lower"
)]
fn limits_that_are_too_small(#[case] limit: &str, #[case] explanation: &str, #[case] advice: &str) {
    let found = assess_one(&pod(&json!([]), Some(limit), None), &Selected::Yes);
    assert_eq!(
        (found.status, found.explanation.as_str(), found.advice.as_str()),
        (Coverage::Uncovered, explanation, advice)
    );
}

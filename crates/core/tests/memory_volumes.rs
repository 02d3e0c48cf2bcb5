//! Volumes in memory count against the limit: a warning if they and GOMEMLIMIT are more than it, and never another value.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Settings,
    audit::{Coverage, Selected, assess},
    pod::LivePod,
    settings::{Mode, Repair, ValueKind},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{DecodedResponse, answer_in, app, review_of};

fn ask(pod: &Value, policy: &Policy) -> DecodedResponse {
    answer_in(&review_of(pod), &NamespaceAnnotations::new(), policy)
}

fn memory(name: &str, size: Option<&str>) -> Value {
    json!({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size}})
}

fn mount(name: &str) -> Value {
    json!({"name": name, "mountPath": "/m"})
}

/// A container with a limit of 1Gi, of which its value leaves 102.4Mi.
fn pod(volumes: Value, mounts: Value) -> Value {
    let mut pod = app("1Gi");
    pod["spec"]["volumes"] = volumes;
    pod["spec"]["containers"][0]["volumeMounts"] = mounts;
    pod
}

#[rstest]
#[case::large(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]), Some(
    "the memory-backed emptyDir \"cache\" counts against the memory limit of 1Gi (sizeLimit 700Mi), of which GOMEMLIMIT \
     leaves 102.4Mi; set headroom to 700Mi, or lower sizeLimit"
))]
#[case::no_size(json!([memory("cache", None)]), json!([mount("cache")]), Some(
    "the memory-backed emptyDir \"cache\" counts against the memory limit of 1Gi (no sizeLimit), of which GOMEMLIMIT \
     leaves 102.4Mi; set its sizeLimit, and leave room for it"
))]
#[case::a_size_of_zero_is_none(json!([memory("cache", Some("0"))]), json!([mount("cache")]), Some("(no sizeLimit)"))]
#[case::fits(json!([memory("shm", Some("64Mi"))]), json!([mount("shm")]), None)]
#[case::fits_exactly(json!([memory("shm", Some("107374183"))]), json!([mount("shm")]), None)]
#[case::a_byte_too_large(json!([memory("shm", Some("107374184"))]), json!([mount("shm")]), Some("102.4Mi"))]
#[case::together(
    json!([memory("a", Some("64Mi")), memory("b", Some("64Mi"))]), json!([mount("b"), mount("a")]),
    Some("\"a\" and another count against the memory limit of 1Gi (sizeLimit 128Mi)")
)]
#[case::three(
    json!([memory("a", Some("64Mi")), memory("b", Some("64Mi")), memory("c", None)]),
    json!([mount("b"), mount("a"), mount("c")]),
    Some("\"a\" and 2 others count against the memory limit of 1Gi (no sizeLimit)")
)]
#[case::as_large_as_the_limit(
    json!([memory("a", Some("1Gi"))]), json!([mount("a")]), Some("; lower sizeLimit, or raise the memory limit")
)]
#[case::mounted_twice_is_one_volume(
    json!([memory("shm", Some("64Mi"))]),
    json!([{"name": "shm", "mountPath": "/a", "subPath": "a"}, {"name": "shm", "mountPath": "/b", "subPath": "b"}]), None
)]
#[case::not_mounted(json!([memory("cache", Some("700Mi"))]), json!([mount("other")]), None)]
#[case::no_mounts(json!([memory("cache", Some("700Mi"))]), Value::Null, None)]
#[case::read_only(
    json!([memory("cache", Some("700Mi"))]), json!([{"name": "cache", "mountPath": "/m", "readOnly": true}]), None
)]
#[case::read_only_and_writable(
    json!([memory("cache", Some("700Mi"))]),
    json!([{"name": "cache", "readOnly": true}, {"name": "cache", "readOnly": false}]), Some("700Mi")
)]
#[case::on_disk(json!([{"name": "cache", "emptyDir": {"sizeLimit": "700Mi"}}]), json!([mount("cache")]), None)]
#[case::huge_pages(
    json!([{"name": "cache", "emptyDir": {"medium": "HugePages-2Mi", "sizeLimit": "700Mi"}}]), json!([mount("cache")]), None
)]
#[case::not_an_empty_dir(json!([{"name": "Memory", "configMap": {"name": "Memory"}}]), json!([mount("Memory")]), None)]
#[case::strange_shapes(
    json!(["Memory", {"name": 7, "emptyDir": {"medium": "Memory"}}, {"name": "a", "emptyDir": ["Memory"]}]),
    json!([7, "a", {"name": ["a"]}, mount("a")]), None
)]
#[case::no_list(json!({"name": "Memory"}), json!("Memory"), None)]
fn volumes_that_are_reported(#[case] volumes: Value, #[case] mounts: Value, #[case] expected: Option<&str>) {
    let pod = pod(volumes, mounts);
    let answer = ask(&pod, &Policy::default());
    assert_eq!(answer.decisions["containers"]["app"]["value"], "966367641");
    assert_eq!(answer.warnings.len(), usize::from(expected.is_some()), "{:?}", answer.warnings);
    if let Some(expected) = expected {
        let warning = &answer.warnings[0];
        assert!(warning.starts_with("container \"app\": ") && warning.contains(expected), "{warning}");
        let status = &answer.patch.last().unwrap()["value"]["gomemlimit.dev/status"];
        let status: Value = serde_json::from_str(status.as_str().unwrap()).unwrap();
        assert_eq!(status["warnings"], json!([warning]));
    }
}

/// The advice works.
#[test]
fn a_headroom_of_the_size_is_enough() {
    let mut pod = pod(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]));
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/headroom": "700Mi"});
    let answer = ask(&pod, &Policy::default());
    assert_eq!(answer.decisions["containers"]["app"]["value"], (324_u64 << 20).to_string());
    assert_eq!(answer.warnings, Vec::<String>::new());
}

/// Each container that can write to a volume may have to hold all of it, also a sidecar.
#[test]
fn every_container_that_writes_is_warned_about() {
    let mut pod = pod(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]));
    let limits = json!({"limits": {"memory": "1Gi"}});
    let other = |name: &str| json!({"name": name, "resources": limits, "volumeMounts": [mount("cache")]});
    let mut sidecar = other("proxy");
    sidecar["restartPolicy"] = "Always".into();
    pod["spec"]["initContainers"] = json!([other("init"), sidecar]);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "no-limit", "volumeMounts": [mount("cache")]}));
    let warnings = ask(&pod, &Policy::default()).warnings;
    let names: Vec<_> = warnings.iter().map(|warning| warning.split('"').nth(1).unwrap()).collect();
    assert_eq!(names, ["proxy", "app"]);
}

#[rstest]
#[case::sound("900MiB", Repair::Report, Some("; lower GOMEMLIMIT to 339738624 or less, or lower sizeLimit"))]
#[case::low_enough("324MiB", Repair::Report, None)]
#[case::told_nothing("900MiB", Repair::Off, None)]
#[case::broken("1GiB", Repair::Report, Some("above 98 %"))]
#[case::off("off", Repair::Report, None)]
fn values_of_the_user(#[case] value: &str, #[case] repair: Repair, #[case] expected: Option<&str>) {
    let mut pod = pod(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]));
    pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": value}]);
    let policy = Policy { defaults: Settings { repair, ..Settings::default() }, ..Policy::default() };
    let answer = ask(&pod, &policy);
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, usize::from(expected.is_some())));
    assert!(expected.is_none_or(|expected| answer.warnings[0].contains(expected)), "{:?}", answer.warnings);
}

#[test]
fn other_ways_to_a_value() {
    let pod = pod(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]));
    let with = |change: fn(&mut Settings)| {
        let mut policy = Policy::default();
        change(&mut policy.defaults);
        ask(&pod, &policy).warnings
    };
    // Headroom has no part in a value that tracks.
    let tracking = with(|settings| settings.value = ValueKind::Track);
    assert!(
        tracking[0].contains("leaves 47.4Mi; set value to literal and headroom to 700Mi"),
        "{tracking:?}"
    );
    assert_eq!(with(|settings| settings.mode = Mode::Audit).len(), 1);
    assert_eq!(with(|settings| settings.mode = Mode::Off).len(), 0);
}

#[test]
fn audit_says_it() {
    let mut pod = pod(json!([memory("cache", Some("700Mi"))]), json!([mount("cache")]));
    pod["metadata"]["namespace"] = "shop".into();
    pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "966367641"}]);
    let text = pod.to_string();
    let live = LivePod::parse(&text).unwrap();
    let found = assess(&live, &NamespaceAnnotations::new(), &Policy::default(), &Selected::Yes).remove(0);
    assert_eq!(found.status, Coverage::Covered);
    assert!(
        found.explanation.contains("\"cache\" counts against the memory limit of 1Gi (sizeLimit 700Mi)"),
        "{found:?}"
    );
    assert_eq!(found.advice, "lower GOMEMLIMIT to 339738624 or less, or lower sizeLimit");
    // Also to one that was killed.
    let killed =
        json!({"name": "app", "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}});
    pod["status"] = json!({"containerStatuses": [killed]});
    let text = pod.to_string();
    let live = LivePod::parse(&text).unwrap();
    let killed = assess(&live, &NamespaceAnnotations::new(), &Policy::default(), &Selected::Yes).remove(0);
    assert_eq!((killed.was_oom_killed(), killed.advice), (true, found.advice));
}

/// A pod of very many volumes and mounts is answered as fast as any other of its size.
#[test]
fn very_many_volumes() {
    let volumes: Vec<_> = (0..5000).map(|n| memory(&format!("v{n}"), Some("1Mi"))).collect();
    let mounts: Vec<_> = (0..5000).map(|n| mount(&format!("v{n}"))).collect();
    let answer = ask(&pod(volumes.into(), mounts.into()), &Policy::default());
    assert_eq!(answer.warnings.len(), 0, "the first hundred are 100Mi: {:?}", answer.warnings);
}

//! Broken values become sound ones, as a Go runtime sees them.

use serde_json::{Value, json};

use crate::harness::{
    LONG, Manifest, check, is_own_cluster, kubectl, reader_pod, ready_with_namespace, status_of, values,
    wait_for, wait_for_limit,
};

const MIB: u64 = 1 << 20;
/// 0.9 of 128Mi.
const SOUND: u64 = 120_795_955;

fn literal(value: &str) -> Value {
    json!({"name": "GOMEMLIMIT", "value": value})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_values_are_repaired_and_sound_ones_left() {
    if !is_own_cluster("an image of the test's own") {
        return;
    }
    let (client, _, namespace) = ready_with_namespace().await;
    let fix = json!({"gomemlimit.dev/repair": "fix"});
    let whole =
        json!({"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}});
    let flags = json!({"name": "FLAGS", "value": "-m $(GOMEMLIMIT)"});
    let cases = [
        ("whole-limit", json!([whole]), SOUND, Some("at-limit")),
        ("above-limit", json!([literal("130MiB")]), SOUND, Some("above-limit")),
        ("malformed", json!([literal("100Mi")]), SOUND, Some("malformed")),
        ("too-low", json!([literal("0")]), SOUND, Some("too-low")),
        ("duplicates", json!([whole, flags, literal("100MiB"), literal("1G")]), SOUND, Some("malformed")),
        ("sound", json!([literal("64MiB")]), 64 * MIB, None),
        ("sound-twice", json!([literal("1G"), literal("64MiB")]), 64 * MIB, None),
    ];
    for (name, env, _, problem) in &cases {
        let pod =
            Manifest(reader_pod(name, "128Mi", env, &fix)).create(&client, &namespace.name).await.unwrap();
        let status = status_of(&pod);
        let repaired = &status["containers"]["app"]["repaired"]["problem"];
        assert_eq!(repaired.as_str(), *problem, "{name}: {status}");
        match problem {
            Some(_) => assert_eq!(values(&pod, "app"), [SOUND.to_string()], "{name}"),
            None => assert_eq!(pod["spec"]["containers"][0]["env"], *env, "{name}"),
        }
    }
    // What happens without: the program does not even start.
    let report = json!({"gomemlimit.dev/repair": "report"});
    let broken = reader_pod("reported", "128Mi", &json!([literal("100Mi")]), &report);
    Manifest(broken).create(&client, &namespace.name).await.unwrap();
    for (name, _, bytes, problem) in &cases {
        wait_for_limit(&namespace.name, name, *bytes).await;
        println!("repair: {name} ({}): the process says {bytes}", problem.unwrap_or("left alone"));
    }
    let code = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}";
    wait_for("the program that was not repaired has died", LONG, async || {
        let said = kubectl(&["get", "pod", "-n", &namespace.name, "reported", "-o", code]);
        check(said == "2", || said)
    })
    .await;
    println!("repair: malformed and only reported: exit code 2");
}

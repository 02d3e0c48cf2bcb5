//! `explain` of what runs in a cluster.

use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{CONFIG_MAPS, ClusterFixture, PODS},
    pod_with,
};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

/// The webhook has this policy file.
fn with_rules(rules: &Value) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--policy-file=/policy/policy.yaml"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "policy", "mountPath": "/policy"}]);
    pod["volumes"] = json!([{"name": "policy", "configMap": {"name": "gomemlimit-policy"}}]);
    let text = json!({"rules": rules}).to_string();
    fixture.put(
        CONFIG_MAPS,
        &[json!({"metadata": {"name": "gomemlimit-policy"}, "data": {"policy.yaml": text}})],
    );
    fixture
}

/// An injected pod with this status annotation.
fn recorded(status: &str) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let mut pod = pod_with("api-0", Some("966367641"));
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/status": status});
    fixture.put("/api/v1/namespaces/shop/pods", &[pod]);
    fixture
}

#[tokio::test]
async fn rules_for_namespaces_and_owners_count_for_workloads() {
    let rule = |matched: Value| json!([{"name": "small", "match": matched, "set": {"ratio": "0.5"}}]);
    let template = pod_with("api", None)["spec"].clone();
    for matched in [json!({"namespaces": ["shop"]}), json!({"owners": ["ReplicaSet"]})] {
        let mut fixture = with_rules(&rule(matched.clone()));
        fixture.put(DEPLOYMENTS, &[json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"template": {"spec": template}},
        })]);
        let (_, report) = fixture.serve().json(&["explain", "deployment/api"]).await;
        let container = &report["objects"][0]["containers"][0];
        assert_eq!(
            (&container["rule"], &container["value"]),
            (&json!("small"), &json!("536870912")),
            "{matched}"
        );
    }
}

#[tokio::test]
async fn what_was_recorded_is_told_as_it_was_decided() {
    let literal = |source: Value| {
        let mut entry = json!({
            "value": "966367641", "limit": 1_073_741_824, "ratio": "0.9", "headroom": 0, "kind": "literal",
        });
        entry.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        json!({"version": 1, "containers": {"app": entry}}).to_string()
    };
    let track = json!({"version": 1, "containers": {"app": {
        "value": "$(GOMEMLIMIT_MIB)000000", "bytes": 1_024_000_000, "limit": 1_073_741_824, "kind": "track",
        "source": "namespace",
    }}});
    for (status, said) in [
        (literal(json!({"source": "default"})), "ratio 0.9 of 1Gi (default) at its creation"),
        (
            literal(json!({"source": "rule", "rule": "small"})),
            "ratio 0.9 of 1Gi (rule small) at its creation",
        ),
        (literal(json!({"source": "pod"})), "ratio 0.9 of 1Gi (pod annotation) at its creation"),
        (track.to_string(), "tracks the limit, 1Gi (namespace annotation) at its creation"),
    ] {
        let (_, stdout, stderr) = recorded(&status).serve().run(&["explain", "api-0"]).await;
        assert!(stdout.contains(said), "{said}: {stdout}{stderr}");
    }
}

#[tokio::test]
async fn a_terminal_does_not_obey_an_annotation() {
    let status = json!({"containers": {"app": {
        "limit": 1, "ratio": "0.9", "headroom": 0, "source": "\u{1b}]0;gone\u{7}\u{9b}2J\u{202e}",
    }}});
    let server = recorded(&status.to_string()).serve();
    let (_, stdout, stderr) = server.run(&["explain", "api-0"]).await;
    assert!(!(stdout.clone() + &stderr).contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')));
    assert!(stdout.contains("\\u{1b}]0;gone\\u{7}"), "{stdout}");
    // Programs get it as it is.
    let (_, report) = server.json(&["explain", "api-0"]).await;
    assert_eq!(report["objects"][0]["status"], status);
}

#[tokio::test]
async fn the_json_has_a_version_and_every_field_is_documented() {
    let server = recorded("{}").serve();
    let (_, live) = server.json(&["explain", "api-0"]).await;
    let manifest = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let mut pod = pod_with("api-0", None);
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    std::fs::write(manifest.path(), pod.to_string()).unwrap();
    let (_, files) = server.json(&["explain", "-f", manifest.path().to_str().unwrap()]).await;
    let page = include_str!("../../../docs/explain.md");
    for report in [live, files] {
        assert_eq!(report["version"], 1);
        let object = &report["objects"][0];
        for part in [
            &report,
            object,
            &object["containers"][0],
            &object["containers"][0]["basis"],
            &object["running"][0],
        ] {
            for field in part.as_object().into_iter().flat_map(|object| object.keys()) {
                assert!(page.contains(&format!("`{field}`")), "{field}");
            }
        }
    }
}

#[tokio::test]
async fn a_pod_that_was_oom_killed_is_not_plainly_covered() {
    let mut fixture = ClusterFixture::sound();
    let mut pod = pod_with("api-0", Some("966367641"));
    (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
    let last =
        json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z"}});
    pod["status"]["containerStatuses"] = json!([{"name": "app", "restartCount": 1, "lastState": last}]);
    fixture.put("/api/v1/namespaces/shop/pods", &[pod]);
    let (code, stdout, stderr) = fixture.serve().run(&["explain", "api-0"]).await;
    assert_eq!(code, 0, "{stderr}");
    let row = stdout.lines().find(|line| line.contains("Pod shop/api-0")).unwrap();
    assert!(row.contains(" oom-killed/covered ") && row.contains("; OOM-killed; raise the limit"), "{row}");
}

//! Names that a hostile API server makes up: no command that is printed holds one, and no shell is offered one.

use serde_json::{Value, json};

use gomemlimit_fake_api_server::{ScriptedServer, cluster_fixture::ClusterFixture, list, pod_with};

/// Each would be run by a shell, taken for an option, be another path, or end a line.
const EVIL: [&str; 5] = ["$(touch x)", "--all", "../secrets/x", "a\nb", "a b"];

#[tokio::test]
async fn completions_offer_no_name_that_is_none() {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let objects: Vec<Value> = EVIL.map(named).into_iter().chain([named("shop"), named("shop-2")]).collect();
    let server = ScriptedServer::start(move |_, _| list(&objects, ""));
    let complete = async |words: &[&str]| {
        let mut command = server.command(&[&["--"], words].concat());
        command.envs([("COMPLETE", "bash"), ("_CLAP_IFS", "\n")]);
        let output =
            command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["gomemlimit", "audit", "-n", ""]).await, ["shop", "shop-2"]);
}

#[tokio::test]
async fn what_an_audit_advises_holds_no_name_that_is_none() {
    let mut pods = Vec::new();
    for evil in EVIL {
        let owner = json!([{"kind": "ReplicaSet", "name": evil, "controller": true}]);
        for (name, namespace) in [(evil, "shop"), ("a", evil)] {
            let mut pod = pod_with(name, None);
            pod["metadata"]["namespace"] = namespace.into();
            pods.push(pod.clone());
            pod["metadata"]["ownerReferences"] = owner.clone();
            pods.push(pod);
        }
    }
    let mut fixture = ClusterFixture::sound();
    fixture.answer("/api/v1/pods", list(&pods, ""));
    let (_, report) = fixture.serve().json(&["audit", "-A"]).await;
    let containers = report["containers"].as_array().unwrap();
    assert_eq!(containers.len(), pods.len());
    for container in containers {
        let advice = container["advice"].as_str().unwrap();
        assert!(!EVIL.iter().any(|evil| advice.contains(evil)), "{container:#}");
    }
}

//! The policy file of a running server.

use std::{fs, path::Path, time::Duration};

use gomemlimit_core::Policy;
use gomemlimit_policy_file as policy_file;
use gomemlimit_serve::{Reloaded, policy::PolicyFile};
use gomemlimit_test_server::{Setup, review_of_size};
use serde_json::Value;

/// As the kubelet does it: the folder that a link points to is another one at once.
#[tokio::test]
async fn a_swapped_file_is_followed_and_a_bad_one_is_not() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let publish = |version: &str, content: &str| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("policy.yaml"), content).unwrap();
        symlink(version, at("new")).unwrap();
        fs::rename(at("new"), at("..data")).unwrap();
    };
    let file = |ratio: &str| format!("rules: [{{name: all, set: {{ratio: {ratio}}}}}]\n");
    publish("1", &file("0.8"));
    symlink("..data/policy.yaml", at("policy.yaml")).unwrap();

    let mut setup = Setup::default();
    let (file_in_use, rules) = Reloaded::open(PolicyFile(at("policy.yaml")), setup.metrics.clone()).unwrap();
    setup.options.policy = Policy { rules, ..Policy::default() };
    setup.policy_file = Some(file_in_use);
    let server = setup.start().await;
    let value = async || {
        let answer = server.review(&review_of_size(400)).await.json();
        let decisions: Value =
            serde_json::from_str(answer["response"]["auditAnnotations"]["decisions"].as_str().unwrap())
                .unwrap();
        decisions["containers"]["api"]["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value().await, "858993459");
    assert_eq!(server.metric("gomemlimit_policy_rules").await, 1);
    publish("2", &file("0.5"));
    server.wait_for_metric("gomemlimit_policy_reloads_total{result=\"loaded\"}", 1).await;
    assert_eq!(value().await, "536870912");

    publish("3", &file("5"));
    server.wait_for_metric("gomemlimit_policy_out_of_date", 1).await;
    assert_eq!(value().await, "536870912");
    let (status, ready) = server.admin("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    assert!(ready.contains("trouble: policy file ") && ready.contains("outside 0.10 to 0.98"), "{ready}");

    publish("4", &file("0.9"));
    server.wait_for_metric("gomemlimit_policy_out_of_date", 0).await;
    assert_eq!(value().await, "966367641");
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));
}

/// Who writes the policy file and who creates pods can work together: the probe has an answer all the same. Without a
/// bound each of these reviews takes more than a minute in a debug build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slowest_file_and_the_slowest_pods_leave_the_probe_its_answer() {
    let slow = format!("*{}?{}b", "a".repeat(255), "a".repeat(200));
    let policy =
        serde_json::json!({"rules": [{"name": "slow", "is": "go", "match": {"images": vec![slow; 127]}}]});
    let rules = policy_file::parse(Path::new("p"), policy.to_string().as_bytes()).unwrap();
    let mut setup = Setup::default();
    setup.options.policy = Policy { rules, ..Policy::default() };
    let server = setup.start().await;
    let container = serde_json::json!({"name": "c", "image": "a".repeat(512), "resources": {"limits": {"memory": "1Gi"}}});
    let review = serde_json::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "shop", "operation": "CREATE",
        "object": {"spec": {"containers": vec![container; 400]}},
    }})
    .to_string();
    assert!(review.len() < 256 << 10, "{}: judged by the threads that serve connections", review.len());
    let reviews = futures::future::join_all((0..4).map(|_| server.review(review.as_bytes())));
    let probes = async {
        for _ in 0..5 {
            let probe = tokio::time::timeout(Duration::from_secs(20), server.admin("/livez")).await;
            assert_eq!(probe.unwrap().0, 200);
        }
    };
    let (answers, ()) = tokio::join!(reviews, probes);
    for answer in answers {
        assert!(answer.json().to_string().contains("too large to be compared with all rules"));
    }
}

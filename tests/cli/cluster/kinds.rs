//! Kinds of others, in a cluster that has them or does not.

use gomemlimit_fake_api_server::{
    cluster_fixture::{ClusterFixture, namespace},
    list, pod_with,
};
use gomemlimit_manifest::WorkloadKind;
use rstest::rstest;
use serde_json::{Value, json};

const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";

/// The API server has these versions of a group, the preferred one first, each with its resources.
fn serve_group(fixture: &mut ClusterFixture, group: &str, versions: &[(&str, &[&str])]) {
    let all: Vec<_> = versions.iter().map(|(version, _)| json!({"version": version})).collect();
    let body = json!({"kind": "APIGroup", "name": group, "versions": all, "preferredVersion": all[0]});
    fixture.answer(&format!("/apis/{group}"), (200, body.to_string()));
    for (version, resources) in versions {
        let resources: Vec<_> = resources.iter().map(|name| json!({"name": name})).collect();
        let body = json!({"kind": "APIResourceList", "resources": resources});
        fixture.answer(&format!("/apis/{group}/{version}"), (200, body.to_string()));
    }
}

fn rollout(spec: &Value) -> Value {
    let metadata = json!({"name": "api", "namespace": "shop"});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata, "spec": spec})
}

/// A cluster with this Rollout.
fn with_rollout(spec: &Value) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    serve_group(
        &mut fixture,
        "argoproj.io",
        &[("v1alpha1", &["analysisruns", "rollouts", "rollouts/status"])],
    );
    fixture.put(ROLLOUTS, &[rollout(spec)]);
    fixture
}

#[rstest]
#[case("rollout/api")]
#[case("ro/api")]
#[case("rollouts.v1alpha1.argoproj.io/api")]
#[tokio::test]
async fn a_rollout_is_explained(#[case] target: &str) {
    let spec = json!({"template": {"spec": pod_with("api", None)["spec"]}});
    let server = with_rollout(&spec).serve();
    let (code, report) = server.json(&["explain", target, "-n", "shop"]).await;
    let object = &report["objects"][0];
    assert_eq!(
        (code, &object["kind"], &object["apiVersion"]),
        (0, &json!("Rollout"), &json!("argoproj.io/v1alpha1"))
    );
    assert_eq!(object["containers"][0]["value"], "966367641");
    let (_, stdout, _) = server.run(&["explain", target, "-n", "shop"]).await;
    assert!(stdout.contains("\nRollout shop/api  app "), "{stdout}");
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_have_is_an_error() {
    for command in ["explain", "observe", "diagnose"] {
        let (code, stdout, stderr) =
            ClusterFixture::sound().serve().run(&[command, "rollout/api", "-n", "shop"]).await;
        let expected = "error: the API server does not have a resource type \"rollouts.argoproj.io\"; \
                        kubectl api-resources lists those that it has\n";
        assert_eq!((code, &*stdout, &*stderr), (2, "", expected), "{command}");
    }
    // The group is there, and the kind is not: Argo CD without Argo Rollouts.
    let mut fixture = ClusterFixture::sound();
    serve_group(&mut fixture, "argoproj.io", &[("v1alpha1", &["applications"])]);
    let (code, _, stderr) = fixture.serve().run(&["explain", "rollout/api"]).await;
    assert!(
        code == 2 && stderr.contains("does not have a resource type \"rollouts.argoproj.io\""),
        "{stderr}"
    );
}

#[tokio::test]
async fn an_object_that_is_not_there_is_named() {
    let server = with_rollout(&json!({})).serve();
    let (code, _, stderr) = server.run(&["explain", "rollout/other", "-n", "shop"]).await;
    assert_eq!((code, &*stderr), (2, "error: there is no rollout other in namespace shop\n"));
}

#[tokio::test]
async fn the_version_that_has_the_kind_is_asked() {
    let mut fixture = ClusterFixture::sound();
    let versions: &[(&str, &[&str])] =
        &[("v1beta1", &["statefulsets"]), ("v1alpha1", &["clonesets", "statefulsets"])];
    serve_group(&mut fixture, "apps.kruise.io", versions);
    let object = json!({
        "apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"template": {"spec": pod_with("api", None)["spec"]}},
    });
    fixture.put("/apis/apps.kruise.io/v1alpha1/namespaces/shop/clonesets", &[object]);
    let (code, report) = fixture.serve().json(&["explain", "clone/api", "-n", "shop"]).await;
    assert_eq!((code, &report["objects"][0]["containers"][0]["value"]), (0, &json!("966367641")));
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_group() {
    let mut fixture = with_rollout(&json!({}));
    fixture.forbid(ROLLOUTS);
    let (code, _, stderr) = fixture.serve().run(&["explain", "rollout/api", "-n", "shop"]).await;
    assert_eq!(code, 2);
    assert!(stderr.ends_with("; grant get on rollouts.argoproj.io\n"), "{stderr}");
}

/// The pods are those of the Deployment, which has the template.
#[tokio::test]
async fn a_rollout_without_a_template_names_where_it_is() {
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let server = with_rollout(&json!({"workloadRef": reference})).serve();
    let (code, stdout, stderr) = server.run(&["explain", "rollout/api", "-n", "shop"]).await;
    assert_eq!((code, &*stdout), (0, ""));
    let expected = "rollout/api has the pod template of Deployment web (workloadRef): gomemlimit explain deployment/web -n shop\n";
    assert!(stderr.contains(expected), "{stderr}");
    let gate = ["explain", "rollout/api", "-n", "shop", "--fail-on", "no-memory-limit"];
    let (code, _, stderr) = server.run(&gate).await;
    assert!(code == 2 && stderr.contains("--fail-on has nothing to judge"), "{stderr}");
}

#[tokio::test]
async fn a_hostile_reference_is_not_part_of_a_command() {
    let reference = json!({"kind": "Deployment", "name": "$(touch x)"});
    let server = with_rollout(&json!({"workloadRef": reference})).serve();
    let (_, _, stderr) = server.run(&["explain", "rollout/api", "-n", "shop"]).await;
    assert!(stderr.contains("(workloadRef)\n") && !stderr.contains("gomemlimit explain "), "{stderr}");
}

/// The first container of a value in which a path leads to a pod.
fn object(kind: &WorkloadKind, version: &str) -> Value {
    let template = kind.templates.first().map_or("", |template| template.path);
    let pod = json!({"spec": pod_with("api", None)["spec"]});
    let mut object = template.rsplit('.').filter(|key| !key.is_empty()).fold(pod, |value, segment| {
        match segment.strip_suffix("[*]") {
            Some(key) => json!({key: [value]}),
            None => json!({if segment == "*" { "Worker" } else { segment }: value}),
        }
    });
    object["apiVersion"] = format!("{}/{version}", kind.group).into();
    object["kind"] = kind.name.into();
    object["metadata"] = json!({"name": "api"});
    if kind.has_objects() {
        let mut pod = pod_with("api", None);
        (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
        object["objects"] = json!([pod]);
    }
    object
}

#[tokio::test]
async fn every_kind_of_the_table_is_explained() {
    let mut fixture = ClusterFixture::sound();
    let others: Vec<_> = WorkloadKind::ALL.iter().filter(|kind| !kind.is_built_in()).collect();
    let mut arguments = vec!["explain".to_owned()];
    for kind in &others {
        let of_group: Vec<_> =
            others.iter().filter(|one| one.group == kind.group).map(|one| one.plural).collect();
        serve_group(&mut fixture, kind.group, &[("v2", &of_group)]);
        let namespaces = if kind.is_cluster_scoped { "" } else { "namespaces/shop/" };
        fixture.put(&format!("/apis/{}/v2/{namespaces}{}", kind.group, kind.plural), &[object(kind, "v2")]);
        arguments.push(format!("{}/api", kind.resource()));
    }
    arguments.extend(["-n".to_owned(), "shop".to_owned()]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (code, report) = fixture.serve().json(&arguments).await;
    assert_eq!(code, 0);
    let objects = report["objects"].as_array().unwrap();
    assert_eq!(objects.len(), others.len());
    for (object, kind) in objects.iter().zip(others) {
        let name = if kind.has_objects() { "Pod" } else { kind.name };
        assert_eq!((&object["kind"], &object["containers"][0]["value"]), (&json!(name), &json!("966367641")));
    }
}

/// The pods of a workload of another kind are found by its selector, that in its status, or the label of its pods.
#[rstest]
#[case::selector("argoproj.io", "rollouts", "rollout/api", json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}), "app=x")]
#[case::of_the_status("argoproj.io", "rollouts", "rollout/api", json!({"spec": {}, "status": {"selector": "app=y"}}), "app=y")]
#[case::labels("apps.openshift.io", "deploymentconfigs", "dc/api", json!({"spec": {"selector": {"dc": "z"}}}), "dc=z")]
#[case::label_of_the_pods("jobset.x-k8s.io", "jobsets", "jobset/api", json!({"spec": {}}), "jobset.sigs.k8s.io/jobset-name=api")]
#[tokio::test]
async fn pods_of_workloads_are_found(
    #[case] group: &str,
    #[case] plural: &str,
    #[case] target: &str,
    #[case] mut object: Value,
    #[case] selector: &str,
) {
    let mut fixture = ClusterFixture::sound();
    serve_group(&mut fixture, group, &[("v1", &[plural])]);
    object["metadata"] = json!({"name": "api"});
    fixture.put(&format!("/apis/{group}/v1/namespaces/shop/{plural}"), &[object]);
    fixture.put("/api/v1/namespaces/shop/pods", &[]);
    let server = fixture.serve();
    let (code, _, stderr) = server.run(&["diagnose", target, "-n", "shop"]).await;
    assert!(
        code == 2
            && stderr.contains(
                &format!("no pod of {target} runs in namespace shop").replace("dc/", "deploymentconfig/")
            ),
        "{stderr}"
    );
    let asked = server.asked.lock().unwrap();
    let of_pods = asked.iter().find(|(path, _)| path.ends_with("/pods")).unwrap();
    let query = of_pods.1["labelSelector"].replace("%3D", "=").replace("%2F", "/");
    assert_eq!(query, selector);
}

fn owned(name: &str, owner: &Value, labels: &Value) -> Value {
    let mut pod = pod_with(name, None);
    pod["metadata"]["ownerReferences"] = json!([owner]);
    pod["metadata"]["labels"] = labels.clone();
    pod
}

/// Without a right to read anything but pods.
#[tokio::test]
async fn an_audit_names_what_made_the_owner_of_a_pod() {
    let owner = |api_version: &str, kind: &str, name: &str| json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true});
    let replica_set = owner("apps/v1", "ReplicaSet", "api-5d");
    let controller = owner("v1", "ReplicationController", "api-3");
    let knative = owner("apps/v1", "ReplicaSet", "hello-00001-deployment-5d");
    let job = owner("batch/v1", "Job", "train-workers-0");
    let pods = [
        owned("a", &replica_set, &json!({"rollouts-pod-template-hash": "5d"})),
        owned("b", &replica_set, &json!({"pod-template-hash": "5d"})),
        owned("c", &replica_set, &json!({"rollouts-pod-template-hash": "other"})),
        owned("d", &controller, &json!({"deploymentconfig": "api"})),
        owned("e", &controller, &json!({"deploymentconfig": "other"})),
        owned("f", &owner("apps.kruise.io/v1beta1", "StatefulSet", "db"), &json!({})),
        owned("g", &owner("apps/v1", "StatefulSet", "db"), &json!({})),
        owned("h", &knative, &json!({"pod-template-hash": "5d", "serving.knative.dev/service": "hello"})),
        owned("i", &knative, &json!({"pod-template-hash": "5d", "serving.knative.dev/service": "hell"})),
        owned("j", &job, &json!({"jobset.sigs.k8s.io/jobset-name": "train"})),
        owned("k", &job, &json!({"jobset.sigs.k8s.io/jobset-name": "other"})),
        owned(
            "l",
            &owner("apps/v1", "StatefulSet", "llm"),
            &json!({"leaderworkerset.sigs.k8s.io/name": "llm"}),
        ),
        owned(
            "m",
            &owner("apps/v1", "StatefulSet", "llm-0"),
            &json!({"leaderworkerset.sigs.k8s.io/name": "llm"}),
        ),
    ];
    let mut fixture = ClusterFixture::sound();
    fixture.answer("/api/v1/namespaces/shop/pods", list(&pods, ""));
    fixture.put("/api/v1/namespaces", &[namespace("shop", &json!({"gomemlimit.dev/inject": "enabled"}))]);
    let server = fixture.serve();
    let (_, report) = server.json(&["audit", "-n", "shop"]).await;
    let rows: Vec<_> = report["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let workload = &row["workload"];
            let group = text(&workload["group"]);
            (group, format!("{} {}", text(&workload["kind"]), text(&workload["name"])), text(&row["advice"]))
        })
        .collect();
    let expected = [
        ("argoproj.io", "Rollout api", "kubectl argo rollouts restart api -n shop"),
        ("apps", "Deployment api", "kubectl rollout restart deployment/api -n shop"),
        ("apps", "ReplicaSet api-5d", "kubectl delete pod c -n shop"),
        ("apps.openshift.io", "DeploymentConfig api", "oc rollout latest deploymentconfig/api -n shop"),
        ("", "ReplicationController api-3", "kubectl delete pod e -n shop"),
        ("apps.kruise.io", "StatefulSet db", "kubectl delete pod f -n shop"),
        ("apps", "StatefulSet db", "kubectl rollout restart statefulset/db -n shop"),
        ("serving.knative.dev", "Service hello", "kubectl delete pod h -n shop"),
        (
            "apps",
            "Deployment hello-00001-deployment",
            "kubectl rollout restart deployment/hello-00001-deployment -n shop",
        ),
        ("jobset.x-k8s.io", "JobSet train", "run jobset/train in shop again"),
        ("batch", "Job train-workers-0", "run job/train-workers-0 in shop again"),
        ("leaderworkerset.x-k8s.io", "LeaderWorkerSet llm", "kubectl delete pod l -n shop"),
        ("leaderworkerset.x-k8s.io", "LeaderWorkerSet llm", "kubectl delete pod m -n shop"),
    ];
    let expected =
        expected.map(|(group, name, advice)| (group.to_owned(), name.to_owned(), advice.to_owned()));
    assert_eq!(rows, expected);
    let (_, stdout, _) = server.run(&["audit", "-n", "shop", "-o", "wide"]).await;
    assert!(stdout.lines().any(|line| line.starts_with("a ") && line.contains(" rollout/api ")), "{stdout}");
}

//! Objects on the command line, as `kubectl get -o name` prints them.

use rstest::rstest;
use serde_json::json;

use super::server::{Home, Server, run};

#[rstest]
#[case("api", "/api/v1/namespaces/shop/pods/api", "pod")]
#[case("pod/api", "/api/v1/namespaces/shop/pods/api", "pod")]
#[case("po/api", "/api/v1/namespaces/shop/pods/api", "pod")]
#[case("pods/api", "/api/v1/namespaces/shop/pods/api", "pod")]
#[case("deployment.apps/api", "/apis/apps/v1/namespaces/shop/deployments/api", "deployment")]
#[case("deployments.v1.apps/api", "/apis/apps/v1/namespaces/shop/deployments/api", "deployment")]
#[case("Deployment/api", "/apis/apps/v1/namespaces/shop/deployments/api", "deployment")]
#[case("deploy/api", "/apis/apps/v1/namespaces/shop/deployments/api", "deployment")]
#[case("sts/api", "/apis/apps/v1/namespaces/shop/statefulsets/api", "statefulset")]
#[case("daemonset.apps/api", "/apis/apps/v1/namespaces/shop/daemonsets/api", "daemonset")]
#[case("rs/api", "/apis/apps/v1/namespaces/shop/replicasets/api", "replicaset")]
#[case("rc/api", "/api/v1/namespaces/shop/replicationcontrollers/api", "replicationcontroller")]
#[case(
    "replicationcontroller/api",
    "/api/v1/namespaces/shop/replicationcontrollers/api",
    "replicationcontroller"
)]
#[case("job.batch/api", "/apis/batch/v1/namespaces/shop/jobs/api", "job")]
#[case("cronjob.batch/api", "/apis/batch/v1/namespaces/shop/cronjobs/api", "cronjob")]
fn every_command_takes_them(#[case] target: &str, #[case] path: &str, #[case] kind: &str) {
    let (server, home) =
        (Server::with(|_| (404, json!({"kind": "Status", "message": "gone", "code": 404}))), Home::new());
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    for command in ["explain", "observe", "diagnose"] {
        server.log.lock().unwrap().clear();
        let outcome = run(home.command(&[command, target]).env("KUBECONFIG", home.path("config")));
        let asked = server.log.lock().unwrap()[0].split(' ').nth(1).unwrap().to_owned();
        assert_eq!(asked.split('?').next().unwrap(), path, "{command}");
        outcome.is_refused(&format!("error: there is no {kind} api in namespace shop"));
    }
}

#[rstest]
#[case(
    "svc/api",
    "\"svc\" is not a resource type with pods; there are pod (po), deployment (deploy), ",
    None
)]
#[case("deployment.example.com/api", "\"deployment.example.com\" is not a resource type with pods; ", None)]
#[case("deploy/Api", "\"Api\" is not a name of Kubernetes", None)]
#[case("deploy/", "\"deploy/\" has no name after the slash: deployment/NAME", None)]
#[case("pod/", "\"pod/\" has no name after the slash: pod/NAME", None)]
#[case("./api", "\".\" is not a resource type with pods; ", Some("./api"))]
#[case("a/b/c", "\"a\" is not a resource type with pods; ", Some("a/b/c"))]
fn others_are_refused_before_the_cluster_is_asked(
    #[case] target: &str,
    #[case] wanted: &str,
    #[case] file: Option<&str>,
) {
    let home = Home::new();
    run(&mut home.command(&["observe", target])).is_refused(wanted);
    for command in ["explain", "diagnose"] {
        let wanted = file.map_or(wanted.to_owned(), |file| {
            format!("{file} is the name of a file, not of an object in a cluster; name files with -f")
        });
        run(&mut home.command(&[command, target])).is_refused(&wanted);
    }
}

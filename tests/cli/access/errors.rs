//! Errors: the cause, once, and what to do.

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Home, Server, run};

/// `{home}` is the home directory.
#[rstest]
#[case::no_cluster(&["audit"],
    "no cluster is configured: {home}/.kube/config does not exist; set KUBECONFIG, or name a file with --kubeconfig")]
#[case::no_cluster_for_a_name(&["diagnose", "nope"],
    "no cluster is configured: {home}/.kube/config does not exist; set KUBECONFIG, or name a file with --kubeconfig; \
     files are named with -f")]
#[case::no_cluster_for_a_context(&["check", "--context", "nobody"],
    "no cluster is configured: {home}/.kube/config does not exist; set KUBECONFIG, or name a file with --kubeconfig")]
#[case::no_file(&["audit", "--kubeconfig", "nothing"],
    "cannot read the kubeconfig nothing: No such file or directory (os error 2); name another with --kubeconfig")]
#[case::folder(&["audit", "--kubeconfig", "/"], "cannot read the kubeconfig /: Is a directory (os error 21); name another with --kubeconfig")]
#[case::manifest(&["explain", "deployment.yaml"],
    "deployment.yaml is the name of a file, not of an object in a cluster; name files with -f")]
#[case::profile(&["diagnose", "captures/heap-1.pb.gz"],
    "captures/heap-1.pb.gz is the name of a file, not of an object in a cluster; name files with -f")]
#[case::profiles(&["diagnose", "one", "other"], "diagnose looks at one pod; name files with -f")]
#[case::container(&["diagnose", "api/app"],
    "\"api\" is not a resource type with pods; there are pod (po), deployment (deploy), statefulset (sts), daemonset (ds), \
     replicaset (rs), replicationcontroller (rc), job, cronjob (cj), podtemplate, and types of others such as rollout (ro); a container is named with -c: api -c app")]
#[case::container_of_a_pod(&["diagnose", "pod/api-0/app"],
    "pod/api-0/app has a slash too many: a container is named with -c: pod/api-0 -c app")]
#[case::container_of_a_workload(&["observe", "deploy/api/app"],
    "deploy/api/app has a slash too many: a container is named with -c: deploy/api -c app")]
#[case::container_to_explain(&["explain", "pod/api-0/app"],
    "pod/api-0/app has a slash too many: all containers of pod/api-0 are explained")]
#[case::service_to_diagnose(&["diagnose", "svc/api"],
    "\"svc\" is not a resource type with pods; there are pod (po), deployment (deploy), statefulset (sts), daemonset (ds), \
     replicaset (rs), replicationcontroller (rc), job, cronjob (cj), podtemplate, and types of others such as rollout (ro)")]
#[case::service_in_full(&["diagnose", "Services/api"],
    "\"Services\" is not a resource type with pods, unlike service.serving.knative.dev (ksvc); there are pod (po), deployment (deploy), statefulset (sts), daemonset (ds), \
     replicaset (rs), replicationcontroller (rc), job, cronjob (cj), podtemplate, and types of others such as rollout (ro)")]
#[case::group(&["diagnose", "rollout.example.com/api"],
    "\"rollout.example.com\" is not a resource type with pods; there are pod (po), deployment (deploy), statefulset (sts), daemonset (ds), \
     replicaset (rs), replicationcontroller (rc), job, cronjob (cj), podtemplate, and types of others such as rollout (ro)")]
#[case::service(&["observe", "svc/API"],
    "\"svc\" is not a resource type with pods; there are pod (po), deployment (deploy), statefulset (sts), daemonset (ds), \
     replicaset (rs), replicationcontroller (rc), job, cronjob (cj), podtemplate, and types of others such as rollout (ro)")]
#[case::policy_file(&["serve", "--policy-file", "x"],
    "cannot read the policy file x: No such file or directory (os error 2)")]
#[case::secret(&["serve", "--tls-secret", "s", "--webhook-config", "w", "--service", "v"],
    "--tls-secret needs a cluster: no cluster is configured: \
     {home}/.kube/config does not exist; set KUBECONFIG, or name a file with --kubeconfig")]
#[case::profile_file(&["diagnose", "-f", "nothing"],
    "cannot read nothing: No such file or directory (os error 2)")]
fn one_line(#[case] arguments: &[&str], #[case] wanted: &str) {
    let home = Home::new();
    let outcome = run(&mut home.command(arguments));
    let wanted =
        format!("error: {wanted}\n").replace("{home}", home.path("").to_str().unwrap().trim_end_matches('/'));
    assert_eq!((outcome.code, &*outcome.stderr, &*outcome.stdout), (2, &*wanted, ""));
}

#[test]
fn certificate_files_that_are_missing_are_named_once() {
    let home = Home::new();
    let outcome = run(&mut home.command(&["serve", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]));
    outcome.is_refused("cert.pem: No such file or directory (os error 2)");
    assert_eq!(outcome.stderr.matches("os error").count(), 1, "{}", outcome.stderr);
}

#[rstest]
#[case::yaml(
    "{",
    "cannot read the kubeconfig {path}: line 1 column 1: unclosed bracket '{'; name another with --kubeconfig"
)]
#[case::no_context(
    "{}",
    "no cluster is configured: there is no context in {path}; set KUBECONFIG, or name a file"
)]
#[case::no_current_context(
    "{contexts: [{name: a, context: {cluster: c}}, {name: b}]}",
    "the kubeconfig has no current context; name one with --context: a, b"
)]
#[case::context(
    "{current-context: x, contexts: [{name: a, context: {cluster: c}}]}",
    "the kubeconfig has no context \"x\"; it has a"
)]
#[case::cluster(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}]}",
    "the kubeconfig has no cluster \"c\"; it has none"
)]
#[case::server(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {}}]}",
    "cluster c of the kubeconfig: it has no server"
)]
#[case::url(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: 'a b'}}]}",
    "cluster c of the kubeconfig: its server a b is not a URL: "
)]
#[case::authority(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}], \
                   clusters: [{name: c, cluster: {server: 'https://a', certificate-authority: /nonexistent/ca}}]}",
    "cluster c of the kubeconfig: cannot read its certificate authority /nonexistent/ca: No such file or directory"
)]
#[case::base64(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}], \
                clusters: [{name: c, cluster: {server: 'https://a', certificate-authority-data: '-'}}]}",
    "cluster c of the kubeconfig: its certificate authority is not base64: "
)]
#[case::pem(
    "{current-context: a, contexts: [{name: a, context: {cluster: c}}], \
             clusters: [{name: c, cluster: {server: 'https://a', certificate-authority-data: aGVsbG8=}}]}",
    "cluster c of the kubeconfig: its certificate authority holds no certificate"
)]
fn kubeconfigs_that_are_of_no_use(#[case] text: &str, #[case] wanted: &str) {
    let home = Home::new();
    let path = home.write("config", text);
    let outcome = home.audit(&[]);
    outcome.is_refused(&wanted.replace("{path}", path.to_str().unwrap()));
    assert!(!outcome.stderr.contains("'\""), "{}", outcome.stderr);
}

#[test]
fn a_file_of_the_name_of_a_pod_is_noticed() {
    let home = Home::new();
    let server = Server::with(|_| {
        (404, json!({"kind": "Status", "message": "pods \"captures\" not found", "code": 404}))
    });
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    home.write("captures", "");
    for (command, wanted) in [
        (
            "explain",
            "there is no pod captures in namespace shop; captures is a file here: name files with -f",
        ),
        (
            "diagnose",
            "there is no pod captures in namespace shop; captures is a file here: name files with -f",
        ),
    ] {
        let outcome = run(home.command(&[command, "captures"]).env("KUBECONFIG", home.path("config")));
        assert_eq!(outcome.stderr, format!("error: {wanted}\n"));
    }
}

/// The server's own words, and no more.
#[rstest]
#[case(500, "boom", "the API server answered: boom")]
#[case(403, "pods is forbidden", "pods is forbidden")]
fn an_answer_is_told_once(#[case] code: u16, #[case] message: &'static str, #[case] wanted: &str) {
    let home = Home::new();
    let server = Server::with(move |_| {
        let body: Value = json!({"kind": "Status", "status": "Failure", "message": message, "code": code});
        (code, body)
    });
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    let outcome = run(home.command(&["explain", "api"]).env("KUBECONFIG", home.path("config")));
    outcome.is_refused(wanted);
    assert_eq!(outcome.stderr.matches(message).count(), 1, "{}", outcome.stderr);
}

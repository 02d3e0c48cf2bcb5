//! Only the API server may call: it shows a client certificate, as docs/callers.md has it, and knows a path that is a secret.

use std::{env, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Authority, Creator, FULLNAME, LONG, Manifest, Namespace, RELEASE_NAMESPACE, Release, VALUE_1GI, check,
    client, failed_calls, gated_pod, gomemlimit, is_own_cluster, ready, script, try_kubectl, values,
    wait_for, wait_for_api_server,
};

const NAME: &str = "kube-apiserver.example.com";
const CONFIG_MAP: &str = "gomemlimit-callers";
const REFUSED: &str = r#"gomemlimit_tls_handshake_failures_total{reason="client-certificate"}"#;

/// The API server with an admission configuration; without it again at the end.
struct Configured {
    start: PathBuf,
    before: String,
}

impl Configured {
    async fn with(authority: &Authority) -> Self {
        let folder = PathBuf::from(env::var_os("CLUSTER_DIR").unwrap());
        let file = |name: &str| folder.join("etc").join(name).to_str().unwrap().to_owned();
        let identity = authority.sign(NAME, 48);
        fs::write(file("caller.crt"), identity.certificate).unwrap();
        fs::write(file("caller.key"), identity.key).unwrap();
        let user = json!({"client-certificate": file("caller.crt"), "client-key": file("caller.key")});
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "users": [{"name": "gomemlimit.gomemlimit.svc", "user": user}],
        });
        fs::write(file("callers.kubeconfig"), kubeconfig.to_string()).unwrap();
        let admission = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
            "plugins": [{"name": "MutatingAdmissionWebhook", "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": file("callers.kubeconfig"),
            }}],
        });
        fs::write(file("admission.yaml"), admission.to_string()).unwrap();
        let start = folder.join("run/kube-apiserver.sh");
        let before = fs::read_to_string(&start).unwrap();
        let flag = format!("--admission-control-config-file={}", file("admission.yaml"));
        fs::write(&start, format!("{} \\\n  {flag}\n", before.trim_end())).unwrap();
        let configured = Self { start, before };
        script("component", &["restart", "kube-apiserver"]);
        wait_for_api_server().await;
        configured
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = fs::write(&self.start, &self.before);
        script("component", &["restart", "kube-apiserver"]);
        for _ in 0..600 {
            if try_kubectl(&["get", "--raw", "/readyz"], "").is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Refusals that the replicas have counted.
async fn refusals(release: &Release) -> f64 {
    release.metrics(REFUSED).await.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_api_server_is_answered() {
    if !is_own_cluster("callers with a client certificate") {
        return;
    }
    let client = client().await;
    Release::remove(&client).await;
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    let authority = Authority::new("callers");
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP, "namespace": RELEASE_NAMESPACE},
        "data": {"ca.crt": authority.pem()},
    });
    try_kubectl(&["apply", "-f", "-"], &ca.to_string()).unwrap();
    let guarded = format!("tls.clientAuth.configMap={CONFIG_MAP},tls.clientAuth.names={{{NAME}}}");
    let guarded = ["--set", guarded.as_str()];
    let release = Release::fresh_and_ready(&client, &guarded).await;
    let namespace = Namespace::labelled(&client).await;

    // An API server without a certificate is a stranger like any other.
    let (failed, _) = failed_calls();
    let pod = Manifest(gated_pod("stranger", "1Gi")).create(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&pod, "app"), [""; 0], "the pod starts without a value");
    assert!(failed_calls().0 > failed);
    assert!(refusals(&release).await >= 1.0);
    // The pods of `helm test` are strangers, and expect that.
    release.test();

    let configured = Configured::with(&authority).await;
    let before = refusals(&release).await;
    let pod = Manifest(gated_pod("known", "1Gi")).create(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&pod, "app"), [VALUE_1GI]);
    let ran = gomemlimit(&["check", "--webhook-config", FULLNAME, "-n", &namespace.name, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let checks = ran.json()["checks"].as_array().cloned().unwrap_or_default();
    let certificate =
        checks.iter().find(|one| one["check"] == "certificate").and_then(|one| one["what"].as_str());
    assert!(certificate.unwrap().ends_with("; callers need a client certificate"), "{certificate:?}");
    // `check` itself is a stranger.
    assert!(refusals(&release).await >= before);

    // The path, in the two steps of docs/callers.md, while pods are created all the time.
    let creator = Creator::start(&client, 20).await;
    let path = "/0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let other = format!("webhook.otherPaths={{{path}}}");
    release.upgrade(&[&guarded[..], &["--set", &other]].concat());
    let changed = format!("webhook.path={path},webhook.otherPaths={{/mutate}}");
    release.upgrade(&[&guarded[..], &["--set", &changed]].concat());
    creator.stop_with_all_injected("callers: the path changed in two steps", 100).await;
    let entries = release.configuration().await.webhooks.unwrap_or_default();
    let called: Vec<_> = entries.into_iter().filter_map(|one| one.client_config.service?.path).collect();
    assert!(!called.is_empty() && called.iter().all(|one| one == path), "{called:?}");
    let ran = gomemlimit(&["check", "--webhook-config", FULLNAME, "-n", &namespace.name]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains(path), "{}", ran.stdout);
    for pod in release.pod_names().await {
        let log = try_kubectl(&["logs", "-n", RELEASE_NAMESPACE, &pod], "").unwrap();
        assert!(!log.contains(path), "{log}");
    }
    drop(configured);
    Release::remove(&client).await;
}

/// The token lives ten minutes, and its file is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_replicas_is_short() {
    let (_, release) = ready().await;
    for pod in release.pods().await {
        let spec = serde_json::to_value(&pod.spec).unwrap();
        assert_eq!(spec["automountServiceAccountToken"], false);
        let lives: Vec<&Value> = spec["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten())
            .filter_map(|source| source.pointer("/serviceAccountToken/expirationSeconds"))
            .collect();
        assert_eq!(lives, [&json!(600)], "{spec:#}");
    }
    wait_for("the CA bundles are right", LONG, async || {
        let wanted = release.secret_value("bundle.crt").await;
        let bundles = release.bundles().await;
        check(bundles.iter().all(|bundle| *bundle == wanted), || "not yet".to_owned())
    })
    .await;
}

//! The chart, installed.

use std::{
    collections::BTreeMap,
    env,
    sync::Mutex,
    time::{Duration, Instant},
};

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        core::v1::{Pod, Secret},
        discovery::v1::EndpointSlice,
    },
};
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{LONG, Namespace, check, client, helm, kubectl, try_kubectl, wait_for};

/// Where it is installed.
pub const RELEASE_NAMESPACE: &str = "gomemlimit";
/// The name of all its objects, and of the release.
pub const FULLNAME: &str = "gomemlimit";

/// The values of the release that is installed and sound.
static INSTALLED: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// An installed release.
pub struct Release {
    pub client: Client,
}

/// The chart with its default values, all replicas ready.
pub async fn ready() -> (Client, Release) {
    let client = client().await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    (client, release)
}

/// The same, and a labelled namespace.
pub async fn ready_with_namespace() -> (Client, Release, Namespace) {
    let (client, release) = ready().await;
    let namespace = Namespace::labelled(&client).await;
    (client, release, namespace)
}

impl Release {
    /// The chart with its default values, as left by an earlier test or installed now.
    pub async fn shared(client: &Client) -> Self {
        Self::shared_with(client, &[]).await
    }

    /// The same with arguments for helm.
    pub async fn shared_with(client: &Client, arguments: &[&str]) -> Self {
        let wanted: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        if INSTALLED.lock().unwrap().as_ref() == Some(&wanted) {
            return Self { client: client.clone() };
        }
        let release = Self::fresh(client, arguments).await;
        *INSTALLED.lock().unwrap() = Some(wanted);
        release
    }

    /// Installed anew; the next test does so, too.
    pub async fn fresh(client: &Client, arguments: &[&str]) -> Self {
        Self::remove(client).await;
        helm(&Self::install_arguments(arguments));
        Self { client: client.clone() }
    }

    /// The same, with all replicas ready.
    pub async fn fresh_and_ready(client: &Client, arguments: &[&str]) -> Self {
        let release = Self::fresh(client, arguments).await;
        release.assert_ready().await;
        release
    }

    /// `helm install --wait` as in the README.
    pub fn install_arguments<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        let install =
            ["install", FULLNAME, "charts/gomemlimit", "-n", RELEASE_NAMESPACE, "--create-namespace"];
        [&install, arguments, &["--wait", "--timeout=3m"]].concat().into_iter().chain(site()).collect()
    }

    /// `helm upgrade --wait` with these arguments.
    #[expect(clippy::unused_self, reason = "only an installed release has it")]
    pub fn upgrade(&self, arguments: &[&str]) -> String {
        helm(&Self::upgrade_arguments(arguments))
    }

    pub fn upgrade_arguments<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        let upgrade = ["upgrade", FULLNAME, "charts/gomemlimit", "-n", RELEASE_NAMESPACE];
        [&upgrade, arguments, &["--wait", "--timeout=3m"]].concat().into_iter().chain(site()).collect()
    }

    /// Uninstalls whatever there is, and waits until its pods are gone.
    pub async fn remove(client: &Client) {
        *INSTALLED.lock().unwrap() = None;
        helm(&["uninstall", FULLNAME, "-n", RELEASE_NAMESPACE, "--ignore-not-found", "--wait"]);
        // Pods would go on for the time of `server.shutdownDelay`. ReplicaSets are left to the garbage collector, which may be
        // minutes late after the API server was away, and makes pods for them as soon as there is an account again.
        let _ = try_kubectl(
            &[
                "delete",
                "replicasets,pods",
                "-n",
                RELEASE_NAMESPACE,
                "--all",
                "--grace-period=1",
                "--wait=false",
            ],
            "",
        );
        let pods: Api<Pod> = Api::namespaced(client.clone(), RELEASE_NAMESPACE);
        wait_for("the pods of the release are gone", LONG, async || {
            let left = pods.list(&ListParams::default()).await.unwrap().items;
            check(left.is_empty(), || {
                format!("{:?}", left.iter().map(ResourceExt::name_any).collect::<Vec<_>>())
            })
        })
        .await;
    }

    /// The webhook's pods that are not about to end.
    pub async fn pods(&self) -> Vec<Pod> {
        self.component("webhook").await
    }

    async fn component(&self, name: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), RELEASE_NAMESPACE);
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/component={name}"));
        let all = pods.list(&ours).await.unwrap().items;
        all.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
    }

    /// Names of these pods.
    pub async fn pod_names(&self) -> Vec<String> {
        self.pods().await.iter().map(ResourceExt::name_any).collect()
    }

    /// Names of the pods that keep certificates for all replicas.
    pub async fn keepers(&self) -> Vec<String> {
        self.component("keeper").await.iter().map(ResourceExt::name_any).collect()
    }

    /// Restarts of these pods' containers.
    pub async fn restarts(&self) -> BTreeMap<String, i32> {
        let pods = self.pods().await;
        let restarts = |pod: &Pod| -> i32 {
            let status = pod.status.as_ref();
            status
                .and_then(|status| status.container_statuses.as_ref())
                .into_iter()
                .flatten()
                .map(|c| c.restart_count)
                .sum()
        };
        pods.iter().map(|pod| (pod.name_any(), restarts(pod))).collect()
    }

    pub async fn assert_not_restarted(&self) {
        assert_eq!(self.restarts().await.values().sum::<i32>(), 0);
    }

    /// Replaces all replicas.
    #[expect(clippy::unused_self, reason = "only an installed release has it")]
    pub fn restart(&self) {
        let deployment = ["deployment/gomemlimit", "-n", RELEASE_NAMESPACE];
        kubectl(&[&["rollout", "restart"], &deployment[..]].concat());
        kubectl(&[&["rollout", "status", "--timeout=3m"], &deployment[..]].concat());
    }

    /// `helm test`, both pods of which have to succeed.
    #[expect(clippy::unused_self, reason = "only an installed release has it")]
    pub fn test(&self) {
        let output = helm(&["test", FULLNAME, "-n", RELEASE_NAMESPACE, "--timeout=3m"]);
        assert_eq!(output.matches("Phase:          Succeeded").count(), 2, "{output}");
    }

    /// Waits until every replica is ready; panics with the cause after a while.
    pub async fn assert_ready(&self) {
        wait_for("all replicas are ready", LONG, async || {
            let pods = self.pods().await;
            let unready: Vec<_> =
                pods.iter().filter(|pod| !is_ready(pod)).map(ResourceExt::name_any).collect();
            check(!pods.is_empty() && unready.is_empty(), || format!("not ready: {unready:?}"))
        })
        .await;
    }

    /// `/metrics` or `/readyz` of a pod, through the API server.
    #[expect(clippy::unused_self, reason = "only an installed release has it")]
    pub fn admin(&self, pod: &str, path: &str) -> String {
        kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/pods/{pod}:8081/proxy/{path}"),
        ])
    }

    /// A metric of every pod.
    pub async fn metrics(&self, series: &str) -> Vec<f64> {
        let names = self.pod_names().await;
        names.iter().map(|name| metric(&self.admin(name, "metrics"), series)).collect()
    }

    /// Endpoints of the Service that get calls.
    pub async fn ready_endpoints(&self) -> Result<usize, String> {
        let slices = Api::<EndpointSlice>::namespaced(self.client.clone(), RELEASE_NAMESPACE);
        let slices = slices.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
        let ready = endpoints.filter(|endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(false)
        });
        Ok(ready.count())
    }

    pub async fn secret(&self) -> Secret {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), RELEASE_NAMESPACE);
        secrets.get(&format!("{FULLNAME}-ca")).await.unwrap()
    }

    /// What the Secret holds under `key`.
    pub async fn secret_value(&self, key: &str) -> Vec<u8> {
        let data = self.secret().await.data.unwrap_or_default();
        data.get(key).map(|value| value.0.clone()).unwrap_or_default()
    }

    pub async fn configuration(&self) -> MutatingWebhookConfiguration {
        Api::all(self.client.clone()).get(FULLNAME).await.unwrap()
    }

    /// The CA bundle of each entry.
    pub async fn bundles(&self) -> Vec<Vec<u8>> {
        let entries = self.configuration().await.webhooks.unwrap_or_default();
        let bundle = |bundle: Option<ByteString>| bundle.map(|bundle| bundle.0).unwrap_or_default();
        entries.into_iter().map(|entry| bundle(entry.client_config.ca_bundle)).collect()
    }

    /// Waits until every entry's CA bundle is that of the Secret; how long it took.
    pub async fn wait_for_bundles(&self) -> Duration {
        let started = Instant::now();
        wait_for("the CA bundles are those of the Secret", LONG, async || {
            let (bundles, wanted) = (self.bundles().await, self.secret_value("bundle.crt").await);
            check(!wanted.is_empty() && bundles.iter().all(|bundle| *bundle == wanted), || {
                let sizes: Vec<_> = bundles.iter().map(Vec::len).collect();
                format!("the Secret's bundle has {} bytes, the entries' {sizes:?}", wanted.len())
            })
        })
        .await;
        started.elapsed()
    }
}

/// Arguments for helm that this cluster needs, such as `--set image.repository=…`.
fn site() -> Vec<&'static str> {
    static ARGUMENTS: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| env::var("GOMEMLIMIT_HELM_ARGS").unwrap_or_default());
    ARGUMENTS.split_whitespace().collect()
}

pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The value of a series in the text of a scrape; 0 where it is not there.
pub fn metric(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// The API server's counts of failed calls of the webhook: let through, and refused.
pub fn failed_calls() -> (f64, f64) {
    let text = kubectl(&["get", "--raw", "/metrics"]);
    // A count appears with the first failure.
    let sum = |name: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(".gomemlimit.dev\""));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .fold(0.0, |sum, count| sum + count)
    };
    (sum("apiserver_admission_webhook_fail_open_count{"), sum("apiserver_admission_webhook_rejection_count{"))
}

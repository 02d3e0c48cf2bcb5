//! What the API server reaches instead of the webhook: a proxy on this machine that takes its time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::harness::{FULLNAME, LONG, RELEASE_NAMESPACE, Release, check, kubectl, try_kubectl, wait_for};

/// An `EndpointSlice` that no controller looks after.
const SLICE: &str = "gomemlimit-e2e-proxy";

/// Takes the place of the Service's endpoints until this is dropped. The bytes are those of the replicas, so the
/// certificate is theirs, too.
pub struct Proxy {
    state: Arc<State>,
    selector: String,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    delay_ms: AtomicU64,
    delayed: AtomicUsize,
}

impl Proxy {
    /// Between the Service and the addresses of the replicas, without a delay at first.
    pub async fn start(replicas: Vec<String>) -> Self {
        let host = std::env::var("CLUSTER_HOST_ADDRESS").expect("a cluster of tests/e2e/up");
        let listener = TcpListener::bind((&*host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let mut server = JoinSet::new();
        server.spawn(accept(listener, replicas, state.clone()));
        let service = ["service", FULLNAME, "-n", RELEASE_NAMESPACE];
        let selector = kubectl(&[&["get"], &service[..], &["-o", "jsonpath={.spec.selector}"]].concat());
        let proxy = Self { state, selector, _server: server };
        // Without a selector the controller leaves the Service alone, and what it has made stays.
        kubectl(&[&["patch"], &service[..], &["-p", r#"{"spec":{"selector":null}}"#]].concat());
        wait_for("the endpoints of the replicas are gone", LONG, async || {
            // A controller may not have seen it yet, and make them once more; another copies those of the old kind.
            kubectl(&["delete", "endpoints", FULLNAME, "-n", RELEASE_NAMESPACE, "--ignore-not-found"]);
            sleep(Duration::from_secs(1)).await;
            let made = format!("kubernetes.io/service-name={FULLNAME}");
            let said = kubectl(&["delete", "endpointslices", "-n", RELEASE_NAMESPACE, "-l", &made]);
            check(!said.contains("deleted"), || said)
        })
        .await;
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": SLICE, "namespace": RELEASE_NAMESPACE,
                "labels": {
                    "kubernetes.io/service-name": FULLNAME,
                    "endpointslice.kubernetes.io/managed-by": "gomemlimit-e2e",
                },
            },
            "endpoints": [{"addresses": [host], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        });
        try_kubectl(&["create", "-f", "-"], &slice.to_string()).unwrap();
        proxy
    }

    /// From now on each piece of data on its way to the webhook waits for so long.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Pieces of data that have waited so far.
    pub fn delayed(&self) -> usize {
        self.state.delayed.load(Ordering::Relaxed)
    }

    /// Gives the Service its replicas back, and ends once nothing comes here any more.
    pub async fn leave(self, release: &Release) {
        self.restore();
        wait_for("the Service has its endpoints again", LONG, async || {
            let ready = release.ready_endpoints().await?;
            check(ready == 2, || format!("{ready} endpoints are ready"))
        })
        .await;
        // What the node knows of Services is a little behind.
        sleep(Duration::from_secs(2)).await;
    }

    fn restore(&self) {
        let slice = ["delete", "endpointslice", SLICE, "-n", RELEASE_NAMESPACE, "--ignore-not-found"];
        let selector = format!("{{\"spec\":{{\"selector\":{}}}}}", self.selector);
        let service = ["patch", "service", FULLNAME, "-n", RELEASE_NAMESPACE, "-p", &selector];
        for said in [try_kubectl(&service, ""), try_kubectl(&slice, "")] {
            if let Err(said) = said {
                println!("left behind: {said}");
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Each connection goes to the next replica, as it would by the Service.
async fn accept(listener: TcpListener, replicas: Vec<String>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    for replica in replicas.iter().cycle() {
        let Ok((near, _)) = listener.accept().await else { return };
        let (replica, state) = (replica.clone(), state.clone());
        connections.spawn(async move {
            let Ok(far) = TcpStream::connect((&*replica, 10250)).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            // The end of either way is the end of both, as with a connection.
            tokio::select! {
                _ = pass(near_in, far_out, Some(&state)) => {}
                _ = pass(far_in, near_out, None) => {}
            }
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delays: Option<&State>,
) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        let delay = delays.map_or(0, |state| state.delay_ms.load(Ordering::Relaxed));
        if let Some(state) = delays.filter(|_| delay > 0) {
            sleep(Duration::from_millis(delay)).await;
            state.delayed.fetch_add(1, Ordering::Relaxed);
        }
        to.write_all(&piece[..length]).await?;
    }
}

//! The watch on namespaces against a scripted API server on loopback: a real kube client, and answers
//! that a test cannot get from a real server on demand (errors, expired watches).

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use gomemlimit::{controller::namespaces::WatchedNamespaces, serve::handler::Namespaces};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

/// The script of the server: the answers to lists in turn, and the events of every watch.
struct Script {
    lists: Vec<(u16, Value)>,
    events: mpsc::UnboundedReceiver<Value>,
}

fn namespace(name: &str, annotations: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": name, "resourceVersion": "7", "annotations": annotations},
    })
}

fn list(items: &[Value]) -> (u16, Value) {
    let list = json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"}, "items": items,
    });
    (200, list)
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}))
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

async fn answer(listener: TcpListener, mut script: Script) {
    script.lists.reverse();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some(head) = head(&mut stream).await {
            assert!(head.starts_with("GET /api/v1/namespaces?"), "{head}");
            assert!(head.contains("labelSelector=gomemlimit.dev%2Finject%3Denabled"), "{head}");
            assert!(head.contains("as=PartialObjectMetadata"), "metadata only: {head}");
            let is_page = head.contains("limit=10") || head.contains("watch=true");
            assert!(is_page, "one answer is in memory as a whole: {head}");
            if head.contains("watch=true") {
                let headers =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(headers.as_bytes()).await.unwrap();
                while let Some(event) = script.events.recv().await {
                    let line = format!("{event}\n");
                    stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.unwrap();
                    if event["type"] == "ERROR" {
                        break;
                    }
                }
                stream.write_all(b"0\r\n\r\n").await.unwrap();
            } else {
                let (code, body) = if script.lists.len() > 1 {
                    script.lists.pop().unwrap()
                } else {
                    script.lists[0].clone()
                };
                let body = body.to_string();
                let headers = format!(
                    "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((headers + &body).as_bytes()).await.unwrap();
            }
        }
    }
}

struct Test {
    watched: Arc<WatchedNamespaces>,
    events: mpsc::UnboundedSender<Value>,
    _tasks: JoinSet<()>,
}

impl Test {
    async fn start(lists: Vec<(u16, Value)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let (events, receiver) = mpsc::unbounded_channel();
        let watched = Arc::new(WatchedNamespaces::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(answer(listener, Script { lists, events: receiver }));
        tasks.spawn(watched.clone().follow(client, "gomemlimit.dev/inject=enabled".to_owned()));
        Self { watched, events, _tasks: tasks }
    }

    async fn wait(&self, what: &str, holds: impl Fn(&WatchedNamespaces) -> bool) {
        let started = Instant::now();
        while !holds(&self.watched) {
            assert!(started.elapsed() < Duration::from_secs(30), "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn event(&self, kind: &str, object: &Value) {
        self.events.send(json!({"type": kind, "object": object})).unwrap();
    }
}

fn ratio(watched: &WatchedNamespaces, namespace: &str) -> Option<String> {
    watched.annotations(namespace).remove("gomemlimit.dev/ratio")
}

fn is_known(watched: &WatchedNamespaces) -> bool {
    watched.known.load(Ordering::Relaxed)
}

#[tokio::test]
async fn annotations_follow_the_namespaces() {
    let shop = namespace("shop", &json!({"gomemlimit.dev/ratio": "0.8", "other.example/note": "long text"}));
    let test = Test::start(vec![list(&[shop])]).await;
    test.wait("listed", is_known).await;
    assert_eq!(ratio(&test.watched, "shop").as_deref(), Some("0.8"));
    assert_eq!(test.watched.annotations("shop").len(), 1, "only what the core reads is kept");
    assert_eq!(ratio(&test.watched, "unknown"), None);

    test.event("MODIFIED", &namespace("shop", &json!({"gomemlimit.dev/ratio": "0.7"})));
    test.wait("changed", |watched| ratio(watched, "shop").as_deref() == Some("0.7")).await;
    test.event("ADDED", &namespace("bank", &json!({"gomemlimit.dev/ratio": "0.6"})));
    test.wait("added", |watched| ratio(watched, "bank").as_deref() == Some("0.6")).await;
    test.event("DELETED", &namespace("shop", &json!({})));
    test.wait("deleted", |watched| ratio(watched, "shop").is_none()).await;
    assert_eq!(ratio(&test.watched, "bank").as_deref(), Some("0.6"));
}

#[tokio::test]
async fn unknown_until_the_first_list_succeeds() {
    let test = Test::start(vec![
        failure(503, "ServiceUnavailable"),
        list(&[namespace("shop", &json!({"gomemlimit.dev/ratio": "0.8"}))]),
    ])
    .await;
    assert!(!is_known(&test.watched));
    test.wait("listed after a failure", is_known).await;
    assert_eq!(ratio(&test.watched, "shop").as_deref(), Some("0.8"));
}

#[tokio::test]
async fn an_expired_watch_is_listed_again_and_what_is_known_stays_meanwhile() {
    let test = Test::start(vec![
        list(&[namespace("shop", &json!({"gomemlimit.dev/ratio": "0.8"}))]),
        failure(500, "InternalError"),
        list(&[namespace("bank", &json!({"gomemlimit.dev/ratio": "0.6"}))]),
    ])
    .await;
    test.wait("listed", is_known).await;
    let gone =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410});
    test.event("ERROR", &gone);
    test.wait("listed again", |watched| {
        let (shop, bank) = (ratio(watched, "shop"), ratio(watched, "bank"));
        assert!(shop.is_some() || bank.is_some(), "never empty in between");
        bank.is_some()
    })
    .await;
    assert_eq!(ratio(&test.watched, "shop"), None, "the new list replaces the old one");
}

#[tokio::test]
async fn every_page_of_a_list_counts() {
    let page = |name: &str, next: &str| {
        let (code, mut list) = list(&[namespace(name, &json!({"gomemlimit.dev/ratio": "0.8"}))]);
        list["metadata"]["continue"] = next.into();
        (code, list)
    };
    let test = Test::start(vec![page("shop", "a"), page("bank", "b"), page("mail", "")]).await;
    test.wait("listed", is_known).await;
    for name in ["shop", "bank", "mail"] {
        assert_eq!(ratio(&test.watched, name).as_deref(), Some("0.8"));
    }
}

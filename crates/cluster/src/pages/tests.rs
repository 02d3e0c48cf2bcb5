//! Pages that are too large, and lists that do not end, against an API server in memory.
#![allow(clippy::unwrap_used)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use http_body_util::StreamBody;
use hyper::{
    Request as HttpRequest, Response,
    body::{Bytes, Frame},
};
use kube::{Client, client::Body};

use super::*;

/// Limit and continue token of each request, and the number of MiB that were read of all answers.
#[derive(Clone, Default)]
struct Record {
    requests: Arc<Mutex<Vec<(usize, String)>>>,
    taken: Arc<Mutex<usize>>,
}

/// An API server: status and body by limit and continue token, in chunks of 1 MiB.
fn server(answer: impl Fn(usize, &str) -> (u16, Arc<str>) + Clone + Send + 'static) -> (Cluster, Record) {
    let record = Record::default();
    let of_server = record.clone();
    let service = tower::service_fn(move |request: HttpRequest<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or_default();
        let token = value("continue").unwrap_or_default();
        of_server.requests.lock().unwrap().push((limit, token.to_owned()));
        let (status, body) = answer(limit, token);
        let count = of_server.taken.clone();
        let chunks = futures::stream::unfold(0, move |from| {
            let to = body.len().min(from + (1 << 20));
            let chunk = body.as_bytes().get(from..to).filter(|chunk| !chunk.is_empty());
            let chunk = chunk.map(Bytes::copy_from_slice);
            *count.lock().unwrap() += usize::from(chunk.is_some());
            std::future::ready(chunk.map(|chunk| (Ok::<_, io::Error>(Frame::data(chunk)), to)))
        });
        let response = Response::builder().status(status).body(StreamBody::new(chunks)).unwrap();
        std::future::ready(Ok::<_, io::Error>(response))
    });
    (Cluster::of(Client::new(service, "shop")), record)
}

/// A page of `sizes`, from the index that the token is.
fn page(sizes: &[usize], limit: usize, token: &str) -> (u16, Arc<str>) {
    let from = token.parse().unwrap_or(0);
    let to = sizes.len().min(from + limit);
    let items = (from..to).map(|index| format!(r#"{{"index":{index},"x":"{}"}}"#, "x".repeat(sizes[index])));
    let next = if to < sizes.len() { to.to_string() } else { String::new() };
    let items = items.collect::<Vec<_>>().join(",");
    (200, format!(r#"{{"metadata":{{"continue":"{next}"}},"items":[{items}]}}"#).into())
}

/// The indices of the items, and the result of the list.
async fn read(cluster: &Cluster, chunk: u32) -> (Vec<usize>, Result<(), ApiError>) {
    #[derive(Deserialize)]
    struct Item {
        index: usize,
    }
    let mut items = Vec::new();
    let listing = Listing { chunk, ..Listing::all("/api/v1/pods") };
    let ended = listing
        .read(cluster, |event| match event {
            ListEvent::Begin => items.clear(),
            ListEvent::Item(json) => items.push(serde_json::from_str::<Item>(json).unwrap().index),
            ListEvent::Page { .. } => {}
        })
        .await;
    (items, ended)
}

fn limits(record: &Record) -> Vec<usize> {
    record.requests.lock().unwrap().iter().map(|(limit, _)| *limit).collect()
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    const SIZE: usize = 1_200_000;
    let (cluster, record) = server(|limit, token| page(&[SIZE; 20], limit, token));
    let (items, ended) = read(&cluster, 16).await;
    ended.unwrap();
    assert_eq!(items, (0..20).collect::<Vec<_>>());
    assert_eq!(limits(&record), [16, 8, 4, 4, 4, 4, 4]);
    // Of what is too large no more than a page is taken.
    let pages = 5 * (4 * SIZE).div_ceil(1 << 20);
    assert!(*record.taken.lock().unwrap() <= pages + 2 * 10, "{}", record.taken.lock().unwrap());
}

#[tokio::test]
async fn pages_of_small_items_grow_again() {
    let sizes: Vec<_> = (0..120).map(|index| if index < 6 { 3_000_000 } else { 1000 }).collect();
    let (cluster, record) = server(move |limit, token| page(&sizes, limit, token));
    let (items, ended) = read(&cluster, 32).await;
    assert_eq!((items, ended.is_ok()), ((0..120).collect(), true));
    assert_eq!(limits(&record), [32, 16, 8, 4, 2, 2, 2, 2, 4, 8, 16, 32, 32, 32]);
}

#[tokio::test]
async fn a_list_in_smaller_pages_that_expires_begins_again() {
    let gone = Arc::new(Mutex::new(2));
    let (cluster, record) = server(move |limit, token| {
        let mut gone = gone.lock().unwrap();
        if token == "4" && *gone > 0 {
            *gone -= 1;
            return (410, r#"{"kind":"Status","code":410,"message":"too old"}"#.into());
        }
        page(&[1_500_000; 6], limit, token)
    });
    let (items, ended) = read(&cluster, 8).await;
    assert_eq!((items, ended.is_ok()), ((0..6).collect(), true));
    assert_eq!(limits(&record), [8, 4, 4, 8, 4, 4, 8, 4, 4]);
}

#[tokio::test]
async fn one_item_that_is_too_large_is_an_error_that_names_it() {
    let large: Arc<str> = "x".repeat(MAX_ANSWER + (4 << 20)).into();
    let (cluster, record) = server(move |_, _| (200, large.clone()));
    let (items, ended) = read(&cluster, 2).await;
    assert_eq!((items.len(), limits(&record)), (0, vec![2, 1]));
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the API server at http://test answered GET /api/v1/pods with more than 64 MiB, and the rest was not read; see \
         what is so large: kubectl get --raw '/api/v1/pods' | head -c 2000"
    );
    assert!(*record.taken.lock().unwrap() <= 9 + 65, "{}", record.taken.lock().unwrap());
}

/// Whatever is asked for: an object, a page of a pod, statistics of a kubelet.
#[cfg(feature = "cli")]
#[tokio::test]
async fn no_answer_is_read_beyond_its_bound() {
    let large: Arc<str> = "x".repeat(MAX_ANSWER + 1).into();
    for status in [200, 500] {
        let large = large.clone();
        let (cluster, _) = server(move |_, _| (status, large.clone()));
        let object = cluster.get::<serde_json::Value>("/api/v1/namespaces", "shop").await.unwrap_err();
        let kubelet = cluster.text_at("/api/v1/nodes/n/proxy/stats/summary", CALL).await.unwrap_err();
        for error in [object, kubelet] {
            assert!(matches!(error, ApiError::TooLarge { max: MAX_ANSWER, .. }), "{error}");
        }
    }
    let small: Arc<str> = "x".repeat(70 << 10).into();
    let (cluster, _) = server(move |_, _| (200, small.clone()));
    let pod = cluster.ask_pod("shop", "api", 8081, "/readyz").await.unwrap_err();
    assert!(matches!(pod, ApiError::TooLarge { max: 65_536, .. }), "{pod}");
    // Nor is the message of a failure.
    let long: Arc<str> =
        serde_json::json!({"kind": "Status", "code": 500, "message": "x".repeat(100_000)}).to_string().into();
    let (cluster, _) = server(move |_, _| (500, long.clone()));
    let error = cluster.text_at("/x", CALL).await.unwrap_err().to_string();
    assert!(error.len() < 3000, "{}", error.len());
}

#[tokio::test]
async fn a_list_that_does_not_end_is_given_up() {
    // The same page for ever; new tokens and nothing else; new tokens and items.
    let (cluster, record) = server(|limit, _| page(&[1, 1], limit, "0"));
    let (_, ended) = read(&cluster, 1).await;
    let error = ended.unwrap_err().to_string();
    assert!(
        error.contains("a list of /api/v1/pods that does not end: the next page is the page itself"),
        "{error}"
    );
    assert_eq!(limits(&record).len(), 2);

    let endless = |items: Arc<str>| {
        let token = Mutex::new(0);
        let token = Arc::new(token);
        server(move |_, _| {
            *token.lock().unwrap() += 1;
            let next = token.lock().unwrap();
            (200, format!(r#"{{"metadata":{{"continue":"{next}"}},"items":[{items}]}}"#).into())
        })
    };
    let (cluster, record) = endless("".into());
    let (_, ended) = read(&cluster, 250).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("more than 1000 pages without an item"), "{error}");
    assert_eq!(limits(&record).len(), 1001);

    let (cluster, record) = endless(vec!["0"; 300_000].join(",").into());
    let mut count = 0;
    let listing = Listing::all("/api/v1/pods");
    let ended = listing.read(&cluster, |event| count += u64::from(matches!(event, ListEvent::Item(_)))).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("more than 1000000 items"), "{error}");
    assert_eq!((count, limits(&record).len()), (1_200_000, 4));
}

//! The client of the keeper and the watches over a real socket.

use gomemlimit::cluster::client::with_config;
use gomemlimit_fake_api_server::{FakeApiServer, Fault, NAMESPACE, SECRET};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Config, api::ListParams};
use rstest::rstest;
use tokio::{net::TcpListener, task::JoinSet};

/// kube's default is to repeat such a call fifteen times, for minutes and without a word.
#[rstest]
#[tokio::test]
async fn an_overloaded_api_server_is_asked_once_and_the_caller_knows(#[values(429, 503, 504)] code: u16) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = FakeApiServer::default();
    api.fail(move |_| Some(Fault::Refused(code, "overloaded")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(api.clone().serve(listener));
    let client = with_config(Config::new(url.parse().unwrap())).unwrap();
    let only = ListParams::default().fields(&format!("metadata.name={SECRET}"));
    let listed = Api::<Secret>::namespaced(client, NAMESPACE).list(&only).await;
    assert!(matches!(listed, Err(kube::Error::Api(status)) if status.code == code));
    assert_eq!(api.calls(), 1);
}

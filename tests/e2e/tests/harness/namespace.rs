//! Namespaces with names of their own, gone at the end of the test.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use kube::{Api, Client, api::PostParams};

use super::{LONG, try_kubectl, wait_for};

/// A namespace that is deleted when this is dropped, also by a panic.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    /// One whose pods get a value.
    pub async fn labelled(client: &Client) -> Self {
        Self::new(client, &[("gomemlimit.dev/inject", "enabled")], &[]).await
    }

    /// Ready for pods.
    pub async fn new(client: &Client, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gomemlimit-e2e-{}-{count}", std::process::id());
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let mut object = Object::default();
        object.metadata.name = Some(name.clone());
        object.metadata.labels = Some(text(labels));
        object.metadata.annotations = Some(text(annotations));
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let namespace = Self { name };
        // Without it no pod is accepted.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace.name);
        wait_for("the service account of a new namespace", LONG, async || {
            accounts.get("default").await.map_err(|error| error.to_string())
        })
        .await;
        namespace
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"];
        if let Err(said) = try_kubectl(&arguments, "") {
            println!("left behind: {said}");
        }
    }
}

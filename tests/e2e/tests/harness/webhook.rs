//! A mutating webhook of the test's own, on this machine, which the API server of tests/e2e/up can call.

use std::{convert::Infallible, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{Authority, bundle, try_kubectl};

/// What the webhook does with a pod: operations of a JSON Patch.
pub type Mutation = fn(&Value) -> Vec<Value>;

/// Serves and is registered until this is dropped.
pub struct Webhook {
    name: String,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Called for pods created in `namespace`. Webhooks are called in the order of their names.
    #[expect(clippy::disallowed_methods, reason = "the test's tasks end with its runtime")]
    pub async fn start(name: &str, namespace: &str, mutation: Mutation) -> Self {
        let address = std::env::var("CLUSTER_HOST_ADDRESS").expect("a cluster of tests/e2e/up");
        let authority = Authority::new(name);
        let identity = authority.sign(&address, 1);
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind((&*address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, mutation));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": format!("{name}.gomemlimit.test"),
                "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "reinvocationPolicy": "Never", "timeoutSeconds": 5,
                "clientConfig": {"url": format!("https://{address}:{port}/"), "caBundle": bundle(&[&authority])},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            }],
        });
        let webhook = Self { name: name.to_owned(), server };
        try_kubectl(&["create", "-f", "-"], &configuration.to_string()).unwrap();
        webhook
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ =
            try_kubectl(&["delete", "mutatingwebhookconfiguration", &self.name, "--ignore-not-found"], "");
        self.server.abort();
    }
}

async fn answer(request: Request<Incoming>, mutation: Mutation) -> Result<Response<Full<Bytes>>, Infallible> {
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let patch = Value::from(mutation(&review["request"]["object"])).to_string();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": BASE64_STANDARD.encode(patch),
        },
    });
    let body = Full::new(Bytes::from(answer.to_string()));
    Ok(Response::builder().header("content-type", "application/json").body(body).unwrap())
}

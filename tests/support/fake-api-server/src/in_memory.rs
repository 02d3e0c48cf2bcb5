//! An API server in memory with the objects of the self-managed certificates: the Secrets and the webhook
//! configuration, each by name. It lists, watches, updates and patches them as the real one does, and fails as a test
//! wants it to. In memory it is [`FakeApiServer::answer`], on loopback [`FakeApiServer::serve`].

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    call::{CONFIGURATION, Call, Fault, NAMESPACE, Resource, Verb},
    state::{Line, State, answer, event, failure},
};

/// Cloning gives a handle on the same objects.
#[derive(Clone)]
pub struct FakeApiServer(Arc<Mutex<State>>);

impl Default for FakeApiServer {
    /// What `helm install` leaves: empty Secrets, and a configuration of two entries without a CA bundle.
    fn default() -> Self {
        let state = State {
            version: 1,
            objects: BTreeMap::new(),
            history: Vec::new(),
            watches: Vec::new(),
            calls: Vec::new(),
            rule: Box::new(|_| None),
        };
        let new = Self(Arc::new(Mutex::new(state)));
        new.create(Resource::Secrets);
        new.create(Resource::ServingSecrets);
        new.create(Resource::Configurations);
        new
    }
}

impl FakeApiServer {
    /// From now on requests fail by `rule`.
    pub fn fail(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.state().rule = Box::new(rule);
    }

    /// How many such requests there were.
    #[must_use]
    pub fn count(&self, verb: Verb, resource: Resource) -> usize {
        self.state().count(verb, resource)
    }

    /// How many requests there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls.len()
    }

    /// The CA bundle of every entry is that of the Secret, and there is one.
    #[must_use]
    pub fn is_published(&self) -> bool {
        let state = self.state();
        let bundle = state.objects.get(&Resource::Secrets).map(|secret| &secret["data"]["bundle.crt"]);
        let entries = state.objects.get(&Resource::Configurations).map(|object| &object["webhooks"]);
        let (Some(bundle), Some(entries)) = (bundle, entries.and_then(Value::as_array)) else { return false };
        bundle.is_string() && entries.iter().all(|entry| entry["clientConfig"]["caBundle"] == *bundle)
    }

    /// As `helm upgrade` makes it where it is missing.
    pub fn create(&self, resource: Resource) {
        let entry =
            |name| json!({"name": name, "clientConfig": {"service": {"name": "s", "namespace": "n"}}});
        let object = match resource {
            Resource::Secrets | Resource::ServingSecrets => json!({
                "kind": "Secret", "apiVersion": "v1",
                "metadata": {"name": resource.name(), "namespace": NAMESPACE},
            }),
            Resource::Configurations => json!({
                "kind": "MutatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
                "metadata": {"name": CONFIGURATION},
                "webhooks": [entry("pods.gomemlimit.dev"), entry("opted-in.gomemlimit.dev")],
            }),
        };
        self.state().write("ADDED", resource, object);
    }

    pub fn delete(&self, resource: Resource) {
        let mut state = self.state();
        let object = state.objects[&resource].clone();
        state.write("DELETED", resource, object);
    }

    /// The data of a Secret, in base64; `null` where there is none.
    #[must_use]
    pub fn data(&self, resource: Resource) -> Value {
        self.state().objects.get(&resource).map(|object| object["data"].clone()).unwrap_or_default()
    }

    /// Somebody else writes the data of a Secret.
    pub fn overwrite(&self, resource: Resource, data: Value) {
        let mut state = self.state();
        let mut object = state.objects[&resource].clone();
        object["data"] = data;
        state.write("MODIFIED", resource, object);
    }

    /// The CA bundle of the first entry, in base64.
    #[must_use]
    pub fn bundle(&self) -> Value {
        let state = self.state();
        let object = state.objects.get(&Resource::Configurations);
        object.map(|object| object["webhooks"][0]["clientConfig"]["caBundle"].clone()).unwrap_or_default()
    }

    /// Somebody else writes the CA bundle of the first entry.
    pub fn overwrite_bundle(&self) {
        let mut state = self.state();
        let mut object = state.objects[&Resource::Configurations].clone();
        object["webhooks"][0]["clientConfig"]["caBundle"] = "Zm9yZWlnbg==".into();
        state.write("MODIFIED", Resource::Configurations, object);
    }

    /// Somebody else changes the Secret.
    pub fn change_secret(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let mut object = state.objects[&Resource::Secrets].clone();
        change(&mut object);
        state.write("MODIFIED", Resource::Secrets, object);
    }

    /// The Secret as it is.
    #[must_use]
    pub fn secret(&self) -> Value {
        self.state().objects[&Resource::Secrets].clone()
    }

    /// Every watch ends, as where a connection is closed.
    pub fn end_watches(&self) {
        self.state().watches.clear();
    }

    /// Every watch breaks.
    pub fn break_watches(&self) {
        for (_, watch) in self.state().watches.drain(..) {
            let _ = watch.send(Err(io::ErrorKind::ConnectionReset.into()));
        }
    }

    /// Every watch gets a 410: the version that it would go on from has expired.
    pub fn expire_watches(&self) {
        let line = event("ERROR", &failure(410, "too old resource version"));
        for (_, watch) in self.state().watches.drain(..) {
            let _ = watch.send(Ok(line.clone().into()));
        }
    }

    /// Answers requests until this is dropped.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let app = Router::new().fallback(move |request: Request| {
            let server = self.clone();
            async move {
                // hyper closes the connection of a body that fails.
                let broken =
                    |error| Body::from_stream(futures::stream::iter([Line::Err(error)])).into_response();
                server.answer(0, request).await.unwrap_or_else(broken)
            }
        });
        axum::serve(listener, app).await
    }

    /// The answer to a request of a replica; an error where the connection breaks.
    pub async fn answer(&self, replica: usize, request: Request) -> io::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
        let query = parts.uri.query().unwrap_or_default();
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let selected = |resource: &Resource| {
            parameter("fieldSelector") == format!("metadata.name%3D{}", resource.name())
        };
        let secrets = [Resource::Secrets, Resource::ServingSecrets];
        let (resource, name) = match parts.uri.path().rsplit('/').collect::<Vec<_>>()[..] {
            ["secrets", NAMESPACE, ..] => {
                // The right is one by name.
                let secret = secrets.into_iter().find(selected);
                (secret.unwrap_or_else(|| panic!("no right to {}", parts.uri)), None)
            }
            [name, "secrets", NAMESPACE, ..] => {
                let secret = secrets.into_iter().find(|secret| secret.name() == name);
                (secret.unwrap_or_else(|| panic!("no right to {}", parts.uri)), Some(name))
            }
            ["mutatingwebhookconfigurations", ..] => (Resource::Configurations, None),
            [name, "mutatingwebhookconfigurations", ..] => (Resource::Configurations, Some(name)),
            _ => panic!("no right to ask for {}", parts.uri),
        };
        let named = resource.name();
        let verb = match (&parts.method, name) {
            (&Method::GET, None) => {
                assert!(selected(&resource), "{}", parts.uri);
                if parameter("watch") == "true" { Verb::Watch } else { Verb::List }
            }
            (&Method::PUT, Some(name)) if name == named => Verb::Update,
            (&Method::PATCH, Some(name)) if name == named => Verb::Patch,
            _ => panic!("no right to {} {}", parts.method, parts.uri),
        };
        let fault = self.state().called(replica, verb, resource);
        match fault {
            Some(Fault::Refused(code, message)) => return Ok(answer(code, &failure(code, message))),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Broken(kind)) => return Err(kind.into()),
            Some(Fault::Ended) => return Ok(Body::empty().into_response()),
            Some(Fault::AnswerLost(..)) | None => {}
        }
        let mut state = self.state();
        let (code, object) = match verb {
            Verb::List => (200, state.list(resource)),
            Verb::Watch => {
                let version = parameter("resourceVersion").parse().unwrap();
                let seconds = parameter("timeoutSeconds").parse().unwrap();
                return Ok(state.watch(resource, version, Duration::from_secs(seconds)));
            }
            Verb::Update => state.update(resource, serde_json::from_slice(&body).unwrap()),
            Verb::Patch => state.patch(resource, &serde_json::from_slice(&body).unwrap()),
        };
        Ok(match fault {
            Some(Fault::AnswerLost(code, message)) => answer(code, &failure(code, message)),
            _ => answer(code, &object),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

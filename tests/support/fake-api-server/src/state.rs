//! The objects of the API server in memory, and their watches.

use std::{collections::BTreeMap, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::call::{Call, Fault, Resource, Verb};

pub(crate) type Rule = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;
pub(crate) type Line = Result<Bytes, io::Error>;

pub(crate) struct State {
    pub(crate) version: u64,
    pub(crate) objects: BTreeMap<Resource, Value>,
    /// What watches are sent: version, and the line.
    pub(crate) history: Vec<(u64, Resource, String)>,
    pub(crate) watches: Vec<(Resource, mpsc::UnboundedSender<Line>)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) rule: Rule,
}

impl State {
    pub(crate) fn count(&self, verb: Verb, resource: Resource) -> usize {
        self.calls.iter().filter(|call| (call.verb, call.resource) == (verb, resource)).count()
    }

    pub(crate) fn called(&mut self, replica: usize, verb: Verb, resource: Resource) -> Option<Fault> {
        let call = Call { replica, verb, resource, before: self.count(verb, resource) };
        let fault = (self.rule)(&call);
        self.calls.push(call);
        fault
    }

    pub(crate) fn write(&mut self, kind: &str, resource: Resource, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        match kind {
            "DELETED" => self.objects.remove(&resource),
            _ => self.objects.insert(resource, object.clone()),
        };
        let line = event(kind, &object);
        self.history.push((self.version, resource, line.clone()));
        self.watches.retain(|(of, watch)| *of != resource || watch.send(Ok(line.clone().into())).is_ok());
        object
    }

    pub(crate) fn list(&self, resource: Resource) -> Value {
        let items: Vec<_> = self.objects.get(&resource).into_iter().collect();
        json!({
            "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": self.version.to_string()},
            "items": items,
        })
    }

    pub(crate) fn watch(&mut self, resource: Resource, version: u64, length: Duration) -> Response {
        let (watch, lines) = mpsc::unbounded_channel();
        let missed = self.history.iter().filter(|(at, of, _)| *of == resource && *at > version);
        for (_, _, line) in missed {
            let _ = watch.send(Ok(line.clone().into()));
        }
        self.watches.push((resource, watch));
        let lines = futures::stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)));
        Body::from_stream(lines.take_until(Box::pin(tokio::time::sleep(length)))).into_response()
    }

    pub(crate) fn update(&mut self, resource: Resource, object: Value) -> (u16, Value) {
        match self.objects.get(&resource) {
            None => (404, failure(404, "not found")),
            Some(now) if now["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] => {
                (409, failure(409, "the object has been modified"))
            }
            Some(_) => (200, self.write("MODIFIED", resource, object)),
        }
    }

    pub(crate) fn patch(&mut self, resource: Resource, patch: &json_patch::Patch) -> (u16, Value) {
        let Some(mut object) = self.objects.get(&resource).cloned() else {
            return (404, failure(404, "not found"));
        };
        match json_patch::patch(&mut object, patch) {
            // The real one writes nothing either where nothing changes.
            Ok(()) if self.objects[&resource] == object => (200, object),
            Ok(()) => (200, self.write("MODIFIED", resource, object)),
            Err(error) => (422, failure(422, &error.to_string())),
        }
    }
}

pub(crate) fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// A failure in the API server's words.
pub(crate) fn failure(code: u16, message: &str) -> Value {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

pub(crate) fn answer(code: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(code).unwrap();
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

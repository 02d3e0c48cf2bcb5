//! The objects that hold certificates, as the state machine reads them: watched by name, read, patched.

use futures::{Stream, StreamExt};
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::runtime::watcher::{self, Event};
use serde_json::json;

use crate::{
    certs::{EntryBundle, SecretData},
    controller::watch_backoff::WatchUpdate,
};

/// The one object of a watch by name: `None` once it is known that there is none.
pub(super) fn single<T>(
    events: impl Stream<Item = Result<WatchUpdate<Event<T>>, watcher::Error>>,
) -> impl Stream<Item = Result<WatchUpdate<Option<T>>, watcher::Error>> {
    // A list begins with `Init`, and is complete with `InitDone`.
    let mut listed = false;
    events.filter_map(move |event| {
        let object = match event {
            Ok(WatchUpdate::Event(Event::Init)) => {
                listed = false;
                None
            }
            Ok(WatchUpdate::Event(Event::InitApply(object) | Event::Apply(object))) => {
                listed = true;
                Some(Ok(WatchUpdate::Event(Some(object))))
            }
            Ok(WatchUpdate::Event(Event::InitDone)) => (!listed).then_some(Ok(WatchUpdate::Event(None))),
            Ok(WatchUpdate::Event(Event::Delete(_))) => Some(Ok(WatchUpdate::Event(None))),
            Ok(WatchUpdate::Resumed) => Some(Ok(WatchUpdate::Resumed)),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(object)
    })
}

pub(super) fn data(secret: &Secret) -> SecretData {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

pub(super) fn entries(configuration: &MutatingWebhookConfiguration) -> Vec<EntryBundle> {
    let entries = configuration.webhooks.iter().flatten();
    entries
        .map(|entry| EntryBundle {
            name: entry.name.clone(),
            bundle: entry.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.clone()).unwrap_or_default(),
        })
        .collect()
}

/// JSON Patch, not server-side apply, which would create an entry that somebody renamed meanwhile.
pub(super) fn bundle_patch(
    entries: &[(usize, String)],
    bundle: &str,
) -> Result<json_patch::Patch, serde_json::Error> {
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let operations = entries.iter().flat_map(|(index, name)| {
        [
            json!({"op": "test", "path": format!("/webhooks/{index}/name"), "value": name}),
            json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": bundle}),
        ]
    });
    serde_json::from_value(operations.collect())
}

//! The annotations of opted-in namespaces, kept current by a watch on their metadata.
//!
//! Requests read a snapshot in memory and never wait for the API server. While it is away the last
//! snapshot holds; the watch tries again with growing pauses.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use arc_swap::ArcSwap;
use futures::{Stream, StreamExt};
use gomemlimit_core::NamespaceAnnotations;
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, Event, watcher},
};
use tracing::{info, warn};

use super::{
    namespace_metadata::NamespaceMetadata,
    watch_backoff::{WatchUpdate, with_backoff},
};
use crate::{
    cluster::error::describe_watch,
    metrics::{Metrics, Watch},
    serve::{
        handler::Namespaces,
        readiness::{Degraded, Flag},
    },
};

/// Namespaces of one answer of the API server, which is in memory as a whole, more than once for a moment. One has 256 KiB of annotations at most,
/// and as much as etcd takes, 1.5 MiB, with its labels.
const PAGE: u32 = 10;

type Snapshot = HashMap<String, NamespaceAnnotations>;

/// What is known about the namespaces.
#[derive(Default)]
pub struct WatchedNamespaces {
    snapshot: ArcSwap<Snapshot>,
    /// Set after the first complete list.
    pub known: Flag,
    /// What is wrong at the moment.
    pub degraded: Degraded,
    metrics: Metrics,
}

impl Namespaces for WatchedNamespaces {
    fn annotations(&self, namespace: &str) -> NamespaceAnnotations {
        self.snapshot.load().get(namespace).cloned().unwrap_or_default()
    }
}

impl WatchedNamespaces {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Follows the namespaces with this label until the future is dropped.
    pub async fn follow(self: Arc<Self>, client: Client, label: String) {
        let config = watcher::Config::default().labels(&label).page_size(PAGE);
        let events = with_backoff(watcher(Api::<NamespaceMetadata>::all(client), config));
        self.apply(events).await;
    }

    async fn apply(
        &self,
        events: impl Stream<Item = Result<WatchUpdate<Event<NamespaceMetadata>>, watcher::Error>>,
    ) {
        let mut events = std::pin::pin!(events);
        // The list under way; it replaces the snapshot when it is complete.
        let mut listed = Snapshot::new();
        while let Some(update) = events.next().await {
            match update {
                // A list that begins may still fail.
                Ok(WatchUpdate::Event(Event::Init)) => listed.clear(),
                Ok(WatchUpdate::Event(event)) => {
                    self.note(None);
                    self.take(event, &mut listed);
                }
                Ok(WatchUpdate::Resumed) => self.note(None),
                Err(error) => self.note(Some(&error)),
            }
        }
    }

    fn take(&self, event: Event<NamespaceMetadata>, listed: &mut Snapshot) {
        match event {
            Event::Init => {}
            Event::InitApply(namespace) => {
                listed.insert(namespace.name_any(), namespace.settings());
            }
            Event::InitDone => {
                info!(namespaces = listed.len(), "namespaces listed");
                self.snapshot.store(Arc::new(std::mem::take(listed)));
                self.known.store(true, Ordering::Relaxed);
            }
            Event::Apply(namespace) => {
                let (name, settings) = (namespace.name_any(), namespace.settings());
                // Most changes are of something else.
                if self.snapshot.load().get(&name) != Some(&settings) {
                    self.update(|snapshot| drop(snapshot.insert(name, settings)));
                }
            }
            Event::Delete(namespace) => self.update(|snapshot| {
                snapshot.remove(&namespace.name_any());
            }),
        }
    }

    fn note(&self, error: Option<&watcher::Error>) {
        self.metrics.watch_up(Watch::Namespaces, error.is_none());
        let problem =
            error.map(|error| format!("cannot watch the {}: {}", Watch::Namespaces, describe_watch(error)));
        if let Some(problem) = &problem
            && self.degraded.load().is_empty()
        {
            warn!(%problem, "what is known stays, trying again");
        }
        self.degraded.store(Arc::new(problem.into_iter().collect()));
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        // Settings change rarely and only here, so copying the map is cheap enough.
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        change(&mut snapshot);
        self.snapshot.store(Arc::new(snapshot));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use tokio::time::timeout;

    use super::*;

    /// Whether there is trouble an hour after these events.
    async fn has_trouble<const N: usize>(
        events: [Result<Event<NamespaceMetadata>, watcher::Error>; N],
    ) -> bool {
        let watched = WatchedNamespaces::default();
        let events = with_backoff(stream::iter(events).chain(stream::pending()));
        assert!(timeout(Duration::from_hours(1), watched.apply(events)).await.is_err(), "it goes on");
        !watched.degraded.load().is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_ends_once_the_watch_is_resumed_or_the_list_complete() {
        let failed = || Err(watcher::Error::NoResourceVersion);
        assert!(!has_trouble([Ok(Event::Init), Ok(Event::InitDone), failed()]).await, "resumed");
        assert!(!has_trouble([failed(), Ok(Event::Init), Ok(Event::InitDone)]).await, "listed");
        assert!(has_trouble([failed(), Ok(Event::Init)]).await, "a list has only begun");
    }
}

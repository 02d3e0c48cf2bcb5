//! Lists in pages, and watches, item by item as raw JSON: memory is that of one page, whatever the cluster's size.

use futures::{AsyncBufReadExt, StreamExt};
use kube::{
    api::{ListParams, WatchParams},
    core::Request,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::{ApiError, Cluster, unreadable};

/// A list that expires so many times while it is read is given up.
const MOST_RESTARTS: u32 = 5;

/// The API server ends a watch after so many seconds; then all is listed again.
const WATCH_SECONDS: u32 = 290;

/// What to list.
#[derive(Clone, Debug)]
pub struct Listing {
    /// `/api/v1/pods` or the like.
    pub path: String,
    /// Selects by labels.
    pub selector: Option<String>,
    /// Items a page.
    pub chunk: u32,
}

/// What is heard of a list or a watch.
pub enum Heard<'a> {
    /// The list begins, or begins again: what was heard before does not count.
    Begin,
    /// One item, as JSON.
    Item(&'a str),
    /// So many items were heard; so many are left, where the API server says so.
    Page {
        /// Heard since the beginning.
        seen: u64,
        /// Left to be heard.
        left: Option<u64>,
    },
}

#[derive(Deserialize)]
struct Page<'a> {
    metadata: PageMetadata,
    /// `null` where there are none.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    remaining_item_count: Option<u64>,
    resource_version: Option<String>,
}

impl Listing {
    /// Everything in `path`.
    #[must_use]
    pub fn all(path: impl Into<String>) -> Self {
        Self { path: path.into(), selector: None, chunk: 250 }
    }

    /// Reads the list; the version of it, for a watch.
    pub async fn read(
        &self,
        cluster: &Cluster,
        mut heard: impl FnMut(Heard<'_>),
    ) -> Result<String, ApiError> {
        let mut restarts = 0;
        loop {
            match self.read_once(cluster, &mut heard).await {
                // The API server keeps what a page continues for about five minutes.
                Err(ApiError::Gone(_)) if restarts < MOST_RESTARTS => restarts += 1,
                done => return done,
            }
        }
    }

    async fn read_once(
        &self,
        cluster: &Cluster,
        heard: &mut impl FnMut(Heard<'_>),
    ) -> Result<String, ApiError> {
        heard(Heard::Begin);
        let (mut seen, mut next) = (0, None);
        loop {
            let mut params = ListParams::default().limit(self.chunk);
            params.label_selector.clone_from(&self.selector);
            params.continue_token = next.take();
            let text = cluster.text(Request::new(&*self.path).list(&params)).await?;
            let page: Page<'_> = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
            for item in page.items.iter().flatten() {
                seen += 1;
                heard(Heard::Item(item.get()));
            }
            heard(Heard::Page { seen, left: page.metadata.remaining_item_count });
            next = page.metadata.next.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(page.metadata.resource_version.unwrap_or_default());
            }
        }
    }

    /// Follows changes from `version` on until the API server ends the watch. An error says why it ended early.
    pub async fn watch(
        &self,
        cluster: &Cluster,
        version: &str,
        mut changed: impl FnMut(Change, &str),
    ) -> Result<(), ApiError> {
        let mut params = WatchParams::default().timeout(WATCH_SECONDS).disable_bookmarks();
        params.label_selector.clone_from(&self.selector);
        let request = Request::new(&*self.path).watch(&params, version);
        let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
        let stream = cluster.client.request_stream(request).await.map_err(|error| cluster.told(&error))?;
        let mut lines = std::pin::pin!(stream.lines());
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| cluster.unreachable(error.to_string()))?;
            if line.is_empty() {
                continue;
            }
            let event: Event<'_> = serde_json::from_str(&line).map_err(|error| unreadable(&error))?;
            match event.kind {
                "ADDED" | "MODIFIED" => changed(Change::Put, event.object.get()),
                "DELETED" => changed(Change::Gone, event.object.get()),
                "ERROR" => {
                    let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
                    return Err(match status.code {
                        410 => ApiError::Gone(status.message),
                        _ => ApiError::Other(status.message),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, new or different.
    Put,
    /// It is no longer there.
    Gone,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

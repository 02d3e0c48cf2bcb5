//! Lists in pages, and watches, item by item as raw JSON: memory is that of one page, whatever the cluster's size and
//! that of its objects.

use std::{io, time::Duration};

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use kube::{
    api::{ListParams, WatchParams},
    core::Request,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    api::{Cluster, MAX_ANSWER},
    call_limits::CALL,
    error::{ApiError, unreadable},
};
use crate::causes::with_causes;

/// Maximum number of times that a list may expire while it is read.
const MAX_RESTARTS: u32 = 5;

/// Maximum size of a page, in bytes: 8 MiB. Of a larger one the rest is not read, and half as many items are asked for.
const MAX_PAGE: usize = 8 << 20;

/// After a page below this size twice as many items are asked for again, up to [`Listing::chunk`]; bytes. Far below
/// [`MAX_PAGE`], so that a list of large items does not grow and shrink with every page.
const SMALL_PAGE: usize = MAX_PAGE / 4;

/// Maximum number of items of a list. Kubernetes supports clusters of up to 150,000 pods
/// (<https://kubernetes.io/docs/setup/best-practices/cluster-large/>).
const MAX_ITEMS: u64 = 1_000_000;

/// Maximum number of pages of a list that have no items and are not the last.
const MAX_EMPTY_PAGES: u64 = 1000;

/// The API server ends a watch after so many seconds; then all is listed again.
const WATCH_SECONDS: u32 = 290;

/// A watch that is silent for longer has lost its API server.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);

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

/// An event while a list is read.
pub enum ListEvent<'a> {
    /// The list begins, or begins again: events before do not count.
    Begin,
    /// One item, as JSON.
    Item(&'a str),
    /// The end of a page.
    Page {
        /// Number of items since the beginning.
        seen: u64,
        /// Number of items that are left, if the API server tells.
        left: Option<u64>,
    },
}

/// A whole list.
#[derive(Clone, Debug)]
pub struct Collected<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// How many could not, and why; they are left out.
    pub unreadable: Option<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    metadata: ListMeta,
    /// `null` if there are none.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
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
    ///
    /// # Errors
    /// [`ApiError`] of the first page that cannot be read; the items before it are reported.
    pub async fn read(
        &self,
        cluster: &Cluster,
        mut report: impl FnMut(ListEvent<'_>),
    ) -> Result<String, ApiError> {
        let mut restarts = 0;
        loop {
            match self.read_once(cluster, &mut report).await {
                // The API server keeps what a page continues for about five minutes.
                Err(ApiError::Gone(_)) if restarts < MAX_RESTARTS => restarts += 1,
                done => return done,
            }
        }
    }

    /// Reads the whole list, each item as `T`. One of a shape that surprises us does not end the list.
    ///
    /// # Errors
    /// [`ApiError`] if a page cannot be read.
    pub async fn collect<T: DeserializeOwned>(&self, cluster: &Cluster) -> Result<Collected<T>, ApiError> {
        self.collect_as(cluster, |item| serde_json::from_str(item)).await
    }

    /// The same for items that read themselves.
    pub(crate) async fn collect_as<T>(
        &self,
        cluster: &Cluster,
        parse: impl Fn(&str) -> Result<T, serde_json::Error>,
    ) -> Result<Collected<T>, ApiError> {
        let mut items = Vec::new();
        let (mut count, mut first) = (0_u64, None);
        self.read(cluster, |event| match event {
            ListEvent::Begin => {
                items.clear();
                (count, first) = (0, None);
            }
            ListEvent::Item(item) => match parse(item) {
                Ok(item) => items.push(item),
                Err(error) => {
                    count += 1;
                    first.get_or_insert(error);
                }
            },
            ListEvent::Page { .. } => {}
        })
        .await?;
        let plural = self.path.rsplit('/').next().unwrap_or_default();
        let unreadable = first
            .map(|error| format!("{count} {plural} cannot be read and are left out; the first: {error}"));
        Ok(Collected { items, unreadable })
    }

    async fn read_once(
        &self,
        cluster: &Cluster,
        report: &mut impl FnMut(ListEvent<'_>),
    ) -> Result<String, ApiError> {
        report(ListEvent::Begin);
        let (mut seen, mut empty_pages, mut next) = (0_u64, 0, None);
        let mut chunk = self.chunk;
        loop {
            let text = match self.page(cluster, next.as_deref(), chunk).await {
                Err(ApiError::TooLarge { .. }) if chunk > 1 => {
                    chunk /= 2;
                    continue;
                }
                text => text?,
            };
            let page: Page<'_> = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
            let before = seen;
            for item in page.items.iter().flatten() {
                seen += 1;
                report(ListEvent::Item(item.get()));
            }
            report(ListEvent::Page { seen, left: page.metadata.remaining_item_count });
            empty_pages += u64::from(seen == before);
            let Some(token) = page.metadata.next.filter(|token| !token.is_empty()) else {
                return Ok(page.metadata.resource_version.unwrap_or_default());
            };
            if next.as_ref() == Some(&token) {
                return Err(self.endless("the next page is the page itself"));
            }
            if seen > MAX_ITEMS {
                return Err(self.endless(&format!("there are more than {MAX_ITEMS} items")));
            }
            if empty_pages > MAX_EMPTY_PAGES {
                return Err(
                    self.endless(&format!("there are more than {MAX_EMPTY_PAGES} pages without an item"))
                );
            }
            next = Some(token);
            if text.len() < SMALL_PAGE {
                chunk = chunk.saturating_mul(2).min(self.chunk);
            }
        }
    }

    /// The text of one page. A page of one item may be as large as any answer.
    async fn page(&self, cluster: &Cluster, token: Option<&str>, chunk: u32) -> Result<String, ApiError> {
        let mut params = ListParams::default().limit(chunk);
        params.label_selector.clone_from(&self.selector);
        params.continue_token = token.map(str::to_owned);
        let request = Request::new(&*self.path).list(&params).map_err(|error| with_causes(&error));
        let max = if chunk > 1 { MAX_PAGE } else { MAX_ANSWER };
        cluster.bounded(request, CALL, max).await
    }

    fn endless(&self, why: &str) -> ApiError {
        ApiError::Other(format!(
            "a list of {} that does not end: {why}; ask with kubectl get, and whoever runs the API server",
            self.path
        ))
    }

    /// Follows changes from `version` on until the API server ends the watch, or `changed` wants no more. An error
    /// says why it ended early.
    ///
    /// # Errors
    /// [`ApiError`] if the watch cannot begin, or ends with an error.
    pub async fn watch(
        &self,
        cluster: &Cluster,
        version: &str,
        mut changed: impl FnMut(Change, &str) -> bool,
    ) -> Result<(), ApiError> {
        let mut params = WatchParams::default().timeout(WATCH_SECONDS).disable_bookmarks();
        params.label_selector.clone_from(&self.selector);
        let request = Request::new(&*self.path).watch(&params, version);
        let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
        let stream = cluster.within(CALL, cluster.client.request_stream(request)).await?;
        let mut stream = std::pin::pin!(stream);
        loop {
            let line = timeout(SILENCE, read_line(&mut stream)).await;
            let line = line.map_err(|_| cluster.unreachable("the watch has become silent".to_owned()))?;
            let line = line.map_err(|error| cluster.unreachable(error.to_string()))?;
            let Some(line) = line else { return Ok(()) };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let event: Event<'_> = serde_json::from_slice(&line).map_err(|error| unreadable(&error))?;
            let goes_on = match event.kind {
                "ADDED" | "MODIFIED" => changed(Change::Put, event.object.get()),
                "DELETED" => changed(Change::Gone, event.object.get()),
                "ERROR" => {
                    let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
                    return Err(match status.code {
                        410 => ApiError::Gone(status.message),
                        _ => ApiError::Other(status.message),
                    });
                }
                _ => true,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }
}

/// The next line, of [`MAX_ANSWER`] at most; `None` at the end.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let (mut line, max) = (Vec::new(), MAX_ANSWER as u64);
    stream.take(max).read_until(b'\n', &mut line).await?;
    if line.len() as u64 == max {
        return Err(io::Error::other(format!(
            "an event of the watch has more than {} MiB",
            MAX_ANSWER >> 20
        )));
    }
    Ok((!line.is_empty()).then_some(line))
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

#[cfg(test)]
mod tests;

//! Lists in pages, item by item as raw JSON: memory is that of one page, however large the cluster and its objects are.

use kube::{api::ListParams, core::Request};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

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

/// A list of the API server.
#[derive(Clone, Debug)]
pub struct Listing {
    /// `/api/v1/pods` or the like.
    pub path: String,
    /// Label selector.
    pub selector: Option<String>,
    /// Maximum number of items in a page.
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
        /// Number of items that are left, if the API server reports it.
        left: Option<u64>,
    },
}

/// A whole list.
#[derive(Clone, Debug)]
pub struct Collected<T> {
    /// The items that could be read.
    pub items: Vec<T>,
    /// The number of items that are left out because they could not be read, with the first cause.
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
}

impl Listing {
    /// All items of `path`, in pages of 250.
    #[must_use]
    pub fn all(path: impl Into<String>) -> Self {
        Self { path: path.into(), selector: None, chunk: 250 }
    }

    /// Reads the list.
    ///
    /// # Errors
    ///
    /// If the API server refuses, if the list expires too often, or if it does not end.
    pub async fn read(
        &self,
        cluster: &Cluster,
        mut report: impl FnMut(ListEvent<'_>),
    ) -> Result<(), ApiError> {
        let mut restarts = 0;
        loop {
            match self.read_once(cluster, &mut report).await {
                // The API server keeps what a page continues for about five minutes.
                Err(ApiError::Gone(_)) if restarts < MAX_RESTARTS => restarts += 1,
                done => return done,
            }
        }
    }

    /// Reads the whole list, each item as `T`. An item of an unknown shape does not end the list.
    ///
    /// # Errors
    ///
    /// As for [`Self::read`].
    pub async fn collect<T: DeserializeOwned>(&self, cluster: &Cluster) -> Result<Collected<T>, ApiError> {
        self.collect_as(cluster, |item| serde_json::from_str(item)).await
    }

    /// Reads the whole list, each item by `parse`.
    ///
    /// # Errors
    ///
    /// As for [`Self::read`].
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
    ) -> Result<(), ApiError> {
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
                return Ok(());
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
}

#[cfg(test)]
mod tests;

//! An API server that answers with far more than anybody expects, over a socket.

use std::iter;

use gomemlimit_fake_api_server::{Head, Query, Reply, kubeconfig_file, listen};
use serde_json::json;

/// A kubeconfig of a server with these answers.
pub fn start(answer: impl Fn(&Head) -> Reply + Send + Sync + 'static) -> tempfile::NamedTempFile {
    kubeconfig_file(listen(None, answer))
}

/// A page of a list of this number of items, as the query asks for it.
pub fn page(query: &Query, count: usize, item: impl Fn(usize) -> String) -> Reply {
    let number = |name| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let from = number("continue").unwrap_or(0);
    let until = count.min(from + number("limit").unwrap_or(count));
    let items: Vec<String> = (from..until).map(item).collect();
    let next = if until < count { until.to_string() } else { String::new() };
    list(&next, &items.join(","))
}

pub fn list(next: &str, items: &str) -> Reply {
    let metadata = json!({"resourceVersion": "7", "continue": next});
    let list = format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":[{items}]}}"#);
    Reply::Body(200, list)
}

/// A list with this item without end.
pub fn endless(item: &str) -> Reply {
    let begin = r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":["#.to_owned();
    Reply::Chunks(Box::new(iter::once(begin).chain(iter::repeat(item.repeat((64 << 10) / item.len() + 1)))))
}

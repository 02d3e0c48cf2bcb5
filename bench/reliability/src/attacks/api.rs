//! An API server that answers with far more than anybody expects, over a socket.

use std::iter;

use gomemlimit_fake_api_server::{Answer, Head, Query, kubeconfig_file, listen};
use serde_json::json;

/// A kubeconfig of a server with these answers.
pub fn start(answer: impl Fn(&Head) -> Answer + Send + Sync + 'static) -> tempfile::NamedTempFile {
    kubeconfig_file(listen(None, answer))
}

/// A page of a list of so many items, as the query asks for it.
pub fn page(query: &Query, count: usize, item: impl Fn(usize) -> String) -> Answer {
    let number = |name| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let from = number("continue").unwrap_or(0);
    let until = count.min(from + number("limit").unwrap_or(count));
    let items: Vec<String> = (from..until).map(item).collect();
    let next = if until < count { until.to_string() } else { String::new() };
    list(&next, &items.join(","))
}

pub fn list(next: &str, items: &str) -> Answer {
    let metadata = json!({"resourceVersion": "7", "continue": next});
    let list = format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":[{items}]}}"#);
    Answer::Body(200, list)
}

/// A list with this item without end.
pub fn endless(item: &str) -> Answer {
    let begin = r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":["#.to_owned();
    Answer::Chunks(Box::new(iter::once(begin).chain(iter::repeat(item.repeat((64 << 10) / item.len() + 1)))))
}

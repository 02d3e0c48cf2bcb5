//! Parts of sentences.

use gomemlimit_core::units::human as size;

use crate::{evidence::Limit, growth::AddedGoroutines, statistics::percent_of, verdict::Conclusion};

pub(super) fn live(of: &Conclusion<'_>) -> String {
    let live = of.figures.live_mean;
    format!("{}{}", size(live.unwrap_or(0)), of_limit(live, of.figures.limit))
}

/// ` (62 % of the limit of 256MiB)`, if there is one.
pub(super) fn of_limit(bytes: Option<u64>, limit: Limit) -> String {
    match (bytes, limit.bytes()) {
        (Some(bytes), Some(limit)) => {
            format!(" ({:.0} % of the limit of {})", percent_of(bytes, limit), size(limit))
        }
        _ => String::new(),
    }
}

/// ` (main.go:42)`, if the place is known.
pub(super) fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" ({place})") }
}

pub(super) fn file_name(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

/// One of the two goroutines of a connection of an HTTP client (`net/http/transport.go`).
pub(super) fn is_client_connection(added: &AddedGoroutines) -> bool {
    added.group.functions.iter().any(|name| name.starts_with("net/http.(*persistConn)."))
}

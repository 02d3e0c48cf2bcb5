//! The CAs of the live CA bundle, each with its fingerprint, and those that nobody would expect there.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::{
    certs::{CaCertificate, Fingerprint, check_origin},
    cli::output,
};

/// How far clocks may be apart before the end of a CA is unexpected.
const CLOCKS: Duration = Duration::from_hours(1);

/// One CA that the API server trusts for the webhook.
#[derive(Clone, Debug)]
pub(super) struct ListedCa {
    sha256: Fingerprint,
    not_after: SystemTime,
    /// Why no replica would have published it; only with self-managed certificates.
    unexpected: Option<String>,
}

impl ListedCa {
    pub(super) fn json(&self) -> Value {
        json!({
            "sha256": self.sha256.to_string(),
            "notAfter": humantime::format_rfc3339_seconds(self.not_after).to_string(),
            "unexpected": self.unexpected,
        })
    }
}

/// A table of them, empty if there are none.
pub(super) fn table(cas: &[ListedCa]) -> String {
    if cas.is_empty() {
        return String::new();
    }
    let rows = cas.iter().map(|ca| {
        let unexpected = ca.unexpected.clone().unwrap_or_else(|| "-".to_owned());
        vec![ca.sha256.to_string(), humantime::format_rfc3339_seconds(ca.not_after).to_string(), unexpected]
    });
    format!("\n{}", output::table(&["CA (SHA-256)", "NOT AFTER", "UNEXPECTED"], rows))
}

/// The CAs of all entries, each once. Where certificates are self-managed, `life` is how long CAs live, if it is known.
pub(super) fn list(
    is_self_managed: bool,
    life: Option<Duration>,
    server_name: &str,
    bundles: &[(&str, Vec<CaCertificate>)],
) -> Vec<ListedCa> {
    let latest = life.and_then(|life| SystemTime::now().checked_add(life + CLOCKS));
    let unexpected = |ca: &CaCertificate| match check_origin(ca, server_name) {
        _ if !is_self_managed => None,
        Err(not_ours) => Some(not_ours.to_string()),
        Ok(()) if latest.is_some_and(|latest| ca.not_after > latest) => {
            Some("it ends later than --ca-duration allows".to_owned())
        }
        Ok(()) => None,
    };
    let mut listed: Vec<ListedCa> = Vec::new();
    for ca in bundles.iter().flat_map(|(_, bundle)| bundle) {
        let sha256 = Fingerprint::of(ca);
        if !listed.iter().any(|one| one.sha256 == sha256) {
            listed.push(ListedCa { sha256, not_after: ca.not_after, unexpected: unexpected(ca) });
        }
    }
    listed
}

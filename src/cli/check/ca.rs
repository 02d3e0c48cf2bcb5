//! The CAs of the live CA bundle, each with its fingerprint, and whether it is expected there.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use thiserror::Error;

use crate::{
    certs::{CaCertificate, Fingerprint, check_origin},
    cli::output,
    cluster::webhook_configuration::WebhookEntry,
};

/// Maximum difference of clocks before the end of a CA is unexpected.
const MAX_CLOCK_SKEW: Duration = Duration::from_hours(1);

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

/// Why the CA bundle of an entry verifies nothing.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum BundleError {
    #[error("the CA bundle is empty")]
    Empty,
    #[error("there is no certificate in the CA bundle")]
    NoCertificate,
    #[error("every certificate of the CA bundle has expired or is not valid yet")]
    NoneValid,
}

/// The certificates of an entry's CA bundle.
///
/// # Errors
/// If none of them is valid now.
pub(super) fn bundle(entry: &WebhookEntry) -> Result<Vec<CaCertificate>, BundleError> {
    let bytes = entry.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.as_slice()).unwrap_or_default();
    if bytes.is_empty() {
        return Err(BundleError::Empty);
    }
    let all = CaCertificate::all_from_pem(bytes);
    match all.iter().any(|one| one.is_valid_at(SystemTime::now())) {
        true => Ok(all),
        false if all.is_empty() => Err(BundleError::NoCertificate),
        false => Err(BundleError::NoneValid),
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

/// The CAs of all entries, each once. `life` is the validity of self-managed CAs, if it is known.
pub(super) fn list(
    is_self_managed: bool,
    life: Option<Duration>,
    server_name: &str,
    bundles: &[(&str, Vec<CaCertificate>)],
) -> Vec<ListedCa> {
    let latest = life.and_then(|life| SystemTime::now().checked_add(life + MAX_CLOCK_SKEW));
    let unexpected = |ca: &CaCertificate| match check_origin(ca, server_name) {
        _ if !is_self_managed => None,
        Err(problem) => Some(problem.to_string()),
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

//! Paths that the webhook answers at.

use std::str::FromStr;

use thiserror::Error;

/// Maximum length of a segment, in bytes (RFC 1123, as Kubernetes has it).
const MAX_SEGMENT: usize = 253;

/// Why a path is refused.
#[derive(Debug, Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("must start with /")]
    NoSlash,
    /// The API server would refuse it.
    #[error("has a segment that Kubernetes does not accept: small letters, digits, - and . are")]
    Segment,
}

/// A path that a webhook configuration may have: each segment is a DNS name (`IsDNS1123Subdomain`), as in
/// `ValidateWebhookService` of k8s.io/apiserver (`pkg/util/webhook/validation.go`). It may be a secret, so it is neither
/// shown nor logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebhookPath(String);

impl WebhookPath {
    /// The path, with its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for WebhookPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookPath")
    }
}

impl FromStr for WebhookPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let segments = path.strip_prefix('/').ok_or(PathError::NoSlash)?;
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        if path == "/" || segments.split('/').all(is_subdomain) {
            return Ok(Self(path.to_owned()));
        }
        Err(PathError::Segment)
    }
}

fn is_subdomain(segment: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(is_inner)
    };
    segment.len() <= MAX_SEGMENT && segment.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kubernetes_accepts() {
        for path in ["/", "/mutate", "/mutate/", "/a.b-c/0d", &format!("/{}", "a".repeat(MAX_SEGMENT))] {
            assert_eq!(path.parse::<WebhookPath>().unwrap().as_str(), path);
        }
        let long = format!("/{}", "a".repeat(MAX_SEGMENT + 1));
        let refused = [
            "", "mutate", "//", "/a//b", "/A", "/a?b", "/a%20b", "/a_b", "/-a", "/a-", "/.a", "/a.", "/{a}",
            "/*a", "/ä", &long,
        ];
        for path in refused {
            assert!(path.parse::<WebhookPath>().is_err(), "{path}");
        }
        let secret: WebhookPath = "/0123456789".parse().unwrap();
        assert!(!format!("{secret:?}").contains("0123"), "{secret:?}");
    }
}

//! The links of the chain from a new pod to its value, and what is found about them.

use serde_json::{Value, json};

use super::ca::ListedCa;
use crate::{cli::output::Colour, cluster::api::ApiError};

/// A link. The first that is broken is the one to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    Configuration,
    /// Of a policy, where that decides instead of a webhook.
    Binding,
    NamespaceLabel,
    NamespaceSelector,
    Rules,
    ObjectSelector,
    MatchConditions,
    Service,
    Pods,
    Endpoints,
    CaBundle,
    Certificate,
    Settings,
    DryRun,
}

impl Link {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Binding => "binding",
            Self::NamespaceLabel => "namespace-label",
            Self::NamespaceSelector => "namespace-selector",
            Self::Rules => "rules",
            Self::ObjectSelector => "object-selector",
            Self::MatchConditions => "match-conditions",
            Self::Service => "service",
            Self::Pods => "pods",
            Self::Endpoints => "endpoints",
            Self::CaBundle => "ca-bundle",
            Self::Certificate => "certificate",
            Self::Settings => "settings",
            Self::DryRun => "dry-run",
        }
    }
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    Broken,
    /// It could not be looked at.
    Unknown,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }

    pub(super) const fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Green,
            Self::Broken => Colour::Red,
            Self::Unknown => Colour::Yellow,
        }
    }
}

/// What is found about a link.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) link: Link,
    pub(super) state: State,
    /// The namespace, where it is about one.
    pub(super) namespace: Option<String>,
    /// One sentence.
    pub(super) what: String,
    /// What mends it, for a shell. Empty where no command does.
    pub(super) command: String,
    /// The CAs that the API server trusts, where it is about the CA bundle.
    pub(super) cas: Vec<ListedCa>,
}

impl Finding {
    pub(super) fn new(link: Link, state: State, what: impl Into<String>) -> Self {
        Self { link, state, namespace: None, what: what.into(), command: String::new(), cas: Vec::new() }
    }

    pub(super) fn ok(link: Link, what: impl Into<String>) -> Self {
        Self::new(link, State::Ok, what)
    }

    pub(super) fn broken(link: Link, what: impl Into<String>, command: impl Into<String>) -> Self {
        Self { command: command.into(), ..Self::new(link, State::Broken, what) }
    }

    pub(super) fn unknown(link: Link, what: impl Into<String>) -> Self {
        Self::new(link, State::Unknown, what)
    }

    pub(super) fn of(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({
            "link": self.link.as_str(),
            "state": self.state.as_str(),
            "namespace": self.namespace,
            "what": self.what,
            "command": self.command,
        });
        if let Some(object) = json.as_object_mut().filter(|_| !self.cas.is_empty()) {
            object.insert("certificates".to_owned(), self.cas.iter().map(ListedCa::json).collect());
        }
        json
    }
}

/// The first broken link in the order of the chain.
pub(super) fn first_broken(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().filter(|finding| finding.state == State::Broken).min_by_key(|finding| finding.link)
}

/// What may not be read is unknown; other errors end the check.
pub(super) fn note<T>(
    read: Result<T, ApiError>,
    link: Link,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>, ApiError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(problem @ (ApiError::Forbidden(_) | ApiError::TooLarge { .. })) => {
            findings.push(Finding::unknown(link, problem.to_string()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

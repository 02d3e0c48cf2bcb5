//! What one check has found, and which finding is the first to fix.

use serde_json::{Value, json};
use strum::IntoStaticStr;

use super::{
    ca::ListedCa,
    checks::{Cause, Check},
};
use crate::{cli::output::Colour, cluster::api::ApiError};

/// State of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(super) enum State {
    Ok,
    Broken,
    /// It could not be looked at.
    Unknown,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    pub(super) const fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Green,
            Self::Broken => Colour::Red,
            Self::Unknown => Colour::Yellow,
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug)]
pub(super) enum Detail {
    /// Nothing is wrong, with a sentence for people.
    Ok(String),
    /// It could not be looked at, with the reason for people.
    Unknown(String),
    Broken(Cause),
    /// Broken or not, depending on what a dry run shows: conditions are CEL, which only the API server evaluates.
    Suspected(Cause),
    /// It seems to be broken, but a pod created by dry run got a value.
    Refuted(Cause),
}

/// The result of one check, of one namespace or of what all share.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) detail: Detail,
    /// The namespace, if it is about one.
    pub(super) namespace: Option<String>,
    /// The command that fixes it, for a shell. Empty if no command does.
    pub(super) fix: String,
    /// The CAs that the API server trusts, if it is about the CA bundle.
    pub(super) cas: Vec<ListedCa>,
}

impl Finding {
    fn new(check: Check, detail: Detail, fix: String) -> Self {
        Self { check, detail, namespace: None, fix, cas: Vec::new() }
    }

    pub(super) fn ok(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Detail::Ok(what.into()), String::new())
    }

    pub(super) fn unknown(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Detail::Unknown(what.into()), String::new())
    }

    pub(super) fn broken(cause: Cause, fix: impl Into<String>) -> Self {
        Self::new(cause.check(), Detail::Broken(cause), fix.into())
    }

    pub(super) fn suspected(cause: Cause, fix: String) -> Self {
        Self::new(cause.check(), Detail::Suspected(cause), fix)
    }

    pub(super) fn of(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }

    pub(super) const fn state(&self) -> State {
        match self.detail {
            Detail::Ok(_) => State::Ok,
            Detail::Broken(_) => State::Broken,
            Detail::Unknown(_) | Detail::Suspected(_) | Detail::Refuted(_) => State::Unknown,
        }
    }

    /// Why it is broken, if it is.
    pub(super) const fn cause(&self) -> Option<&Cause> {
        match &self.detail {
            Detail::Broken(cause) => Some(cause),
            _ => None,
        }
    }

    /// One sentence for people.
    pub(super) fn what(&self) -> String {
        match &self.detail {
            Detail::Ok(what) | Detail::Unknown(what) => what.clone(),
            Detail::Broken(cause) => cause.to_string(),
            Detail::Suspected(cause) => format!("{cause}; the dry run shows what they do"),
            Detail::Refuted(cause) => {
                format!("{cause}; a pod created by dry run got a value all the same")
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({
            "check": self.check.as_str(),
            "state": self.state().as_str(),
            "cause": self.cause().map(Cause::id),
            "namespace": self.namespace,
            "what": self.what(),
            "command": self.fix,
            "docs": self.cause().map(Cause::docs),
        });
        if let Some(object) = json.as_object_mut().filter(|_| !self.cas.is_empty()) {
            object.insert("certificates".to_owned(), self.cas.iter().map(ListedCa::json).collect());
        }
        json
    }
}

/// The broken finding that is to be fixed first, and its cause.
pub(super) fn first_broken(findings: &[Finding]) -> Option<(&Finding, &Cause)> {
    let broken = findings.iter().filter_map(|finding| Some((finding, finding.cause()?)));
    broken.min_by_key(|(finding, _)| finding.check.rank())
}

/// Takes what may not be read as an unknown finding.
///
/// # Errors
/// Any other error, which ends the run.
pub(super) fn note<T>(
    read: Result<T, ApiError>,
    check: Check,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>, ApiError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(problem @ (ApiError::Forbidden(_) | ApiError::TooLarge { .. })) => {
            findings.push(Finding::unknown(check, problem.to_string()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

//! What a person should act on in manifests, for reports that other programs read: `-o sarif` and `-o junit`.

use std::path::PathBuf;

use gomemlimit_core::{Reason, warning::WarningKind};

use crate::cli::manifest_files::Problem;

/// The rule that a finding is about. Its name does not change: code scanning recognises a finding by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Reason(Reason),
    Warning(WarningKind),
    /// An object with containers whose kind is not known.
    UnknownKind,
    /// A document that may be read otherwise than it is meant.
    DoubtfulManifest,
    /// A document or a pod that cannot be read.
    Unreadable,
}

impl Rule {
    /// The name, also that of `--fail-on`.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Reason(reason) => reason.as_str(),
            Self::Warning(kind) => kind.as_str(),
            Self::UnknownKind => "unknown-kind",
            Self::DoubtfulManifest => "doubtful-manifest",
            Self::Unreadable => "unreadable",
        }
    }

    /// The meaning, in one sentence.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Reason(reason) => reason.explanation(),
            Self::Warning(kind) => kind.explanation(),
            Self::UnknownKind => {
                "an object with containers of a kind that is not known; --kind GROUP/KIND=PATH shows where its pods are"
            }
            Self::DoubtfulManifest => {
                "manifests that may be read otherwise than they are meant, such as a mapping with a key that is there twice"
            }
            Self::Unreadable => {
                "a document that cannot be read, or a pod with a value of another type than its field"
            }
        }
    }

    /// The level if `--fail-on` does not name the rule; none if it is no finding then.
    pub(super) fn level(self) -> Option<Level> {
        match self {
            Self::Unreadable | Self::Reason(Reason::InvalidLimit) => Some(Level::Error),
            Self::Warning(_)
            | Self::DoubtfulManifest
            | Self::Reason(Reason::NoMemoryLimit | Reason::SharedPodLimit) => Some(Level::Warning),
            Self::UnknownKind | Self::Reason(Reason::BelowMinimum) => Some(Level::Note),
            Self::Reason(_) => None,
        }
    }
}

/// How much a finding matters, as SARIF names it (section 3.27.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding about a container, a pod or a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) level: Level,
    /// Whether it fails the test of `JUnit`.
    pub(super) fails: bool,
    /// One sentence.
    pub(super) text: String,
    /// Line and column, both from 1.
    pub(super) place: (usize, usize),
}

impl Finding {
    /// The sentence, with what it is about.
    pub(super) fn message(&self, case: &Case) -> String {
        // What is wrong with a document has its number.
        if case.object.is_none() { self.text.clone() } else { format!("{}: {}", case.title(), self.text) }
    }
}

/// What findings are about: a container, a pod, an object or a document of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Position of the document in the input, from 0.
    pub(super) document: usize,
    /// `Deployment shop/api`; none if the document cannot be read.
    pub(super) object: Option<String>,
    pub(super) container: Option<String>,
    pub(super) findings: Vec<Finding>,
}

impl Case {
    /// For people: `Deployment shop/api, container api`.
    pub(super) fn title(&self) -> String {
        match (&self.object, &self.container) {
            (Some(object), Some(container)) => format!("{object}, container {container}"),
            (Some(object), None) => object.clone(),
            (None, _) => self.name(),
        }
    }

    /// The name within its object or input.
    pub(super) fn name(&self) -> String {
        match (&self.object, &self.container) {
            (Some(_), Some(container)) => container.clone(),
            (Some(_), None) => "pod".to_owned(),
            (None, _) => format!("document {}", self.document + 1),
        }
    }
}

/// A run, for a report.
#[derive(Debug)]
pub(super) struct RunReport<'r> {
    pub(super) files: &'r [FileCases],
    /// What is wrong with the run as a whole, or was left out of it: errors and warnings.
    pub(super) problems: Vec<Problem>,
    /// Whether everything was read and judged.
    pub(super) is_complete: bool,
}

/// The cases of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileCases {
    /// The file as it was named or found; none if the input is no file.
    pub(super) path: Option<PathBuf>,
    /// The input, for people.
    pub(super) source: String,
    pub(super) cases: Vec<Case>,
}

//! Errors of reading and editing a manifest, each with its position in the text.

use thiserror::Error;

/// Why a manifest could not be read or edited. Documents, lines and columns are counted from 1, in the
/// messages and in the fields.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is neither YAML nor JSON.
    #[error("document {document}, line {line}, column {column}: {message}")]
    Syntax {
        /// Number of the document in the input.
        document: usize,
        /// Line in the input.
        line: usize,
        /// Column (in characters) in that line.
        column: usize,
        /// Message of the parser.
        message: String,
    },
    /// The text is not YAML because it is still a template.
    #[error(
        "document {document}, line {line}: this is a template, not YAML; render it first{}",
        if *.is_helm { " (`helm template`)" } else { "" }
    )]
    Template {
        /// Number of the document in the input.
        document: usize,
        /// The first line that has template syntax.
        line: usize,
        /// Whether it is one of Helm.
        is_helm: bool,
    },
    /// kubectl reads the text in another way, and might apply objects that this parser does not find.
    #[error("document {document}, line {line}, column {column}: {what}")]
    NotAsKubectl {
        /// Number of the document in the input.
        document: usize,
        /// Line in the input.
        line: usize,
        /// Column (in characters) in that line.
        column: usize,
        /// How kubectl reads it, and the remedy.
        what: String,
    },
    /// Aliases within aliases: the document unfolds to more than any manifest needs.
    #[error(
        "document {document}, line {line}: the anchors and aliases up to here copy too much; write the values out, or use \
         fewer files at a time"
    )]
    TooManyAliases {
        /// Number of the document in the input.
        document: usize,
        /// Line of the alias at which the limit was reached.
        line: usize,
    },
    /// An edit names a place that the document does not have.
    #[error("document {document}: there is no {path} to edit")]
    PathNotFound {
        /// Number of the document in the input.
        document: usize,
        /// JSON pointer of the edit.
        path: String,
    },
    /// The place is written in a way that this program cannot edit.
    #[error("document {document}, line {line}: cannot edit {path}: {what}")]
    Unsupported {
        /// Number of the document in the input.
        document: usize,
        /// Line of the place.
        line: usize,
        /// JSON pointer of the edit.
        path: String,
        /// The obstacle.
        what: String,
    },
    /// The edited text does not have the expected values.
    #[error(
        "document {document}, line {line}: could not edit this document without changing something else in it"
    )]
    ChangedMore {
        /// Number of the document in the input.
        document: usize,
        /// First line of the document.
        line: usize,
    },
}

impl ManifestError {
    /// Whether the text is a template that has to be rendered first, so that it is not broken.
    #[must_use]
    pub fn is_template(&self) -> bool {
        matches!(self, Self::Template { .. })
    }

    /// Line and column in the input, as far as they are known.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { line, column, .. } | Self::NotAsKubectl { line, column, .. } => {
                Some((*line, *column))
            }
            Self::Template { line, .. } | Self::TooManyAliases { line, .. } => Some((*line, 1)),
            _ => None,
        }
    }
}

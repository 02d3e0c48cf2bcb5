//! One input: its origin, and its text as it is read from there.

use std::{
    fmt,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use gomemlimit_files::{FileError, Kinds, open, take};
use thiserror::Error;

use super::kustomize::{self, KustomizeError};
use super::{
    encoding::{Encoding, TextError, decode},
    problem::{Problem, Severity},
};
use crate::causes::with_causes;
use crate::{
    cli::runtime::{install_crypto, runtime},
    cluster::download::{DownloadError, DownloadLimits, download, without_password},
};

/// Maximum size of one input, in bytes: 64 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// The origin of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    Stdin,
    /// A file named on the command line.
    File(PathBuf),
    /// A file of a directory: its path, and the same without links, if it is reached through one.
    Found {
        path: PathBuf,
        target: Option<PathBuf>,
    },
    /// An address that begins with `http://` or `https://`.
    Url(String),
    /// What kustomize builds of a directory.
    Kustomization(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("(stdin)"),
            Self::File(path) | Self::Found { path, .. } => path.display().fmt(f),
            Self::Url(url) => f.write_str(&without_password(url)),
            Self::Kustomization(directory) => write!(f, "(kustomize {})", directory.display()),
        }
    }
}

/// What an input contains.
#[derive(Debug)]
pub(in crate::cli) struct Content {
    pub(in crate::cli) text: String,
    /// The encoding in which it is written back.
    pub(in crate::cli) encoding: Encoding,
    /// The file that the text is from; none for stdin, a URL and a kustomization.
    pub(in crate::cli) file: Option<Metadata>,
}

/// Why an input has no text.
#[derive(Debug, Error)]
pub(in crate::cli) enum ReadError {
    #[error("{0}, which no manifest is; split it into several files")]
    TooLarge(FileError),
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that a search found, and that is not the same any more.
    #[error("another file has taken its place")]
    Replaced,
    #[error("{problem}{hint}")]
    NotText { problem: TextError, hint: String },
    #[error(transparent)]
    Url(#[from] DownloadError),
    #[error(transparent)]
    Kustomize(#[from] KustomizeError),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
}

impl Source {
    /// The path as it was given or found; none for stdin, a URL and a kustomization.
    pub(in crate::cli) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Found { path, .. } => Some(path),
            Self::Stdin | Self::Url(_) | Self::Kustomization(_) => None,
        }
    }

    /// Whether a search found it; otherwise the command line names it.
    pub(in crate::cli) const fn is_found(&self) -> bool {
        matches!(self, Self::Found { .. })
    }

    /// Its text. A regular file can be read again; stdin, a pipe, a URL and a kustomization cannot, or at a cost.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is larger than 64 MiB, is no text, or if a file of a directory was replaced meanwhile.
    pub(in crate::cli) fn read(&self) -> Result<Content, ReadError> {
        let (bytes, file) = match self {
            Self::Stdin => (take(io::stdin().lock(), MAX_BYTES)?, None),
            Self::File(path) => {
                let (file, metadata) = open(path, Kinds::Any)?;
                (take(file, MAX_BYTES).map_err(too_large)?, Some(metadata))
            }
            Self::Found { path, target } => {
                let (bytes, metadata) = read_found(target.as_ref().unwrap_or(path))?;
                (bytes, Some(metadata))
            }
            Self::Url(url) => (read_url(url)?, None),
            Self::Kustomization(directory) => (kustomize::build(directory, MAX_BYTES)?, None),
        };
        let (text, encoding) = decode(bytes).map_err(|problem| self.not_text(problem))?;
        Ok(Content { text, encoding, file })
    }

    /// With the command that makes a text of it.
    fn not_text(&self, problem: TextError) -> ReadError {
        let hint = problem.convertible_from().map(|encoding| {
            let file = self.path().and_then(Path::to_str).and_then(|path| shlex::try_quote(path).ok());
            let file = file.map(|file| format!(" {file}")).unwrap_or_default();
            format!("; convert it: iconv -f {encoding} -t UTF-8{file}")
        });
        ReadError::NotText { problem, hint: hint.unwrap_or_default() }
    }

    /// A problem at a place of a document, which is counted from 0; line and column are counted from 1.
    pub(in crate::cli) fn problem_at(
        &self,
        severity: Severity,
        document: usize,
        (line, column): (usize, usize),
        what: &str,
    ) -> Problem {
        let text = format!("{self}: document {}, line {line}, column {column}: {what}", document + 1);
        Problem { severity, document, at: Some((line, column)), text }
    }

    /// An error of [`Self::read`] as a problem: what the command line names must be readable. Of what a search found,
    /// only what `kubectl` might apply counts.
    pub(in crate::cli) fn problem(&self, error: &ReadError) -> Problem {
        let severity = match error {
            _ if !self.is_found() => Severity::Error,
            ReadError::NotText { problem, .. } if problem.looks_like_manifest => Severity::Error,
            ReadError::TooLarge(_) | ReadError::Replaced => Severity::Warning,
            _ => Severity::Note,
        };
        Problem::new(severity, format!("cannot read {self}: {}", with_causes(error)))
    }
}

fn too_large(error: FileError) -> ReadError {
    if let FileError::TooLarge(_) = error { ReadError::TooLarge(error) } else { ReadError::File(error) }
}

/// A regular file that a search has found, unless another file has taken its place.
fn read_found(path: &Path) -> Result<(Vec<u8>, Metadata), ReadError> {
    let before = fs::symlink_metadata(path).map_err(FileError::from)?;
    if !before.is_file() {
        return Err(ReadError::Replaced);
    }
    let (file, metadata) = open(path, Kinds::Regular)?;
    if !is_same(&before, &metadata) {
        return Err(ReadError::Replaced);
    }
    Ok((take(file, MAX_BYTES).map_err(too_large)?, metadata))
}

fn read_url(url: &str) -> Result<Vec<u8>, ReadError> {
    install_crypto();
    let runtime = runtime().map_err(|error| ReadError::Runtime(io::Error::other(error)))?;
    Ok(runtime.block_on(download(url, &DownloadLimits::of_size(MAX_BYTES)))?)
}

/// Whether both are the same file.
pub(in crate::cli) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

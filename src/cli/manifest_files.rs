//! The files that `-f` names. The author of a directory must not lead out of it: links to its outside are not followed, and
//! only regular files are read in it. Files on the command line itself are read whatever their type.

use std::{
    fmt,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use gomemlimit_files::{FileError, Kinds, open, take};

/// Endings of the files that a directory is searched for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Maximum size of one input, in bytes: 64 MiB.
const MAX_BYTES: u64 = 64 << 20;

/// The origin of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    /// A file named on the command line.
    File(PathBuf),
    /// A file of a directory: its path, and the same without links, if it is reached through one.
    Found {
        path: PathBuf,
        target: Option<PathBuf>,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            None => f.write_str("(stdin)"),
            Some(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// The path as it was given or found.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::File(path) | Self::Found { path, .. } => Some(path),
        }
    }

    /// Its text, and the metadata of the file that it was read from; none for stdin.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is larger than 64 MiB, is not UTF-8, or if a file of a directory was replaced meanwhile.
    pub(super) fn read(&self) -> anyhow::Result<(String, Option<Metadata>)> {
        let cannot = || format!("cannot read {self}");
        let (bytes, file) = match self {
            Self::Stdin => (take(io::stdin().lock(), MAX_BYTES), None),
            Self::File(path) => {
                let (file, metadata) = open(path, Kinds::Any).with_context(cannot)?;
                (take(file, MAX_BYTES), Some(metadata))
            }
            Self::Found { path, target } => {
                let path = target.as_ref().unwrap_or(path);
                let before = fs::symlink_metadata(path).with_context(cannot)?;
                ensure!(before.is_file(), "cannot read {self}: it is not a regular file any more");
                let (file, metadata) = open(path, Kinds::Regular).with_context(cannot)?;
                ensure!(is_same(&before, &metadata), "cannot read {self}: another file has taken its place");
                (take(file, MAX_BYTES), Some(metadata))
            }
        };
        let bytes = bytes.map_err(|error| match error {
            FileError::TooLarge(_) => {
                anyhow!("cannot read {self}: {error}, which no manifest is; split it into several files")
            }
            error => anyhow!(error).context(cannot()),
        })?;
        Ok((String::from_utf8(bytes).with_context(|| format!("{self} is not UTF-8 text"))?, file))
    }
}

/// Whether both are the same file.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The inputs that the command line names.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sources: Vec<Source>,
    /// Files with the ending of a manifest that are not read: a sentence each.
    pub(super) left_out: Vec<String>,
}

/// The files of these arguments of `-f`, those of a directory sorted by name.
///
/// # Errors
///
/// If a directory cannot be read or has no manifests, or if stdin is named twice.
pub(super) fn find(filenames: &[PathBuf], recursive: bool) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for filename in filenames {
        if filename.as_os_str() == "-" {
            found.sources.push(Source::Stdin);
        } else if filename.is_dir() {
            let before = found.sources.len();
            let root = fs::canonicalize(filename).with_context(|| cannot_read(filename))?;
            search(&root, filename, recursive, &mut found)?;
            if found.sources.len() == before && found.left_out.is_empty() {
                bail!("{}: no *.yaml, *.yml or *.json in this directory", filename.display());
            }
        } else {
            found.sources.push(Source::File(filename.clone()));
        }
    }
    if found.sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
        bail!("--filename - can be given only once");
    }
    Ok(found)
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// Directories that are links are left out, as `kubectl` does: their files are found in the target itself, or are
/// outside of the root.
fn search(root: &Path, directory: &Path, recursive: bool, found: &mut Found) -> anyhow::Result<()> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| cannot_read(directory))? {
        paths.push(entry.with_context(|| cannot_read(directory))?.path());
    }
    paths.sort();
    for path in paths {
        let metadata = fs::symlink_metadata(&path).with_context(|| cannot_read(&path))?;
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if metadata.is_dir() {
            if recursive {
                search(root, &path, recursive, found)?;
            }
        } else if ENDINGS.contains(&ending) {
            match leads_to(root, &path, &metadata) {
                Ok(target) => found.sources.push(Source::Found { path, target }),
                Err(why) => found.left_out.push(format!("{} is left out: {why}", path.display())),
            }
        } else if metadata.is_symlink() && recursive && is_directory_outside(root, &path) {
            found.left_out.push(format!("{} is left out: {OUTSIDE}", path.display()));
        }
    }
    Ok(())
}

const OUTSIDE: &str = "it is a link out of the directory that -f names; name what it links to";

/// The file that a link leads to; nothing for a regular file.
fn leads_to(root: &Path, path: &Path, metadata: &Metadata) -> Result<Option<PathBuf>, &'static str> {
    if metadata.is_file() {
        return Ok(None);
    }
    if !metadata.is_symlink() {
        return Err("it is not a regular file");
    }
    let Ok(target) = fs::canonicalize(path) else { return Err("it is a link to nothing") };
    if !target.starts_with(root) {
        return Err(OUTSIDE);
    }
    if target.is_file() { Ok(Some(target)) } else { Err("it is a link to what is not a regular file") }
}

fn is_directory_outside(root: &Path, link: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|target| target.is_dir() && !target.starts_with(root))
}

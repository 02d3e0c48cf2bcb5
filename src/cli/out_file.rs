//! A file that a command leaves: written as a whole, or left as it was.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tempfile::NamedTempFile;

/// Where something will be written.
pub(super) struct OutFile {
    path: PathBuf,
    /// Of the file; nothing where it is written over, such as /dev/stdout.
    mode: Option<u32>,
}

impl OutFile {
    /// Makes sure that it can be written, and leaves nothing behind.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        // A link stays, and what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let metadata = fs::metadata(&path).ok();
        if metadata.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            fs::OpenOptions::new().append(true).open(&path).with_context(cannot)?;
            return Ok(Self { path, mode: None });
        }
        if metadata.is_some() {
            fs::OpenOptions::new().append(true).open(&path).with_context(cannot)?;
        }
        // As with every new file, less what umask takes away.
        let mode = metadata.as_ref().map_or(0o666, |metadata| metadata.permissions().mode());
        match beside(&path, mode) {
            // The folder may belong to somebody else, and the file not.
            Err(_) if metadata.is_some() => Ok(Self { path, mode: None }),
            Err(error) => Err(error).with_context(cannot),
            Ok(_) => Ok(Self { path, mode: Some(mode) }),
        }
    }

    /// Writes it, in the place of what was there before.
    pub(super) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match self.mode {
            None => fs::write(&self.path, bytes),
            // What cannot be replaced, such as a file that is mounted, is written over.
            Some(mode) => match replace(&self.path, mode, bytes) {
                Err(_) if self.path.exists() => fs::write(&self.path, bytes),
                replaced => replaced,
            },
        };
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path, mode)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A file in the same folder, which goes away unless it takes the place of `path`.
fn beside(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".gomemlimit-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

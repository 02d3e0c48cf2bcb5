//! A file that a command leaves: written as a whole, or left as it was.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use tempfile::NamedTempFile;

use super::manifest_files::is_same;

/// Where something will be written.
pub(super) struct OutFile {
    path: PathBuf,
    way: Way,
}

enum Way {
    /// A new file takes its place, with owner and mode of the file that is there.
    Replace(Option<Metadata>),
    /// It is written over: a device such as /dev/stdout, or a file whose folder takes no other file.
    WriteOver,
}

impl OutFile {
    /// Makes sure that it can be written, and leaves nothing behind.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        // A link stays, and what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let metadata = fs::metadata(&path).ok();
        if metadata.is_some() {
            OpenOptions::new().append(true).open(&path).with_context(cannot)?;
        }
        if metadata.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            return Ok(Self { path, way: Way::WriteOver });
        }
        let way = match beside(&path, metadata.as_ref()) {
            Err(error) if metadata.is_some() && is_irreplaceable(&error) => Way::WriteOver,
            beside => beside.map(|_| Way::Replace(metadata)).with_context(cannot)?,
        };
        Ok(Self { path, way })
    }

    /// For a file that was read: nothing else is written, neither through a link nor in the place of another file.
    pub(super) fn replacing(path: &Path, read: &Metadata) -> anyhow::Result<Self> {
        let metadata =
            fs::symlink_metadata(path).with_context(|| format!("cannot write {}", path.display()))?;
        if metadata.is_symlink() {
            let target = fs::read_link(path).unwrap_or_default();
            bail!("{} is a link to {}; name the file itself", path.display(), target.display());
        }
        ensure!(
            metadata.is_file() && is_same(&metadata, read),
            "cannot write {}: it is not the file any more that was read",
            path.display()
        );
        Self::open(path)
    }

    /// Writes it, in the place of what was there before.
    pub(super) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match &self.way {
            Way::WriteOver => fs::write(&self.path, bytes),
            Way::Replace(before) => match replace(&self.path, before.as_ref(), bytes) {
                Err(error) if before.is_some() && is_irreplaceable(&error) => fs::write(&self.path, bytes),
                replaced => replaced,
            },
        };
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Whether an error is about replacing a file, and not about writing one: it is mounted by itself (EBUSY, EXDEV), or
/// its folder is somebody else's (EACCES, EPERM) or read-only (EROFS). Any other error, such as a full disk (ENOSPC,
/// EDQUOT, EFBIG), would also end the writing over it, half-way.
fn is_irreplaceable(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | ResourceBusy | PermissionDenied | ReadOnlyFilesystem)
}

fn replace(path: &Path, before: Option<&Metadata>, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path, before)?;
    // Errors of the `NamedTempFile` itself name the temporary file.
    file.as_file_mut().write_all(bytes)?;
    // Some file systems find out only now that there is no room.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A file in the same folder, which goes away unless it takes the place of `path`.
fn beside(path: &Path, before: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // As with every new file, less what umask takes away.
    let make = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o666).open(path);
    // Errors of `tempfile_in` name the temporary file.
    let file =
        tempfile::Builder::new().prefix(".gomemlimit-").make_in(folder.unwrap_or(Path::new(".")), make)?;
    if let Some(before) = before {
        take_after(file.as_file(), before)?;
    }
    Ok(file)
}

/// Gives a file the owner and the mode of another.
fn take_after(file: &File, other: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (other.uid(), other.gid()) {
        fchown(file, Some(other.uid()), Some(other.gid()))?;
    }
    file.set_permissions(other.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_replacing_is_written_over() {
        // EPERM, EACCES, EBUSY, EXDEV, EROFS; then EIO, ENOSPC, EFBIG, EDQUOT, EMFILE.
        for (codes, is) in [([1, 13, 16, 18, 30], true), ([5, 28, 27, 122, 24], false)] {
            for code in codes {
                assert_eq!(is_irreplaceable(&io::Error::from_raw_os_error(code)), is, "{code}");
            }
        }
    }
}

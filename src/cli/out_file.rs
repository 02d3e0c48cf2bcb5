//! Output files of commands: written as a whole, or left as they were.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use tempfile::{NamedTempFile, PathPersistError, TempPath};

use super::manifest_files::is_same;

/// A file to be written.
pub(super) struct OutFile {
    path: PathBuf,
    method: WriteMethod,
}

enum WriteMethod {
    /// A new file replaces it, with owner and mode of the existing file.
    Replace(Option<Metadata>),
    /// It is written over: its folder accepts no other file, or it has several names, which stay those of one file.
    WriteOver,
    /// It is a pipe, or a device such as /dev/stdout, and open: a pipe that was opened twice would have two ends.
    Stream(File),
}

impl OutFile {
    /// Makes sure that it can be written, and leaves nothing behind.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is a link of a stranger in a folder for everybody.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        ensure!(
            !is_strangers_link(path),
            "{} is a link that somebody else made in a folder for everybody; name another file",
            path.display()
        );
        // A link stays, and its target is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let metadata = fs::metadata(&path).ok();
        if let Some(metadata) = &metadata {
            let file = OpenOptions::new().append(true).open(&path).with_context(cannot)?;
            if !metadata.is_file() {
                return Ok(Self { path, method: WriteMethod::Stream(file) });
            }
        }
        let method = match beside(&path, metadata.as_ref()) {
            _ if metadata.as_ref().is_some_and(|metadata| metadata.nlink() > 1) => WriteMethod::WriteOver,
            Err(error) if metadata.is_some() && is_irreplaceable(&error) => WriteMethod::WriteOver,
            beside => beside.map(|_| WriteMethod::Replace(metadata)).with_context(cannot)?,
        };
        Ok(Self { path, method })
    }

    /// As [`Self::open`], for a file that was read: nothing else is written, neither through a link nor over another file.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and if the path is a link, another file by now or one with another content, or nobody may write it.
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
        let version = |file: &Metadata| (file.len(), file.mtime(), file.mtime_nsec());
        ensure!(
            version(&metadata) == version(read),
            "cannot write {}: it was changed after it was read; run the command again",
            path.display()
        );
        ensure!(
            metadata.mode() & 0o222 != 0,
            "cannot write {}: it is read-only (mode {:04o}); chmod u+w it first",
            path.display(),
            metadata.mode() & 0o7777
        );
        Self::open(path)
    }

    /// Writes it over its former content.
    ///
    /// # Errors
    ///
    /// If it cannot be written; it is then as before, unless it was written over.
    pub(super) fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        self.ready(bytes.to_owned())?.finish()
    }

    /// Writes a new file, without its name, if there is to be one.
    ///
    /// # Errors
    ///
    /// If it cannot be written; nothing has changed then.
    pub(super) fn ready(self, bytes: Vec<u8>) -> anyhow::Result<ReadyFile> {
        let Self { path, method } = self;
        let content = match method {
            WriteMethod::Stream(file) => Content::Stream(file, bytes),
            WriteMethod::WriteOver => Content::WriteOver(bytes),
            WriteMethod::Replace(before) => {
                match beside(&path, before.as_ref()).and_then(|file| filled(file, &bytes)) {
                    Err(error) if before.is_some() && is_irreplaceable(&error) => Content::WriteOver(bytes),
                    // Without its descriptor: there can be more files than a process may have open.
                    file => {
                        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                        Content::New { file: file.into_temp_path(), is_earlier: before.is_some() }
                    }
                }
            }
        };
        Ok(ReadyFile { path, content })
    }
}

/// A file whose content is there, but not yet under its name. It leaves nothing behind.
pub(super) struct ReadyFile {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// There may be an earlier file that can only be written over.
    New {
        file: TempPath,
        is_earlier: bool,
    },
    WriteOver(Vec<u8>),
    Stream(File, Vec<u8>),
}

impl ReadyFile {
    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// If it cannot be written; it is then as before, unless it was written over.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { path, content } = self;
        let written = match content {
            Content::Stream(mut file, bytes) => file.write_all(&bytes),
            Content::WriteOver(bytes) => fs::write(&path, bytes),
            Content::New { file, is_earlier } => match file.persist(&path) {
                Err(PathPersistError { error, path: file }) if is_earlier && is_irreplaceable(&error) => {
                    fs::read(file).and_then(|bytes| fs::write(&path, bytes))
                }
                named => named.map_err(|error| error.error),
            },
        };
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Whether this is a link that neither its folder's owner nor the user made, in a folder such as /tmp: the rule of the
/// kernel's `fs.protected_symlinks`, which holds for opening a link, not for reading its target.
fn is_strangers_link(path: &Path) -> bool {
    const FOR_EVERYBODY: u32 = 0o1002;
    let Ok(link) = fs::symlink_metadata(path) else { return false };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_own = || {
        // A file's owner is who runs this.
        let own = NamedTempFile::new_in(folder).and_then(|file| file.as_file().metadata());
        own.is_ok_and(|own| own.uid() == link.uid())
    };
    link.is_symlink()
        && fs::metadata(folder).is_ok_and(|folder| {
            folder.mode() & FOR_EVERYBODY == FOR_EVERYBODY && folder.uid() != link.uid() && !is_own()
        })
}

/// Whether an error is about replacing a file, and not about writing one: it is mounted by itself (EBUSY, EXDEV), or
/// its folder is somebody else's (EACCES, EPERM) or read-only (EROFS). Any other error, such as a full disk (ENOSPC,
/// EDQUOT, EFBIG), would also end the writing over it, half-way.
fn is_irreplaceable(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), CrossesDevices | ResourceBusy | PermissionDenied | ReadOnlyFilesystem)
}

/// Writes `bytes` to a new file and gives it its name: the file appears whole, or not at all. Unless it `may_replace` one,
/// a file of that name is an error.
///
/// # Errors
///
/// If the file cannot be written, synchronized, or named.
pub(super) fn persist(file: NamedTempFile, path: &Path, bytes: &[u8], may_replace: bool) -> io::Result<()> {
    let file = filled(file, bytes)?;
    let named = if may_replace { file.persist(path) } else { file.persist_noclobber(path) };
    named.map(drop).map_err(|error| error.error)
}

/// Errors do not name the temporary file, as those of the `NamedTempFile` itself do.
fn filled(mut file: NamedTempFile, bytes: &[u8]) -> io::Result<NamedTempFile> {
    file.as_file_mut().write_all(bytes)?;
    // Some file systems report only now that there is no room.
    file.as_file().sync_all()?;
    Ok(file)
}

/// A file in the same folder, which is removed unless it gets the name `path`.
fn beside(path: &Path, before: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // As every new file; umask removes some of it.
    let file = temporary_in(folder.unwrap_or(Path::new(".")), 0o666)?;
    if let Some(before) = before {
        take_after(file.as_file(), before)?;
    }
    Ok(file)
}

/// A file that is removed unless it gets another name. Errors do not have its name, as those of `tempfile_in` have.
pub(super) fn temporary_in(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let make = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    tempfile::Builder::new().prefix(".gomemlimit-").make_in(folder, make)
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// As in /tmp. Only root can make a link somebody else's.
    #[test]
    fn a_strangers_link_in_a_folder_for_everybody_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "mine").unwrap();
        std::os::unix::fs::symlink(path("victim"), path("link")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        OutFile::open(&path("link")).unwrap();
        if std::os::unix::fs::lchown(path("link"), Some(1), Some(1)).is_ok() {
            let error = OutFile::open(&path("link")).err().unwrap().to_string();
            assert!(error.contains("is a link that somebody else made"), "{error}");
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            OutFile::open(&path("link")).unwrap();
        }
    }

    /// Nobody's change is lost.
    #[test]
    fn a_file_that_was_changed_after_it_was_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "kind: Pod\n").unwrap();
        let read = fs::metadata(&path).unwrap();
        OutFile::replacing(&path, &read).unwrap();
        fs::write(&path, "kind: Pod\n# mine\n").unwrap();
        let error = OutFile::replacing(&path, &read).err().unwrap().to_string();
        assert!(error.ends_with("it was changed after it was read; run the command again"), "{error}");
        let read = fs::metadata(&path).unwrap();
        fs::write(&path, "kind: Pod\n# ours\n").unwrap();
        let later = read.modified().unwrap() + std::time::Duration::from_secs(1);
        File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(OutFile::replacing(&path, &read).is_err());
    }

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

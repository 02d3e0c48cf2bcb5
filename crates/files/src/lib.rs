//! Files that the user names: every one is read through this crate, and never more of it than a bound.
//!
//! A command reads whatever `open(2)` opens: `--policy-file <(helm template …)` names a pipe. A pipe that nobody writes
//! to keeps it waiting, as it keeps `cat` waiting, until Ctrl-C. The server waits for nobody: it reads regular files only,
//! and opens them without blocking.
//!
//! ```
//! use gomemlimit_files::{FileError, Kinds, read};
//!
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
//! assert!(read(path.as_ref(), Kinds::Regular, 1 << 20)?.starts_with(b"[package]"));
//! assert!(matches!(read(path.as_ref(), Kinds::Regular, 7), Err(FileError::TooLarge(7))));
//! # Ok::<(), FileError>(())
//! ```

#![forbid(unsafe_code)]

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use thiserror::Error;

/// Maximum size of a file with certificates, a key or a token, in bytes: 1 MiB, as that of the Secret (validation.go of
/// Kubernetes, `MaxSecretSize`) that such files mostly come from.
pub const MAX_PEM: u64 = 1 << 20;

/// Why a file is not read. The text does not have the path.
#[derive(Debug, Error)]
pub enum FileError {
    /// The error of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server is given a pipe, a device, a socket or a directory.
    #[error("it is not a regular file")]
    NotRegular,
    /// A disk.
    #[error("it is a block device")]
    BlockDevice,
    /// It has more bytes than this.
    #[error("it is larger than {}", bytes(*.0))]
    TooLarge(u64),
}

impl FileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == ErrorKind::NotFound)
    }
}

/// Which kinds of files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Regular files, opened without blocking: for the server, and for names that the user did not write.
    Regular,
    /// All but block devices, for commands. Opening a FIFO blocks until somebody opens it for writing.
    Any,
}

/// The content of a file of at most `max` bytes.
///
/// # Errors
/// [`FileError`]; of a file that is too large no more than `max` bytes and one are read.
pub fn read(path: &Path, kinds: Kinds, max: u64) -> Result<Vec<u8>, FileError> {
    take(open(path, kinds)?.0, max)
}

/// Opens a file for [`take`].
///
/// # Errors
/// If it cannot be opened, or is not of these kinds.
pub fn open(path: &Path, kinds: Kinds) -> Result<(File, Metadata), FileError> {
    let file = match kinds {
        Kinds::Any => File::open(path)?,
        // A FIFO opens at once, whether or not somebody writes to it (open(2), fifo(7)).
        Kinds::Regular => OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?,
    };
    let metadata = file.metadata()?;
    match kinds {
        // The read of a directory fails with the error of the system.
        Kinds::Regular if !metadata.is_file() && !metadata.is_dir() => Err(FileError::NotRegular),
        _ if metadata.file_type().is_block_device() => Err(FileError::BlockDevice),
        _ => Ok((file, metadata)),
    }
}

/// Everything that comes from `from`, of at most `max` bytes.
///
/// # Errors
/// If it cannot be read, or there is more.
pub fn take(from: impl Read, max: u64) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    from.take(max.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > max { Err(FileError::TooLarge(max)) } else { Ok(content) }
}

fn bytes(count: u64) -> String {
    if count.trailing_zeros() >= 20 { format!("{} MiB", count >> 20) } else { format!("{count} bytes") }
}

//! stdout, which ends the run once it takes no more.

use std::io;

use crate::cli::output;

/// stdout takes no more.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotWritten(#[from] pub(super) io::Error);

/// Writes to stdout.
///
/// # Errors
///
/// If it takes no more.
pub(super) fn write(text: &str) -> Result<(), NotWritten> {
    if text.is_empty() { Ok(()) } else { Ok(output::write(text.as_bytes())?) }
}

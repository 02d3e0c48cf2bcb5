//! Data goes to stdout; a reader that stops early (`| head`) is not an error.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

/// Writes `data` to stdout: success, also where the reader has gone away.
pub(super) fn stdout(data: &[u8]) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to stdout: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}

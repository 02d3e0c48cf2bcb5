//! `gomemlimit`: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    gomemlimit::cli::main()
}

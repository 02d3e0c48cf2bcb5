//! The real program, run to its end.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use gomemlimit_fake_api_server::CommandOutput;

pub(crate) fn run_with_stdin(arguments: &[&str], stdin: &str) -> CommandOutput {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.into()
}

pub(crate) fn run(arguments: &[&str]) -> CommandOutput {
    run_with_stdin(arguments, "")
}

//! Programs that tests run: helm, kubectl, the scripts of tests/e2e.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Text on stdout, or all that was said.
type Said = Result<String, String>;

/// Runs a program with `stdin`.
pub fn run(program: &str, arguments: &[&str], stdin: &str) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(format!("{program} {}: {}\n{stdout}{stderr}", arguments.join(" "), output.status))
    }
}

/// helm, whatever comes of it.
pub fn try_helm(arguments: &[&str]) -> Said {
    run("helm", arguments, "")
}

/// helm, which has to succeed.
pub fn helm(arguments: &[&str]) -> String {
    try_helm(arguments).unwrap_or_else(|said| panic!("{said}"))
}

/// kubectl, whatever comes of it.
pub fn try_kubectl(arguments: &[&str], stdin: &str) -> Said {
    run("kubectl", arguments, stdin)
}

/// kubectl, which has to succeed.
pub fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments, "").unwrap_or_else(|said| panic!("{said}"))
}

/// The same with the warnings that kubectl prints on stderr.
pub fn kubectl_says(arguments: &[&str]) -> String {
    let shell = ["-c", "exec kubectl \"$@\" 2>&1", "kubectl"];
    run("sh", &[&shell, arguments].concat(), "").unwrap_or_else(|said| panic!("{said}"))
}

/// A script of tests/e2e, which has to succeed.
pub fn script(name: &str, arguments: &[&str]) -> String {
    let path = repository().join("tests/e2e").join(name);
    run(path.to_str().unwrap(), arguments, "").unwrap_or_else(|said| panic!("{said}"))
}

/// The process of a container, as this machine sees it.
pub fn host_pid(namespace: &str, pod: &str, container: &str) -> u32 {
    let said = script("pid", &[namespace, pod, container]);
    said.trim().parse().unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A page of the admin port of a pod, without the API server.
pub async fn get(address: &str, path: &str) -> Result<String, String> {
    let said = async {
        let mut stream = TcpStream::connect((address, 8081)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer: Result<String, std::io::Error> = said.await;
    let answer = answer.map_err(|error| format!("{address}{path}: {error}"))?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or(answer)
}

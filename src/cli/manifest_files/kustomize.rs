//! `-k`: what kustomize builds of a directory, by the `kubectl` or the `kustomize` of the user. Its time and its output have
//! bounds, and Ctrl-C ends it with this program.

use std::{
    io,
    path::Path,
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};

use crate::cli::{interrupt, output, runtime::runtime};

/// The programs that build a kustomization, the first one that is there counts, with the arguments before the directory.
const PROGRAMS: [(&str, &str); 2] = [("kubectl", "kustomize"), ("kustomize", "build")];

/// Maximum run time: 5 minutes. Bases of other repositories are fetched, each for at most 27 s (kustomize's default).
const MAX_TIME: Duration = Duration::from_mins(5);

/// Maximum size of what is kept of stderr, in bytes.
const MAX_STDERR: usize = 4 << 10;

/// The exit code of a shell for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Why there is nothing.
#[derive(Debug, Error)]
pub(in crate::cli) enum KustomizeError {
    #[error(
        "neither kubectl nor kustomize is installed; install one of them, or pipe what another tool builds to -f -"
    )]
    NotInstalled,
    #[error("cannot run {0}: {1}")]
    NotRun(String, io::Error),
    #[error("{program} failed with {status}{stderr}")]
    Failed { program: String, status: ExitStatus, stderr: String },
    #[error("{0} did not end within {1} s")]
    Slow(String, u64),
    #[error("the output of {0} is larger than {mib} MiB, and the rest was not read", mib = .1 >> 20)]
    TooLarge(String, u64),
    #[error("the thread that runs kustomize has ended")]
    NoThread,
}

/// Maximum time, and maximum size of the output in bytes.
#[derive(Clone, Copy)]
struct Limits {
    time: Duration,
    bytes: u64,
}

/// The output, of at most `max_bytes` bytes, of the first of [`PROGRAMS`] that is installed. What it writes to stderr is shown.
///
/// # Errors
///
/// If none is installed, or if it fails or exceeds a limit.
pub(super) fn build(directory: &Path, max_bytes: u64) -> Result<Vec<u8>, KustomizeError> {
    let (sender, receiver) = mpsc::channel();
    let directory = directory.to_owned();
    let of_thread = move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                return drop(
                    sender.send(Err(KustomizeError::NotRun("kustomize".to_owned(), io::Error::other(error)))),
                );
            }
        };
        runtime.block_on(async {
            // Signals do not end the program by themselves any more, also after the build.
            let mut stop = pin!(interrupt::stop());
            tokio::select! {
                biased;
                () = &mut stop => std::process::exit(INTERRUPTED),
                built = first(PROGRAMS, &directory, Limits { time: MAX_TIME, bytes: max_bytes }) => {
                    let _ = sender.send(built);
                }
            }
            stop.await;
            std::process::exit(INTERRUPTED)
        });
    };
    let spawned = thread::Builder::new().name("kustomize".to_owned()).spawn(of_thread);
    spawned.map_err(|error| KustomizeError::NotRun("kustomize".to_owned(), error))?;
    receiver.recv().unwrap_or(Err(KustomizeError::NoThread))
}

async fn first(
    programs: [(&str, &str); 2],
    directory: &Path,
    limits: Limits,
) -> Result<Vec<u8>, KustomizeError> {
    for (program, verb) in programs {
        let mut command = Command::new(program);
        command.arg(verb).arg(as_operand(directory));
        match run(command, &format!("{program} {verb}"), limits).await {
            Err(KustomizeError::NotRun(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
            built => return built,
        }
    }
    Err(KustomizeError::NotInstalled)
}

/// A directory whose name begins with a hyphen is no flag.
fn as_operand(directory: &Path) -> std::path::PathBuf {
    if directory.as_os_str().as_encoded_bytes().starts_with(b"-") {
        Path::new(".").join(directory)
    } else {
        directory.to_owned()
    }
}

async fn run(mut command: Command, name: &str, limits: Limits) -> Result<Vec<u8>, KustomizeError> {
    let name = || name.to_owned();
    let not_run = |error| KustomizeError::NotRun(name(), error);
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Also if it exceeds a limit, or this program is interrupted.
    let mut child = piped.kill_on_drop(true).spawn().map_err(not_run)?;
    let streams = (child.stdout.take(), child.stderr.take());
    let (Some(stdout), Some(stderr)) = streams else {
        return Err(not_run(io::Error::other("it has no output")));
    };
    let ended = timeout(limits.time, async {
        let (built, stderr) = tokio::try_join!(bounded(stdout, &name, limits.bytes), async {
            beginning(stderr).await.map_err(not_run)
        })?;
        Ok((built, stderr, child.wait().await.map_err(not_run)?))
    });
    let ended = ended.await.unwrap_or_else(|_| Err(KustomizeError::Slow(name(), limits.time.as_secs())));
    let (built, stderr, status) = ended?;
    if !status.success() {
        let stderr = if stderr.is_empty() { stderr } else { format!(": {stderr}") };
        return Err(KustomizeError::Failed { program: name(), status, stderr });
    }
    for line in stderr.lines() {
        output::warning(&format!("{}: {line}", name()));
    }
    Ok(built)
}

async fn bounded(
    stdout: impl AsyncRead + Unpin,
    name: &impl Fn() -> String,
    max: u64,
) -> Result<Vec<u8>, KustomizeError> {
    let mut bytes = Vec::new();
    let mut stdout = stdout.take(max.saturating_add(1));
    stdout.read_to_end(&mut bytes).await.map_err(|error| KustomizeError::NotRun(name(), error))?;
    if bytes.len() as u64 > max { Err(KustomizeError::TooLarge(name(), max)) } else { Ok(bytes) }
}

/// The beginning of what is read to its end.
async fn beginning(mut stderr: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4 << 10];
    loop {
        let read = stderr.read(&mut buffer).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).trim().to_owned());
        }
        let room = MAX_STDERR.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(read.min(room)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Limits = Limits { time: Duration::from_mins(1), bytes: 1 << 20 };

    async fn shell(script: &str, limits: Limits) -> Result<String, String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let built = run(command, "kubectl kustomize", limits).await;
        built.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_it_builds_is_read_and_its_errors_are_shown() {
        assert_eq!(shell("printf 'kind: Pod'; echo deprecated >&2", MANY).await.unwrap(), "kind: Pod");
        let error = shell("printf 'kind: Pod'; echo 'no such base' >&2; exit 3", MANY).await.unwrap_err();
        assert_eq!(error, "kubectl kustomize failed with exit status: 3: no such base");
        let error = shell("kill -9 $$", MANY).await.unwrap_err();
        assert_eq!(error, "kubectl kustomize failed with signal: 9 (SIGKILL)");
        // More on stderr than is kept and than a pipe holds.
        let error = shell("head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1", MANY).await.unwrap_err();
        assert!(error.len() < 5000 && error.ends_with("xxx"), "{}", error.len());
    }

    #[tokio::test]
    async fn time_and_output_have_bounds() {
        let short = Limits { time: Duration::from_millis(50), ..MANY };
        for script in ["sleep 60", "exec sleep 60 >/dev/null 2>&1", "while :; do echo x; sleep 0.01; done"] {
            let error = shell(script, short).await.unwrap_err();
            assert!(error.starts_with("kubectl kustomize did not end within "), "{script}: {error}");
        }
        let error = shell("while :; do echo xxxxxxxxxxxxxxxx; done", MANY).await.unwrap_err();
        assert_eq!(error, "the output of kubectl kustomize is larger than 1 MiB, and the rest was not read");
    }

    #[tokio::test]
    async fn the_first_program_that_is_there_is_run() {
        async fn first_of(programs: [(&str, &str); 2]) -> Result<String, String> {
            let built = first(programs, Path::new("over"), MANY).await;
            built.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
        }
        let there = |first, second| first_of([(first, "-n"), (second, "")]);
        assert_eq!(there("/bin/echo", "/nothing").await.unwrap(), "over");
        assert_eq!(there("/nothing", "/bin/echo").await.unwrap(), " over\n");
        let error = there("/nothing", "/nothing").await.unwrap_err();
        assert!(error.starts_with("neither kubectl nor kustomize is installed"), "{error}");
        // One that is there and does not work is an error.
        assert!(
            there("/etc/passwd", "/bin/echo").await.unwrap_err().starts_with("cannot run /etc/passwd -n: ")
        );
    }

    #[test]
    fn directories_are_no_flags() {
        for (directory, operand) in
            [("-k", "./-k"), ("over", "over"), ("https://a/b?ref=c", "https://a/b?ref=c")]
        {
            assert_eq!(as_operand(Path::new(directory)).to_str(), Some(operand));
        }
    }
}

//! `-k`, with programs in the place of kubectl and kustomize.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{super::manifests::DEPLOYMENT, names, run_in};

/// A shell script in the folder that is the whole PATH.
fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join("bin").join(name);
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    fs::write(folder.path().join("built.yaml"), DEPLOYMENT).unwrap();
    folder
}

#[test]
fn what_kustomize_builds_is_read() {
    let folder = folder();
    let path = folder.path().join("bin");
    let run = |arguments: &[&str]| run_in(folder.path(), arguments, &[("PATH", path.as_os_str())]);
    run(&["inject", "-k", "over"]).is_refused(
        "cannot read (kustomize over): neither kubectl nor kustomize is installed; install one of them, or pipe what \
         another tool builds to -f -",
    );
    let script = |verb| {
        format!(
            "[ \"$*\" = \"{verb} over\" ] || exit 9; while IFS= read -r l; do echo \"$l\"; done <built.yaml"
        )
    };
    program(folder.path(), "kustomize", &script("build"));
    let output = run(&["explain", "-k", "over"]);
    assert_eq!((names(&output), &*output.stderr), (vec!["api".to_owned()], ""));
    // kubectl comes first.
    program(folder.path(), "kubectl", &(script("kustomize") + "; echo deprecated >&2"));
    let output = run(&["inject", "-k", "over"]);
    assert!(output.code == 0 && output.stdout.contains("966367641"), "{}", output.stderr);
    assert!(output.stderr.starts_with("warning: kubectl kustomize: deprecated\n"), "{}", output.stderr);

    let output = run(&["inject", "--diff", "-q", "-k", "over"]);
    assert!(
        output.stdout.starts_with("--- a/(kustomize over)\t\n+++ b/(kustomize over)\t\n@@ "),
        "{}",
        output.stdout
    );

    program(folder.path(), "kubectl", "echo 'error: no base' >&2; exit 1");
    run(&["inject", "-k", "over"]).is_refused(
        "cannot read (kustomize over): kubectl kustomize failed with exit status: 1: error: no base",
    );
}

#[test]
fn it_is_the_only_input_and_is_not_written_back() {
    let folder = folder();
    program(folder.path(), "kubectl", "echo kind: Pod");
    let path = folder.path().join("bin");
    let run = |arguments: &[&str]| run_in(folder.path(), arguments, &[("PATH", path.as_os_str())]);
    for more in [&["-f", "built.yaml"][..], &["-R"], &["--exclude", "x"]] {
        let output = run(&[&["inject", "-k", "over"], more].concat());
        assert_eq!((output.code, &*output.stdout), (2, ""));
        assert!(output.stderr.contains("cannot be used with"), "{}", output.stderr);
    }
    run(&["inject", "-k", "over", "--in-place"]).is_refused("--in-place needs files");
}

/// Ctrl-C that reaches only this program ends both.
#[test]
fn an_interrupt_ends_it() {
    let folder = folder();
    program(folder.path(), "kubectl", "echo $$ >pid.tmp; /bin/mv pid.tmp pid; exec /bin/sleep 1000");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(["inject", "-k", "over"]).current_dir(&folder).env("PATH", folder.path().join("bin"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = wait_for(|| fs::read_to_string(folder.path().join("pid")).ok());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Whoever adopts it may not have reaped it yet.
    wait_for(|| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing has happened");
        thread::sleep(Duration::from_millis(10));
    }
}

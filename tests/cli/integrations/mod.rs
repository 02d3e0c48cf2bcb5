//! Programs that run this one as a part of them, the real ones: `cargo test --test integration -- --ignored integrations`. They
//! need Go, and pre-commit Python; tests/e2e/binaries builds them once.

mod helm;
mod kustomize;
mod pre_commit;
mod sarif;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use gomemlimit_fake_api_server::CommandOutput;

const PAGE: &str = include_str!("../../../docs/integrations.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a program of this name, built if need be.
fn built(name: &str) -> PathBuf {
    let script = root().join("tests/e2e/binaries");
    let output = Command::new(&script).args(["--only", name]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let cache = env::var_os("GOMEMLIMIT_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        caches
            .unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap()).join(".cache"))
            .join("gomemlimit")
    });
    cache.join("tools/bin").join(name)
}

/// A folder with links of these names to programs, and to ours.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new(others: &[(&str, PathBuf)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ours = ("gomemlimit", PathBuf::from(env!("CARGO_BIN_EXE_gomemlimit")));
        for (name, program) in others.iter().chain([&ours]) {
            std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    /// Runs a command line as a user would, in the root of the repository; settings of the user do not count.
    fn run(&self, line: &str) -> CommandOutput {
        self.command(line).current_dir(root()).output().unwrap().into()
    }

    fn command(&self, line: &str) -> Command {
        let path = env::join_paths(
            [self.0.path().to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
        );
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", path.unwrap()).env("HOME", self.0.path());
        for name in [
            "HELM_PLUGINS",
            "HELM_DATA_HOME",
            "HELM_CONFIG_HOME",
            "HELM_CACHE_HOME",
            "XDG_DATA_HOME",
            "XDG_CONFIG_HOME",
            "KUBECONFIG",
        ] {
            command.env_remove(name);
        }
        command
    }
}

/// The commands of a section of the page, and what it shows of their output.
fn commands(section: &str) -> Vec<(String, String)> {
    let (_, section) = PAGE.split_once(&format!("\n## {section}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands = blocks.flat_map(|block| {
        let parts = format!("\n{block}");
        let parts: Vec<_> = parts.split("\n$ ").skip(1).map(str::to_owned).collect();
        let last = parts.len().saturating_sub(1);
        // The line end before the next command is that of the output.
        let ended = parts.into_iter().enumerate();
        ended.map(move |(index, part)| if index < last { part + "\n" } else { part })
    });
    let commands = commands.map(|command| {
        let (line, shown) = command.split_once('\n').unwrap_or((&command, ""));
        (line.trim().to_owned(), shown.to_owned())
    });
    commands.collect()
}

/// A copy of a folder of the repository.
fn copy(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

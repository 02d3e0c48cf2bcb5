//! The program under its other names: `kubectl-gomemlimit` is the plugin `kubectl gomemlimit`, and
//! `kubectl_complete-gomemlimit` is what kubectl asks for completions of it.

use std::path::Path;
#[cfg(feature = "cli")]
use std::{ffi::OsString, process::ExitCode};

use clap::Command;
#[cfg(feature = "cli")]
use clap_complete::engine;

use super::help;
#[cfg(feature = "cli")]
use super::output;

/// The name that the program was called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Itself,
    KubectlPlugin,
    #[cfg(feature = "cli")]
    KubectlComplete,
}

impl Name {
    pub(super) fn of_this_program() -> Self {
        let path = std::env::args_os().next().unwrap_or_default();
        match Path::new(&path).file_stem().and_then(|name| name.to_str()) {
            Some("kubectl-gomemlimit") => Self::KubectlPlugin,
            #[cfg(feature = "cli")]
            Some("kubectl_complete-gomemlimit") => Self::KubectlComplete,
            _ => Self::Itself,
        }
    }
}

/// The command line `command`, with the name that the user types in usage and examples.
pub(super) fn arrange(command: Command, name: Name) -> Command {
    if name != Name::KubectlPlugin {
        return help::arrange(command);
    }
    let words: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let as_plugin = |one: Command| {
        let Some(help) = one.get_after_help().map(ToString::to_string) else { return one };
        one.after_help(words.iter().fold(help, |help, word| renamed(&help, &format!("gomemlimit {word}"))))
    };
    help::arrange(as_plugin(command.bin_name("kubectl gomemlimit")).mut_subcommands(as_plugin))
}

/// With kubectl before every `command` that is not the beginning of a longer word.
fn renamed(help: &str, command: &str) -> String {
    let mut parts = help.split(command);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let goes_on = part.starts_with(|c: char| c.is_alphanumeric() || c == '-');
        text + if goes_on { "" } else { "kubectl " } + command + part
    })
}

/// Answers kubectl as programs made with Cobra do: a candidate a line, its description after a tab, and a
/// last line with a directive.
#[cfg(feature = "cli")]
pub(super) fn complete(command: Command) -> ExitCode {
    /// `ShellCompDirectiveNoFileComp`: there is nothing else to offer.
    const NO_FILES: &str = ":4\n";
    let words: Vec<OsString> =
        std::iter::once("gomemlimit".into()).chain(std::env::args_os().skip(1)).collect();
    let last = words.len() - 1;
    let directory = std::env::current_dir().ok();
    let mut command = arrange(command, Name::KubectlPlugin);
    let candidates = engine::complete(&mut command, words, last, directory.as_deref()).unwrap_or_default();
    let lines = candidates.iter().filter(|candidate| !candidate.is_hide_set()).map(|candidate| {
        let value = candidate.get_value().to_string_lossy();
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        match help.lines().next() {
            Some(help) => format!("{value}\t{help}\n"),
            None => format!("{value}\n"),
        }
    });
    let answer: String = lines.chain([NO_FILES.to_owned()]).collect();
    output::stdout(answer.as_bytes())
}

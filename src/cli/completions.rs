//! `gomemlimit completions`: completion scripts for shells.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit completions bash > /etc/bash_completion.d/gomemlimit
  gomemlimit completions zsh > \"${fpath[1]}/_gomemlimit\"
  gomemlimit completions fish > ~/.config/fish/completions/gomemlimit.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of every command")]
    pub(super) fn run(self, command: &mut Command) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "gomemlimit", &mut script);
        Ok(super::output::stdout(&script))
    }
}

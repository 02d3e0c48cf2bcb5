//! `gomemlimit completions`: the line that makes a shell ask this program for completions.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use clap_complete::env::Shells;

/// The variable by which a shell asks for completions.
pub(super) const VARIABLE: &str = "COMPLETE";

/// Print a completion script for a shell
///
/// The script asks this program for every completion: flags and values of the version that is installed, contexts
/// of the kubeconfig, and namespaces of the cluster.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit completions bash > /etc/bash_completion.d/gomemlimit
  gomemlimit completions zsh > \"${fpath[1]}/_gomemlimit\"
  gomemlimit completions fish > ~/.config/fish/completions/gomemlimit.fish
  # For kubectl gomemlimit: a link by the name that kubectl asks for
  ln -s \"$(command -v gomemlimit)\" /usr/local/bin/kubectl_complete-gomemlimit")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let value = self.shell.to_possible_value();
        let name = value.as_ref().map_or("", |value| value.get_name());
        let shells = Shells::builtins();
        let shell = shells.completer(name).ok_or_else(|| anyhow!("no completions for {name}"))?;
        let mut script = Vec::new();
        shell
            .write_registration(VARIABLE, "gomemlimit", "gomemlimit", "gomemlimit", &mut script)
            .context("cannot write the script")?;
        Ok(super::output::stdout(&script))
    }
}

//! The end of every help text: examples, printed as they are written, and the address of the documentation.

use clap::Command;
use gomemlimit_core::addresses::{docs, repository};

/// How the examples of an `after_help` begin. They end at the first empty line.
const EXAMPLES: &str = "Examples:\n";

/// The template of clap, up to what comes after the arguments.
const TEMPLATE: &str = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}";

/// The page of a command in docs/, if there is one.
fn page(command: &str) -> Option<&str> {
    match command {
        "audit" | "certificates" | "check" | "completions" | "diagnose" | "explain" | "inject"
        | "observe" | "probe" | "serve" => Some(command),
        "policy" => Some("policy-engine"),
        _ => None,
    }
}

/// Keeps the examples of a command and of its subcommands from being wrapped: clap wraps an `after_help` at the width
/// of the terminal, and half a command is a broken one. It wraps no template.
pub(super) fn arrange(command: Command) -> Command {
    let command = command.mut_subcommands(arrange);
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, rest) = match text.split_once("\n\n") {
        Some((examples, rest)) if examples.starts_with(EXAMPLES) => (examples, rest),
        None if text.starts_with(EXAMPLES) => (text.as_str(), ""),
        _ => ("", text.as_str()),
    };
    let page = page(command.get_name()).map(|page| format!("Documentation: {}", docs(page)));
    let rest: Vec<&str> = [rest].into_iter().filter(|rest| !rest.is_empty()).chain(page.as_deref()).collect();
    let gap = if examples.is_empty() { "" } else { "\n\n" };
    command.help_template(format!("{TEMPLATE}{gap}{examples}{{after-help}}")).after_help(rest.join("\n"))
}

/// The end of the help of the whole program.
pub(super) fn of_the_program() -> String {
    format!(
        "Examples:
  # What GOMEMLIMIT means in every container of a cluster
  gomemlimit audit -A
  # What the webhook would do about a manifest, and the same done without it
  gomemlimit explain -f deployment.yaml
  gomemlimit inject -f deployment.yaml | kubectl apply -f -
  # Why pods get no value
  gomemlimit check -n shop

Exit codes: 0 fine, 1 findings (with --fail-on) or an unclean shutdown, 2 usage or environment.
Documentation: {}",
        repository()
    )
}

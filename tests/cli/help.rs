//! The help: examples are whole commands at every width, and no address needs a checkout.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use clap::{CommandFactory, Parser};
use gomemlimit::cli::Cli;
use gomemlimit_core::addresses;
use gomemlimit_fake_api_server::CommandOutput;

/// Programs that examples call besides this one.
const OTHERS: [&str; 4] = ["helm", "jq", "kubectl", "ln"];

/// The help of the whole and of each command, at a width.
fn helps(program: &Path, columns: u16) -> Vec<(String, String)> {
    let command = Cli::command();
    let names = command.get_subcommands().map(|one| one.get_name().to_owned());
    let run = |name: String| {
        let mut command = Command::new(program);
        command.args(Some(&name).filter(|name| !name.is_empty()));
        let output: CommandOutput =
            command.arg("--help").env("COLUMNS", columns.to_string()).output().unwrap().into();
        assert_eq!(output.code, 0, "{name}: {}", output.stderr);
        (name, output.stdout)
    };
    [String::new()].into_iter().chain(names).map(run).collect()
}

fn this_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gomemlimit"))
}

fn examples(help: &str) -> Vec<&str> {
    let block = help.split("\nExamples:\n").nth(1).unwrap_or_else(|| panic!("no examples in\n{help}"));
    block.lines().take_while(|line| !line.is_empty()).collect()
}

/// The commands of examples, each on one line.
fn commands(examples: &[&str]) -> Vec<String> {
    let lines: Vec<_> = examples.iter().map(|line| line.trim()).collect();
    let text = lines.join("\n").replace("\\\n", "");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn every_example_is_a_whole_command_at_every_width() {
    let wide = helps(this_program(), 200);
    assert!(wide.len() >= 10, "{}", wide.len());
    for (name, help) in &wide {
        let lines = examples(help);
        for line in &lines {
            assert!(line.chars().count() <= 78 && line.starts_with("  "), "{name}: {line:?}");
        }
        for command in commands(&lines) {
            for part in command.split(" | ").flat_map(|part| part.split(" && ")) {
                let part = part.split(" > ").next().unwrap();
                let words = shlex::split(part).unwrap_or_else(|| panic!("{name}: {part}"));
                if words[0] == "gomemlimit" {
                    Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{name}: {part}: {error}"));
                } else {
                    assert!(OTHERS.contains(&&*words[0]), "{name}: {part:?} calls no known program");
                }
            }
        }
        assert!(
            name.is_empty() || commands(&lines).concat().contains(&format!("gomemlimit {name}")),
            "{name}"
        );
    }
    for columns in [20, 60, 80, 100] {
        for ((name, help), (_, wide)) in helps(this_program(), columns).iter().zip(&wide) {
            assert_eq!(examples(help), examples(wide), "{name} at {columns} columns");
        }
    }
}

#[test]
fn the_plugins_examples_are_whole_too() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join("kubectl-gomemlimit");
    symlink(this_program(), &plugin).unwrap();
    for ((name, help), (_, own)) in helps(&plugin, 60).iter().zip(helps(this_program(), 200)) {
        let commands = commands(&examples(help));
        let is_renamed = |word: &str| help.contains(&format!("kubectl gomemlimit {word}"));
        assert!(is_renamed(if name.is_empty() { "audit" } else { name }), "{name}: {help}");
        let back: Vec<_> =
            commands.iter().map(|one| one.replace("kubectl gomemlimit ", "gomemlimit ")).collect();
        assert_eq!(back, self::commands(&examples(&own)), "{name}");
    }
}

/// Lines of prose are broken by the width alone.
#[test]
fn what_follows_the_examples_is_wrapped_once() {
    for (name, help) in helps(this_program(), 100) {
        let Some((_, rest)) = help.split("\nExamples:\n").nth(1).unwrap().split_once("\n\n") else {
            continue;
        };
        let lines: Vec<_> = rest.lines().collect();
        for pair in lines.windows(2) {
            let word = pair[1].split(' ').next().unwrap();
            // A new beginning, such as `Exit codes:`.
            let begins = pair[1].split(' ').take(2).any(|word| word.ends_with(':'));
            let is_full = pair[0].chars().count() + 1 + word.chars().count() > 100;
            assert!(begins || is_full || pair[1].is_empty() || pair[0].is_empty(), "{name}: {pair:?}");
        }
    }
}

#[test]
fn every_help_names_its_page_by_an_address() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, help) in helps(this_program(), 100) {
        let address = help.split("\nDocumentation: ").nth(1).map(str::trim_end);
        match address
            .and_then(|address| address.strip_prefix(&format!("{}/blob/main/", addresses::repository())))
        {
            Some(page) => assert!(root.join(page).is_file(), "{name}: {page}"),
            None => assert!(matches!(name.as_str(), "" | "version"), "{name}: {address:?}"),
        }
    }
}

/// Whether a text names a file of the repository without saying where the repository is.
fn relative_address(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'`(){}".contains(c));
    let is_relative = |word: &&str| {
        let names = word.contains("charts/gomemlimit") || word.contains("deploy/") || word.contains("docs/");
        names && !word.contains("://") && !word.starts_with("../")
    };
    words.into_iter().find(is_relative)
}

#[test]
fn nothing_that_the_program_prints_needs_a_checkout() {
    for (name, help) in helps(this_program(), 100) {
        assert_eq!(relative_address(&help), None, "{name}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "crates"].map(|folder| root.join(folder)).into();
    let mut lines = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = ["tests", "tests.rs", "target"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let text = std::fs::read_to_string(&path).unwrap();
                let program = text.split("#[cfg(test)]").next().unwrap();
                for line in program.lines().filter(|line| {
                    // The doc comment of an argument is its help, which is looked at above.
                    !line.trim_start().starts_with("//")
                }) {
                    lines += 1;
                    let found = relative_address(line).filter(|_| !path.ends_with("addresses.rs"));
                    assert_eq!(found, None, "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(lines > 5000, "{lines}");
}

#[test]
fn a_relative_address_is_seen() {
    assert_eq!(relative_address("helm install x charts/gomemlimit -n x"), Some("charts/gomemlimit"));
    assert_eq!(relative_address("see docs/policy-file.md"), Some("docs/policy-file.md"));
    assert_eq!(relative_address(&format!("{} {}", addresses::chart(), addresses::docs("alerts"))), None);
}

/// The chart cannot ask the program for addresses; a release puts its repository in for the placeholder of both.
#[test]
fn the_chart_leads_to_the_same_documentation() {
    let docs = addresses::docs("alerts").replace("/alerts.md", "");
    let alerts = include_str!("../../charts/gomemlimit/files/alerts.yaml");
    let runbooks: Vec<_> = alerts.lines().filter_map(|line| line.split("runbook_url: ").nth(1)).collect();
    assert!(runbooks.len() > 20, "{}", runbooks.len());
    for runbook in runbooks {
        assert!(runbook.starts_with(&format!("{docs}/alerts.md#gomemlimit")), "{runbook}");
    }
    let helpers = include_str!("../../charts/gomemlimit/templates/_helpers.tpl");
    assert!(helpers.contains(&format!("define \"gomemlimit.docs\" -}}}}\n{docs}\n")), "{docs}");
}

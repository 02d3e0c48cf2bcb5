//! The documentation matches the program: names, defaults and examples are checked, not copied.

use std::{collections::BTreeSet, path::Path};

use gomemlimit_core::{Reason, Settings, settings::Setting, value::Ratio, warning::WarningKind};
use gomemlimit_manifest::AliasBudget;
use gomemlimit_pprof::Verdict;

use crate::support::command::run_with_stdin;

mod examples;
mod kinds;

/// Folders with the sources of the program.
const SOURCES: [&str; 13] = [
    "src",
    "crates/certs/src",
    "crates/cluster/src",
    "crates/core/src",
    "crates/files/src",
    "crates/manifest/src",
    "crates/observation/src",
    "crates/plot/src",
    "crates/policy-file/src",
    "crates/pprof/src",
    "crates/serve/src",
    "crates/table/src",
    "crates/tls/src",
];
const README: &str = include_str!("../../README.md");
const METRICS: &str = include_str!("../../docs/metrics.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");
const OBSERVE: &str = include_str!("../../docs/observe.md");
const DIAGNOSE: &str = include_str!("../../docs/diagnose.md");
const EXPLAIN: &str = include_str!("../../docs/explain.md");
const INTEGRATIONS: &str = include_str!("../../docs/integrations.md");
const INJECT: &str = include_str!("../../docs/inject.md");
const SERVE: &str = include_str!("../../docs/serve.md");
/// Of other programs' flags, mostly.
const RELEASE: &str = include_str!("../../docs/release.md");
const TEXTS: [&str; 22] = [
    include_str!("../../docs/access.md"),
    include_str!("../../docs/callers.md"),
    INJECT,
    INTEGRATIONS,
    SERVE,
    include_str!("../../docs/probe.md"),
    include_str!("../../docs/completions.md"),
    README,
    METRICS,
    DIAGNOSE,
    ARCHITECTURE,
    include_str!("../../CONTRIBUTING.md"),
    include_str!("../../SECURITY.md"),
    include_str!("../../CHANGELOG.md"),
    include_str!("../../docs/certificates.md"),
    include_str!("../../docs/policy-engine.md"),
    include_str!("../../docs/policy-file.md"),
    include_str!("../../docs/audit.md"),
    include_str!("../../docs/check.md"),
    EXPLAIN,
    OBSERVE,
    include_str!("../../deploy/krew/README.md"),
];

fn run(arguments: &[&str], stdin: &str) -> String {
    run_with_stdin(arguments, stdin).stdout
}

#[test]
fn the_readme_lists_every_reason_and_setting_with_its_default() {
    for reason in Reason::ALL {
        assert!(README.contains(&format!("`{reason}`")), "{reason}");
    }
    for setting in Setting::ALL {
        assert!(README.contains(&format!("`{}`: ", setting.as_str())), "{}", setting.as_str());
    }
    assert_eq!(Ratio::DEFAULT.ppm(), 900_000);
    assert_eq!((Ratio::MIN.ppm(), Ratio::MAX.ppm()), (100_000, 980_000));
    assert!(README.contains("0.10 to 0.98 | 0.90 |"));
    assert_eq!(Settings::default().min_limit, 32 << 20);
    assert!(README.contains("`min-limit`: a quantity | 32Mi |"));
}

/// The chart passes each value on as the flag of its name: what is missing in the chart nobody can set by it.
#[test]
fn every_setting_has_a_flag_and_a_value_of_the_chart() {
    let help = run(&["serve", "--help"], "");
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../charts/gomemlimit/values.schema.json")).unwrap();
    let values = &chart_values()["settings"];
    let keys = |object: &serde_json::Value| -> BTreeSet<String> {
        object.as_object().unwrap().keys().cloned().collect()
    };
    let mut all = BTreeSet::new();
    for setting in Setting::ALL {
        assert!(help.contains(&format!("--{} <", setting.as_str())), "serve --help: {setting:?}");
        all.insert(setting.camel_case());
    }
    let of_rules = &schema["properties"]["policy"]["properties"]["rules"]["items"]["properties"]["set"];
    assert_eq!(keys(&of_rules["properties"]), all, "`set` in charts/gomemlimit/values.schema.json");
    all.extend(["envFrom".to_owned(), "initContainers".to_owned()]);
    let of_chart = &schema["properties"]["settings"]["properties"];
    assert_eq!(keys(of_chart), all, "`settings` in charts/gomemlimit/values.schema.json");
    assert_eq!(keys(values), all, "`settings` in charts/gomemlimit/values.yaml");
    for key in &all {
        let row = format!("| `settings.{key}` |");
        let command = "python3 tests/chart/values_table.py";
        assert!(include_str!("../../charts/gomemlimit/README.md").contains(&row), "{row}: {command}");
        let file = include_str!("../../charts/gomemlimit/ci/settings-values.yaml");
        assert!(file.contains(&format!("\n  {key}: ")), "charts/gomemlimit/ci/settings-values.yaml: {key}");
    }
}

#[test]
fn the_metrics_page_lists_every_kind_of_warning() {
    for kind in WarningKind::NAMES {
        assert!(METRICS.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn the_page_on_integrations_lists_every_rule() {
    // Of reviews only.
    for rule in WarningKind::NAMES.iter().filter(|kind| **kind != "bad-review") {
        assert!(INTEGRATIONS.contains(&format!("`{rule}`")), "{rule}");
    }
}

#[test]
fn the_page_on_diagnose_explains_every_verdict() {
    let words: Vec<_> = Verdict::ALL.iter().map(|verdict| verdict.as_str()).collect();
    let explained = DIAGNOSE.split("\n### `").skip(1).filter_map(|text| text.split('`').next());
    assert_eq!(explained.collect::<Vec<_>>(), words, "sections of docs/diagnose.md");
    let help = run(&["diagnose", "--help"], "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(&format!("Verdicts: {}.", words.join(", "))), "{help}");
}

/// The defaults of the command line are those of the core: no flag changes nothing.
#[test]
fn the_defaults_of_the_flags_are_those_of_the_core() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, resources: \
                    {limits: {memory: 32Mi}}}\n  - {name: b, resources: {limits: {memory: 33554431}}}\n";
    let report = run(&["explain", "-f", "-", "-o", "json"], manifest);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let containers = &report["objects"][0]["containers"];
    assert_eq!(containers[0]["value"], (Settings::default().min_limit * 9 / 10).to_string());
    assert_eq!(containers[1]["reason"], "below-minimum");
}

#[test]
fn the_page_on_serve_has_the_defaults_of_the_flags() {
    let help = run(&["serve", "--help"], "");
    let table = SERVE.split("## Limits").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `--")?.split_once("` | "));
    let mut count = 0;
    for (flag, rest) in rows {
        let default = rest.split(' ').next().unwrap();
        let of_flag = help.split(&format!("--{flag} <")).nth(1).unwrap_or_else(|| panic!("--{flag}"));
        let of_flag = of_flag.split("[default: ").nth(1).unwrap().split(']').next().unwrap();
        assert_eq!(of_flag, default, "--{flag}");
        count += 1;
    }
    assert_eq!(count, 7);
}

#[test]
fn every_flag_in_the_texts_exists() {
    let help: String = [
        "serve",
        "certificates",
        "inject",
        "explain",
        "audit",
        "check",
        "policy",
        "diagnose",
        "observe",
        "probe",
        "version",
    ]
    .map(|command| run(&[command, "--help"], ""))
    .concat();
    // Flags of other programs, and removed ones, which CHANGELOG.md names.
    let foreign = [
        "--follow",
        "--watch",
        "--clusters",
        "--ignored",
        "--list",
        "--runs",
        "--skip",
        "--only",
        "--all",
        "--check",
        "--workspace",
        "--all-targets",
        "--features",
        "--test",
        "--bench",
        "--auto-gomemlimit",
        "--no-auto-gomemlimit",
        "--create-namespace",
        "--set",
        "--from-literal",
        "--reset-then-reuse-values",
        "--admission-control-config-file",
        "--wait",
        "--long",
        "--short",
        "--kubernetes-version",
        "--path",
        "--locked",
        "--manifest-url",
        "--replicas",
        "--reset-then-reuse-values",
        "--reuse-values",
        "--overwrite",
        "--subresource",
        "--post-renderer",
        "--post-renderer-args",
        "--enable-alpha-plugins",
        "--enable-exec",
        "--exec",
        "--allow-exec",
    ];
    for text in TEXTS {
        let flags = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| {
            word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        });
        for flag in flags.filter(|flag| !foreign.contains(flag)) {
            let is_known =
                help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag);
            assert!(is_known, "{flag} is in the texts but not in the help");
        }
    }
}

/// The parts of each sentence that the README explains are in the sources.
#[test]
fn the_readme_explains_sentences_that_the_program_says() {
    let mut sources = String::new();
    for path in sources_of(&SOURCES) {
        let text = std::fs::read_to_string(path).unwrap();
        // Texts that are broken over lines, and names that are filled in.
        sources += &text.replace("\\\n", "\u{0}").split('\u{0}').map(str::trim_start).collect::<String>();
    }
    let sources =
        sources.replace("{GOMEMLIMIT}", "GOMEMLIMIT").replace("{STATUS_ANNOTATION}", "gomemlimit.dev/status");
    let table = README.split("## When it says").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut count = 0;
    for sentence in rows.flat_map(|cell| cell.split("`, `")) {
        let sentence = sentence.trim_matches('`').trim_end_matches(": Address already in use");
        for part in sentence.split(['…', ':']).map(str::trim).filter(|part| part.len() > 8) {
            assert!(sources.contains(part), "nobody says {part:?}");
            count += 1;
        }
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn every_file_in_the_texts_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let endings = [".rs", ".md", ".tsv", ".toml"];
    for text in TEXTS.into_iter().chain([RELEASE]) {
        let words = text.split(|c: char| c.is_whitespace() || "()[]`,;→".contains(c));
        for word in words
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| !word.contains("://") && endings.iter().any(|end| word.ends_with(end)))
        {
            let places = [
                "",
                "src",
                "crates/core",
                "crates/core/src",
                "crates/core/tests",
                "crates/pprof/src",
                "crates/serve/src",
                "crates/certs/src",
                "docs",
                "docs/..",
            ];
            assert!(places.iter().any(|place| root.join(place).join(word).exists()), "{word}");
        }
    }
}

/// An upgrade without the flag, or without a file of values, would take the user's values away.
#[test]
fn an_upgrade_that_is_advised_keeps_the_values() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = files_of(
        &["src", "crates", "docs", "charts", "deploy", "examples"],
        &["rs", "md", "txt", "tpl", "yaml"],
    );
    files.extend(
        ["README.md", "SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name)),
    );
    let mut count = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        for (at, _) in text.match_indices("helm upgrade") {
            // In a sentence the command ends with its quotes, which may be on the next line; else with the line.
            let is_quoted = text[..at].ends_with('`');
            let command = text[at..].split(if is_quoted { '`' } else { '\n' }).next().unwrap();
            let keeps = ["--reset-then-reuse-values", " -f "].iter().any(|flag| command.contains(flag));
            assert!(keeps, "{}: {command:?}", path.display());
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}

/// A key of the chart that a command of the program, of a page or of the chart sets.
#[test]
fn a_value_that_is_set_by_an_advised_command_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let values = chart_values();
    let mut files = files_of(&["src", "docs", "charts", "deploy"], &["rs", "md", "txt"]);
    files.push(root.join("README.md"));
    let mut count = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("--set ").skip(1) {
            let argument = rest.trim_start_matches(['"', '\'', '\\']);
            let assignments =
                argument.split(|c: char| c.is_whitespace() || "\"'`{".contains(c)).next().unwrap();
            for key in assignments.split(',').filter_map(|one| one.split_once('=')).map(|(key, _)| key) {
                let pointer = format!("/{}", key.replace('.', "/"));
                let exists = key == "KEY" || values.pointer(&pointer).is_some();
                assert!(exists, "{}: the chart has no value {key}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 15, "{count}");
}

/// The default values of the chart.
fn chart_values() -> serde_json::Value {
    let text = include_str!("../../charts/gomemlimit/values.yaml");
    gomemlimit_manifest::read(text, &mut AliasBudget::default()).remove(0).unwrap().value
}

/// Every Rust file in these folders.
fn sources_of(folders: &[&str]) -> Vec<std::path::PathBuf> {
    files_of(folders, &["rs"])
}

/// Every file in these folders whose name ends so.
fn files_of(folders: &[&str], endings: &[&str]) -> Vec<std::path::PathBuf> {
    let mut folders: Vec<_> =
        folders.iter().map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| endings.iter().any(|ending| extension == *ending))
            {
                files.push(path);
            }
        }
    }
    files
}

/// Else the image cannot be built, which only a machine with a builder would notice.
#[test]
fn the_image_is_built_with_every_member_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (manifest, kept) = (read("Cargo.toml"), read(".dockerignore"));
    let (_, members) = manifest.split_once("members = [").unwrap();
    let members: Vec<_> = members.split_once(']').unwrap().0.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 4, "{members:?}");
    for member in members {
        let folder = member.trim_end_matches("/*");
        let is_kept = |line: &str| line.strip_prefix('!') == Some(folder);
        assert!(kept.lines().any(is_kept), "{member} is not in .dockerignore");
    }
}

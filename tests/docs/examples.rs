//! Examples in the documentation: each command is run, and prints what its page shows.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use gomemlimit::observation::{self, Observation};
use gomemlimit_core::admission::{Patch, admit};

use super::{EXPLAIN, INJECT, OBSERVE, README, run};

/// The table before → after is made of the two runs that are kept beside it.
#[test]
fn the_table_of_observe_is_that_of_the_runs_that_are_kept() {
    let before = Observation::parse(include_str!("../../docs/observe/before.json")).unwrap();
    let after = Observation::parse(include_str!("../../docs/observe/after.json")).unwrap();
    let indented = |text: String| {
        text.lines().map(|line| format!("   {line}").trim_end().to_owned() + "\n").collect::<String>()
    };
    for text in [observation::report(&before), observation::comparison(&before, &after)] {
        let text = indented(text);
        assert!(OBSERVE.contains(&text), "docs/observe.md lacks\n{text}");
    }
    let table = observation::comparison(&before, &after);
    assert!(README.contains(&table), "the README lacks\n{table}");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/observe/memory.svg");
    let drawn = observation::svg(Some(&before), &after);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&picture, &drawn).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&picture).unwrap(), drawn, "docs/observe/memory.svg");
}

#[test]
fn the_readmes_patch_is_the_answer_to_the_printed_curl_line() {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines().map(Result::unwrap);
    let curl = lines.find(|line| line.trim_start().starts_with("curl "));
    serve.kill().unwrap();
    serve.wait().unwrap();
    let curl = curl.expect("a curl line");
    let review = curl.split_once("-d '").unwrap().1.trim_end_matches('\'');
    let admission = admit(review.as_bytes(), |_| [].into(), &gomemlimit_core::Policy::default()).unwrap();
    let patch = serde_json::to_value(Patch::new(&admission.outcome.decision).operations).unwrap();
    let shown = README.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(shown).unwrap(), patch);
}

#[test]
fn the_readmes_explain_output_is_real() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\nspec:\n  template:\n    \
                    spec:\n      containers:\n      - {name: api, resources: {limits: {memory: 1Gi}}}\n      - {name: envoy}\n";
    let output = run(&["explain", "-f", "-"], manifest);
    assert!(README.contains(&output), "{output}");
}

#[test]
fn the_pages_explanations_of_what_is_wrong_are_real() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop, namespace: shop}\nspec:\n  containers:\n  - {name: api, \
                    resources: {limits: {memory: 1Gi}}, env: [{name: GOMEMLIMIT, value: 900Mi}]}\n  - {name: worker, \
                    resources: {limits: {memory: 128MiB}}}\n  - {name: cron, resources: {limits: {memory: 128m}}}\n";
    let output = run(&["explain", "-f", "-"], manifest);
    assert!(EXPLAIN.contains(&output), "{output}");
}

/// Every command of the page is run on the manifest that it shows, and says what the page says.
#[test]
fn the_page_on_inject_is_real() {
    let directory = tempfile::tempdir().unwrap();
    let block = |kind: &str| -> Vec<&str> {
        INJECT.split(kind).skip(1).map(|text| text.split("```").next().unwrap()).collect()
    };
    std::fs::write(directory.path().join("deployment.yaml"), block("```yaml\n")[0]).unwrap();
    std::fs::write(directory.path().join("broken.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: p\n")
        .unwrap();
    let mut commands = 0;
    let mut said = String::new();
    for text in block("```console\n") {
        let Some((command, shown)) =
            text.strip_prefix("$ gomemlimit ").and_then(|text| text.split_once('\n'))
        else {
            assert_eq!(text, said, "what was done");
            continue;
        };
        let mut program = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        let output = program.args(command.split(' ')).current_dir(directory.path()).output().unwrap();
        said = String::from_utf8(output.stderr).unwrap();
        let is_error = output.status.code() == Some(2);
        assert_eq!(
            if is_error { said.clone() } else { String::from_utf8(output.stdout).unwrap() },
            shown,
            "{command}"
        );
        assert_eq!(output.status.code() == Some(1), command.contains("--fail-on"), "{command}");
        commands += 1;
    }
    assert_eq!(commands, 4);
}

#[test]
fn the_readmes_repaired_status_is_real() {
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: api\n    resources: \
                    {limits: {memory: 1Gi}}\n    env: [{name: GOMEMLIMIT, value: 900Mi}]\n";
    let pod = run(&["inject", "-f", "-", "-o", "json", "--repair", "fix"], manifest);
    let pod: serde_json::Value = serde_json::from_str(&pod).unwrap();
    let status = pod["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
    assert!(README.contains(&format!("```json\n{status}\n```")), "{status}");
}

#[test]
fn the_page_on_completions_shows_what_is_offered() {
    let (_, shown) =
        include_str!("../../docs/completions.md").split_once("\n$ gomemlimit audit -o <TAB>\n").unwrap();
    let shown: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
    let output = Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(["--", "gomemlimit", "audit", "-o", ""])
        .envs([("COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", "3"), ("_CLAP_IFS", "\n")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), shown);
}

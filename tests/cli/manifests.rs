//! `inject` and `explain` as a user runs them.

use std::{collections::BTreeMap, fs, path::Path};

use rstest::rstest;
use serde_json::Value;

use crate::support::command::{run, run_with_stdin};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manifests/cases.yaml");

pub(super) const DEPLOYMENT: &str = include_str!("inject/deployment/in.yaml");

const STATUS: &str = r#"{"version":1,"containers":{"api":{"value":"966367641","limit":1073741824,"ratio":"0.9","headroom":0,"kind":"literal","source":"default"}}}"#;

#[test]
fn inject_changes_nothing_but_what_it_must() {
    let output = run_with_stdin(&["inject", "-f", "-"], DEPLOYMENT);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let added: Vec<&str> = {
        let mut before = DEPLOYMENT.lines();
        let mut next = before.next();
        let mut added = Vec::new();
        for line in output.stdout.lines() {
            if Some(line) == next {
                next = before.next();
            } else {
                added.push(line);
            }
        }
        assert_eq!(next, None, "lines were changed or moved:\n{}", output.stdout);
        added
    };
    let text = added.join("\n");
    assert!(text.contains("GOMEMLIMIT") && text.contains("966367641") && text.contains(STATUS), "{text}");
    assert!(added.len() <= 5, "{text}");
    assert_eq!(output.stderr, "Deployment shop/api, container api: GOMEMLIMIT=966367641 (injected)\n");

    // Once more changes nothing.
    let again = run_with_stdin(&["inject", "-f", "-"], &output.stdout);
    assert_eq!(again.stdout, output.stdout);
    assert!(again.stderr.contains("(kept)"), "{}", again.stderr);
}

#[test]
fn inject_diff_prints_the_difference_only() {
    let output = run_with_stdin(&["inject", "-f", "-", "--diff"], DEPLOYMENT);
    assert_eq!(output.code, 0);
    assert!(output.stdout.starts_with("--- a/(stdin)\n+++ b/(stdin)\n@@ "), "{}", output.stdout);
    let (added, removed): (Vec<_>, Vec<_>) = output
        .stdout
        .lines()
        .skip(2)
        .filter(|line| line.starts_with(['+', '-']))
        .partition(|line| line.starts_with('+'));
    assert!(!added.is_empty() && removed.is_empty(), "{}", output.stdout);
    let nothing = run_with_stdin(&["inject", "-f", "-", "--diff"], "apiVersion: v1\nkind: ConfigMap\n");
    assert_eq!((nothing.code, &*nothing.stdout), (0, ""));
}

pub(super) fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn inject_in_place_writes_changed_files_only_and_keeps_links_and_modes() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let changed = write(directory.path(), "deployment.yaml", DEPLOYMENT);
    let untouched = write(directory.path(), "config.yml", "kind: ConfigMap\napiVersion: v1\n# end");
    let nested = write(directory.path(), "sub/deployment.yaml", DEPLOYMENT);
    let other = write(directory.path(), "notes.txt", "not: a manifest");
    fs::set_permissions(&changed, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("deployment.yaml", directory.path().join("link.yaml")).unwrap();
    let inode = fs::metadata(&untouched).unwrap().ino();

    let output = run(&["inject", "--in-place", "-f", directory.path().to_str().unwrap()]);
    assert_eq!((output.code, &*output.stdout), (0, ""), "{}", output.stderr);
    assert!(fs::read_to_string(&changed).unwrap().contains("966367641"));
    assert_eq!(fs::metadata(&changed).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(directory.path().join("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::metadata(&untouched).unwrap().ino(), inode, "not even rewritten");
    assert_eq!(fs::read_to_string(&nested).unwrap(), DEPLOYMENT, "not without -R");
    assert_eq!(fs::read_to_string(&other).unwrap(), "not: a manifest");

    run(&["inject", "--in-place", "-R", "-f", directory.path().to_str().unwrap()]);
    assert!(fs::read_to_string(&nested).unwrap().contains("966367641"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 5, "nothing left behind");
}

#[test]
fn settings_of_a_namespace_among_the_manifests_count() {
    let text = format!(
        "{DEPLOYMENT}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    \
         gomemlimit.dev/ratio: '0.8'\n"
    );
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &text).json();
    let container = &report["objects"][0]["containers"][0];
    assert_eq!(
        (&container["value"], &container["basis"]["ratioFrom"]),
        (&"858993459".into(), &"namespace".into())
    );
}

/// The manifests that the real reviews were made from get the values of the reviews: one decision, two
/// doors. Only what the API server adds on the way is missing here.
#[test]
fn manifests_are_decided_like_the_reviews_of_their_pods() {
    let mut expected: BTreeMap<(String, String), String> = BTreeMap::new();
    let rows = include_str!("../../crates/core/tests/golden/expected.tsv")
        .lines()
        .filter(|row| !row.starts_with('#'));
    for row in rows {
        let [case, container, reason, value] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let Some((_, name)) = case.split_once("-create-") else { continue };
        let outcome = if value.is_empty() { reason } else { value };
        expected.insert((name.to_owned(), container.to_owned()), outcome.to_owned());
    }
    // Its limit comes from a LimitRange of the cluster.
    expected.insert(("limit-range-default".into(), "app".into()), "no-memory-limit".into());
    // There is no manifest for these: the same pod by dry run, and one whose case was renamed.
    for name in ["dry-run", "limit-decimal-700M"] {
        expected.remove(&(name.into(), "app".into()));
    }

    let report = run(&["explain", "-f", CASES, "-o", "json"]).json();
    let mut found = BTreeMap::new();
    for object in report["objects"].as_array().unwrap() {
        for container in object["containers"].as_array().unwrap() {
            let outcome = container["value"].as_str().filter(|_| container["decision"] == "set");
            let outcome = outcome.unwrap_or_else(|| container["reason"].as_str().unwrap());
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            found.insert((text(&object["name"]), text(&container["name"])), outcome.to_owned());
        }
    }
    assert_eq!(found, expected);

    let injected = run(&["inject", "-f", CASES]);
    let values = expected.values().filter(|outcome| outcome.parse::<u64>().is_ok()).count();
    assert_eq!(injected.stderr.matches("(injected)").count(), values);
    // Nothing is lost: without the added lines the text is the same.
    let before = fs::read_to_string(CASES).unwrap();
    let removed = run(&["inject", "-f", CASES, "--diff"]).stdout;
    let removed: Vec<_> =
        removed.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    assert_eq!(removed, ["-    env: []", "-    gomemlimit.dev/status: not json {"]);
    assert!(injected.stdout.len() > before.len());
}

/// A bare number is bytes, and nobody means so few.
#[rstest]
#[case(&["explain", "-f", "-", "--min-limit", "64"], "\"64\" is 64 bytes; did you mean 64Mi?")]
#[case(&["explain", "-f", "-", "--headroom", "100m"], "\"100m\" is 0.1 bytes: m is milli; did you mean 100Mi?")]
#[case(&["inject", "-f", "-", "--min-limit", "64MiB"], "is not a Kubernetes quantity such as 512Mi (did you mean 64Mi?)")]
#[cfg_attr(feature = "cli", case(&["diagnose", "x", "--limit", "256"], "\"256\" is 256 bytes; did you mean 256Mi?"))]
fn a_size_without_a_unit_is_refused(#[case] arguments: &[&str], #[case] message: &str) {
    let output = run_with_stdin(arguments, DEPLOYMENT);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains(message), "{}", output.stderr);
    let fine = run_with_stdin(&["explain", "-f", "-", "--headroom", "0", "--min-limit", "1Mi"], DEPLOYMENT);
    assert_eq!(fine.code, 0, "{}", fine.stderr);
}

#[rstest]
#[case::no_input(&["inject"], "", "--filename")]
#[case::missing_file(&["explain", "-f", "/nowhere/a.yaml"], "", "cannot read /nowhere/a.yaml: No such file")]
#[case::broken_yaml(&["inject", "-f", "-"], "a: [1\nb: {", "(stdin): document 1, line")]
#[case::a_template(&["inject", "-f", "-"], "kind: {{ .Values.kind }}\n", "helm template")]
#[case::a_tab(&["inject", "-f", "-"], "a:\n\tb: 1\n", "line 2")]
#[case::a_pod_that_is_none(
    &["inject", "-f", "-"],
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, env: [{name: A, value: 5}]}]}\n",
    "(stdin): document 1, line 4, column 54: Pod p, container a: the value of variable \"A\" is not a string; put it in"
)]
#[case::a_flag_as_a_name(
    &["explain", "-f", "-"],
    "kind: ConfigMap\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: yes\n",
    "(stdin): document 2, line 6, column 9: Pod (without a name): metadata.name: expected a string, not true; write it in quotes"
)]
#[case::a_list_in_a_template(
    &["explain", "-f", "-"],
    "apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec: []\n",
    "(stdin): document 1, line 5, column 11: Job (without a name): spec.template.spec: expected an object, not a list"
)]
#[case::stdin_in_place(&["inject", "-f", "-", "--in-place"], "a: 1", "--in-place needs files")]
#[case::stdin_twice(&["inject", "-f", "-", "-f", "-"], "a: 1", "only once")]
#[case::diff_in_place(&["inject", "-f", "a", "--in-place", "--diff"], "", "--in-place")]
fn bad_input_is_one_sentence_and_exit_code_2(
    #[case] arguments: &[&str],
    #[case] stdin: &str,
    #[case] message: &str,
) {
    let output = run_with_stdin(arguments, stdin);
    // What cannot be read or changed passes through.
    let passed = if arguments == ["inject", "-f", "-"] { stdin } else { "" };
    assert_eq!((output.code, &*output.stdout), (2, passed), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains(message), "{}", output.stderr);
}

/// Two containers of one anchor get one variable; a third one with another limit has its merge key's `env` written out.
#[test]
fn containers_of_one_anchor_are_injected() {
    let manifest = "\
apiVersion: v1
kind: Pod
metadata: {name: twins}
spec:
  containers:
  - &base
    name: one
    resources: {limits: {memory: 512Mi}}
    env:
    - {name: ROLE, value: a}
  - {<<: *base, name: two}
  - <<: *base
    name: three
    resources: {limits: {memory: 1Gi}}
";
    let output = run_with_stdin(&["inject", "-f", "-"], manifest);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let note = "line 12: env of <<: *base is written out here, because it is not edited as line 7 is\n";
    assert!(output.stderr.contains(note), "{}", output.stderr);
    let once = "    - {name: ROLE, value: a}\n    - {name: GOMEMLIMIT, value: \"483183820\"}\n  - {<<: *base, name: two}\n";
    let own = "    env:\n    - {name: ROLE, value: a}\n    - {name: GOMEMLIMIT, value: \"966367641\"}\n";
    assert!(output.stdout.contains(once) && output.stdout.ends_with(own), "{}", output.stdout);
    let again = run_with_stdin(&["inject", "-f", "-"], &output.stdout);
    assert_eq!((again.code, again.stdout), (0, output.stdout), "{}", again.stderr);
}

#[test]
fn a_directory_without_manifests_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["explain", "-f", directory.path().to_str().unwrap()]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("no *.yaml, *.yml or *.json in this directory"), "{}", output.stderr);
}

#[test]
fn text_that_is_not_utf8_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latin1.yaml");
    fs::write(&path, b"a: gr\xfc\xdf\n").unwrap();
    let output = run(&["inject", "-f", path.to_str().unwrap()]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("latin1.yaml: it is not UTF-8: "), "{}", output.stderr);
}

/// What `inject` did not change is explained as `explain` does.
#[rstest]
#[case::no_quantity("128MiB", "invalid-limit")]
#[case::milli("128m", "below-minimum")]
#[case::low("8Mi", "below-minimum")]
fn inject_explains_what_it_leaves(#[case] limit: &str, #[case] reason: &str) {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: api}}\nspec: {{containers: [{{name: app, resources: {{limits: \
         {{memory: {limit}}}}}}}]}}\n"
    );
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &manifest).json();
    let explanation = report["objects"][0]["containers"][0]["explanation"].as_str().unwrap();
    let output = run_with_stdin(&["inject", "-f", "-"], &manifest);
    let line = format!("Pod default/api, container app: unchanged ({reason}: {explanation})\n");
    assert!(output.stderr.contains(&line), "{line}{}", output.stderr);
}

#[test]
fn inject_tells_what_is_wrong_with_a_value_once() {
    let manifest = super::explain::with_value_from("{resourceFieldRef: {resource: limits.memory}}");
    let stderr = run_with_stdin(&["inject", "-f", "-"], &manifest).stderr;
    assert!(
        stderr.contains("container app: unchanged (already-set: GOMEMLIMIT is already set by the user)\n")
    );
    assert_eq!(stderr.matches("GOMEMLIMIT is 100 % of the memory limit").count(), 1, "{stderr}");
}

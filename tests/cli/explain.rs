//! `explain -f`: rows, what they show of values that were set before, and its gate.

use rstest::rstest;

use super::manifests::DEPLOYMENT;
use crate::support::command::run_with_stdin;

#[test]
fn explain_prints_a_line_a_container() {
    let output = run_with_stdin(&["explain", "-f", "-", "--ratio", "80%"], DEPLOYMENT);
    let lines: Vec<Vec<&str>> = output.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["OBJECT", "CONTAINER", "LIMIT", "GOMEMLIMIT", "REASON", "WHY"]);
    assert_eq!(
        lines[1].join(" "),
        "Deployment shop/api api 1Gi 819.2Mi injected ratio 0.8 of the limit (default)"
    );
    assert_eq!(lines.len(), 2);
    assert_eq!((output.code, &*output.stderr), (0, ""));
}

#[test]
fn explain_wide_has_exact_bytes() {
    let output = run_with_stdin(&["explain", "-f", "-", "-o", "wide"], DEPLOYMENT);
    let row: Vec<&str> = output.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[3..6], ["1073741824", "966367641", "injected"]);
}

/// What is wrong with a value, or with a limit, is in its row, and not once more on stderr.
#[rstest]
#[case::malformed(
    "value: 900Mi",
    "1Gi",
    "900Mi",
    "already-set",
    "GOMEMLIMIT=\"900Mi\" is malformed: a Go program exits with code 2; write bytes or MiB"
)]
#[case::zero("value: \"0\"", "1Gi", "0", "already-set", "GOMEMLIMIT is 0B, so low that")]
#[case::all_of_it(
    "valueFrom: {resourceFieldRef: {resource: limits.memory}}",
    "1Gi",
    "resourceFieldRef limits.memory",
    "already-set",
    "GOMEMLIMIT is 100 % of the memory limit, which leaves no headroom; remove it to have one injected"
)]
#[case::two_percent(
    "valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}",
    "1Gi",
    "resourceFieldRef requests.memory, divisor 1Mi",
    "already-set",
    "GOMEMLIMIT is 1Ki, so low that"
)]
#[case::escaped(
    "value: $$(MEM)MiB",
    "1Gi",
    "$$(MEM)MiB",
    "already-set",
    "GOMEMLIMIT=\"$(MEM)MiB\" is malformed"
)]
#[case::empty("value: \"\"", "1Gi", "\"\"", "already-set", "GOMEMLIMIT is already set by the user")]
#[case::sound("value: 700MiB", "1Gi", "700MiB", "already-set", "GOMEMLIMIT is already set by the user")]
#[case::no_quantity(
    "",
    "128MiB",
    "-",
    "invalid-limit",
    "the memory limit \"128MiB\" is not a Kubernetes quantity such as 512Mi; did you mean 128Mi?"
)]
#[case::no_unit(
    "",
    "lots",
    "-",
    "invalid-limit",
    "the memory limit \"lots\" is not a Kubernetes quantity such as 512Mi"
)]
#[case::milli(
    "",
    "128m",
    "-",
    "below-minimum",
    "the memory limit \"128m\" is 0.128 bytes: m is milli; did you mean 128Mi?"
)]
#[case::bytes("", "256", "-", "below-minimum", "the memory limit \"256\" is 256 bytes; did you mean 256Mi?")]
#[case::small(
    "",
    "16Mi",
    "-",
    "below-minimum",
    "the memory limit of 16Mi is too small for GOMEMLIMIT to help: min-limit is 32Mi"
)]
#[case::spaces("", "\" 512Mi  \"", "460.8Mi", "injected", "ratio 0.9 of the limit (default)")]
#[case::space_inside(
    "",
    "512 Mi",
    "-",
    "invalid-limit",
    "the memory limit \"512 Mi\" is not a Kubernetes quantity such as 512Mi; did you mean 512Mi?"
)]
fn explain_shows_what_stands_there(
    #[case] entry: &str,
    #[case] limit: &str,
    #[case] value: &str,
    #[case] reason: &str,
    #[case] why: &str,
) {
    let entry = if entry.is_empty() { String::new() } else { format!("{{name: GOMEMLIMIT, {entry}}}") };
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop}}\nspec:\n  containers:\n  - name: app\n    \
         resources: {{limits: {{memory: {limit}}}}}\n    env: [{entry}]\n"
    );
    let output = run_with_stdin(&["explain", "-f", "-"], &pod);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    let row = output.stdout.lines().nth(1).unwrap();
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(&cells[3..5], [value, reason], "{row}");
    assert!(cells[5].starts_with(why), "{row}");
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &pod).json();
    let container = &report["objects"][0]["containers"][0];
    assert!(
        reason == "injected" || container["explanation"].as_str().unwrap().starts_with(why),
        "{container}"
    );
    let existing = container["existing"]["value"].as_str();
    let existing = existing.map(|text| if text.is_empty() { "\"\"" } else { text });
    assert_eq!(existing, (reason == "already-set").then_some(value));
    assert_eq!(
        report["objects"][0]["warnings"].as_array().unwrap().len(),
        usize::from(reason == "already-set" && !why.contains("already set"))
    );
}

#[test]
fn explain_names_an_env_from_that_is_respected() {
    let text = DEPLOYMENT
        .replace("          env:\n", "          envFrom: [{configMapRef: {name: a}}]\n          env:\n");
    let output = run_with_stdin(&["explain", "-f", "-", "--env-from", "skip"], &text);
    assert!(
        output.stdout.contains("-           already-set  an envFrom may define GOMEMLIMIT"),
        "{}",
        output.stdout
    );
}

#[test]
fn explain_shows_what_was_repaired() {
    let broken = DEPLOYMENT.replace("{name: PORT, value: \"8080\"}", "{name: GOMEMLIMIT, value: 900Mi}");
    let output = run_with_stdin(&["explain", "-f", "-", "--repair", "fix"], &broken);
    assert!(
        output.stdout.contains(
            "1Gi    921.6Mi     repaired  ratio 0.9 of the limit (default); GOMEMLIMIT=\"900Mi\" is malformed"
        ),
        "{}",
        output.stdout
    );
    assert_eq!(output.stderr, "");
}

#[rstest]
#[case::no_such_finding("no-memory-limit", 0)]
#[case::reason("injected", 1)]
#[case::one_of_several("windows,injected", 1)]
#[case::warning("warning", 1)]
#[case::unknown("injectedd", 2)]
fn explain_as_a_gate(#[case] fail_on: &str, #[case] code: i32) {
    let doubtful =
        DEPLOYMENT.replace("      labels:", "      annotations: {gomemlimit.dev/ratio: lots}\n      labels:");
    let output = run_with_stdin(&["explain", "-f", "-", "--fail-on", fail_on], &doubtful);
    assert_eq!(output.code, code, "{}", output.stderr);
    if code != 2 {
        assert!(
            output
                .stderr
                .starts_with("warning: Deployment shop/api: annotation \"gomemlimit.dev/ratio\": \"lots\"")
        );
    }
}

/// A gate never passes on nothing: an empty file, or a chart whose pods are switched off.
#[rstest]
#[case::empty("")]
#[case::no_pods("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n")]
#[case::an_empty_list("apiVersion: v1\nkind: List\nitems: []\n")]
fn manifests_without_pods_are_no_gate(#[case] manifest: &str) {
    let explain =
        |arguments: &[&str]| run_with_stdin(&[&["explain", "-f", "-"], arguments].concat(), manifest);
    explain(&["--fail-on", "no-memory-limit"])
        .is_refused("there are no pods in these manifests, so --fail-on");
    let output = explain(&["--fail-on", "warning", "-o", "json"]);
    assert_eq!((output.code, &output.json()["objects"]), (2, &serde_json::json!([])));
    assert!(output.stderr.contains("pass --allow-empty if that is fine"), "{}", output.stderr);
    for arguments in [&[][..], &["--fail-on", "warning", "--allow-empty"]] {
        let output = explain(arguments);
        assert_eq!((output.code, &*output.stdout, &*output.stderr), (0, "", "No pods in these manifests.\n"));
    }
    // What adds values passes everything through.
    let output = run_with_stdin(&["inject", "-f", "-"], manifest);
    assert_eq!((output.code, &*output.stdout), (0, manifest));
}

/// A gate counts containers: a pod without any has nothing to judge either.
#[rstest]
#[case::empty_list("spec: {containers: []}")]
#[case::no_list("spec: {}")]
#[case::no_spec("metadata: {name: api}")]
fn pods_without_containers_are_no_gate(#[case] pod: &str) {
    let manifest = format!("apiVersion: v1\nkind: Pod\n{pod}\n");
    let explain =
        |arguments: &[&str]| run_with_stdin(&[&["explain", "-f", "-"], arguments].concat(), &manifest);
    explain(&["--fail-on", "no-memory-limit"]).is_refused(
        "there are no containers in the pods of these manifests, so --fail-on has nothing to judge; pass --allow-empty",
    );
    assert_eq!(explain(&["--fail-on", "no-memory-limit", "--allow-empty"]).code, 0);
    assert_eq!(explain(&[]).code, 0);
}

/// Pods with one container `app` and this `valueFrom` of GOMEMLIMIT.
pub(crate) fn with_value_from(source: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: api, namespace: shop}}\nspec: {{containers: [{{name: app, \
         resources: {{limits: {{memory: 1Gi}}}}, env: [{{name: A, value: b}}, {{name: GOMEMLIMIT, valueFrom: {source}}}]}}, \
         {{name: other, resources: {{limits: {{memory: 2Gi}}}}}}]}}\n"
    )
}

#[rstest]
#[case::config_map("{configMapKeyRef: {name: limits, key: go, optional: true}}", "configMapKeyRef limits/go")]
#[case::secret("{secretKeyRef: {name: limits, key: go}}", "secretKeyRef limits/go")]
#[case::field(
    "{fieldRef: {apiVersion: v1, fieldPath: metadata.annotations}}",
    "fieldRef metadata.annotations"
)]
#[case::file("{fileKeyRef: {volumeName: v, path: a/b, key: go}}", "fileKeyRef v/a/b/go")]
#[case::of_a_later_version("{otherRef: {name: a}}", "valueFrom")]
#[case::nothing("{}", "valueFrom")]
#[case::no_object("{configMapKeyRef: 5}", "valueFrom")]
#[case::own_limit(
    "{resourceFieldRef: {resource: limits.memory, containerName: app, divisor: 1Mi}}",
    "resourceFieldRef limits.memory, divisor 1Mi"
)]
#[case::limit_of_another(
    "{resourceFieldRef: {resource: limits.memory, containerName: other}}",
    "resourceFieldRef limits.memory, containerName other"
)]
fn explain_shows_a_reference_in_words(#[case] source: &str, #[case] words: &str) {
    let manifest = with_value_from(source);
    let rows = run_with_stdin(&["explain", "-f", "-"], &manifest);
    let row = rows.stdout.lines().find(|row| row.contains(" app ")).unwrap();
    assert!(row.contains(&format!(" {words} ")), "{row}");
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &manifest).json();
    assert_eq!(report["objects"][0]["containers"][0]["existing"]["value"], words, "{report}");
}

#[rstest]
#[case::escaped("$$(X)MiB", "$$( is not expanded: write $(NAME), bytes or MiB")]
#[case::after_an_escaped_dollar("$$$$(X)MiB", "$$( is not expanded: write $(NAME), bytes or MiB")]
#[case::by_another("$(Y)MiB", "$$( is not expanded: write $(NAME), bytes or MiB")]
#[case::not_defined("$(Z)MiB", "define what it refers to before it in env, or write bytes or MiB")]
#[case::an_escaped_dollar_before_one("$$$(X)MiB", "; write bytes or MiB")]
#[case::never_closed("$(X", "; write bytes or MiB")]
fn explain_says_why_a_reference_is_not_expanded(#[case] value: &str, #[case] advice: &str) {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: api}}\nspec: {{containers: [{{name: app, resources: {{limits: \
         {{memory: 1Gi}}}}, env: [{{name: X, value: '512'}}, {{name: 'Y', value: '$$(X)'}}, {{name: GOMEMLIMIT, value: \
         '{value}'}}]}}]}}\n"
    );
    let output = run_with_stdin(&["explain", "-f", "-"], &manifest);
    assert!(output.stdout.contains(advice), "{}", output.stdout);
    assert!(include_str!("../../README.md").contains(advice) || advice.starts_with(';'), "{advice}");
}

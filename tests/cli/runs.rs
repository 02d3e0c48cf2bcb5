//! Runs over many files, of which some cannot be read or decided: the others are done, and the exit code shows it.

use std::{fs, path::Path};

use rstest::rstest;

use super::manifests::{DEPLOYMENT, write};
use crate::support::command::{run, run_with_stdin};

fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  containers:\n  - name: app\n    \
         resources: {{limits: {{memory: 1Gi}}}}\n"
    )
}

const BROKEN: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: b\nspec:\n  containers:\n\t- name: app\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: t}\nspec: {{ toYaml .Values.spec }}\n";
const SETTINGS: &str = "{\n  \"image\": [ /* of an editor */ }\n}\n";
const DUPLICATE: &str = "branches:\n  only: [master]\nbranches:\n  only: [master, develop]\n";

/// A repository: two pods, and what is no manifest.
fn repository(at: &Path) -> String {
    write(at, "a.yaml", &pod("first"));
    write(at, "chart/templates/t.yaml", TEMPLATE);
    write(at, ".devcontainer/devcontainer.json", SETTINGS);
    write(at, ".travis.yml", DUPLICATE);
    write(at, "z.yaml", &pod("last"));
    at.to_str().unwrap().to_owned()
}

#[test]
fn what_is_no_manifest_is_a_note() {
    let directory = tempfile::tempdir().unwrap();
    let root = repository(directory.path());
    let output = run(&["inject", "-R", "-f", &root]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stdout.matches("966367641\"\n").count(), 2, "{}", output.stdout);
    for text in [TEMPLATE, SETTINGS, DUPLICATE] {
        assert!(output.stdout.contains(text), "{}", output.stdout);
    }
    let notes = output.stderr.lines().filter(|line| line.starts_with("note: ")).collect::<Vec<_>>();
    assert!(notes[0].contains("/.devcontainer/devcontainer.json: document 1, line 2"), "{}", output.stderr);
    assert!(
        notes[notes.len() - 1].contains("/chart/templates/t.yaml: document 1, line 4"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("error:"), "{}", output.stderr);
    assert!(output.stderr.contains("Pod shop/last, container app: GOMEMLIMIT=966367641 (injected)"));

    let gate = |reasons: &str| run(&["explain", "-R", "-f", &root, "--fail-on", reasons]);
    assert_eq!(gate("no-memory-limit").code, 0);
    assert_eq!(gate("injected").code, 1);

    let quiet = run(&["inject", "-q", "-R", "-f", &root]);
    assert_eq!((quiet.code, &*quiet.stderr, quiet.stdout), (0, "", output.stdout));
}

#[test]
fn a_broken_manifest_is_named_and_the_others_are_done() {
    let directory = tempfile::tempdir().unwrap();
    let root = repository(directory.path());
    let broken = write(directory.path(), "b.yaml", BROKEN);
    let line = format!("error: {broken}: document 1, line 7, column 2: ");
    let output = run(&["inject", "-R", "-f", &root]);
    assert_eq!(output.code, 2);
    assert_eq!(output.stdout.matches("966367641\"\n").count(), 2, "{}", output.stdout);
    assert!(output.stdout.contains(BROKEN), "nothing is lost");
    assert!(output.stderr.contains(&line), "{}", output.stderr);

    let list = run(&["inject", "-q", "-o", "json", "-R", "-f", &root]);
    assert_eq!(list.code, 2);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let values = list.to_string().matches("\"966367641\"").count();
    assert_eq!(values, 2, "{list}");

    // A gate does not pass on what it cannot read, and fails for what it finds.
    let gate = |reasons: &str| run(&["explain", "-q", "-R", "-f", &root, "--fail-on", reasons]);
    let passed = gate("no-memory-limit");
    assert!(passed.code == 2 && passed.stdout.contains("Pod shop/last"), "{}", passed.stderr);
    assert!(passed.stderr.starts_with(&line) && passed.stderr.lines().count() == 1, "{}", passed.stderr);
    assert_eq!(gate("injected").code, 1);

    let output = run(&["inject", "-q", "-R", "--in-place", "-f", &root]);
    assert_eq!(output.code, 2);
    for (file, is_written) in [("a.yaml", true), ("b.yaml", false), ("z.yaml", true)] {
        let text = fs::read_to_string(directory.path().join(file)).unwrap();
        assert_eq!(text.contains("966367641"), is_written, "{file}");
    }
}

#[test]
fn several_errors_have_a_closing_line() {
    let directory = tempfile::tempdir().unwrap();
    let root = repository(directory.path());
    write(directory.path(), "b.yaml", BROKEN);
    let missing = directory.path().join("missing.yaml").to_str().unwrap().to_owned();
    let output = run(&["inject", "-q", "-R", "-f", &root, "-f", &missing]);
    assert_eq!(output.code, 2);
    assert!(output.stdout.contains("966367641"), "{}", output.stderr);
    assert!(
        output.stderr.contains(&format!("error: cannot read {missing}: No such file")),
        "{}",
        output.stderr
    );
    let last = output.stderr.lines().last().unwrap();
    assert_eq!(last, "error: 2 of 7 files could not be read or decided as a whole");
}

/// What `-f` names is meant.
#[rstest]
#[case::template(TEMPLATE, "helm template")]
#[case::editor(SETTINGS, "line 2")]
fn a_named_file_is_an_error(#[case] text: &str, #[case] expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "a.yaml", text);
    let output = run(&["inject", "-f", &path]);
    assert_eq!((output.code, &*output.stdout), (2, text));
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains(expected), "{}", output.stderr);
}

/// The object, the container, the field, the line, and what to do.
#[rstest]
#[case::variable(
    "env: [{name: A, value: b}, {name: DEBUG, value: true}]",
    "column 57: Deployment api, container app: the value of variable \"DEBUG\" is not a string; put it in quotes"
)]
#[case::argument(
    "args: [a, 8080]",
    "column 19: Deployment api, container app: args[1]: expected a string, not 8080; write it in quotes"
)]
#[case::limits(
    "resources: {limits: []}",
    "column 29: Deployment api, container app: resources.limits: expected an object, not a list"
)]
#[case::a_value_that_yaml_reads_as_a_flag(
    "env: [{name: GOMEMLIMIT, value: off}]",
    "column 41: Deployment api, container app: the value of variable \"GOMEMLIMIT\" is not a string; put it in quotes"
)]
#[case::bytes_without_quotes(
    "env: [{name: A, value: b}, {name: GOMEMLIMIT, value: 1e9}]",
    "column 62: Deployment api, container app: the value of variable \"GOMEMLIMIT\" is not a string; put it in quotes"
)]
#[case::other_variables_that_are_read(
    "env: [{value: 0.9, name: AUTOMEMLIMIT}]",
    "column 23: Deployment api, container app: the value of variable \"AUTOMEMLIMIT\" is not a string; put it in quotes"
)]
#[case::a_limit_that_is_a_flag(
    "resources: {limits: {memory: on}}",
    "column 38: Deployment api, container app: resources.limits.memory: expected a quantity such as 512Mi, not true"
)]
#[case::a_limit_that_is_a_list(
    "resources: {limits: {memory: [1Gi]}}",
    "column 38: Deployment api, container app: resources.limits.memory: expected a quantity such as 512Mi, not a list"
)]
fn an_error_about_a_pod_names_container_field_and_line(#[case] field: &str, #[case] message: &str) {
    let text = format!(
        "{}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: api}}\nspec:\n  template:\n    spec:\n      \
         containers:\n      - name: app\n        {field}\n---\n{}",
        pod("first"),
        pod("last")
    );
    let output = run_with_stdin(&["inject", "-f", "-"], &text);
    assert_eq!(output.code, 2);
    let line = format!("error: (stdin): document 2, line 17, {message}\n");
    assert!(output.stderr.contains(&line), "{}", output.stderr);
    assert_eq!(output.stdout.matches("966367641\"\n").count(), 2, "{}", output.stdout);
}

#[test]
fn the_name_of_a_container_that_has_none_is_its_place() {
    let text =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n  - name: true\n";
    let output = run_with_stdin(&["explain", "-f", "-"], text);
    assert_eq!(
        (output.code, &*output.stderr),
        (
            2,
            "error: (stdin): document 1, line 7, column 11: Pod p, container containers[1]: name: expected a string, not \
             true; write it in quotes\n"
        )
    );
}

/// As in a Service of Knative.
#[test]
fn a_container_without_a_name_is_named_by_its_place() {
    let text = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello}\nspec:\n  template:\n    metadata:\n      \
                annotations: {gomemlimit.dev/headroom: 2Gi}\n    spec:\n      containers:\n      - image: x\n        resources: \
                {limits: {memory: 1Gi}}\n      - name: \"\"\n        image: z\n        resources: {limits: {memory: 1Gi}}\n        \
                env: [{name: GOMEMLIMIT, value: 1GB}]\n";
    let output = run_with_stdin(&["inject", "-f", "-"], text);
    let object = "Service default/hello";
    for line in [
        format!("{object}, container containers[0]: GOMEMLIMIT=966367641 (injected)\n"),
        format!("warning: {object}: container containers[0]: the pod headroom of 2Gi leaves less than"),
        format!("{object}, container containers[1]: unchanged (already-set: "),
        format!("warning: {object}: container containers[1]: GOMEMLIMIT=\"1GB\" is malformed"),
    ] {
        assert!(output.stderr.contains(&line), "{line}{}", output.stderr);
    }
    let table = run_with_stdin(&["explain", "-f", "-"], text).stdout;
    assert!(table.contains(" containers[0] ") && table.contains(" containers[1] "), "{table}");
    let junit = run_with_stdin(&["explain", "-f", "-", "-o", "junit"], text).stdout;
    assert!(junit.contains("<testcase name=\"containers[0]\" "), "{junit}");
    let finding = format!("(stdin):15: {object}, container containers[1]: GOMEMLIMIT=");
    assert!(junit.contains(&finding), "{junit}");
}

/// Objects that count for a namespace do so from every file, also a later one, and within lists.
#[test]
fn a_namespace_counts_wherever_it_is() {
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {gomemlimit.dev/ratio: \"0.5\"}}}";
    let escaped = namespace.replace("kind: Namespace", "\"k\\x69nd\": \"\\u004eamespace\"");
    for text in [
        format!("{namespace}\n"),
        format!("{escaped}\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- {namespace}\n"),
        format!(
            "apiVersion: v1\nkind: NamespaceList\nitems:\n- {}\n",
            namespace.replace("apiVersion: v1, kind: Namespace, ", "")
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "a.yaml", &pod("a"));
        write(directory.path(), "b.yaml", &text);
        let output = run(&["inject", "-f", directory.path().to_str().unwrap()]);
        assert!(output.stderr.contains("GOMEMLIMIT=536870912 (injected)"), "{text}{}", output.stderr);
    }
}

/// Containers that a strategic merge patch removes are no finding.
#[test]
fn directives_of_patches_are_no_containers() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      containers:\n      \
                - {name: old, $patch: delete}\n      - $patch: replace\n      - name: app\n        resources: {limits: \
                {memory: 1Gi}}\n";
    let output = run_with_stdin(&["explain", "-f", "-", "--fail-on", "no-memory-limit"], text);
    assert_eq!(output.code, 0, "{}", output.stdout);
    let output = run_with_stdin(&["inject", "-f", "-"], text);
    assert_eq!(output.stderr, "Deployment default/api, container app: GOMEMLIMIT=966367641 (injected)\n");
    assert!(!output.stdout.contains("skipped"), "{}", output.stdout);
}

#[test]
fn pods_without_containers_have_no_table() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n";
    let output = run_with_stdin(&["explain", "-f", "-"], text);
    assert_eq!(
        (output.code, &*output.stdout, &*output.stderr),
        (0, "", "No containers in the pods of these manifests.\n")
    );
    let output = run_with_stdin(&["inject", "-f", "-"], text);
    assert_eq!((&*output.stdout, &*output.stderr), (text, "Pod default/p: no containers\n"));
    let output = run_with_stdin(&["inject", "-f", "-"], "kind: ConfigMap\n");
    assert_eq!(output.stderr, "No pods in these manifests.\n");
}

/// `-o json` has no anchors, and `-o yaml` no JSON.
#[test]
fn objects_are_printed_in_the_format_that_was_asked_for() {
    let shared =
        DEPLOYMENT.replace("limits: {memory: 1Gi}", "limits: &l {memory: 1Gi}\n            requests: *l");
    assert!(shared.contains("*l"));
    let json = run_with_stdin(&["inject", "-f", "-", "-o", "json"], &shared);
    assert!(json.code == 0 && json.stdout.contains("966367641"), "{}", json.stderr);

    let (first, second) = (json.stdout, "{\"kind\": \"Secret\", \"data\": {\"y\": \"no\"}}");
    let yaml = run_with_stdin(&["inject", "-f", "-", "-o", "yaml"], &format!("{first}{second}"));
    assert_eq!(yaml.code, 0, "{}", yaml.stderr);
    assert!(yaml.stdout.contains("kind: Deployment\n") && !yaml.stdout.contains("\n{"), "{}", yaml.stdout);
    let (_, last) = yaml.stdout.split_once("\n---\n").unwrap();
    let lines = last.lines().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines, ["data:", "  \"y\": \"no\"", "kind: Secret"].into());
    let again = run_with_stdin(&["inject", "-f", "-", "-o", "json"], &yaml.stdout);
    let before = run_with_stdin(&["inject", "-f", "-", "-o", "json"], &format!("{first}{second}"));
    assert_eq!(again.stdout, before.stdout);
    let as_written = run_with_stdin(&["inject", "-f", "-", "-o", "yaml", "-q"], DEPLOYMENT);
    assert_eq!(as_written.stdout, run_with_stdin(&["inject", "-f", "-"], DEPLOYMENT).stdout);
}

/// A container without a limit gets that of its namespace when its pod is created, wherever the object is.
#[test]
fn a_limit_range_counts_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let without =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: NS}\nspec: {containers: [{name: app}]}\n";
    write(directory.path(), "a.yaml", &without.replace("NS", "shop"));
    write(directory.path(), "b.yaml", &without.replace("NS", "other"));
    let range = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: shop}, \
                 spec: {limits: [{type: Container, default: {memory: 1Gi}}]}}\n";
    write(directory.path(), "z.yaml", range);
    let output = run(&["inject", "-f", directory.path().to_str().unwrap()]);
    assert_eq!(
        output.stderr,
        "Pod shop/p, container app: GOMEMLIMIT=966367641 (injected)\nPod other/p, container app: unchanged \
         (no-memory-limit: no memory limit; set resources.limits.memory)\n"
    );
    assert!(!output.stdout.contains("resources"), "nothing but the value is written: {}", output.stdout);
}

/// The last one counts, as for kubectl.
#[test]
fn a_key_that_occurs_twice_is_a_warning_where_there_are_pods() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  labels: {a: b, a: c}\n";
    let text = format!("{service}---\n{}", pod("p").replace("memory: 1Gi", "memory: 64Gi, memory: 1Gi"));
    let output = run_with_stdin(&["inject", "-f", "-"], &text);
    assert_eq!(
        (output.code, &*output.stderr),
        (
            0,
            "warning: (stdin): document 2, line 12, column 40: the key \"memory\" occurs twice in this mapping; the last one \
             counts, as for kubectl\nPod shop/p, container app: GOMEMLIMIT=966367641 (injected)\n"
        )
    );
    assert!(output.stdout.starts_with(service), "{}", output.stdout);
    let gate = run_with_stdin(&["explain", "-f", "-", "--fail-on", "no-memory-limit"], &text);
    assert_eq!(gate.code, 0, "{}", gate.stderr);
}

#[test]
fn kinds_that_are_not_known_are_a_line_each() {
    let prometheus = |name: &str| {
        format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: {name}, namespace: shop}}\nspec: \
             {{containers: [{{name: app}}]}}\n"
        )
    };
    let text = [pod("p"), prometheus("a"), prometheus("b"), prometheus("c")].join("---\n");
    let line = "warning: (stdin): Prometheus shop/a: spec.containers is not looked at: the kind Prometheus \
                (monitoring.coreos.com/v1) is not known; nor are 2 others of this kind\n";
    let inject = run_with_stdin(&["inject", "-f", "-"], &text);
    assert!(inject.code == 0 && inject.stderr.ends_with(line), "{}", inject.stderr);
    let gate = |reasons: &str| run_with_stdin(&["explain", "-f", "-", "--fail-on", reasons], &text);
    let passed = gate("no-memory-limit");
    assert_eq!((passed.code, &*passed.stderr), (0, line));
    assert_eq!(gate("unknown-kind").code, 1);
    // Without a pod, too.
    let alone = run_with_stdin(&["explain", "-f", "-", "--fail-on", "unknown-kind"], &prometheus("a"));
    assert_eq!(alone.code, 1, "{}", alone.stderr);
}

/// A pipe can be read once only, and counts for the others, too.
#[test]
fn a_pipe_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "a.yaml", &pod("p"));
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, annotations: {gomemlimit.dev/ratio: '0.5'}}\n";
    let output = run_with_stdin(&["inject", "-f", &file, "-f", "/dev/stdin"], namespace);
    assert!(output.stderr.contains("GOMEMLIMIT=536870912 (injected)"), "{}", output.stderr);
    assert!(output.stdout.ends_with(&format!("---\n{namespace}")), "{}", output.stdout);
}

/// One note for all documents of a template; with several inputs, warnings and rows name the file.
#[test]
fn messages_about_several_inputs_name_the_file_and_a_template_once() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "a.yaml", &pod("first"));
    write(root, "t.yaml", &[TEMPLATE, TEMPLATE, TEMPLATE].join("---\n"));
    write(root, "two.yaml", &[TEMPLATE, TEMPLATE].join("---\n"));
    let memory = "  volumes: [{name: m, emptyDir: {medium: Memory}}]\n";
    let mounts = "    volumeMounts: [{name: m, mountPath: /m}]\n";
    write(root, "z.yaml", &(pod("last") + mounts + memory));
    let root = root.to_str().unwrap();
    let lines = |text: &str, beginning: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
    };
    for command in ["inject", "explain"] {
        let output = run(&[command, "-f", root]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let template = "this is a template, not YAML; render it first (`helm template`); so";
        let notes = [
            format!("note: {root}/t.yaml: document 1, line 4: {template} are 2 other documents of it"),
            format!("note: {root}/two.yaml: document 1, line 4: {template} is another document of it"),
        ];
        assert_eq!(lines(&output.stderr, "note: "), notes);
        let warnings = lines(&output.stderr, "warning: ");
        let beginning = format!("warning: {root}/z.yaml: Pod shop/last: container \"app\": ");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&beginning), "{warnings:?}");
    }
    let wide = |path: &str| run(&["explain", "-f", path, "-o", "wide"]).stdout;
    let table = wide(root);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["FILE", "OBJECT", "CONTAINER"]);
    let (first, last) = (format!("{root}/a.yaml"), format!("{root}/z.yaml"));
    assert_eq!(rows[1][..4], [&*first, "Pod", "shop/first", "app"]);
    assert_eq!(rows[2][..4], [&*last, "Pod", "shop/last", "app"]);

    // With one, there is nothing to tell apart.
    assert!(wide(&last).starts_with("OBJECT "));
    let output = run(&["explain", "-f", &last]);
    assert!(output.stderr.starts_with("warning: Pod shop/last: container "), "{}", output.stderr);
}

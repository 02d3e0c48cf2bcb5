//! `LimitRanges` among the manifests give memory limits to containers that have none.

use std::path::Path;

use rstest::rstest;

use super::manifests::write;
use crate::support::command::run;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    spec:
      initContainers:
      - name: migrate
      - {name: proxy, restartPolicy: Always}
      containers:
      - name: app
      - name: own
        resources: {limits: {memory: 1Gi}}
";

fn limit_range(name: &str, namespace: &str, limit: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: LimitRange, metadata: {{name: {name}{namespace}}}, spec: {{limits: [{{type: Container, \
         default: {{memory: {limit}}}}}]}}}}"
    )
}

/// The lines of the table about the containers of these manifests, without the object, and warnings.
fn explained(folder: &Path, arguments: &[&str]) -> (Vec<String>, String) {
    let output = run(&[&["explain", "-f", folder.to_str().unwrap()], arguments].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let rows = output.stdout.lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split_whitespace().skip(2).collect();
        cells.join(" ")
    });
    (rows.collect(), output.stderr)
}

#[rstest]
#[case::after_the_pods("b.yaml", &limit_range("defaults", ", namespace: shop", "256Mi"), &[])]
#[case::before_the_pods("0.yaml", &limit_range("defaults", ", namespace: shop", "256Mi"), &[])]
#[case::in_a_list(
    "b.yaml",
    &format!("apiVersion: v1\nkind: List\nitems:\n- {}\n", limit_range("defaults", ", namespace: shop", "256Mi")),
    &[]
)]
#[case::of_the_namespace_that_is_given("b.yaml", &limit_range("defaults", "", "256Mi"), &["-n", "shop"])]
fn a_limit_range_counts_wherever_it_is(#[case] file: &str, #[case] text: &str, #[case] arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yaml", DEPLOYMENT);
    write(directory.path(), file, text);
    let by_default = "256Mi 230.4Mi injected ratio 0.9 of the limit (default); limit by LimitRange defaults";
    let wanted = [
        "migrate 256Mi - init-container a plain init container; --init-containers=all includes them; limit by LimitRange \
         defaults",
        &format!("proxy {by_default}"),
        &format!("app {by_default}"),
        "own 1Gi 921.6Mi injected ratio 0.9 of the limit (default)",
    ];
    assert_eq!(explained(directory.path(), arguments), (wanted.map(str::to_owned).to_vec(), String::new()));

    // What is written is the value, and nothing of the limit.
    let output = run(&[&["inject", "-f", directory.path().to_str().unwrap()], arguments].concat());
    assert_eq!(
        output.stdout.matches("\"241591910\"").count(),
        4,
        "in env and in the status:\n{}",
        output.stdout
    );
    assert_eq!(output.stdout.matches("resources:").count(), 1, "{}", output.stdout);
}

#[rstest]
#[case::another_namespace(&limit_range("defaults", ", namespace: other", "256Mi"))]
#[case::the_default_namespace(&limit_range("defaults", "", "256Mi"))]
#[case::of_pods(
    "{apiVersion: v1, kind: LimitRange, metadata: {name: a, namespace: shop}, spec: {limits: [{type: Pod, max: {memory: 1Gi}}]}}"
)]
fn others_do_not_count(#[case] text: &str) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yaml", DEPLOYMENT);
    write(directory.path(), "b.yaml", text);
    let (rows, _) = explained(directory.path(), &[]);
    assert_eq!(rows[2], "app - - no-memory-limit no memory limit; set resources.limits.memory");
    let json = run(&["explain", "-o", "json", "-f", directory.path().to_str().unwrap()]).json();
    assert!(json["objects"][0]["containers"][2]["limitRange"].is_null(), "{json}");
}

#[test]
fn of_several_the_smallest_counts_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let pod = write(directory.path(), "a.yaml", DEPLOYMENT);
    let b = write(directory.path(), "b.yaml", &limit_range("large", ", namespace: shop", "1Gi"));
    let small = limit_range("small", ", namespace: shop", "128Mi");
    let c = write(
        directory.path(),
        "c.yaml",
        &format!("apiVersion: v1\nkind: List\nitems:\n# Small.\n- {small}\n"),
    );
    let (rows, warnings) = explained(directory.path(), &[]);
    assert!(rows[2].starts_with("app 128Mi 115.2Mi injected "), "{rows:?}");
    let line = warnings.lines().next().unwrap();
    assert!(line.starts_with(&format!("warning: {pod}: document 1, line ")), "{warnings}");
    let places = format!(
        "LimitRanges small of {c}, line 5, and large of {b}, line 1, give containers in namespace shop"
    );
    assert!(line.contains(&places), "{warnings}");
    let json = run(&["explain", "-o", "json", "-f", directory.path().to_str().unwrap()]).json();
    assert_eq!(json["objects"][0]["containers"][2]["limitRange"], "small");
}

/// Both are of the namespace that the run is for, and of no other. An empty one is none, as for kubectl.
#[rstest]
#[case::default("", "", &[], true)]
#[case::empty(", namespace: ''", ", namespace: ''", &[], true)]
#[case::null(", namespace: null", ", namespace: ~", &[], true)]
#[case::named("", ", namespace: default", &[], true)]
#[case::of_the_flag("", "", &["-n", "shop"], true)]
#[case::of_the_flag_and_named(", namespace: shop", "", &["-n", "shop"], true)]
#[case::named_otherwise(", namespace: default", "", &["-n", "shop"], false)]
#[case::others("", ", namespace: shop", &[], false)]
fn what_names_no_namespace_is_of_that_of_the_run(
    #[case] of_pod: &str,
    #[case] of_range: &str,
    #[case] arguments: &[&str],
    #[case] is_same: bool,
) {
    let directory = tempfile::tempdir().unwrap();
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p{of_pod}}}, spec: {{containers: [{{name: app}}]}}}}"
    );
    write(directory.path(), "a.yaml", &pod);
    write(directory.path(), "b.yaml", &limit_range("defaults", of_range, "256Mi"));
    let (rows, _) = explained(directory.path(), arguments);
    assert_eq!(rows[0].starts_with("app 256Mi 230.4Mi injected"), is_same, "{rows:?}");
}

/// Whoever processes a Template creates all of its objects in one namespace.
#[test]
fn a_limit_range_of_a_template_counts() {
    let directory = tempfile::tempdir().unwrap();
    let range = limit_range("defaults", ", namespace: elsewhere", "256Mi");
    let template = format!(
        "apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {range}\n- {{apiVersion: v1, kind: Pod, metadata: \
         {{name: p}}, spec: {{containers: [{{name: app}}]}}}}\n"
    );
    write(directory.path(), "a.yaml", &template);
    let (rows, _) = explained(directory.path(), &["-n", "shop"]);
    assert!(rows[0].starts_with("app 256Mi 230.4Mi injected"), "{rows:?}");
}

#[test]
fn rivals_are_named_once_for_all_templates_of_an_object() {
    let directory = tempfile::tempdir().unwrap();
    let job = |name: &str| {
        format!(
            "{{name: {name}, template: {{spec: {{template: {{spec: {{containers: [{{name: app}}]}}}}}}}}}}"
        )
    };
    write(
        directory.path(),
        "a.yaml",
        &format!(
            "{{apiVersion: jobset.x-k8s.io/v1alpha2, kind: JobSet, metadata: {{name: train, namespace: shop}}, spec: \
             {{replicatedJobs: [{}, {}]}}}}",
            job("leader"),
            job("workers")
        ),
    );
    write(directory.path(), "b.yaml", &limit_range("small", ", namespace: shop", "128Mi"));
    write(directory.path(), "c.yaml", &limit_range("large", ", namespace: shop", "1Gi"));
    let (rows, warnings) = explained(directory.path(), &[]);
    assert_eq!((rows.len(), warnings.lines().count()), (2, 1), "{warnings}");
}

/// As of two overlays: only one of them is there in a cluster.
#[test]
fn two_objects_with_one_name_are_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yaml", DEPLOYMENT);
    let b = write(directory.path(), "b.yaml", &limit_range("defaults", ", namespace: shop", "1Gi"));
    write(directory.path(), "c.yaml", &limit_range("defaults", ", namespace: other", "2Gi"));
    let d = write(
        directory.path(),
        "d.yaml",
        &format!("# Later.\n{}", limit_range("defaults", ", namespace: shop", "256Mi")),
    );
    let (rows, warnings) = explained(directory.path(), &[]);
    assert!(rows[2].starts_with("app 256Mi 230.4Mi injected"), "{rows:?}");
    let warning = format!(
        "warning: LimitRange defaults of namespace shop is in {b}, line 1, and another one in {d}, line 2, which counts, as for \
         kubectl\n"
    );
    assert_eq!(warnings, warning);
    // The same twice is no matter.
    write(directory.path(), "d.yaml", &limit_range("defaults", ", namespace: shop", "1Gi"));
    assert_eq!(explained(directory.path(), &[]).1, "");
}

/// For kubectl these are errors; here they would decide nothing, without a word.
#[test]
fn values_that_the_api_server_refuses_are_named() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yaml", DEPLOYMENT);
    write(
        directory.path(),
        "namespace.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    gomemlimit.dev/mode: off\n    other: 0.7\n    \
         fine: \"1\"\n    none:\n",
    );
    write(
        directory.path(),
        "ranges.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: LimitRange\n  metadata: {name: a}\n  spec:\n    limits:\n    \
         - {type: Container, default: {memory: 128MiB}, max: {memory: null}}\n    - {type: Container, min: {memory: 1Gi}, \
         max: 1Gi}\n- apiVersion: v1\n  kind: LimitRange\n  metadata: {name: b}\n  spec: {limits: {memory: 1Gi}}\n",
    );
    write(directory.path(), "good.yaml", &limit_range("c", "", "128"));
    let output = run(&["explain", "-q", "-f", directory.path().to_str().unwrap()]);
    let root = format!("{}/", directory.path().display());
    let expected = "\
error: namespace.yaml: document 1, line 6, column 26: Namespace shop: metadata.annotations: gomemlimit.dev/mode: expected a string, not false; write it in quotes
error: namespace.yaml: document 1, line 7, column 12: Namespace shop: metadata.annotations: other: expected a string, not 0.7; write it in quotes
warning: ranges.yaml: document 1, line 9, column 43: LimitRange a: spec.limits[0].default.memory: \"128MiB\" is not a Kubernetes quantity such as 512Mi (did you mean 128Mi?)
error: ranges.yaml: document 1, line 10, column 50: LimitRange a: spec.limits[1].max: expected an object, not \"1Gi\"
error: ranges.yaml: document 1, line 14, column 18: LimitRange b: spec.limits: expected a list, not an object
error: 2 of 4 files could not be read or decided as a whole
";
    assert_eq!((output.code, output.stderr.replace(&root, "")), (2, expected.to_owned()));
}

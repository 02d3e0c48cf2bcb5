//! What kubectl does not read, and what it reads otherwise than other programs: each with its line, in manifests with pods.

use rstest::rstest;

use crate::support::command::run_with_stdin;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, resources: {limits: {memory: \
                   1Gi}}}\n";
const IN_LINE: &str = "--- {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: b, resources: {limits: \
                       {memory: 1Gi}}}]}}\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n";
const RANGE: &str = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: r}\nspec: {limits: [{type: Container, default: {memory: 2Gi}}]}\n";

const REFUSED: &str = "kubectl refuses a line with text after ---, and reads neither the document before it nor any after it; write --- \
                       alone, and the text on the next line";
const BEHIND: &str = "kubectl does not read this document: of those between two lines --- it reads the first one only; write --- \
                      before it";

/// kubectl 1.37 (`kubectl annotate --local -f FILE q=1 -o json`) applies none of these documents, and the second kind of them
/// without a word.
#[rstest]
#[case::on_the_line(&[IN_LINE], &[(1, 1, REFUSED)])]
#[case::between(&[POD, "---\n", POD, IN_LINE, "---\n", POD], &[(2, 14, REFUSED)])]
#[case::without_a_pod_on_it(&[POD, "--- {kind: A}\n---\n", POD], &[(1, 7, REFUSED)])]
#[case::tag(&["--- !!map\n", POD], &[(1, 1, REFUSED)])]
#[case::behind_end(&[POD, "...\n", POD, "---\n", POD], &[(2, 8, BEHIND)])]
#[case::each_behind_end(&[POD, "...\n", POD, "... # c\n", POD], &[(2, 8, BEHIND), (3, 15, BEHIND)])]
#[case::limit_range(&[POD, "---\n", SERVICE, "...\n", RANGE], &[(3, 12, BEHIND)])]
#[case::no_pods(&[SERVICE, "--- {kind: A}\n---\n", SERVICE, "...\n", SERVICE], &[])]
#[case::no_pods_behind(&[POD, "---\n", SERVICE, "...\n", SERVICE], &[])]
#[case::pods_before(&[POD, "---\n", SERVICE, "--- {kind: A}\n"], &[])]
#[case::end_and_separator(&[POD, "...\n---\n", POD, "...\n"], &[])]
fn what_kubectl_does_not_read_is_a_warning(
    #[case] parts: &[&str],
    #[case] expected: &[(usize, usize, &str)],
) {
    let text = parts.concat();
    for arguments in [
        &["inject", "-f", "-", "-q"][..],
        &["explain", "-f", "-"],
        &["inject", "-f", "-", "-q", "-o", "json"],
    ] {
        let output = run_with_stdin(arguments, &text);
        let warning = |(document, line, what): &(usize, usize, &str)| {
            format!("warning: (stdin): document {document}, line {line}, column 1: {what}\n")
        };
        let warnings = expected.iter().map(warning).collect::<Vec<_>>().concat();
        let stderr = output.stderr.replace("No pods in these manifests.\n", "");
        assert_eq!((output.code, stderr), (0, warnings), "{arguments:?} {text}");
    }
    // They are changed all the same, for other programs.
    let injected = run_with_stdin(&["inject", "-f", "-", "-q"], &text).stdout;
    assert_eq!(injected.matches("name: GOMEMLIMIT").count(), text.matches("kind: Pod").count(), "{injected}");
}

/// kubectl 1.37 reads the limit of 512Mi, and `kubectl kustomize` and `PyYAML` that of 1Gi.
#[test]
fn a_key_that_a_merge_key_overrides_is_a_warning() {
    let text = "apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - &base
    name: a
    resources: {limits: {memory: 512Mi}}
  - name: b
    resources: {limits: {memory: 1Gi}}
    env: []
    <<: *base
";
    let output = run_with_stdin(&["inject", "-f", "-", "-q"], text);
    let warning = |line: usize, key: &str| {
        format!(
            "warning: (stdin): document 1, line {line}, column 5: for kubectl the merge key (<<) after it overrides the key \"{key}\", \
             for other programs it does not; write << before it, or remove it\n"
        )
    };
    let warnings = warning(9, "name") + &warning(10, "resources");
    assert_eq!((output.code, output.stderr), (0, warnings), "{}", output.stdout);
    let variable = "    env:\n    - name: GOMEMLIMIT\n      value: \"483183820\"\n";
    let after = text
        .replace("512Mi}}\n", &format!("512Mi}}}}\n{variable}"))
        .replace("    env: []\n", variable)
        .replace("metadata: {name: a}", "metadata: {name: a, annotations: {");
    let without_status: String = output
        .stdout
        .lines()
        .map(|line| line.split("gomemlimit.dev/status: ").next().unwrap().to_owned() + "\n")
        .collect();
    assert_eq!(without_status, after);
    // Without pods there is no word.
    let service = text.replace("Pod", "Service");
    assert_eq!(run_with_stdin(&["inject", "-f", "-", "-q"], &service).stderr, "");
}

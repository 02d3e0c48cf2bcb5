//! The policy file in `explain`, `inject`, `serve`, the chart and the documentation.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use gomemlimit::{cluster::webhook_objects::WebhookPod, policy_file};
use gomemlimit_core::settings::BUILT_IN;
use gomemlimit_manifest::{AliasBudget, WorkloadKind};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/policy-file.md");

const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: bill, namespace: shop}
spec:
  template:
    metadata:
      labels: {app.kubernetes.io/part-of: billing}
    spec:
      containers:
      - {name: api, image: registry.example/shop/bill:1, resources: {limits: {memory: 1Gi}}}
      - {name: envoy, image: docker.io/envoyproxy/envoy:v1.30, resources: {limits: {memory: 128Mi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - {name: report, image: registry.example/shop/report:1, resources: {limits: {memory: 512Mi}}}
";

/// The page after this line, until its block ends.
fn shown(start: &str) -> &str {
    let from = PAGE.find(start).unwrap_or_else(|| panic!("no {start} in the page"));
    let text = &PAGE[from..];
    text[text.find('\n').unwrap() + 1..].split("```").next().unwrap()
}

/// Runs a command in a folder with shop.yaml and these files.
fn run(arguments: &[&str], files: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain(&[("shop.yaml", SHOP)]) {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_gomemlimit");
    Command::new(program).args(arguments).current_dir(directory.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_pages_output_is_real() {
    let arguments = ["explain", "-f", "shop.yaml", "--policy-file", "policy.yaml"];
    let output = run(&arguments, &[("policy.yaml", shown("```yaml"))]);
    let explained = "$ gomemlimit explain -f shop.yaml --policy-file policy.yaml";
    assert_eq!(text(&output.stdout), shown(explained));

    let broken = "rules:\n  - name: a\n    set:\n      ratio: 0.8\n      minLimit: 64MB\n";
    let arguments = ["explain", "-f", "shop.yaml", "--policy-file", "broken.yaml"];
    let output = run(&arguments, &[("broken.yaml", broken)]);
    assert_eq!(text(&output.stderr), shown("$ gomemlimit explain -f shop.yaml --policy-file broken.yaml"));
    assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(2), ""));
}

#[test]
fn the_page_lists_the_built_in_rules() {
    for rule in BUILT_IN {
        let quoted =
            |texts: &[&str]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let (images, without) = (quoted(rule.images), quoted(rule.without_arguments));
        let row = format!("| `{}` | {images} | {without} | <{}> |", rule.name, rule.source);
        assert!(PAGE.contains(&row.replace("|  |", "| |")), "{row}");
    }
}

/// `owners` takes the kind that owns pods, and names it if somebody writes the kind above it.
#[test]
fn kinds_that_own_no_pods_are_refused_as_owners() {
    let mut refused = Vec::new();
    // That of Volcano has the name of the one of Kubernetes, and makes Jobs, too.
    for kind in WorkloadKind::ALL.iter().filter(|kind| kind.resource() != "cronjob.batch.volcano.sh") {
        let Some(owner) = kind.templates.first().and_then(|template| template.pods_owner) else { continue };
        let text = format!("rules:\n- name: a\n  is: go\n  match:\n    owners: [{}]\n", kind.name);
        match policy_file::parse(Path::new("policy.yaml"), text.as_bytes()) {
            // Names of kinds of others may be used by many groups.
            Ok(_) => assert!(owner == kind.name || !kind.is_built_in(), "{}", kind.name),
            Err(error) => {
                refused.push(kind.name);
                let error = error.to_string();
                let expected = format!("the owner of a {}'s pods is a {owner}; write that", kind.name);
                assert!(owner != kind.name && error.contains(&expected), "{error}");
            }
        }
    }
    let indirect =
        ["Deployment", "CronJob", "Rollout", "DeploymentConfig", "ScaledJob", "JobSet", "LeaderWorkerSet"];
    assert_eq!(refused, indirect);
}

/// What the chart writes is what the program reads: its example has every field.
#[test]
fn the_charts_example_is_a_policy_file() {
    let values = include_str!("../../charts/gomemlimit/ci/policy-file-values.yaml");
    let values = gomemlimit_manifest::read(values, &mut AliasBudget::default()).remove(0).unwrap().value;
    let policy = values["policy"].to_string();
    let rules = policy_file::parse(Path::new("policy.yaml"), policy.as_bytes()).unwrap();
    assert_eq!(rules.len(), 3);
    for field in ["namespaces", "podLabels", "owners", "containers", "images", "withoutArguments"] {
        assert!(policy.contains(field) && PAGE.contains(&format!("| `{field}` |")), "{field}");
    }
}

#[test]
fn inject_follows_rules_and_flags() {
    let output = run(
        &["inject", "-f", "shop.yaml", "--policy-file", "policy.yaml"],
        &[("policy.yaml", shown("```yaml"))],
    );
    let stdout = text(&output.stdout);
    for line in ["name: GOMEMLIMIT_MIB", "value: \"$(GOMEMLIMIT_MIB)000000\"", "\"429496729\""] {
        assert!(stdout.contains(line), "{line} not in {stdout}");
    }
    assert!(
        text(&output.stderr).contains("container envoy: unchanged (not-go: "),
        "{}",
        text(&output.stderr)
    );
    // Once more changes nothing; a literal is what it is without the rule.
    let again = run(
        &["inject", "-f", "out.yaml", "--policy-file", "policy.yaml"],
        &[("out.yaml", &stdout), ("policy.yaml", shown("```yaml"))],
    );
    assert_eq!(text(&again.stdout), stdout);
    let literal = text(&run(&["inject", "-f", "out.yaml"], &[("out.yaml", &stdout)]).stdout);
    assert!(literal.contains("966367641") && !literal.contains("GOMEMLIMIT_MIB"), "{literal}");
    let tracks =
        text(&run(&["inject", "-f", "out.yaml", "--value", "track"], &[("out.yaml", &literal)]).stdout);
    assert_eq!(tracks.matches("name: GOMEMLIMIT_MIB").count(), 3, "{tracks}");
}

const BROKEN: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: app
    resources: {limits: {memory: 1Gi}}
    env:
    # first
    - name: GOMEMLIMIT   # too much
      valueFrom:
        resourceFieldRef:
          resource: limits.memory
    - name: FLAGS
      value: -m $(GOMEMLIMIT)
    # once more
    - name: GOMEMLIMIT
      value: 900Mi
    - name: LAST
";

#[test]
fn inject_repairs_in_place() {
    let output = run(&["inject", "-f", "p.yaml", "--repair", "fix"], &[("p.yaml", BROKEN)]);
    let stdout = text(&output.stdout);
    let env = "    env:\n    # first\n    - name: GOMEMLIMIT\n      value: \"966367641\"\n    - name: FLAGS\n      value: -m \
               $(GOMEMLIMIT)\n    # once more\n    - name: LAST\n";
    assert!(stdout.ends_with(env), "{stdout}");
    assert!(stdout.contains(r#""repaired":{"was":"900Mi","problem":"malformed","entries":2}"#), "{stdout}");
    let stderr = text(&output.stderr);
    assert!(stderr.contains("GOMEMLIMIT=966367641 (repaired)"), "{stderr}");
    assert!(
        stderr.contains("(the last of several entries, which counts); repaired: GOMEMLIMIT=966367641"),
        "{stderr}"
    );
    // Only reported by default.
    assert_eq!(text(&run(&["inject", "-f", "p.yaml"], &[("p.yaml", BROKEN)]).stdout), BROKEN);
}

/// Once, however many pods there are; problems of a pod are reported with the pod.
#[test]
fn a_ratio_that_wastes_half_of_the_memory_is_told_once() {
    let rules = "rules: [{name: low, match: {containers: [api]}, set: {ratio: 0.3}}]\n";
    for command in ["inject", "explain"] {
        let arguments = [command, "-f", "shop.yaml", "--ratio", "0.4", "--policy-file", "policy.yaml"];
        let stderr = text(&run(&arguments, &[("policy.yaml", rules)]).stderr);
        let warnings: Vec<_> = stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        let tail = "leaves more than half of the memory limit unused";
        assert_eq!(
            warnings,
            [
                format!("warning: the default ratio 0.4 {tail}"),
                format!("warning: rule \"low\": the ratio 0.3 {tail}")
            ]
        );
    }
    let stderr = text(&run(&["policy", "--ratio", "0.4"], &[]).stderr);
    assert!(stderr.starts_with("warning: the default ratio 0.4 leaves"), "{stderr}");
    // The log of a webhook, here one that then finds no certificate.
    let arguments = [
        "serve",
        "--ratio",
        "0.4",
        "--policy-file",
        "policy.yaml",
        "--tls-cert",
        "none",
        "--tls-key",
        "none",
    ];
    let stderr = text(&run(&arguments, &[("policy.yaml", rules)]).stderr);
    assert_eq!(stderr.matches("leaves more than half of the memory limit unused").count(), 2, "{stderr}");
}

/// As anybody may write the arguments of the webhook's container.
#[test]
fn the_policy_file_of_a_webhooks_pod_is_found_in_its_arguments() {
    let path = |args: &[&str]| {
        let pod = serde_json::json!({"spec": {"containers": [{"args": ["sidecar"]}, {"args": args}]}});
        let pod: WebhookPod = serde_json::from_value(pod).unwrap();
        pod.policy_file().map(str::to_owned)
    };
    assert_eq!(path(&["serve", "--policy-file=/etc/p.yaml"]).as_deref(), Some("/etc/p.yaml"));
    assert_eq!(path(&["serve", "--policy-file", "/etc/p.yaml"]).as_deref(), Some("/etc/p.yaml"));
    let other = ["serve", "--policy-files=x", "--policy-poll=1s", "--mode", "off"];
    assert_eq!(path(&other), None);
    assert_eq!(path(&["serve", "--policy-file"]), None);
}

#[test]
fn a_bad_policy_file_at_start_is_an_error() {
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--policy-file", "policy.yaml"];
    for (files, expected) in [
        (&[][..], "error: cannot read the policy file policy.yaml: No such file or directory"),
        (
            &[("policy.yaml", "rules: [{name: a, is: rust}]\n")],
            "error: policy file policy.yaml, line 1, column ",
        ),
    ] {
        let output = run(&arguments, files);
        let stderr = text(&output.stderr);
        let last = stderr.lines().last().unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(last.starts_with(expected), "{stderr}");
    }
}

/// The largest and longest that the chart's schema lets through: a replica that starts with it must not die of it.
#[test]
fn what_the_charts_schema_takes_the_program_takes() {
    let schema: Value =
        serde_json::from_str(include_str!("../../charts/gomemlimit/values.schema.json")).unwrap();
    let forms = &schema["definitions"];
    let number = |path: &str| forms.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}"));
    let long = |path: &str| "~".repeat(usize::try_from(number(path)).unwrap());
    let name = long("/ruleName/maxLength");
    let pattern = long("/rulePattern/maxLength");
    let quantities = forms["quantity"]["if"]["pattern"].as_str().unwrap();
    let (most, fraction) = (number("/ruleQuantity/if/maximum"), "999999999");
    for quantity in [
        most.to_string(),
        format!("999999999999999.{fraction}m"),
        format!("999999999999.{fraction}Ki"),
        format!("999999999.{fraction}Mi"),
        format!("999999.{fraction}Gi"),
        format!("999.{fraction}Ti"),
        format!("999.{fraction}e12"),
        "0".to_owned(),
    ] {
        let text = format!(
            "{{rules: [{{name: '{name}', match: {{images: ['{pattern}']}}, set: {{minLimit: {quantity}, headroom: {quantity}, ratio: 0.98}}}}]}}"
        );
        policy_file::parse(Path::new("p"), text.as_bytes())
            .unwrap_or_else(|error| panic!("{quantity}: {error}"));
        let output =
            run(&["explain", "-f", "shop.yaml", "--min-limit", &quantity, "--headroom", &quantity], &[]);
        assert!(output.status.success(), "{quantity}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // The suffixes that were tried are all there are.
    let suffixes: String = quantities.chars().filter(char::is_ascii_alphabetic).collect();
    assert_eq!(suffixes, "mkKiMMiGGiTTiee");
}

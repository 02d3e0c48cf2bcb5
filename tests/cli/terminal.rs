//! What reaches the terminal: nothing that it would obey, whatever manifests, files and clusters hold; colours only
//! if they are wanted.

use std::{
    fs,
    process::{Command, Stdio},
};

use gomemlimit_fake_api_server::{
    CommandOutput, ScriptedServer,
    cluster_fixture::{CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, NAMESPACES, PODS, namespace},
    failure, list, pod, pod_with,
};
use rstest::rstest;
use serde_json::{Value, json};

/// Clears a screen in two ways, turns the direction, hides, rings, and begins a line of its own.
const HOSTILE: &str = "p\u{1b}[2J\u{9b}2J\u{202e}\u{200b}\u{7}\nerror: fake";
/// The same in a string of YAML.
const HOSTILE_YAML: &str = r#""p\e[2J\x9b2J\u202e\u200b\a\nerror: fake""#;

pub(super) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

pub(super) fn run(arguments: &[&str]) -> CommandOutput {
    program(arguments).output().unwrap().into()
}

fn is_harmless(text: &str) {
    let bad =
        text.chars().find(|c| c.is_control() && !"\n\t".contains(*c) || "\u{202e}\u{200b}".contains(*c));
    assert_eq!(bad, None, "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: fake")), "{text:?}");
}

/// A Deployment with a container of 1 GiB.
pub(super) fn manifest(name: &str, container: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {name}}}\nspec:\n  template:\n    \
         metadata: {{annotations: {{gomemlimit.dev/ratio: {name}}}}}\n    spec:\n      containers:\n      - name: {container}\n        \
         resources: {{limits: {{memory: 1Gi}}}}\n{more}"
    )
}

#[rstest]
#[case(&["inject"])]
#[case(&["inject", "--in-place"])]
#[case(&["explain"])]
#[case(&["explain", "--fail-on", "warning"])]
fn names_of_manifests_do_not_reach_the_terminal_as_they_are(#[case] arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m\u{1b}[2J\nerror: fake.yaml");
    let value = format!("        env: [{{name: GOMEMLIMIT, value: {HOSTILE_YAML}}}]\n");
    for text in [
        manifest(HOSTILE_YAML, HOSTILE_YAML, ""),
        manifest(HOSTILE_YAML, "c", &value),
        // What cannot be read.
        format!(
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {{name: {HOSTILE_YAML}}}\nspec: {{template: {{spec: {{containers: [{HOSTILE_YAML}]}}}}}}\n"
        ),
        format!("a: {HOSTILE_YAML}\n  b: : c"),
    ] {
        fs::write(&file, &text).unwrap();
        let outcome = run(&[arguments, &["-f", file.to_str().unwrap()]].concat());
        is_harmless(&outcome.stderr);
        assert!(outcome.stderr.contains(r"\u{1b}[2J") || outcome.stderr.is_empty(), "{}", outcome.stderr);
        if arguments[0] == "explain" {
            is_harmless(&outcome.stdout);
        }
    }
}

#[rstest]
#[case(&["explain", "-f", "\u{1b}[2J\nerror: fake"])]
#[case(&["inject", "-f", "\u{1b}[2J\nerror: fake"])]
#[case(&["explain", "\u{1b}[2J\nerror: fake"])]
#[case(&["observe", "\u{1b}[2J/\nerror: fake"])]
#[case(&["observe", "pod/a", "--baseline", "\u{1b}[2J\nerror: fake"])]
#[case(&["diagnose", "\u{1b}[2J\nerror: fake"])]
#[case(&["diagnose", "--url", "http://127.0.0.1:1", "--save", "/dev/null/\u{1b}[2J\nerror: fake"])]
#[case(&["audit", "--kubeconfig", "\u{1b}[2J\nerror: fake"])]
#[case(&["check", "--context", "\u{1b}[2J\nerror: fake"])]
#[case(&["policy", "--policy-file", "\u{1b}[2J\nerror: fake"])]
#[case(&["serve", "--policy-file", "\u{1b}[2J\nerror: fake"])]
#[case(&["probe", "--url", "https://127.0.0.1:1/", "--ca-file", "\u{1b}[2J\nerror: fake"])]
#[case(&["audit", "-n", "\u{1b}[2J\nerror: fake"])]
#[case(&["audit", "--only", "\u{1b}[2J\nerror: fake"])]
#[case(&["\u{1b}[2J\nerror: fake"])]
#[case(&["policy", "--ratio", "\u{9b}2J\u{202e}"])]
fn arguments_come_back_harmless_and_in_full(#[case] arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    for forced in [false, true] {
        let mut command = program(arguments);
        command.env("HOME", home.path()).env("KUBECONFIG", home.path().join("none"));
        if forced {
            command.env("CLICOLOR_FORCE", "1");
        }
        let outcome: CommandOutput = command.output().unwrap().into();
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        let mut stderr = outcome.stderr.clone();
        for code in ["0", "1", "4", "31", "32", "33"] {
            stderr = stderr.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(stderr != outcome.stderr, forced, "{}", outcome.stderr);
        is_harmless(&stderr);
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[test]
fn a_hostile_policy_file_and_its_doubts_are_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    let rule = |name: &str, rest: &str| format!("rules:\n- name: {name}\n  {rest}\n");
    for text in [
        rule(HOSTILE_YAML, "settings: {ratio: nonsense}"),
        rule(HOSTILE_YAML, &format!("match: {{namespaces: [{HOSTILE_YAML}]}}\n  settings: {{ratio: 80%}}")),
        rule("a", &format!("{HOSTILE_YAML}: 1")),
    ] {
        fs::write(&file, text).unwrap();
        let manifest_file = directory.path().join("m.yaml");
        fs::write(&manifest_file, manifest("a", "b", "")).unwrap();
        let flags = ["--policy-file", file.to_str().unwrap(), "-f", manifest_file.to_str().unwrap()];
        for command in ["inject", "explain"] {
            let outcome = run(&[&[command], &flags[..]].concat());
            is_harmless(&outcome.stderr);
        }
    }
}

/// A server in which every text that can be hostile is.
fn hostile_server() -> ScriptedServer {
    let mut fixture = ClusterFixture::sound();
    let labels = json!({"gomemlimit.dev/inject": "enabled", "x": HOSTILE});
    fixture.put(NAMESPACES, &[namespace("shop", &labels), namespace(HOSTILE, &labels)]);
    for path in [CONFIGURATIONS, DEPLOYMENTS, PODS] {
        let object = fixture.object(path, 0);
        object["metadata"]["annotations"]["meta.helm.sh/release-name"] = HOSTILE.into();
        object["metadata"]["labels"]["app.kubernetes.io/instance"] = HOSTILE.into();
        object["metadata"]["labels"]["app.kubernetes.io/version"] = HOSTILE.into();
    }
    fixture.object(CONFIGURATIONS, 0)["metadata"]["name"] = HOSTILE.into();
    fixture.object(CONFIGURATIONS, 0)["webhooks"][0]["matchConditions"] =
        json!([{"name": HOSTILE, "expression": HOSTILE}]);
    fixture.object(PODS, 0)["spec"]["containers"][0]["image"] = HOSTILE.into();
    fixture.object(PODS, 0)["status"] =
        json!({"conditions": [{"type": "Ready", "status": "False", "message": HOSTILE}]});
    let mut hostile = pod_with("a", Some(HOSTILE));
    hostile["spec"]["containers"][0]["name"] = HOSTILE.into();
    hostile["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": HOSTILE, "name": HOSTILE, "controller": true}]);
    let mut named = pod(HOSTILE);
    named["metadata"]["annotations"] = json!({"gomemlimit.dev/ratio": HOSTILE});
    fixture.put("/api/v1/namespaces/shop/pods", &[hostile.clone(), named.clone()]);
    fixture.put("/api/v1/pods", &[hostile, named, json!({"metadata": {"name": HOSTILE}, "spec": HOSTILE})]);
    fixture.answer("POST /api/v1/namespaces/shop/pods", failure(422, HOSTILE));
    fixture.serve()
}

#[rstest]
#[case(&["audit", "-A"])]
#[case(&["audit"])]
#[case(&["audit", "-o", "prometheus", "-A"])]
#[case(&["check"])]
#[case(&["check", "-n", "shop"])]
#[case(&["explain", "a"])]
#[case(&["observe", "pod/a", "--for", "1s", "--interval", "500ms"])]
#[tokio::test]
async fn names_of_a_cluster_do_not_reach_the_terminal_as_they_are(#[case] arguments: &[&str]) {
    let server = hostile_server();
    let (_, stdout, stderr) = server.run(arguments).await;
    is_harmless(&stderr);
    is_harmless(&stdout);
    assert!(
        [&stdout, &stderr].iter().any(|text| text.contains("[2J")),
        "nothing hostile was seen: {stdout}{stderr}"
    );
}

/// JSON has escapes of its own, so that the value is the same.
#[rstest]
#[case(&["audit", "-A", "-o", "json"])]
#[case(&["audit", "-o", "name"])]
#[case(&["check", "-o", "json"])]
#[case(&["explain", "a", "-o", "json"])]
#[case(&["observe", "pod/a", "--for", "500ms", "-o", "json"])]
#[tokio::test]
async fn what_is_for_programs_is_harmless_on_a_terminal_too(#[case] arguments: &[&str]) {
    let server = hostile_server();
    let (_, stdout, stderr) = server.run(arguments).await;
    is_harmless(&[stdout.as_str(), &stderr].concat());
    if arguments.contains(&"json") {
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
        assert!(strings(&report).iter().any(|text| text.contains("\u{9b}2J\u{202e}\u{200b}")), "{stdout}");
    } else {
        assert!(stdout.lines().any(|line| line.starts_with("pod/p\\u{1b}[2J")), "{stdout}");
        assert!(stdout.lines().all(|line| line.starts_with("pod/")), "{stdout}");
    }
}

#[rstest]
#[case(&["explain", "-o", "json"], "m.yaml")]
#[case(&["inject", "-o", "json"], "m.yaml")]
#[case(&["diagnose", "-o", "json"], "heap.pb.gz")]
fn json_of_files_is_harmless_and_of_the_same_value(#[case] arguments: &[&str], #[case] name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(format!("\u{9b}2J\u{202e}\u{e0041}{name}"));
    let annotation = format!(r#""\x9b2J\u202e\U000E0041{name}""#);
    let text = manifest("a", "b", "").replace("ratio: a", &format!("x: {annotation}"));
    let profile = fs::read("crates/pprof/tests/data/heap-1.pb.gz").unwrap();
    fs::write(&file, if name == "m.yaml" { text.into_bytes() } else { profile }).unwrap();
    let outcome = run(&[arguments, &["-f", file.to_str().unwrap()]].concat());
    is_harmless(&outcome.stdout);
    assert!(!outcome.stdout.contains('\u{e0041}'), "{}", outcome.stdout);
    let wanted = format!("\u{9b}2J\u{202e}\u{e0041}{name}");
    let found = strings(&outcome.json());
    assert!(found.iter().any(|text| text.ends_with(&wanted)), "{found:?}");
}

/// All strings of a value, keys among them.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::Object(all) => {
            all.iter().flat_map(|(key, value)| [vec![key.clone()], strings(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_a_server_answers_with_is_harmless() {
    for code in [401, 403, 404, 409, 500] {
        let server = ScriptedServer::start(move |_, _| failure(code, HOSTILE));
        for arguments in [&["audit"][..], &["check"], &["explain", "deployment/a"], &["observe", "pod/a"]] {
            let (_, stdout, stderr) = server.run(arguments).await;
            is_harmless(&stderr);
            is_harmless(&stdout);
            // What is not there is told in other words.
            assert!(code == 404 || [stdout, stderr].concat().contains(r"\u{1b}[2J"), "{code} {arguments:?}");
        }
    }
    let server = ScriptedServer::start(|_, _| list(&[json!({"metadata": HOSTILE})], ""));
    let (_, stdout, stderr) = server.run(&["audit"]).await;
    is_harmless(&[stdout, stderr].concat());
}

/// Whoever makes a pod writes its owner, which the API server takes as it is.
#[tokio::test]
async fn an_owner_that_is_no_name_gets_into_no_command() {
    let owned = |owner: &str| {
        let mut pod = pod_with("api-0", None);
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "controller": true}]);
        pod
    };
    for (owner, is_restarted) in [("api", true), ("$(touch x)", false), ("a; touch x", false)] {
        let mut fixture = ClusterFixture::sound();
        fixture.put("/api/v1/namespaces/shop/pods", &[owned(owner)]);
        let (_, stdout, stderr) = fixture.serve().run(&["audit"]).await;
        assert_eq!(stdout.contains("kubectl rollout restart statefulset/"), is_restarted, "{stdout}{stderr}");
        assert!(is_restarted || stdout.contains("kubectl delete pod api-0 -n shop"), "{stdout}");
    }
}

#[test]
fn names_that_a_terminal_would_obey_complete_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let contexts = ["good", "go\u{1b}[2J", "go\nerror: fake"]
        .map(|name| json!({"name": name, "context": {"cluster": "c", "user": "u"}}));
    let config =
        json!({"apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": [], "users": []});
    fs::write(file.path(), config.to_string()).unwrap();
    let outcome: CommandOutput = program(&["--", "gomemlimit", "audit", "--context", "go"])
        .envs([("COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", "3"), ("_CLAP_IFS", "\n")])
        .env("KUBECONFIG", file.path())
        .output()
        .unwrap()
        .into();
    assert_eq!(outcome.stdout.trim_end(), "good", "{}", outcome.stderr);
}

/// Data is what it was, byte by byte.
#[test]
fn the_manifest_on_stdout_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    let text = manifest("a", "b", "") + "# right-to-left: \u{202e}, invisible: \u{200b}\n";
    fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    let outcome = run(&["inject", "-f", file]);
    assert!(
        outcome.stdout.ends_with("# right-to-left: \u{202e}, invisible: \u{200b}\n"),
        "{}",
        outcome.stdout
    );
    // Also as a patch, which `patch` has to read; in colours it is for people.
    fs::write(file, text.replace("memory: 1Gi}}", "memory: 1Gi}} # \u{202e}")).unwrap();
    let outcome = run(&["inject", "-f", file, "--diff"]);
    assert!(outcome.stdout.contains('\u{202e}'), "{}", outcome.stdout);
    let outcome: CommandOutput =
        program(&["inject", "-f", file, "--diff"]).env("CLICOLOR_FORCE", "1").output().unwrap().into();
    assert!(!outcome.stdout.contains('\u{202e}'), "{}", outcome.stdout);
    assert!(
        outcome.stdout.lines().any(|line| line.starts_with("\u{1b}[32m+") && line.ends_with("\u{1b}[0m"))
    );
    let outcome = run(&["inject", "-f", file, "-o", "json"]);
    assert!(serde_json::from_str::<Value>(&outcome.stdout).is_ok());
}

#[tokio::test]
async fn colours_are_for_terminals_and_for_those_who_force_them() {
    let server = ClusterFixture::sound().serve();
    let check = async |environment: &[(&str, &str)]| {
        let mut command = server.command(&["check"]);
        command.env_remove("NO_COLOR").envs(environment.iter().copied());
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    let plain = check(&[]).await;
    assert!(!plain.contains('\u{1b}') && plain.contains(" ok "), "{plain}");
    let coloured = check(&[("CLICOLOR_FORCE", "1")]).await;
    assert!(coloured.contains("\u{1b}[32mok\u{1b}[0m"), "{coloured}");
    let without = coloured.replace("\u{1b}[32m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", "");
    assert_eq!(without, plain, "the columns are the same");
    assert_eq!(check(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).await, plain);
    assert_eq!(check(&[("CLICOLOR_FORCE", "0")]).await, plain);

    let error = program(&["explain", "-f", "/nonexistent"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(error.stderr.starts_with(b"\x1b[31merror:\x1b[0m cannot read"), "{error:?}");
}

/// Through a terminal: `script` gives the program one.
#[test]
fn a_terminal_gets_colours_unless_it_says_no() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    fs::write(&file, manifest("a", "b", "")).unwrap();
    let line = format!("{} inject --diff -f {}", env!("CARGO_BIN_EXE_gomemlimit"), file.display());
    let on_a_terminal = |term: &str, variable: Option<(&str, &str)>| {
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .env("TERM", term)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("CLICOLOR")
            // A build server gets colours on any terminal.
            .env_remove("CI");
        command.envs(variable);
        let output = command.output().expect("script, of util-linux");
        String::from_utf8(output.stdout).unwrap()
    };
    for variable in [None, Some(("CLICOLOR_FORCE", "0"))] {
        assert!(on_a_terminal("xterm", variable).contains("\u{1b}[32m+"), "{variable:?}");
    }
    for (term, variable) in [
        ("dumb", None),
        ("dumb", Some(("CLICOLOR_FORCE", "0"))),
        ("xterm", Some(("NO_COLOR", "1"))),
        ("xterm", Some(("CLICOLOR", "0"))),
    ] {
        let plain = on_a_terminal(term, variable);
        assert!(plain.contains("\n+") && !plain.contains('\u{1b}'), "{plain:?}");
    }
}

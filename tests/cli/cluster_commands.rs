//! The commands that look at a cluster, as far as they go without one: help, bad flags, no cluster, completions,
//! and the program as a plugin of kubectl.

use std::{
    collections::BTreeSet,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use gomemlimit_core::audit::{AuditFinding, Coverage, UncoveredReason};
use rstest::rstest;

use gomemlimit_fake_api_server::CommandOutput;

const PROGRAM: &str = env!("CARGO_BIN_EXE_gomemlimit");

fn run_as(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> CommandOutput {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env("HOME", home.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.into()
}

fn run(arguments: &[&str]) -> CommandOutput {
    run_as(Path::new(PROGRAM), arguments, &[])
}

#[rstest]
#[case(&["audit"])]
#[case(&["check"])]
#[case(&["explain", "api"])]
#[case(&["observe", "deployment/api"])]
#[case(&["diagnose", "deployment/api"])]
#[case(&["check", "--context", "nobody"])]
fn without_a_cluster_there_is_one_sentence_that_says_what_to_do(#[case] arguments: &[&str]) {
    let output = run(arguments);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.starts_with("error: no cluster is configured: "), "{}", output.stderr);
    assert!(output.stderr.contains("set KUBECONFIG, or name a file with --kubeconfig"), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
}

/// A kubeconfig of a server that nobody listens at.
fn dead_server() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: dead\ncontexts: [{{name: dead, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    );
    std::fs::write(file.path(), config).unwrap();
    file
}

#[rstest]
#[case(&["audit"])]
#[case(&["check"])]
#[case(&["explain", "deployment/api"])]
#[case(&["observe", "deployment/api"])]
#[case(&["observe", "-l", "app=api"])]
#[case(&["diagnose", "deployment/api"])]
fn a_server_that_does_not_answer_is_told_with_its_address(#[case] arguments: &[&str]) {
    let kubeconfig = dead_server();
    let output =
        run_as(Path::new(PROGRAM), arguments, &[("KUBECONFIG", kubeconfig.path().to_str().unwrap())]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.starts_with("error: the API server at http://127.0.0.1:"), "{}", output.stderr);
    assert!(output.stderr.contains("Connection refused"), "{}", output.stderr);
    assert!(output.stderr.contains("--context"), "{}", output.stderr);
}

#[rstest]
#[case(&["audit", "--only", "nonsense"], "is none of covered, stale,")]
#[case(&["audit", "--fail-on", "covered,nonsense"], "is none of covered, stale,")]
#[case(&["audit", "--chunk-size", "0"], "0 is not in 1..=5000")]
#[case(&["audit", "-n", "../secrets"], "is not a name of Kubernetes")]
#[case(&["audit", "-n", "shop", "-A"], "cannot be used with")]
#[case(&["check", "-o", "yaml"], "possible values: table, json")]
#[case(&["check", "--release-namespace", "a/b"], "is not a name of Kubernetes")]
#[case(&["explain"], "required arguments were not provided")]
#[case(&["explain", "api", "-f", "-"], "cannot be used with")]
#[case(&["inject"], "required arguments were not provided")]
#[case(&["completions", "tcsh"], "possible values: bash, elvish, fish, powershell, zsh")]
fn bad_usage_is_exit_code_2(#[case] arguments: &[&str], #[case] said: &str) {
    let output = run(arguments);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{}", output.stderr);
    assert!(output.stderr.contains(said), "{}", output.stderr);
}

#[rstest]
#[case("audit")]
#[case("check")]
#[case("explain")]
#[case("observe")]
#[case("diagnose")]
fn help_has_examples_and_the_flags_of_kubectl(#[case] command: &str) {
    let help = run(&[command, "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    let words =
        ["Examples:\n  ", "--kubeconfig <FILE>", "--context <NAME>", "-n, --namespace", "-o, --output"];
    for word in words {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 130), "{}", help.stdout);
}

#[test]
fn the_help_of_audit_names_every_status() {
    let help = run(&["audit", "--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for status in Coverage::ALL {
        assert!(help.contains(status.as_str()), "{status}");
    }
}

#[test]
fn the_page_of_audit_has_every_word_and_every_field() {
    let page = include_str!("../../docs/audit.md");
    for word in AuditFinding::all()
        .map(AuditFinding::as_str)
        .chain(UncoveredReason::all().map(UncoveredReason::as_str))
    {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
    let source = include_str!("../../src/cli/audit/render.rs");
    let fields = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\":"))
        .map(|(key, _)| key);
    let fields: BTreeSet<_> = fields.collect();
    assert!(fields.len() > 18, "{fields:?}");
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
}

fn complete(words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let environment = [("COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", index.as_str()), ("_CLAP_IFS", "\n")];
    let output = run_as(Path::new(PROGRAM), &[&["--"], words].concat(), &environment);
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn completions_know_commands_flags_and_words() {
    assert_eq!(complete(&["gomemlimit", "au"]), ["audit"]);
    assert!(complete(&["gomemlimit", "audit", "--f"]).contains(&"--fail-on".to_owned()));
    assert_eq!(complete(&["gomemlimit", "audit", "-o", "js"]), ["json"]);
    assert_eq!(complete(&["gomemlimit", "audit", "--only", "oom"]), ["oom-killed"]);
    assert_eq!(complete(&["gomemlimit", "explain", "--fail-on", "warn"]), ["warning"]);
    assert!(complete(&["gomemlimit", "explain", "deploy"]).contains(&"deployment/".to_owned()));
    assert_eq!(complete(&["gomemlimit", "obs"]), ["observe"]);
    assert!(complete(&["gomemlimit", "observe", "--b"]).contains(&"--baseline".to_owned()));
    assert!(complete(&["gomemlimit", "observe", "deploy"]).contains(&"deployment/".to_owned()));
    // Without a cluster there is nothing to offer, and no error either.
    assert_eq!(complete(&["gomemlimit", "audit", "-n", ""]), [""; 0]);
}

#[test]
fn completions_know_the_contexts_of_the_kubeconfig() {
    let kubeconfig = dead_server();
    let path = kubeconfig.path().to_str().unwrap();
    let words = ["gomemlimit", "audit", "--kubeconfig", path, "--context", "d"];
    assert_eq!(complete(&words), ["dead"]);
}

#[rstest]
#[case("bash", "complete ")]
#[case("zsh", "#compdef gomemlimit")]
#[case("fish", "complete --keep-order --exclusive --command gomemlimit")]
#[case("elvish", "edit:completion:arg-completer[gomemlimit]")]
#[case("powershell", "Register-ArgumentCompleter")]
fn completion_scripts_ask_this_program(#[case] shell: &str, #[case] text: &str) {
    let output = run(&["completions", shell]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(output.stdout.contains(text) && output.stdout.contains("COMPLETE"), "{}", output.stdout);
}

#[test]
fn the_bash_script_is_sound() {
    let script = run(&["completions", "bash"]).stdout;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    assert!(Command::new("bash").arg("-n").arg(file.path()).status().unwrap().success());
}

#[test]
fn as_a_plugin_it_calls_itself_what_the_user_types() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-gomemlimit");
    symlink(PROGRAM, &plugin).unwrap();
    let help = run_as(&plugin, &["audit", "--help"], &[]).stdout;
    assert!(help.contains("Usage: kubectl gomemlimit audit [OPTIONS]"), "{help}");
    assert!(help.contains("\n  kubectl gomemlimit audit -A\n"), "{help}");
    for command in ["audit", "check", "explain", "policy", "inject"] {
        let help = run_as(&plugin, &[command, "--help"], &[]).stdout;
        assert!(!help.contains("\n  gomemlimit "), "{help}");
    }
    let all = run_as(&plugin, &["--help"], &[]).stdout;
    assert!(all.contains("Usage: kubectl gomemlimit <COMMAND>"), "{all}");
    assert!(run(&["audit", "--help"]).stdout.contains("Usage: gomemlimit audit [OPTIONS]"));
}

#[test]
fn kubectl_gets_completions_in_the_form_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl_complete-gomemlimit");
    symlink(PROGRAM, &plugin).unwrap();
    let said = run_as(&plugin, &["aud"], &[]).stdout;
    assert!(said.starts_with("audit\tShow what GOMEMLIMIT means"), "{said}");
    assert!(said.ends_with("\n:4\n"), "{said}");
    assert_eq!(run_as(&plugin, &["audit", "-o", "ta"], &[]).stdout, "table\tFor people\n:4\n");
}

#[test]
fn the_krew_manifest_is_what_krew_asks_for() {
    let text = include_str!("../../deploy/krew/gomemlimit.yaml");
    let manifest: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&"Plugin".into(), &"gomemlimit".into()));
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], format!("v{}", env!("CARGO_PKG_VERSION")));
    let description = spec["shortDescription"].as_str().unwrap();
    assert!(!description.ends_with('.') && description.len() < 60, "{description}");
    let platforms = spec["platforms"].as_array().unwrap();
    assert!(!platforms.is_empty());
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        assert!(labels["os"].is_string() && labels["arch"].is_string(), "{platform}");
        assert_eq!(platform["bin"], "kubectl-gomemlimit");
        assert_eq!(platform["files"][0]["to"], "kubectl-gomemlimit");
        // Nothing is published yet: a release fills these in.
        let [uri, sum] = ["uri", "sha256"].map(|key| platform[key].as_str().unwrap());
        assert!(uri.starts_with("${") && sum.starts_with("${"), "{platform}");
    }
}

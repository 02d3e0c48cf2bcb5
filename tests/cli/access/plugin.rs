//! Credential plugins.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Home, Server, is_audited};

const VERSION: &str = "client.authentication.k8s.io/v1";

/// A kubeconfig whose plugin is a script. A shell reads it: a program that was just written cannot always be run.
fn plugin(home: &Home, server: &Server, script: &str, more: &Value) {
    home.write("plugin", script);
    let mut exec = json!({"apiVersion": VERSION, "command": "sh", "args": [home.path("plugin")],
                          "env": [{"name": "FOLDER", "value": home.path("")}], "interactiveMode": "IfAvailable"});
    for (key, value) in more.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({"exec": exec}));
}

/// Gives the token `run-N` in its run number N, from 1 on.
fn tokens(expires: Option<&str>) -> String {
    let expires = expires.map(|time| format!(", \"expirationTimestamp\": \"{time}\"")).unwrap_or_default();
    format!(
        "echo run >>\"$FOLDER/runs\"\nN=$(wc -l <\"$FOLDER/runs\")\n\
         echo '{{\"kind\": \"ExecCredential\", \"apiVersion\": \"{VERSION}\", \"status\": {{\"token\": \"run-'$N'\"{expires}}}}}'\n"
    )
}

fn runs(home: &Home) -> usize {
    home.read("runs").lines().count()
}

#[rstest]
#[case::for_good(None)]
#[case::for_long(Some("2999-01-01T00:00:00Z"))]
fn it_runs_once(#[case] expires: Option<&str>) {
    let (server, home) = (Server::http(), Home::new());
    plugin(&home, &server, &tokens(expires), &json!({}));
    is_audited(&home.audit(&[]));
    assert_eq!(runs(&home), 1);
    let tokens = server.headers("authorization");
    assert_eq!(tokens.len(), server.count());
    assert!(tokens.len() > 2 && tokens.iter().all(|token| token == "Bearer run-1"), "{tokens:?}");
}

/// As for a long `audit --listen` or `observe`.
#[test]
fn it_runs_again_when_its_token_has_expired() {
    let (server, home) = (Server::http(), Home::new());
    plugin(&home, &server, &tokens(Some("2020-01-01T00:00:00Z")), &json!({}));
    is_audited(&home.audit(&[]));
    let tokens = server.headers("authorization");
    let count = tokens.len();
    assert!(count > 2 && tokens[count - 1] == format!("Bearer run-{}", runs(&home)), "{tokens:?}");
    assert!(runs(&home) >= count, "{tokens:?}");
}

#[test]
fn a_token_that_is_refused_is_no_failure_of_the_plugin() {
    let home = Home::new();
    let server = Server::with(|_| (401, json!({"kind": "Status", "message": "Unauthorized", "code": 401})));
    plugin(&home, &server, &tokens(None), &json!({}));
    let outcome = home.audit(&[]);
    outcome.is_refused("error: the API server does not know who this is: Unauthorized; log in again");
    assert_eq!((runs(&home), server.count()), (1, 1));
}

#[test]
fn it_is_told_what_kubectl_tells() {
    let (server, home) = (Server::http(), Home::new());
    let script = format!("echo \"$KUBERNETES_EXEC_INFO\" >\"$FOLDER/info\"\n{}", tokens(None));
    plugin(&home, &server, &script, &json!({"provideClusterInfo": true}));
    is_audited(&home.audit(&[]));
    let info: Value = serde_json::from_str(&home.read("info")).unwrap();
    assert_eq!((&info["kind"], &info["apiVersion"]), (&json!("ExecCredential"), &json!(VERSION)));
    // stdin of the test is no terminal.
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], format!("http://127.0.0.1:{}", server.port));
}

#[test]
fn it_may_write_yaml() {
    let (server, home) = (Server::http(), Home::new());
    plugin(&home, &server, "printf 'kind: ExecCredential\\nstatus:\\n  token: yaml\\n'", &json!({}));
    is_audited(&home.audit(&[]));
    assert_eq!(server.headers("authorization")[0], "Bearer yaml");
}

#[rstest]
#[case::fails("echo why >&2; exit 255", json!({}), "the credential plugin sh failed with exit status: 255")]
#[case::missing("", json!({"command": "no-such-plugin"}), "the credential plugin no-such-plugin is not installed")]
#[case::hint("", json!({"command": "no-such-plugin", "installHint": "See https://example.com/install\n"}),
    "the credential plugin no-such-plugin is not installed: See https://example.com/install; log in")]
#[case::terminal("", json!({"interactiveMode": "Always"}), "the credential plugin sh asks for input, and stdin is not a terminal")]
#[case::text("echo hello", json!({}), "the output of the credential plugin sh is not an ExecCredential: ")]
#[case::nothing("echo '{}'", json!({}), "the output of the credential plugin sh is not an ExecCredential: it has no status")]
#[case::empty("echo '{\"status\": {}}'", json!({}), "its status has neither a token nor a certificate with its key")]
#[case::half("echo '{\"status\": {\"token\": \"t\", \"clientKeyData\": \"k\"}}'", json!({}), "neither a token nor a certificate")]
fn its_failure_is_not_that_of_the_cluster(#[case] script: &str, #[case] more: Value, #[case] wanted: &str) {
    let (server, home) = (Server::http(), Home::new());
    plugin(&home, &server, script, &more);
    let outcome = home.audit(&[]);
    let line = outcome.stderr.lines().last().unwrap();
    let begin = format!("error: no credentials for the API server at http://127.0.0.1:{}: ", server.port);
    assert!(line.starts_with(&begin) && line.contains(wanted), "{}", outcome.stderr);
    assert!(line.ends_with("; log in again, or name another --user or --context"), "{line}");
    assert!(!line.contains("ExitStatus") && !line.contains("stdout"), "{line}");
    assert_eq!(outcome.code, 2);
    // What it writes is for people.
    assert_eq!(outcome.stderr.contains("why\n"), script.contains("why"), "{}", outcome.stderr);
    assert_eq!(server.count(), 0);
}

/// Renewed by kube when it has expired; the feature is there.
#[rstest]
#[case::holds(4_000_000_000_u64, None)]
#[case::has_expired(1, Some("no credentials for the API server at http://127.0.0.1:"))]
fn an_oidc_token_is_sent_while_it_holds(#[case] expires: u64, #[case] refused: Option<&str>) {
    let (server, home) = (Server::http(), Home::new());
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let token =
        format!("{}.{}.{}", encode("{}"), encode(&format!("{{\"exp\": {expires}}}")), encode("signature"));
    let provider = json!({"auth-provider": {"name": "oidc", "config": {"id-token": token}}});
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &provider);
    let outcome = home.audit(&[]);
    if let Some(wanted) = refused {
        return outcome.is_refused(wanted);
    }
    is_audited(&outcome);
    assert_eq!(server.headers("authorization")[0], format!("Bearer {token}"));
}

#[test]
fn a_token_file_that_is_missing_is_named() {
    let (server, home) = (Server::http(), Home::new());
    home.kubeconfig(
        &json!({"server": format!("http://127.0.0.1:{}", server.port)}),
        &json!({"tokenFile": "token"}),
    );
    let wanted = format!(
        ": cannot read the token file {}: No such file or directory (os error 2); log in again",
        home.path("token").display()
    );
    home.audit(&[]).is_refused(&wanted);
}

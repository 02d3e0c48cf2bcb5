//! Kubeconfigs, and the flags of kubectl.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Home, Server, is_audited, run, text};

const FLAGS: [&str; 9] = [
    "--kubeconfig",
    "--context",
    "--cluster",
    "--user",
    "--server",
    "--as",
    "--as-group",
    "--as-uid",
    "--request-timeout",
];

/// Two contexts, clusters and users; the current ones are of no use.
fn two(server: &Server) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dead",
        "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "nobody"}},
                     {"name": "live", "context": {"cluster": "live", "user": "somebody"}}],
        "clusters": [{"name": "dead", "cluster": {"server": "http://127.0.0.1:1"}},
                     {"name": "live", "cluster": {"server": format!("http://127.0.0.1:{}", server.port)}}],
        "users": [{"name": "somebody", "user": {"token": "some"}}, {"name": "other", "user": {"token": "other"}}],
    })
}

fn audit(home: &Home, more: &[&str]) -> Command {
    let mut command = home.command(&[&["audit", "-A", "-o", "json"], more].concat());
    command.env("KUBECONFIG", home.path("config"));
    command
}

#[test]
fn flags_choose_what_counts() {
    let (server, home) = (Server::http(), Home::new());
    home.write("config", &two(&server).to_string());
    let url = format!("http://127.0.0.1:{}", server.port);
    for (flags, token) in [
        (&["--context", "live"][..], Some("Bearer some")),
        // A user that only the context names may be missing.
        (&["--cluster", "live"], None),
        (&["--cluster", "live", "--user", "other"], Some("Bearer other")),
        (&["--context", "live", "--user", "other"], Some("Bearer other")),
        (&["--server", &url], None),
        (&["--server", &url[7..]], None),
    ] {
        server.log.lock().unwrap().clear();
        is_audited(&run(&mut audit(&home, flags)));
        assert_eq!(server.headers("authorization").first().map(String::as_str), token, "{flags:?}");
    }
    // Without any kubeconfig.
    is_audited(&run(audit(&home, &["--server", &url]).env_remove("KUBECONFIG")));
    run(&mut audit(&home, &["--context", "nope"]))
        .is_refused("error: the kubeconfig has no context \"nope\"; it has dead, live\n");
    run(&mut audit(&home, &["--cluster", "nope"]))
        .is_refused("error: the kubeconfig has no cluster \"nope\"; it has dead, live\n");
    run(&mut audit(&home, &["--user", "nope"]))
        .is_refused("error: the kubeconfig has no user \"nope\"; it has somebody, other\n");
}

#[test]
fn somebody_is_impersonated() {
    let (server, home) = (Server::http(), Home::new());
    home.write("config", &two(&server).to_string());
    let flags =
        ["--context", "live", "--as", "jane", "--as-group", "dev", "--as-group", "ops", "--as-uid", "7"];
    is_audited(&run(&mut audit(&home, &flags)));
    for (header, values) in [
        ("authorization", &["Bearer some"][..]),
        ("impersonate-user", &["jane"]),
        ("impersonate-group", &["dev", "ops"]),
        ("impersonate-uid", &["7"]),
    ] {
        assert_eq!(server.headers(header)[..values.len()], *values, "{header}");
    }
    let outcome = run(&mut audit(&home, &["--as-group", "dev"]));
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("--as <USER>"), "{}", outcome.stderr);
}

/// It hangs, and nothing else would end it but a minute.
#[test]
fn a_request_has_the_time_that_is_given() {
    let home = Home::new();
    let server = Server::with(|_| {
        loop {
            std::thread::park();
        }
    });
    home.write("config", &two(&server).to_string());
    let flags = ["--context", "live", "--request-timeout", "300ms"];
    let outcome = run(&mut audit(&home, &flags));
    let wanted = format!(
        "error: the API server at http://127.0.0.1:{} does not answer: no answer within 300ms; ",
        server.port
    );
    outcome.is_refused(&wanted);
    for (value, wanted) in [("1", "no answer within 1s"), ("x", "invalid value 'x' for '--request-timeout")] {
        let outcome = run(&mut audit(&home, &["--context", "live", "--request-timeout", value]));
        assert!(outcome.stderr.contains(wanted), "{}", outcome.stderr);
    }
}

#[test]
fn a_list_of_files_may_name_some_that_do_not_exist() {
    let (server, home) = (Server::http(), Home::new());
    home.write("config", &two(&server).to_string());
    // The first file that sets a value counts.
    home.write("first", "{current-context: live, kind: Config, apiVersion: v1}");
    let list = ["nothing", "first", "config", "nowhere"].map(|name| home.path(name));
    let list = list.each_ref().map(|path| text(path)).join("::");
    is_audited(&run(home.command(&["audit", "-A", "-o", "json"]).env("KUBECONFIG", &list)));
    let [one, other] = ["nothing", "nowhere"].map(|name| home.path(name).display().to_string());
    let outcome = run(home.command(&["audit"]).env("KUBECONFIG", format!("{one}:{other}")));
    outcome.is_refused(&format!(
        "error: no cluster is configured: {one} does not exist, {other} does not exist; set KUBECONFIG, or name a file \
         with --kubeconfig\n"
    ));
}

#[rstest]
#[case("audit")]
#[case("check")]
#[case("explain")]
#[case("observe")]
#[case("diagnose")]
fn every_command_takes_them(#[case] command: &str) {
    let home = Home::new();
    let help = run(&mut home.command(&[command, "--help"])).stdout;
    for flag in FLAGS {
        assert!(help.contains(&format!("{flag} <")), "{flag}: {help}");
    }
    let short = run(&mut home.command(&[command, "-h"])).stdout;
    assert!(short.contains("--context <") && !short.contains("--as-group"), "{short}");
}

/// As kubectl: a list of all pods is a tenth of its size.
#[rstest]
#[case(json!(null), true)]
#[case(json!(true), false)]
fn answers_may_be_compressed(#[case] disabled: Value, #[case] asked: bool) {
    let (server, home) = (Server::http(), Home::new());
    let url = format!("http://127.0.0.1:{}", server.port);
    home.kubeconfig(&json!({"server": url, "disable-compression": disabled}), &json!({}));
    is_audited(&home.audit(&[]));
    assert_eq!(server.headers("accept-encoding").iter().any(|value| value.contains("gzip")), asked);
}

fn fifo(home: &Home, name: &str) -> PathBuf {
    let path = home.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// `--kubeconfig <(kind get kubeconfig)`, and the files that it names.
#[test]
fn pipes_are_read() {
    let (server, home) = (Server::http(), Home::new());
    let mut config = two(&server);
    config["users"][0]["user"] = json!({"tokenFile": "token"});
    let (kubeconfig, token) = (fifo(&home, "config"), fifo(&home, "token"));
    let writers = [(kubeconfig, config.to_string()), (token, "some\n".to_owned())]
        .map(|(path, text)| std::thread::spawn(move || fs::write(path, text).unwrap()));
    is_audited(&run(&mut audit(&home, &["--context", "live"])));
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(server.headers("authorization").first().map(String::as_str), Some("Bearer some"));
}

#[test]
fn files_of_a_kubeconfig_have_a_maximum_size() {
    let (server, home) = (Server::http(), Home::new());
    let refused = |flags: &[&str], wanted: &str| {
        run(&mut audit(&home, flags)).is_refused(wanted);
    };
    refused(
        &["--kubeconfig", "/dev/zero"],
        "cannot read the kubeconfig /dev/zero: it is larger than 16 MiB; name another with --kubeconfig",
    );
    for (field, what) in
        [("client-certificate", "client certificate"), ("client-key", "client key"), ("tokenFile", "token")]
    {
        let mut config = two(&server);
        config["users"][0]["user"] = json!({field: "/dev/zero"});
        home.write("config", &config.to_string());
        let wanted =
            format!("the user of the kubeconfig: cannot read its {what} /dev/zero: it is larger than 1 MiB");
        refused(&["--context", "live"], &wanted);
    }
    let mut config = two(&server);
    config["clusters"][1]["cluster"]["certificate-authority"] = json!("/dev/zero");
    home.write("config", &config.to_string());
    refused(
        &["--context", "live"],
        "cluster live of the kubeconfig: cannot read its certificate authority /dev/zero: it is larger than 1 MiB",
    );
}

/// A pipe that nobody writes to keeps a command waiting, as it keeps `cat`; not beyond Ctrl-C.
#[test]
fn ctrl_c_ends_the_reading_of_a_pipe() {
    let home = Home::new();
    let path = fifo(&home, "fifo");
    let path = path.to_str().unwrap();
    for arguments in [
        &["diagnose", "pod/a", "--kubeconfig", path][..],
        &["audit", "--kubeconfig", path],
        &["explain", "-f", path],
        &["diagnose", "-f", path],
        &["observe", "pod/a", "--baseline", path],
    ] {
        // Whoever runs the tests may ignore the signal, as a shell does for what it starts in the background.
        let plain = home.command(arguments);
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(plain.get_program()).args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(plain.get_current_dir().unwrap()).stdin(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        // For the handlers of signals.
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?}");
        crate::support::running::signal(child.id(), "INT");
        let until = Instant::now() + Duration::from_mins(1);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("{arguments:?} goes on");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

//! The real program as a process: flags, readiness, signals, memory.

use std::{
    fs, iter,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use gomemlimit_core::admission::{Patch, admit};
use gomemlimit_test_server::{
    LONG, Pair, REVIEW, connect, get, is_injected, read_response, request, review_of_size, send,
};
use rstest::rstest;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::running::{Running, free_ports, program, to_the_curl_line};

/// Runs to the end: exit code, stdout, stderr.
async fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = program().args(arguments).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[rstest]
#[case::cert_without_key(&["--tls-cert", "a"], "--tls-key")]
#[case::key_without_cert(&["--tls-key", "a"], "--tls-cert")]
#[case::missing_cert(&["--tls-cert", "/nowhere/tls.crt", "--tls-key", "/nowhere/tls.key"], "cannot read /nowhere/tls.crt: No such file")]
#[case::cert_is_a_directory(&["--tls-cert", "/", "--tls-key", "/"], "cannot read /: Is a directory")]
#[case::missing_client_ca(&["--client-ca-file", "/nowhere/ca.crt"], "--client-ca-file: cannot read /nowhere/ca.crt: No such file")]
#[case::client_ca_without_any(&["--client-ca-file", "deny.toml"], "--client-ca-file: there is no certificate in deny.toml")]
#[case::client_ca_of_garbage(&["--client-ca-file", "Cargo.toml"], "--client-ca-file: there is no certificate in Cargo.toml")]
#[case::client_name_alone(&["--client-name", "kube-apiserver"], "--client-ca-file <FILE>")]
#[case::client_name_empty(&["--client-ca-file", "a", "--client-name", ""], "--client-name <NAME>': is no name, and would let nobody in: write a common name")]
#[case::client_name_blank(&["--client-ca-file", "a", "--client-name", "  "], "--client-name <NAME>': is no name")]
#[case::client_name_empty_among_others(&["--client-ca-file", "a", "--client-name", "front-proxy-client,"], "--client-name <NAME>': is no name")]
#[case::secret_empty(&["--tls-secret", "", "--webhook-config", "a", "--service", "a"], "--tls-secret <NAME>': is not a name of Kubernetes")]
#[case::configuration_of_a_path(&["--tls-secret", "a", "--webhook-config", "a/b", "--service", "a"], "--webhook-config <NAME>': is not a name")]
#[case::service_blank(&["--tls-secret", "a", "--webhook-config", "a", "--service", " "], "--service <NAME>': is not a name")]
#[case::namespace_empty(&["--tls-secret", "a", "--webhook-config", "a", "--service", "a", "--namespace", ""], "--namespace <NAMESPACE>': is not a name")]
#[case::policy_file_empty(&["--policy-file", ""], "a value is required for '--policy-file <FILE>'")]
#[case::path_empty(&["--path", ""], "--path <PATH>': must start with /")]
#[case::path_empty_among_others(&["--path", "/a,"], "--path <PATH>': must start with /")]
#[case::path_without_a_slash(&["--path", "mutate"], "--path <PATH>': must start with /")]
#[case::path_that_kubernetes_refuses(&["--path", "/mutate,/Mutate"], "--path <PATH>': has a segment that Kubernetes does not accept")]
#[case::cert_is_a_device(&["--tls-cert", "/dev/zero", "--tls-key", "/dev/zero"], "cannot read /dev/zero: it is not a regular file")]
#[case::client_ca_is_a_device(&["--client-ca-file", "/dev/zero"], "--client-ca-file: cannot read /dev/zero: it is not a regular file")]
#[case::policy_is_a_device(&["--policy-file", "/dev/zero"], "cannot read the policy file /dev/zero: it is not a regular file")]
#[case::not_a_cert(&["--tls-cert", "deny.toml", "--tls-key", "deny.toml"], "cannot use deny.toml with deny.toml")]
#[case::ratio_out_of_range(&["--ratio", "1.2"], "--ratio <RATIO>': is outside 0.10 to 0.98")]
#[case::ratio_malformed(&["--ratio", "lots"], "--ratio <RATIO>': is not a ratio")]
#[case::headroom(&["--headroom", "64MiB"], "--headroom <QUANTITY>': is not a Kubernetes quantity")]
#[case::min_limit(&["--min-limit=-1"], "--min-limit <QUANTITY>': is negative")]
#[case::mode(&["--mode", "fix"], "--mode <MODE>'")]
#[case::no_such_repair(&["--repair", "mend"], "--repair <REPAIR>'")]
#[case::no_body(&["--max-body", "0"], "--max-body must be more than 0")]
#[case::budget_below_body(&["--max-body", "8Mi", "--max-bodies", "7Mi"], "three quarters of --max-bodies (7340032 bytes) must hold --max-body")]
#[case::huge_budget(&["--max-bodies", "1Ti"], "--max-bodies must be less than 4Gi")]
#[case::no_connections(&["--max-connections", "0"], "--max-connections <N>': is not a number from 1 to 1000000")]
#[case::too_many_connections(&["--max-connections", "9999999999999999999"], "--max-connections <N>': is not a number")]
#[case::endless_timeout(&["--idle-timeout", "300000years"], "--idle-timeout <DURATION>': must be at most 24h")]
#[case::no_timeout(&["--handshake-timeout", "0s"], "--handshake-timeout <DURATION>': must be more than 0s")]
#[case::busy_polling(&["--policy-poll", "1ns", "--policy-file", "x"], "--policy-poll <DURATION>': must be at least 100ms")]
#[case::busy_polling_of_certificates(&["--tls-poll", "99ms"], "--tls-poll <DURATION>': must be at least 100ms")]
#[case::busy_clock(&["--certificate-tick", "1us"], "--certificate-tick <DURATION>': must be at least 100ms")]
#[case::not_a_duration(&["--shutdown-delay", "soon"], "--shutdown-delay <DURATION>'")]
#[case::not_an_address(&["--listen", "nowhere"], "--listen <ADDRESS>': is no address such as 127.0.0.1:8443")]
#[case::not_an_admin_address(&["--admin-listen", "nowhere:1"], "--admin-listen <ADDRESS>': is no address such as 127.0.0.1:8443")]
#[case::log_level(&["--log-level", "bogus"], "--log-level <LEVEL>': is none of error, warn, warning, info,")]
#[case::unknown_flag(&["--rato", "0.9"], "--rato")]
#[case::same_port(&["--listen", "127.0.0.1:1", "--admin-listen", "127.0.0.1:1"], "cannot be the same")]
#[case::selector_alone(&["--namespace-selector", "a=b"], "--namespace-settings")]
#[case::secret_alone(&["--tls-secret", "ca"], "--webhook-config <NAME>")]
#[case::two_kinds_of_certificates(&["--tls-secret", "ca", "--webhook-config", "a", "--service", "b", "--tls-cert", "c", "--tls-key", "d"], "cannot be used with")]
#[case::ca_shorter_than_its_publication(&["--tls-secret", "ca", "--webhook-config", "a", "--service", "b", "--ca-duration", "20m"], "--ca-duration is too short: a third of it, 6m 40s, has to hold --ca-publish-delay")]
#[case::leaf_longer_than_ca(&["--tls-secret", "ca", "--webhook-config", "a", "--service", "b", "--leaf-duration", "8761h"], "--leaf-duration cannot be longer than --ca-duration")]
#[case::endless_ca(&["--ca-duration", "100years"], "--ca-duration <DURATION>': must be at most 87600h")]
#[tokio::test]
async fn a_bad_flag_exits_2_and_is_named(#[case] arguments: &[&str], #[case] expected: &str) {
    let (code, stdout, stderr) = run(&[&["serve"], arguments].concat()).await;
    assert_eq!((code, &*stdout), (2, ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
}

/// The chart refuses the same, and docs/certificates.md has the figures: tests/chart/freshness.py.
#[rstest]
#[case::leaf_too_short(&["--leaf-duration", "10m29s"], "--leaf-duration is too short: a third of it, 3m 29s")]
#[case::least_leaf(&["--leaf-duration", "10m30s"], "--tls-secret needs a cluster")]
#[case::ca_too_short(&["--leaf-duration", "30m", "--ca-duration", "40m29s"], "--ca-duration is too short")]
#[case::least_ca(&["--leaf-duration", "30m", "--ca-duration", "40m30s"], "--tls-secret needs a cluster")]
#[tokio::test]
async fn a_separate_keeper_leaves_time_for_the_kubelet(#[case] lives: &[&str], #[case] expected: &str) {
    let names = ["--tls-secret", "ca", "--serving-secret", "b", "--webhook-config", "c", "--service", "d"];
    let mut command = program();
    command.arg("certificates").args(names).args(lives).env("KUBECONFIG", "/nowhere/kubeconfig");
    let output = command.output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, stderr) = run(&["serve", "--admin-listen", "127.0.0.1:0", "--listen", &address]).await;
    assert_eq!(code, 2);
    assert!(
        stderr.contains(&format!("error: cannot listen on --listen {address}: Address already in use")),
        "{stderr}"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused_at_start() {
    let (directory, expired) = (tempfile::tempdir().unwrap(), Pair::valid(-48, -24));
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("tls.crt"), expired.certificate).unwrap();
    fs::write(path("tls.key"), expired.key).unwrap();
    let (code, _, stderr) =
        run(&["serve", "--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key")]).await;
    assert_eq!(code, 2);
    assert!(stderr.contains("the certificate expired at 20"), "{stderr}");
}

#[rstest]
#[case::version(&["--version"], "gomemlimit 0.")]
#[case::help(&["--help"], "Label a namespace")]
#[case::serve_help(&["serve", "--help"], "Examples:")]
#[case::bash(&["completions", "bash"], "_gomemlimit")]
#[case::zsh(&["completions", "zsh"], "#compdef gomemlimit")]
#[case::fish(&["completions", "fish"], "complete --keep-order --exclusive --command gomemlimit")]
#[tokio::test]
async fn what_is_asked_for_goes_to_stdout(#[case] arguments: &[&str], #[case] expected: &str) {
    let (code, stdout, stderr) = run(arguments).await;
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.contains(expected), "{stdout}");
}

#[tokio::test]
async fn ready_means_that_the_webhook_port_answers() {
    for _ in 0..5 {
        let running = Running::start(&["--shutdown-delay", "0s"]);
        running.wait_until_ready().await;
        let mut stream =
            connect(running.webhook, &running.pair).await.expect("ready before the port answers");
        send(&mut stream, &request(REVIEW)).await;
        assert!(is_injected(&read_response(&mut stream).await.unwrap()));
        running.signal("TERM");
        let (code, log) = running.exit().await;
        assert_eq!(code, Some(0), "{log}");
    }
}

#[tokio::test]
async fn sigterm_makes_unready_and_serves_on_and_a_second_signal_aborts() {
    let running = Running::start(&["--shutdown-delay", "60s"]);
    running.wait_until_ready().await;
    running.signal("TERM");
    let started = Instant::now();
    while running.is_ready().await {
        assert!(started.elapsed() < LONG);
    }
    let mut stream = connect(running.webhook, &running.pair).await.unwrap();
    send(&mut stream, &request(REVIEW)).await;
    let answer = read_response(&mut stream).await.unwrap();
    assert!(is_injected(&answer) && answer.closes());
    running.signal("TERM");
    let (code, log) = running.exit().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("a second signal"), "{log}");
}

#[tokio::test]
async fn one_log_line_a_mutation() {
    let running = Running::start(&["--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let mut stream = connect(running.webhook, &running.pair).await.unwrap();
    for review in
        [REVIEW, include_bytes!("../../crates/core/tests/golden/reviews/057-create-deployment.json")]
    {
        send(&mut stream, &request(review)).await;
        read_response(&mut stream).await.unwrap();
    }
    running.signal("TERM");
    let (_, log) = running.exit().await;
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["message"] == "injected").collect();
    let [pod, generated] = &lines[..] else { panic!("two lines in {log}") };
    assert_eq!(pod["uid"], "878372b6-6cd1-4b23-8ee0-63f81e016fd6");
    assert_eq!((&pod["namespace"], &pod["pod"]), (&"shop".into(), &"limit-1gi".into()));
    assert_eq!(pod["containers"], "app=966367641 (injected)");
    assert_eq!(generated["pod"], "deployment-6cdb76cfd4-");
}

#[tokio::test]
async fn without_flags_it_prints_a_curl_line_with_a_whole_review() {
    let (webhook, admin) = free_ports();
    let addresses = ["--listen", &webhook.to_string(), "--admin-listen", &admin.to_string()];
    let (mut child, text) = to_the_curl_line(&[&["serve"], &addresses[..]].concat()).await;
    let curl = text.lines().last().unwrap();
    assert!(
        curl.trim_start().starts_with("curl ") && curl.contains(&format!("https://{webhook}/mutate")),
        "{curl}"
    );
    // `.ci/readme` runs the line as it is; curl is not there on every machine that has Rust.
    let review = curl.split("-d '").nth(1).unwrap().trim_end_matches('\'');
    let policy = gomemlimit_core::Policy::default();
    let admission = admit(review.as_bytes(), |_| [].into(), &policy).unwrap();
    let patch = Patch::new(&admission.outcome.decision);
    assert!(serde_json::to_string(&patch.operations).unwrap().contains(r#""value":"966367641""#));
    child.kill().await.unwrap();
}

/// With the arguments of the image, on ports that are free.
#[tokio::test]
async fn the_image_is_reached_from_outside_without_arguments() {
    let dockerfile = include_str!("../../Dockerfile");
    let command = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let arguments: Vec<String> = serde_json::from_str(command).unwrap();
    assert!(dockerfile.contains("\nEXPOSE 8443 8081\n"));
    let (webhook, admin) = free_ports();
    let free = [format!(":{}", webhook.port()), format!(":{}", admin.port())];
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|argument| match argument.as_str() {
            ":8443" => &free[0],
            ":8081" => &free[1],
            other => other,
        })
        .collect();
    let (mut child, curl) = to_the_curl_line(&arguments).await;
    assert!(curl.contains(&format!("https://localhost:{}/mutate", webhook.port())), "{curl}");
    // An address that a listener on 127.0.0.1 does not answer at, as that of a container is.
    for port in [webhook.port(), admin.port()] {
        TcpStream::connect(("127.0.0.2", port)).await.unwrap();
    }
    child.kill().await.unwrap();
}

/// 448 MiB of bodies at once; with the budget of 32 MiB the process grows by less than 48 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_bounds_the_memory_of_64_large_bodies() {
    let running =
        Running::start(&["--body-wait", "120s", "--body-timeout", "120s", "--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let before = running.peak_kib();
    let body: &'static [u8] = request(&review_of_size(7 << 20)).leak();
    let clients = (0..64).map(|_| {
        let (webhook, pair) = (running.webhook, running.pair.clone());
        async move {
            let mut stream = connect(webhook, &pair).await.unwrap();
            send(&mut stream, body).await;
            read_response(&mut stream).await.unwrap()
        }
    });
    let mut set = tokio::task::JoinSet::new();
    clients.for_each(|client| drop(set.spawn(client)));
    for answer in set.join_all().await {
        assert!(is_injected(&answer));
    }
    let peak = running.peak_kib() - before;
    println!("64 bodies of 7 MiB at once: resident {peak} KiB at most");
    assert!(peak < 48 << 10, "{peak} KiB");
}

/// Bodies whose parsed form is many times their text: refused early, so that memory follows the budget. The size of the
/// program itself, which is large where it was not optimized, does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bodies_stay_within_the_memory() {
    let running = Running::start(&[
        "--log-level",
        "error",
        "--body-wait",
        "60s",
        "--body-timeout",
        "60s",
        "--shutdown-delay",
        "0s",
    ]);
    running.wait_until_ready().await;
    let before = running.peak_kib();
    let adversarial_reviews = gomemlimit_adversarial_reviews::all();
    let bodies = adversarial_reviews
        .iter()
        .filter(|review| review.is_review)
        .map(|review| request(review.body.as_bytes()));
    let bodies: Vec<_> = bodies.collect();
    let count = 2 * bodies.len();
    let mut set = tokio::task::JoinSet::new();
    for body in bodies.into_iter().cycle().take(count) {
        let (webhook, pair) = (running.webhook, running.pair.clone());
        set.spawn(async move {
            let mut stream = connect(webhook, &pair).await.unwrap();
            send(&mut stream, &body).await;
            read_response(&mut stream).await.unwrap()
        });
    }
    for answer in set.join_all().await {
        assert_eq!(answer.status, 200, "{}", &answer.body[..100.min(answer.body.len())]);
        assert_eq!(answer.json()["response"]["allowed"], true);
    }
    let peak = running.peak_kib() - before;
    println!("{count} hostile bodies of 6 MiB at once: resident {peak} KiB at most");
    assert!(peak < 48 << 10, "{peak} KiB");
}

/// What the chart gives the readiness probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A byte of a head every tenth of a second, on one connection after the other.
async fn drip_heads(address: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let mut head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ".iter().chain(iter::repeat(&b'x'));
            while let Some(byte) = head.next()
                && stream.write_all(&[*byte]).await.is_ok()
            {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test]
async fn clients_that_drip_keep_no_probe_from_its_answer() {
    let program = Running::start(&[]);
    program.wait_until_ready().await;
    let mut hostile = tokio::task::JoinSet::new();
    for _ in 0..450 {
        hostile.spawn(drip_heads(program.admin));
    }
    // Until all of them have come.
    sleep(Duration::from_millis(500)).await;
    for path in ["/livez", "/readyz"].repeat(5) {
        let (status, _) = timeout(PROBE_TIMEOUT, get(program.admin, path)).await.expect(path);
        assert_eq!(status, 200);
    }
}

/// A pipe that nobody writes to keeps `serve` neither from an error nor, later, from looking at its files.
#[tokio::test]
async fn a_pipe_keeps_serve_not_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let path = path.to_str().unwrap();
    for flags in
        [&["--policy-file", path][..], &["--client-ca-file", path], &["--tls-cert", path, "--tls-key", path]]
    {
        let ended = tokio::time::timeout(LONG, run(&[&["serve"], flags].concat())).await;
        let (code, _, stderr) = ended.expect("it waits for whoever writes");
        assert!(code == 2 && stderr.contains(&format!("{path}: it is not a regular file")), "{stderr}");
    }
}

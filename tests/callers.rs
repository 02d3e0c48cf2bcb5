//! Who may call: client certificates over real sockets, with TLS 1.2 and 1.3, and a path that is a secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, net::SocketAddr, path::Path, process::Stdio, sync::Arc};

use gomemlimit::{
    cluster::served_certificate,
    serve::tls::{ClientCa, provider},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use rstest::rstest;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

mod support;
use support::{
    Answer, Pair, REVIEW, Server, Setup, is_injected, read_answer, request,
    running::{Running, program},
    send, until_closed,
};

const REFUSED: &str = r#"gomemlimit_tls_handshake_failures_total{reason="client-certificate"}"#;
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Signs callers.
struct Authority(Pair, Issuer<'static, KeyPair>);

/// What a caller's certificate is like.
#[derive(Clone, Copy)]
struct Caller {
    common: &'static str,
    dns: &'static [&'static str],
    purposes: &'static [ExtendedKeyUsagePurpose],
    /// From and until, in hours from now.
    hours: (i64, i64),
    is_ca: bool,
}

const CALLER: Caller = Caller {
    common: "front-proxy-client",
    dns: &["api.example.com"],
    purposes: &[ExtendedKeyUsagePurpose::ClientAuth],
    hours: (-1, 24),
    is_ca: false,
};

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "callers");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self(Pair { certificate, key: key.serialize_pem() }, Issuer::new(params, key))
    }

    fn pem(&self) -> &str {
        &self.0.certificate
    }

    fn sign(&self, caller: Caller) -> Pair {
        let dns: Vec<_> = caller.dns.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(dns).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, caller.common);
        params.extended_key_usages = caller.purposes.to_vec();
        if caller.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let at = |hours| time::OffsetDateTime::now_utc() + time::Duration::hours(hours);
        (params.not_before, params.not_after) = (at(caller.hours.0), at(caller.hours.1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.1).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// As a whole: a file half written would be another one.
fn write(file: &Path, content: &str) {
    fs::write(file.with_extension("new"), content).unwrap();
    fs::rename(file.with_extension("new"), file).unwrap();
}

/// A server that lets in what the file signs, if it has one of these names.
async fn guarded(file: &Path, names: &[&str]) -> Server {
    let mut setup = Setup::default();
    let names = names.iter().map(|&name| name.to_owned()).collect();
    setup.client_ca = Some(ClientCa::open(file.to_owned(), names, setup.metrics.clone()).unwrap());
    setup.start().await
}

fn client(
    server: &Server,
    caller: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    connector(&server.pair, caller, version)
}

fn connector(
    server: &Pair,
    caller: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match caller {
        None => config.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// A review on a connection of its own; an error if the server ends it, in the handshake or after it.
async fn call(server: &Server, client: &TlsConnector) -> std::io::Result<Answer> {
    let stream = TcpStream::connect(server.webhook).await?;
    let mut stream = client.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
    // With TLS 1.3 the server may have gone meanwhile.
    stream.write_all(&request(REVIEW)).await?;
    stream.flush().await?;
    let answer = read_answer(&mut stream).await?;
    let _ = stream.shutdown().await;
    Ok(answer)
}

#[rstest]
#[case::no_certificate(&[], |_: &Authority| None)]
#[case::other_ca(&[], |_: &Authority| Some(Authority::new().sign(CALLER)))]
#[case::self_signed(&[], |_: &Authority| Some(Pair::new()))]
#[case::expired(&[], |ca: &Authority| Some(ca.sign(Caller { hours: (-48, -24), ..CALLER })))]
#[case::not_valid_yet(&[], |ca: &Authority| Some(ca.sign(Caller { hours: (24, 48), ..CALLER })))]
#[case::of_a_server(&[], |ca: &Authority| Some(ca.sign(Caller { purposes: &[ExtendedKeyUsagePurpose::ServerAuth], ..CALLER })))]
#[case::of_a_ca(&[], |ca: &Authority| Some(ca.sign(Caller { is_ca: true, ..CALLER })))]
#[case::the_ca_itself(&[], |ca: &Authority| Some(ca.0.clone()))]
#[case::wrong_name(&["kube-apiserver"], |ca: &Authority| Some(ca.sign(CALLER)))]
#[case::no_certificate_and_a_name(&["front-proxy-client"], |_: &Authority| None)]
#[case::right_name_of_another_ca(&["front-proxy-client"], |_: &Authority| Some(Authority::new().sign(CALLER)))]
#[case::part_of_a_name(&["front-proxy", "example.com"], |ca: &Authority| Some(ca.sign(CALLER)))]
#[tokio::test]
async fn a_caller_without_the_right_certificate_is_refused(
    #[case] names: &[&str],
    #[case] caller: fn(&Authority) -> Option<Pair>,
) {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, authority.pem());
    let server = guarded(&file, names).await;
    let caller = caller(&authority);
    for (version, refused) in VERSIONS.into_iter().zip(1..) {
        let answer = call(&server, &client(&server, caller.as_ref(), version)).await;
        assert!(answer.is_err(), "{version:?}: {answer:?}");
        server.wait_for_metric(REFUSED, refused).await;
    }
    assert_eq!(server.metric(r#"gomemlimit_tls_handshake_failures_total{reason="tls"}"#).await, 0);
    assert_eq!(server.metric(r#"gomemlimit_requests_total{code="200"}"#).await, 0);
    // Probes and scrapes have no certificate.
    assert_eq!(server.admin("/readyz").await.0, 200);
}

#[rstest]
#[case::any_name(&[], CALLER)]
#[case::common_name(&["kube-apiserver", "front-proxy-client"], CALLER)]
#[case::dns_name(&["API.example.com"], CALLER)]
#[case::no_dns_name(&["front-proxy-client"], Caller { dns: &[], ..CALLER })]
#[case::both_purposes(&[], Caller { purposes: &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth], ..CALLER })]
// RFC 5280, section 4.2.1.12: without the extension it is for anything, as Go has it, too.
#[case::no_purpose(&[], Caller { purposes: &[], ..CALLER })]
#[tokio::test]
async fn a_caller_with_the_right_certificate_is_answered(#[case] names: &[&str], #[case] caller: Caller) {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, &[Authority::new().pem(), authority.pem()].concat());
    let server = guarded(&file, names).await;
    let caller = authority.sign(caller);
    for version in VERSIONS {
        let answer = call(&server, &client(&server, Some(&caller), version)).await.unwrap();
        assert!(is_injected(&answer), "{version:?}: {answer:?}");
    }
    assert_eq!(server.metric(REFUSED).await, 0);
}

/// A session that is resumed shows no certificate: neither would that of a CA that is gone be noticed.
#[tokio::test]
async fn a_ca_that_is_exchanged_shuts_out_who_it_let_in() {
    let (first, second, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, first.pem());
    let server = guarded(&file, &[]).await;
    let (old, new) = (first.sign(CALLER), second.sign(CALLER));
    // The same client again and again, with whatever it remembers.
    let clients = VERSIONS.map(|version| client(&server, Some(&old), version));
    for client in &clients {
        for _ in 0..2 {
            assert!(is_injected(&call(&server, client).await.unwrap()));
        }
    }

    write(&file, second.pem());
    server.wait_for_metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#, 1).await;
    for (client, refused) in clients.iter().zip(1..) {
        assert!(call(&server, client).await.is_err());
        server.wait_for_metric(REFUSED, refused).await;
    }
    for version in VERSIONS {
        assert!(is_injected(&call(&server, &client(&server, Some(&new), version)).await.unwrap()));
    }
}

#[rstest]
#[case::removed(None, "cannot read ")]
#[case::empty(Some(""), "there is no certificate in ")]
#[case::not_pem(Some("certificate"), "there is no certificate in ")]
#[case::half_written(
    Some("-----BEGIN CERTIFICATE-----\nMIIB"),
    "ca.crt is not PEM: a section does not end, as in a file half written;"
)]
#[case::no_certificate(
    Some("-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"),
    "ca.crt as a CA: its certificate cannot be read;"
)]
#[tokio::test]
async fn a_broken_ca_file_changes_nothing_and_is_shown(#[case] broken: Option<&str>, #[case] shown: &str) {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, authority.pem());
    let server = guarded(&file, &[]).await;
    let caller = client(&server, Some(&authority.sign(CALLER)), &TLS13);

    match broken {
        Some(broken) => write(&file, broken),
        None => fs::remove_file(&file).unwrap(),
    }
    let out_of_date = "gomemlimit_client_ca_out_of_date";
    server.wait_for_metric(out_of_date, 1).await;
    server.wait_for_some(r#"gomemlimit_certificate_reloads_total{result="refused"}"#).await;
    let (status, ready) = server.admin("/readyz").await;
    assert!(status == 200 && ready.starts_with("ok\ntrouble: ") && ready.contains(shown), "{ready}");
    assert!(ready.ends_with("; the earlier client CA holds\n"), "{ready}");
    assert_eq!(server.metric("gomemlimit_certificate_out_of_date").await, 0, "that is another file");
    assert!(is_injected(&call(&server, &caller).await.unwrap()), "the earlier CA stays");
    assert!(call(&server, &client(&server, None, &TLS13)).await.is_err(), "and nobody else is let in");

    let next = Authority::new();
    write(&file, next.pem());
    server.wait_for_metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#, 1).await;
    server.wait_for_metric(out_of_date, 0).await;
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));
    let caller = client(&server, Some(&next.sign(CALLER)), &TLS13);
    assert!(is_injected(&call(&server, &caller).await.unwrap()), "a good file is taken after a bad one");
}

/// `check` has no client certificate, and judges the server's all the same.
#[tokio::test]
async fn a_client_without_a_certificate_sees_that_of_the_server() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, authority.pem());
    for (asks, server) in [(true, guarded(&file, &[]).await), (false, Setup::default().start().await)] {
        let stream = TcpStream::connect(server.webhook).await.unwrap();
        let served =
            served_certificate::look(stream, ServerName::try_from("localhost").unwrap()).await.unwrap();
        let own = CertificateDer::from_pem_slice(server.pair.certificate.as_bytes()).unwrap();
        assert_eq!((served.asks, &*served.chain), (asks, &[own][..]));
    }

    // With TLS 1.2 the refusal is a part of the handshake.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider::provider());
    let own = Pair::new();
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(provider::provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain.clone(), PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let accept = async {
        let stream = listener.accept().await.unwrap().0;
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
    };
    let look = served_certificate::look(stream, ServerName::try_from("localhost").unwrap());
    let (served, accepted) = tokio::join!(look, accept);
    assert!(accepted.is_err());
    let served = served.unwrap();
    assert_eq!((served.asks, served.chain), (true, chain));

    // Nor is a server without TLS shown in the words of rustls.
    let (stream, mut plain) = tokio::io::duplex(64 << 10);
    plain.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let served = served_certificate::look(stream, ServerName::try_from("localhost").unwrap()).await;
    assert_eq!(served.unwrap_err(), "it does not speak TLS");
}

/// What `helm test` runs.
async fn probe(server: &Server, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("server.crt");
    fs::write(&ca, &server.pair.certificate).unwrap();
    probe_trusting(server, &ca, arguments).await
}

async fn probe_trusting(server: &Server, ca: &Path, arguments: &[&str]) -> (i32, String) {
    let url = format!("https://{}/mutate", server.webhook);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(["probe", "--server-name", "localhost", "--url", &url, "--ca-file"]).arg(ca).args(arguments);
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probe_has_a_client_certificate_or_expects_a_refusal() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    write(&path("ca.crt"), authority.pem());
    let guarded = guarded(&path("ca.crt"), &[]).await;
    let (caller, stranger) = (authority.sign(CALLER), Authority::new().sign(CALLER));
    for (name, pair) in [("caller", caller), ("stranger", stranger)] {
        write(&path(&format!("{name}.crt")), &pair.certificate);
        write(&path(&format!("{name}.key")), &pair.key);
    }
    let with =
        |name: &str| ["crt", "key"].map(|kind| path(&format!("{name}.{kind}")).to_str().unwrap().to_owned());
    let [certificate, key] = with("caller");
    let (code, said) = probe(&guarded, &["--client-cert", &certificate, "--client-key", &key]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("injects GOMEMLIMIT=966367641"), "{said}");
    let [certificate, key] = with("stranger");
    let (code, said) = probe(&guarded, &["--client-cert", &certificate, "--client-key", &key]).await;
    assert_eq!(code, 2, "{said}");
    let not_accepted = ": TLS handshake: it does not accept the certificate that it was shown";
    assert!(
        said.contains(not_accepted) && said.ends_with("; see --client-cert and --client-key\n"),
        "{said}"
    );
    let (code, said) =
        probe(&guarded, &["--client-cert", &certificate, "--client-key", &with("caller")[1]]).await;
    assert_eq!(code, 2, "{said}");
    assert!(
        said.ends_with(": --client-cert, --client-key: the private key belongs to another certificate\n"),
        "{said}"
    );
    let (code, said) = probe(&guarded, &[]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("it asks for a client certificate; see --client-cert and --client-key"), "{said}");
    // Who is asked for a certificate, and does not trust the server, has the latter problem first.
    write(&path("other.crt"), &Pair::new().certificate);
    for expects in [&[][..], &["--expect-refusal"]] {
        let (code, said) = probe_trusting(&guarded, &path("other.crt"), expects).await;
        assert_eq!(code, 2, "{said}");
        let unknown =
            "/mutate: TLS handshake: its certificate is signed by an unknown authority; see --ca-file\n";
        assert!(said.ends_with(unknown), "{said}");
    }
    let (code, said) = probe(&guarded, &["--expect-refusal"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with("/mutate: refuses a caller without a client certificate\n"), "{said}");

    let open = Setup::default().start().await;
    let (code, said) = probe(&open, &["--expect-refusal"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("a caller without a client certificate is not refused"), "{said}");
}

const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[rstest]
#[case::the_default("/mutate", 404)]
#[case::root("/", 404)]
#[case::longer(&format!("/{SECRET}0"), 404)]
#[case::below(&format!("/{SECRET}/"), 404)]
#[case::right(&format!("/{SECRET}?timeout=3s"), 200)]
#[case::the_other("/next?timeout=3s", 200)]
#[tokio::test]
async fn only_the_path_is_answered_and_others_before_a_body(#[case] path: &str, #[case] status: u16) {
    let mut setup = Setup::default();
    setup.options.paths = ["/next", &format!("/{SECRET}"), "/next"].map(|path| path.parse().unwrap()).into();
    let server = setup.start().await;
    let head = |length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut stream = server.connect().await;
    if status == 200 {
        send(&mut stream, head(REVIEW.len()).as_bytes()).await;
        send(&mut stream, REVIEW).await;
        return assert!(is_injected(&read_answer(&mut stream).await.unwrap()));
    }
    // Nothing of the body ever comes.
    send(&mut stream, head(5_000_000).as_bytes()).await;
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (404, ""));
    assert!(answer.closes(), "{}", answer.head);
    until_closed(&mut stream).await;
    for code in ["200", "400", "408"] {
        assert_eq!(server.metric(&format!("gomemlimit_requests_total{{code=\"{code}\"}}")).await, 0);
    }
}

#[tokio::test]
async fn a_path_is_in_neither_log_nor_metrics() {
    let path = format!("/{SECRET}");
    let running = Running::start(&["--path", &path, "--log-level", "trace", "--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let mut stream = support::connect(running.webhook, &running.pair).await.unwrap();
    for body in [REVIEW, b"no review"] {
        let length = body.len();
        let head = format!(
            "POST {path}?timeout=3s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        send(&mut stream, head.as_bytes()).await;
        send(&mut stream, body).await;
        read_answer(&mut stream).await.unwrap();
    }
    let (_, metrics) = support::get(running.admin, "/metrics").await;
    let (_, ready) = support::get(running.admin, "/readyz").await;
    running.signal("TERM");
    let (_, log) = running.exit().await;
    assert!(log.contains("injected") && log.contains("refused a request"), "{log}");
    for text in [metrics, ready, log] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// The first lines on stdout, to the one with `curl`.
async fn curl_line(webhook: SocketAddr, admin: SocketAddr, arguments: &[&str]) -> String {
    let mut child = program()
        .args(["serve", "--listen", &webhook.to_string(), "--admin-listen", &admin.to_string()])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("curl ") {
        assert!(lines.read_line(&mut text).await.unwrap() > 0, "{text}");
    }
    child.kill().await.unwrap();
    text
}

#[tokio::test]
async fn the_curl_line_has_the_path_and_the_certificate_that_callers_need() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, authority.pem());
    let (webhook, admin) = support::running::free_ports();
    // A path that is named twice is one.
    let paths = ["--path", "/first,/second", "--path", "/first"];
    let text = curl_line(webhook, admin, &paths).await;
    assert!(text.contains(&format!("\n  curl -sk https://{webhook}/first -H")), "{text}");
    assert!(!text.contains("--cert"), "{text}");
    let text = curl_line(webhook, admin, &["--client-ca-file", file.to_str().unwrap()]).await;
    let curl = format!("\n  curl -sk --cert CLIENT.crt --key CLIENT.key https://{webhook}/mutate -H");
    assert!(text.contains(&curl) && text.contains("that --client-ca-file lets in"), "{text}");
}

/// `a, b` is two names.
#[tokio::test]
async fn blanks_around_a_name_are_not_part_of_it() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    write(&file, authority.pem());
    let names = "kube-apiserver, front-proxy-client";
    let running = Running::start(&[
        "--client-ca-file",
        file.to_str().unwrap(),
        "--client-name",
        names,
        "--shutdown-delay",
        "0s",
    ]);
    running.wait_until_ready().await;
    let stream = TcpStream::connect(running.webhook).await.unwrap();
    let caller = connector(&running.pair, Some(&authority.sign(CALLER)), &TLS13);
    let mut stream = caller.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    send(&mut stream, &request(REVIEW)).await;
    assert!(is_injected(&read_answer(&mut stream).await.unwrap()));
    running.signal("TERM");
    assert_eq!(running.exit().await.0, Some(0));
}

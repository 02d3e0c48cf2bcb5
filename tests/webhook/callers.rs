//! Who may call, as the real program and its commands have it: client certificates and a path that is a secret.

use std::{fs, net::SocketAddr, path::Path, process::Stdio, sync::Arc};

use gomemlimit::{cluster::served_certificate, serve::tls::provider};
use gomemlimit_test_server::{
    Authority, CALLER, Pair, REVIEW, Server, Setup, connect, connector, get, guarded, is_injected,
    read_response, replace_file, request, send,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::TlsAcceptor;

use crate::support::running::{Running, free_ports, to_the_curl_line};

/// `check` has no client certificate, and judges the server's all the same.
#[tokio::test]
async fn a_client_without_a_certificate_sees_that_of_the_server() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    replace_file(&file, authority.pem());
    for (asks, server) in [(true, guarded(&file, &[]).await), (false, Setup::default().start().await)] {
        let stream = TcpStream::connect(server.webhook).await.unwrap();
        let served =
            served_certificate::read_chain(stream, ServerName::try_from("localhost").unwrap()).await.unwrap();
        let own = CertificateDer::from_pem_slice(server.pair.certificate.as_bytes()).unwrap();
        assert_eq!((served.asks, &*served.chain), (asks, &[own][..]));
    }

    // With TLS 1.2 the refusal is a part of the handshake.
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let own = Pair::new();
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(provider())
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
    let look = served_certificate::read_chain(stream, ServerName::try_from("localhost").unwrap());
    let (served, accepted) = tokio::join!(look, accept);
    assert!(accepted.is_err());
    let served = served.unwrap();
    assert_eq!((served.asks, served.chain), (true, chain));

    // Nor is a server without TLS shown in the words of rustls.
    let (stream, mut plain) = tokio::io::duplex(64 << 10);
    plain.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let served = served_certificate::read_chain(stream, ServerName::try_from("localhost").unwrap()).await;
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
    replace_file(&path("ca.crt"), authority.pem());
    let guarded = guarded(&path("ca.crt"), &[]).await;
    let (caller, stranger) = (authority.sign(CALLER), Authority::new().sign(CALLER));
    for (name, pair) in [("caller", caller), ("stranger", stranger)] {
        replace_file(&path(&format!("{name}.crt")), &pair.certificate);
        replace_file(&path(&format!("{name}.key")), &pair.key);
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
    replace_file(&path("other.crt"), &Pair::new().certificate);
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

#[tokio::test]
async fn a_path_is_in_neither_log_nor_metrics() {
    let path = format!("/{SECRET}");
    let running = Running::start(&["--path", &path, "--log-level", "trace", "--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let mut stream = connect(running.webhook, &running.pair).await.unwrap();
    for body in [REVIEW, b"no review"] {
        let length = body.len();
        let head = format!(
            "POST {path}?timeout=3s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        send(&mut stream, head.as_bytes()).await;
        send(&mut stream, body).await;
        read_response(&mut stream).await.unwrap();
    }
    let (_, metrics) = get(running.admin, "/metrics").await;
    let (_, ready) = get(running.admin, "/readyz").await;
    running.signal("TERM");
    let (_, log) = running.exit().await;
    assert!(log.contains("injected") && log.contains("refused a request"), "{log}");
    for text in [metrics, ready, log] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// The first lines on stdout, to the one with `curl`.
async fn curl_line(webhook: SocketAddr, admin: SocketAddr, arguments: &[&str]) -> String {
    let (webhook, admin) = (webhook.to_string(), admin.to_string());
    let serve = ["serve", "--listen", &webhook, "--admin-listen", &admin];
    let (mut child, text) = to_the_curl_line(&[&serve, arguments].concat()).await;
    child.kill().await.unwrap();
    text
}

#[tokio::test]
async fn the_curl_line_has_the_path_and_the_certificate_that_callers_need() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("ca.crt");
    replace_file(&file, authority.pem());
    let (webhook, admin) = free_ports();
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
    replace_file(&file, authority.pem());
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
    assert!(is_injected(&read_response(&mut stream).await.unwrap()));
    running.signal("TERM");
    assert_eq!(running.exit().await.0, Some(0));
}

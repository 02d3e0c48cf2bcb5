//! Who may call: client certificates over real sockets, with TLS 1.2 and 1.3, and a path that is a secret.

use std::fs;

use gomemlimit_test_server::{
    Authority, CALLER, Caller, Pair, REVIEW, Response, Server, Setup, connector, guarded, is_injected,
    read_response, replace_file, request, send, until_closed,
};
use rcgen::ExtendedKeyUsagePurpose;
use rstest::rstest;
use rustls::{
    SupportedProtocolVersion,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::TlsConnector;

const REFUSED: &str = r#"gomemlimit_tls_handshake_failures_total{reason="client-certificate"}"#;
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn client(
    server: &Server,
    caller: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    connector(&server.pair, caller, version)
}

/// A review on a connection of its own; an error if the server ends it, in the handshake or after it.
async fn call(server: &Server, client: &TlsConnector) -> std::io::Result<Response> {
    let stream = TcpStream::connect(server.webhook).await?;
    let mut stream = client.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
    // With TLS 1.3 the server may have gone meanwhile.
    stream.write_all(&request(REVIEW)).await?;
    stream.flush().await?;
    let answer = read_response(&mut stream).await?;
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
    replace_file(&file, authority.pem());
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
    replace_file(&file, &[Authority::new().pem(), authority.pem()].concat());
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
    replace_file(&file, first.pem());
    let server = guarded(&file, &[]).await;
    let (old, new) = (first.sign(CALLER), second.sign(CALLER));
    // The same client again and again, with whatever it remembers.
    let clients = VERSIONS.map(|version| client(&server, Some(&old), version));
    for client in &clients {
        for _ in 0..2 {
            assert!(is_injected(&call(&server, client).await.unwrap()));
        }
    }

    replace_file(&file, second.pem());
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
    replace_file(&file, authority.pem());
    let server = guarded(&file, &[]).await;
    let caller = client(&server, Some(&authority.sign(CALLER)), &TLS13);

    match broken {
        Some(broken) => replace_file(&file, broken),
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
    replace_file(&file, next.pem());
    server.wait_for_metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#, 1).await;
    server.wait_for_metric(out_of_date, 0).await;
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));
    let caller = client(&server, Some(&next.sign(CALLER)), &TLS13);
    assert!(is_injected(&call(&server, &caller).await.unwrap()), "a good file is taken after a bad one");
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
        return assert!(is_injected(&read_response(&mut stream).await.unwrap()));
    }
    // Nothing of the body ever comes.
    send(&mut stream, head(5_000_000).as_bytes()).await;
    let answer = read_response(&mut stream).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (404, ""));
    assert!(answer.closes(), "{}", answer.head);
    until_closed(&mut stream).await;
    for code in ["200", "400", "408"] {
        assert_eq!(server.metric(&format!("gomemlimit_requests_total{{code=\"{code}\"}}")).await, 0);
    }
}

//! `-f https://…`, from servers of this process.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use gomemlimit_test_server::{Authority, CALLER, Caller};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{super::manifests::DEPLOYMENT, names, run_in};

/// A server, with its port and the heads of all requests.
struct Server(u16, Arc<Mutex<Vec<String>>>);

impl Server {
    /// Answers by path, over TLS if there is a configuration.
    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, heads) = (stream.unwrap(), recorded.clone());
                match &tls {
                    None => answer(stream, &heads),
                    // A client that does not trust it goes away.
                    Some(tls) => {
                        answer(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), stream), &heads);
                    }
                }
            }
        });
        Self(port, heads)
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

fn answer(mut stream: impl Read + Write, heads: &Mutex<Vec<String>>) {
    let read = |stream: &mut dyn Read| {
        let lines = BufReader::with_capacity(1, stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).map(|line| line + "\n").collect::<String>()
    };
    let mut head = read(&mut stream);
    heads.lock().unwrap().push(head.clone());
    if head.starts_with("CONNECT ") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        head = read(&mut stream);
        heads.lock().unwrap().push(head.clone());
    }
    let (status, headers, body) = match head.split(' ').nth(1).unwrap_or_default() {
        "/a.yaml" => ("200 OK", "", DEPLOYMENT.to_owned()),
        "/b%2Cc.yaml" => ("200 OK", "", DEPLOYMENT.replace("{name: api,", "{name: comma,")),
        "/moved" => ("302 Found", "Location: a.yaml\r\n", String::new()),
        "/latin" => ("200 OK", "", "kind: caf\0".to_owned()),
        _ => ("404 Not Found", "", "not here".to_owned()),
    };
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

#[test]
fn urls_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(None);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.0);
    let explain = |url: &str| run_in(folder.path(), &["explain", "-f", url], &[]);
    for path in ["/a.yaml", "/moved"] {
        let output = explain(&url(path));
        assert_eq!((names(&output), &*output.stderr), (vec!["api".to_owned()], ""), "{path}");
    }
    // A comma that is part of a URL is written so.
    let output = explain(&format!("{},{}", url("/a.yaml"), url("/b%2Cc.yaml")));
    assert_eq!(names(&output), ["api", "comma"], "{}", output.stderr);
    explain(&url("/nothing"))
        .is_refused(&format!("cannot read {}: the server answered 404 Not Found", url("/nothing")));
    explain(&url("/latin")).is_refused("it is a binary file: byte 10, in line 1, is 0x00");
    explain("http://a b/c").is_refused("http://a b/c is not an http:// or https:// URL");
    server.heads();

    // A password is for the server only.
    let secret = format!("http://user:hunter2@127.0.0.1:{}/nothing", server.0);
    let output = explain(&secret);
    output.is_refused(&format!("cannot read {}: the server answered 404", url("/nothing")));
    assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    assert!(server.heads()[0].contains("authorization: Basic dXNlcjpodW50ZXIy\n"));

    let arguments = ["inject", "--in-place", "-f", &url("/a.yaml")];
    run_in(folder.path(), &arguments, &[]).is_refused("--in-place needs files");
    let output = run_in(folder.path(), &["inject", "-f", &url("/a.yaml")], &[]);
    assert!(output.code == 0 && output.stdout.contains("966367641"), "{}", output.stderr);
}

/// Which certificates are trusted is the matter of the system, for which `SSL_CERT_FILE` is a file of its own.
#[test]
fn https_trusts_whom_the_system_trusts() {
    let authority = Authority::new();
    let purposes = &[ExtendedKeyUsagePurpose::ServerAuth];
    let pair = authority.sign(Caller { common: "files", dns: &["127.0.0.1"], purposes, ..CALLER });
    let config = ServerConfig::builder_with_provider(gomemlimit::serve::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let server = Server::start(Some(Arc::new(config)));
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let url = format!("https://127.0.0.1:{}/moved", server.0);
    let trusted = run_in(folder.path(), &["explain", "-f", &url], &[("SSL_CERT_FILE", ca.as_os_str())]);
    assert_eq!((names(&trusted), &*trusted.stderr), (vec!["api".to_owned()], ""));

    std::fs::write(&ca, Authority::new().pem()).unwrap();
    let output = run_in(folder.path(), &["explain", "-f", &url], &[("SSL_CERT_FILE", ca.as_os_str())]);
    output.is_refused("its certificate is signed by an unknown authority");
}

#[test]
fn proxies_of_the_environment_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Server::start(None);
    let address = format!("http://127.0.0.1:{}", proxy.0);
    let url = "http://manifests.example/a.yaml";
    let output = run_in(folder.path(), &["explain", "-f", url], &[("HTTP_PROXY", address.as_ref())]);
    assert_eq!(names(&output), ["api"], "{}", output.stderr);
    let heads = proxy.heads();
    assert!(heads[0].starts_with("CONNECT manifests.example:80 "), "{heads:?}");
    assert!(heads[1].contains("host: manifests.example\n"), "{heads:?}");
}

/// Each has its own name: none of two is left out, and no file is meant.
#[test]
fn a_diff_of_a_url_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(None);
    let url = |path: &str| format!("http://user:hunter2@127.0.0.1:{}{path}", server.0);
    let list = format!("{},{}", url("/a.yaml"), url("/b%2Cc.yaml"));
    let output = run_in(folder.path(), &["inject", "--diff", "-f", &list], &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let headers: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("--- ")).collect();
    let shown = |path: &str| format!("--- a/http://127.0.0.1:{}{path}", server.0);
    assert_eq!(headers, [shown("/a.yaml"), shown("/b%2Cc.yaml")], "{}", output.stdout);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);
}

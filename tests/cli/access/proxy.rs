//! `proxy-url`, and the variables that Go knows.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use rstest::rstest;
use serde_json::json;

use gomemlimit_fake_api_server::head;

use super::server::{Home, Log, Server, is_audited, relay};

/// A name that nobody resolves: only a proxy can reach it.
const NAME: &str = "http://api.cluster.test:8001";

/// A proxy that leads to `port`, whatever is asked for: by CONNECT, or by SOCKS 5. It keeps what it was asked.
fn proxy(port: u16) -> (u16, Log) {
    let (listener, log) = (TcpListener::bind("127.0.0.1:0").unwrap(), Log::default());
    let (own, asked) = (listener.local_addr().unwrap().port(), log.clone());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let mut first = [0];
                stream.peek(&mut first).unwrap();
                if first == [5] {
                    asked.lock().unwrap().push(socks(&mut stream));
                } else {
                    asked.lock().unwrap().push(head(&mut stream).unwrap());
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                }
                relay(&stream, &TcpStream::connect(("127.0.0.1", port)).unwrap());
            });
        }
    });
    (own, log)
}

/// RFC 1928 without authentication; the name that is asked for.
fn socks(stream: &mut TcpStream) -> String {
    let mut bytes = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    };
    let methods = bytes(2)[1];
    bytes(methods.into());
    stream.write_all(&[5, 0]).unwrap();
    let mut bytes = |count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes(4), [5, 1, 0, 3], "a name, which the proxy resolves");
    let length = bytes(1)[0];
    let name = String::from_utf8(bytes(length.into())).unwrap();
    bytes(2);
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    name
}

#[rstest]
#[case::upper("HTTP_PROXY", "http://")]
#[case::lower("http_proxy", "http://")]
#[case::without_scheme("HTTP_PROXY", "")]
#[case::with_password("HTTP_PROXY", "http://user:pass%40word@")]
#[case::socks("HTTP_PROXY", "socks5://")]
#[case::socks_with_names("HTTP_PROXY", "socks5h://")]
#[case::kubeconfig("", "http://")]
#[case::kubeconfig_with_socks("", "socks5://")]
fn a_proxy_is_used(#[case] variable: &str, #[case] before: &str) {
    let (server, home) = (Server::http(), Home::new());
    let (port, asked) = proxy(server.port);
    let url = format!("{before}127.0.0.1:{port}");
    // NO_PROXY does not count for proxy-url.
    let (own, variables) = if variable.is_empty() {
        (json!(url), vec![("NO_PROXY", "*")])
    } else {
        (json!(null), vec![(variable, url.as_str())])
    };
    home.kubeconfig(&json!({"server": NAME, "proxy-url": own}), &json!({}));
    is_audited(&home.audit(&variables));
    let asked = asked.lock().unwrap();
    assert!(asked[0].contains("api.cluster.test"), "{asked:?}");
    let password = "proxy-authorization: basic dxnlcjpwyxnzqhdvcmq=\r\n";
    assert_eq!(asked[0].to_ascii_lowercase().contains(password), before.contains("pass"), "{asked:?}");
}

/// The variable for https does not count for http, and the other way round; a proxy is no reason to fail.
#[rstest]
#[case(&[("HTTPS_PROXY", "http://127.0.0.1:1")])]
#[case(&[("HTTP_PROXY", "http://127.0.0.1:1")])]
#[case(&[("http_proxy", "http://127.0.0.1:1"), ("https_proxy", "http://127.0.0.1:1"), ("NO_PROXY", "*")])]
#[case(&[("ALL_PROXY", "http://127.0.0.1:1")])]
fn a_server_on_loopback_needs_no_proxy(#[case] variables: &[(&str, &str)]) {
    let (server, home) = (Server::http(), Home::new());
    home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    is_audited(&home.audit(variables));
}

/// The name is looked up, and not found: no proxy was asked.
#[rstest]
#[case("*")]
#[case("api.cluster.test")]
#[case("cluster.test, example.org")]
#[case(".cluster.test")]
#[case("api.cluster.test:8001")]
fn no_proxy_goes_around_the_proxy(#[case] list: &str) {
    let home = Home::new();
    let (port, asked) = proxy(1);
    home.kubeconfig(&json!({"server": NAME}), &json!({}));
    let url = format!("http://127.0.0.1:{port}");
    let outcome = home.audit(&[("HTTP_PROXY", &url), ("NO_PROXY", list)]);
    outcome.is_refused("error: the API server at http://api.cluster.test:8001 does not answer: ");
    assert_eq!(asked.lock().unwrap().len(), 0);
}

#[test]
fn a_proxy_that_is_away_is_named_without_its_password() {
    let home = Home::new();
    home.kubeconfig(&json!({"server": NAME}), &json!({}));
    let outcome = home.audit(&[("HTTP_PROXY", "http://user:word@127.0.0.1:1")]);
    outcome.is_refused(
        "error: the API server at http://api.cluster.test:8001 through the proxy http://127.0.0.1:1 does not answer: ",
    );
    assert!(outcome.stderr.contains("Connection refused"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("word"), "{}", outcome.stderr);
}

#[test]
fn what_is_no_proxy_is_refused() {
    let home = Home::new();
    home.kubeconfig(&json!({"server": NAME, "proxy-url": "ftp://proxy"}), &json!({}));
    home.audit(&[])
        .is_refused("error: proxy-url of the kubeconfig is not the URL of a proxy: write http://,");
    home.kubeconfig(&json!({"server": NAME}), &json!({}));
    home.audit(&[("HTTP_PROXY", "://")])
        .is_refused("error: HTTP_PROXY is not the URL of a proxy: write http://,");
}

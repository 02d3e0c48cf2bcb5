//! The proxy on the way to the API server: `proxy-url` of the kubeconfig, else the environment, as Go's
//! `golang.org/x/net/http/httpproxy` has it. kube compares `NO_PROXY` with the proxy, and with loopback addresses, too.

use std::{env, net::IpAddr};

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::target::{ConfigError, with_scheme};

/// The proxy to `server`; `NO_PROXY` does not count for `proxy-url`.
pub(super) fn proxy(of_kubeconfig: Option<&str>, server: &Uri) -> Result<Option<Uri>, ConfigError> {
    if let Some(url) = of_kubeconfig.filter(|url| !url.is_empty()) {
        return parse("proxy-url of the kubeconfig", url).map(Some);
    }
    let names = if server.scheme_str() == Some("https") {
        ["HTTPS_PROXY", "https_proxy"]
    } else {
        ["HTTP_PROXY", "http_proxy"]
    };
    let Some((name, url)) = variable(names) else { return Ok(None) };
    let no_proxy = variable(["NO_PROXY", "no_proxy"]).map(|(_, list)| list).unwrap_or_default();
    if is_direct(server, &no_proxy) { Ok(None) } else { parse(name, &url).map(Some) }
}

/// The first variable that is not empty.
fn variable(names: [&'static str; 2]) -> Option<(&'static str, String)> {
    let values = names.into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
    values.into_iter().find(|(_, value)| !value.is_empty())
}

/// Whether no proxy is used: a loopback address, or one that the list has.
fn is_direct(server: &Uri, no_proxy: &str) -> bool {
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return true;
    }
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("https") { 443 } else { 80 });
    let entries: Vec<_> = no_proxy.split(',').filter_map(|entry| for_port(entry.trim(), port)).collect();
    if entries.contains(&"*") {
        return true;
    }
    let matcher = Matcher::builder().all("http://proxy").no(entries.join(",")).build();
    matcher.intercept(server).is_none()
}

/// An entry as the matcher knows it: without its port, and without the star of `*.example.com`. `None` if it is of
/// another port.
fn for_port(entry: &str, port: u16) -> Option<&str> {
    let is_address = |host: &str| host.contains(':') && !host.starts_with('[');
    let host = match entry.rsplit_once(':') {
        Some((host, of_entry)) if !is_address(host) && of_entry.parse::<u16>().is_ok() => {
            (of_entry.parse() == Ok(port)).then_some(host)?
        }
        _ => entry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host))
}

/// A URL that kube takes. Go knows `socks5h`, too, and both leave the names to the proxy.
fn parse(what: &str, url: &str) -> Result<Uri, ConfigError> {
    let text = with_scheme(url, "http");
    let text = text.strip_prefix("socks5h://").map_or(text.clone(), |rest| format!("socks5://{rest}"));
    let uri: Option<Uri> = text.parse().ok();
    let is_known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https" | "socks5"));
    uri.filter(|uri| is_known(uri) && uri.host().is_some_and(|host| !host.is_empty())).ok_or_else(|| {
        // It may hold a password.
        ConfigError::Value(format!(
            "{what} is not the URL of a proxy: write http://, https:// or socks5://HOST:PORT"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows are those of Go's `httpproxy.Config`, but for `.example.com`, which is taken for the domain itself, too.
    #[test]
    fn no_proxy_is_that_of_go() {
        for (server, list, direct) in [
            ("https://api.example.com:6443", "", false),
            ("https://api.example.com:6443", "*", true),
            ("https://10.1.2.3:6443", "*", true),
            ("https://10.1.2.3:6443", "example.org, *", true),
            ("https://api.example.com:6443", "example.com", true),
            ("https://api.example.com:6443", "EXAMPLE.com", true),
            ("https://api.example.com:6443", ".example.com", true),
            ("https://api.example.com:6443", "*.example.com", true),
            ("https://api.example.com:6443", "ample.com", false),
            ("https://api.example.com:6443", "other.org,,api.example.com", true),
            ("https://api.example.com:6443", "api.example.com:6443", true),
            ("https://api.example.com:6443", "api.example.com:443", false),
            ("https://api.example.com", "api.example.com:443", true),
            ("http://api.example.com", "api.example.com:80", true),
            ("https://10.1.2.3:6443", "10.1.0.0/16", true),
            ("https://10.2.2.3:6443", "10.1.0.0/16", false),
            ("https://10.1.2.3:6443", "10.1.2.3", true),
            ("https://10.1.2.3:6443", "10.1.2.3:6443", true),
            ("https://[fd00::1]:6443", "fd00::/8", true),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", true),
            ("https://[fd00::1]:6443", "fd00::1", true),
            ("https://localhost:6443", "", true),
            ("https://127.0.0.2:6443", "", true),
            ("https://[::1]:6443", "", true),
        ] {
            assert_eq!(is_direct(&server.parse().unwrap(), list), direct, "{server} {list:?}");
        }
    }

    #[test]
    fn proxies_are_urls() {
        for (url, uri) in [
            ("http://proxy:3128", "http://proxy:3128/"),
            ("proxy:3128", "http://proxy:3128/"),
            ("https://user:word@proxy:3128", "https://user:word@proxy:3128/"),
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080/"),
            ("socks5h://127.0.0.1:1080", "socks5://127.0.0.1:1080/"),
        ] {
            assert_eq!(parse("HTTPS_PROXY", url).unwrap().to_string(), uri);
        }
        for url in ["ftp://proxy:3128", "http://", "http://a b", "://"] {
            let error = parse("HTTPS_PROXY", url).unwrap_err().to_string();
            assert!(error.starts_with("HTTPS_PROXY is not the URL of a proxy"), "{error}");
        }
    }
}

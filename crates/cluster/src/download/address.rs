//! Addresses of files: what is a URL, where a redirect leads, and what of it may be shown.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::{Uri, header::HeaderValue};
use percent_encoding::percent_decode_str;

use super::error::DownloadError;

/// A URL of the web.
pub(super) fn parse(url: &str) -> Result<Uri, DownloadError> {
    let not_url = || DownloadError::NotUrl(without_password(url));
    // A fragment is for browsers.
    let uri: Uri = url.split('#').next().unwrap_or_default().parse().map_err(|_| not_url())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_web && uri.host().is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(not_url()) }
}

/// A URL as it may be shown: without user and password.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The server of a URL by itself, with its port, since a tunnel through a proxy would lead to 443 without; and the user and
/// the password as a header.
pub(super) fn split_userinfo(url: &Uri) -> Result<(Uri, Option<HeaderValue>), DownloadError> {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| userinfo);
    let credentials = userinfo.and_then(|userinfo| {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let mut text: Vec<u8> = percent_decode_str(user).collect();
        text.push(b':');
        text.extend(percent_decode_str(password));
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(text))).ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    let (scheme, host) = (url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default());
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Ok((parse(&format!("{scheme}://{host}:{port}/"))?, credentials))
}

/// Where `location`, absolute or relative, leads to from `base` (RFC 3986, 5.2).
pub(super) fn join(base: &Uri, location: &str) -> Result<Uri, DownloadError> {
    let scheme = base.scheme_str().unwrap_or_default();
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let location = location.split('#').next().unwrap_or_default();
    let has_scheme = location.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    let (folder, _) = base.path().rsplit_once('/').unwrap_or_default();
    let path = if has_scheme {
        return parse(location);
    } else if location.starts_with("//") {
        return parse(&format!("{scheme}:{location}"));
    } else if location.starts_with('/') {
        location.to_owned()
    } else if location.is_empty() || location.starts_with('?') {
        format!("{}{location}", base.path())
    } else {
        format!("{folder}/{location}")
    };
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    parse(&format!("{scheme}://{authority}{}{query}", without_dots(path)))
}

/// A path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut segments = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(segment) = rest.next() {
        match segment {
            ".." => drop(segments.pop()),
            "." => {}
            segment => {
                segments.push(segment);
                continue;
            }
        }
        if rest.peek().is_none() {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_lead_browsers() {
        for (base, location, expected) in [
            ("http://a/b/c/d?q", "http://x/y", "http://x/y"),
            ("http://a/b/c/d?q", "https://x", "https://x/"),
            ("https://a/b/c/d?q", "//x/y", "https://x/y"),
            ("http://a:8080/b/c/d?q", "/y?z", "http://a:8080/y?z"),
            ("http://a/b/c/d?q", "g", "http://a/b/c/g"),
            ("http://a/b/c/d?q", "g?y/../x", "http://a/b/c/g?y/../x"),
            ("http://a/b/c/d?q", "../g", "http://a/b/g"),
            ("http://a/b/c/d?q", "../../../g", "http://a/g"),
            ("http://a/b/c/d?q", "..", "http://a/b/"),
            ("http://a/b/c/d?q", "./", "http://a/b/c/"),
            ("http://a/b/c/d?q", "?y", "http://a/b/c/d?y"),
            ("http://a", "g#part", "http://a/g"),
        ] {
            let uri = join(&base.parse().unwrap(), location).unwrap();
            assert_eq!(uri.to_string(), expected, "{base} {location}");
        }
        for location in ["file:///etc/passwd", "ftp://x/y", "http://", "javascript:x", "http:///y", "/a b"] {
            assert!(join(&"http://a/b".parse().unwrap(), location).is_err(), "{location}");
        }
    }

    #[test]
    fn passwords_are_for_the_server_only() {
        for (url, shown) in [
            ("https://user:word@host:1/a@b", "https://host:1/a@b"),
            ("https://user:w@rd@host", "https://host"),
            ("https://host/a?b@c", "https://host/a?b@c"),
            ("http:user@host", "http:user@host"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let error = parse("https://user:word@ho st/").unwrap_err().to_string();
        assert_eq!(error, "https://ho st/ is not an http:// or https:// URL");
        let (server, credentials) =
            split_userinfo(&"http://us%40er:w%3Ard@host:1/a".parse().unwrap()).unwrap();
        assert_eq!(server.to_string(), "http://host:1/");
        let expected = format!("Basic {}", BASE64_STANDARD.encode("us@er:w:rd"));
        assert_eq!(credentials.unwrap(), expected);
        for (url, expected) in [
            ("http://host/a?b", "http://host:80/"),
            ("https://user@host", "https://host:443/"),
            ("https://[fd00::1]:8443/a", "https://[fd00::1]:8443/"),
            ("http://[fd00::1]/a", "http://[fd00::1]:80/"),
        ] {
            assert_eq!(split_userinfo(&url.parse().unwrap()).unwrap().0.to_string(), expected);
        }
    }
}

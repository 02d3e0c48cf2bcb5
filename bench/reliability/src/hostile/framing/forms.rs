//! The forms. Each hides a second review where there is room for one.

use anyhow::Result;

use crate::review::Review;

/// The uid of the request inside; it must never come back.
pub const SMUGGLED: &str = "5a5a5a5a-smuggled";

/// What RFC 9112 wants, or allows and we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// At most an error, and the connection ends.
    Refused,
    /// One answer with this status.
    Once(u16),
}

pub struct Form {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

const LINE: &str = "POST /mutate HTTP/1.1\r\n";
const JSON: &str = "Host: x\r\nContent-Type: application/json\r\n";

/// A whole request with a body of its own.
fn whole(uid: &str) -> Result<String> {
    let body = Review::with_uid(uid)?.body;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(format!("{LINE}{JSON}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// All of them.
pub fn forms() -> Result<Vec<Form>> {
    let (honest, inside) = (whole("1")?, whole(SMUGGLED)?);
    let body = honest.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let mut forms = lengths(body, &inside);
    forms.extend(encodings(&inside));
    forms.extend(chunks(body, &inside));
    forms.extend(heads(body, &inside));
    forms.extend(targets(body));
    Ok(forms)
}

fn form(name: &'static str, expected: Expected, text: impl Into<Vec<u8>>) -> Form {
    Form { name, bytes: text.into(), expected }
}

/// Content-Length in every wrong way.
fn lengths(body: &str, inside: &str) -> Vec<Form> {
    use Expected::{Once, Refused};
    let length = body.len();
    let with = |lengths: &str| format!("{LINE}{JSON}{lengths}\r\n{body}{inside}");
    let refused = [
        ("two lengths that differ", format!("Content-Length: 2\r\nContent-Length: {length}\r\n")),
        ("two lengths in one line", format!("Content-Length: 2, {length}\r\n")),
        ("Content-Length: +5", "Content-Length: +5\r\n".to_owned()),
        ("Content-Length: -1", "Content-Length: -1\r\n".to_owned()),
        ("Content-Length: 0x10", "Content-Length: 0x10\r\n".to_owned()),
        ("Content-Length: 1 0", "Content-Length: 1 0\r\n".to_owned()),
        ("Content-Length without a number", "Content-Length:\r\n".to_owned()),
        ("a length of twenty-one digits", "Content-Length: 184467440737095516160\r\n".to_owned()),
        ("a blank before the colon", format!("Content-Length : {length}\r\n")),
        ("a length with a NUL", "Content-Length: 1\0\r\n".to_owned()),
    ];
    let mut forms: Vec<Form> =
        refused.into_iter().map(|(name, lengths)| form(name, Refused, with(&lengths))).collect();
    let hidden = |start: &str| format!("{start}Content-Length: {}\r\n\r\n{inside}", inside.len());
    forms.extend([
        form("a review in the body of GET", Once(405), hidden("GET /mutate HTTP/1.1\r\nHost: x\r\n")),
        form(
            "a review in the body of a request that is not JSON",
            Once(415),
            hidden(&format!("{LINE}Host: x\r\n")),
        ),
        form(
            "a review in the body of a path that is not there",
            Once(404),
            hidden("POST /other HTTP/1.1\r\nHost: x\r\n"),
        ),
        form("a review in a body that is not a review", Once(400), hidden(&format!("{LINE}{JSON}"))),
    ]);
    forms
}

/// Transfer-Encoding, which decides where a body ends and can be hidden from a parser in many ways.
fn encodings(inside: &str) -> Vec<Form> {
    let with = |encoding: &str| format!("{LINE}{JSON}{encoding}\r\n0\r\n\r\n{inside}");
    let hidden = 5 + inside.len();
    [
        ("length, then chunked", format!("Content-Length: {hidden}\r\nTransfer-Encoding: chunked\r\n")),
        ("chunked, then length", format!("Transfer-Encoding: chunked\r\nContent-Length: {hidden}\r\n")),
        (
            "Transfer-Encoding : chunked",
            format!("Content-Length: {hidden}\r\nTransfer-Encoding : chunked\r\n"),
        ),
        (
            "Transfer-Encoding: xchunked",
            format!("Content-Length: {hidden}\r\nTransfer-Encoding: xchunked\r\n"),
        ),
        ("Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked, identity\r\n".to_owned()),
        ("Transfer-Encoding: identity", "Transfer-Encoding: identity\r\n".to_owned()),
        ("Transfer-Encoding: gzip", "Transfer-Encoding: gzip\r\n".to_owned()),
        (
            "chunked, then identity in a second line",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        ),
        ("Transfer-Encoding: \"chunked\"", "Transfer-Encoding: \"chunked\"\r\n".to_owned()),
        ("Transfer-Encoding with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n".to_owned()),
        ("Transfer-Encoding with a NUL", "Transfer-Encoding: chunked\0\r\n".to_owned()),
        ("Transfer-Encoding folded into the next line", "Transfer-Encoding:\r\n chunked\r\n".to_owned()),
        (
            "Transfer-Encoding that continues another field",
            "X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(),
        ),
        (
            "Transfer-Encoding behind a bare CR",
            format!("Content-Length: {hidden}\r\nX: y\rTransfer-Encoding: chunked\r\n"),
        ),
    ]
    .into_iter()
    .map(|(name, encoding)| form(name, Expected::Refused, with(&encoding)))
    .chain([form(
        "chunked in HTTP/1.0",
        Expected::Refused,
        format!("POST /mutate HTTP/1.0\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inside}"),
    )])
    .collect()
}

/// Chunks whose sizes, extensions and ends are wrong.
fn chunks(body: &str, inside: &str) -> Vec<Form> {
    use Expected::{Once, Refused};
    let with = |chunks: String| format!("{LINE}{JSON}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    let size = body.len();
    let then = format!("\r\n0\r\n\r\n{inside}");
    vec![
        form("a chunk size that overflows 64 bits", Refused, with(format!("1{size:017x}\r\n{body}{then}"))),
        form("a chunk size of -1", Refused, with(format!("-1\r\n{body}{then}"))),
        form("a chunk size with 0x", Refused, with(format!("0x{size:x}\r\n{body}{then}"))),
        form("a chunk size with a sign", Refused, with(format!("+{size:x}\r\n{body}{then}"))),
        form("a chunk size without a number", Refused, with(format!("\r\n{body}{then}"))),
        form("a chunk that is longer than its size", Refused, with(format!("2\r\n{body}{then}"))),
        form("a chunk without its line end", Refused, with(format!("{size:x}\r\n{body}0\r\n\r\n{inside}"))),
        form("a chunk size that ends with a bare LF", Refused, with(format!("{size:x}\n{body}{then}"))),
        form(
            "a chunk extension of 64 KiB",
            Refused,
            with(format!("{size:x};{}\r\n{body}{then}", "x".repeat(64 << 10))),
        ),
        form("a chunk extension with a bare LF", Refused, with(format!("{size:x};a\nb\r\n{body}{then}"))),
        form(
            "trailers of 64 KiB",
            Refused,
            with(format!("{size:x}\r\n{body}\r\n0\r\nX: {}\r\n\r\n", "x".repeat(64 << 10))),
        ),
        form("a chunk extension", Once(200), with(format!("{size:x};name=value\r\n{body}\r\n0\r\n\r\n"))),
        form(
            "a trailer that gives a length",
            Once(200),
            with(format!("{size:x}\r\n{body}\r\n0\r\nContent-Length: 5\r\n\r\n")),
        ),
    ]
}

/// Heads that are not quite heads.
fn heads(body: &str, inside: &str) -> Vec<Form> {
    use Expected::{Once, Refused};
    let length = body.len();
    let plain = format!("{LINE}{JSON}Content-Length: {length}\r\n\r\n{body}");
    let with = |fields: &str| format!("{LINE}{JSON}Content-Length: {length}\r\n{fields}\r\n{body}");
    let bare = format!("{LINE}{JSON}Content-Length: {length}\r\n\r\n").replace("\r\n", "\n");
    vec![
        form("a NUL in a field", Refused, with("X: a\0b\r\n")),
        form("a bare CR in a field", Refused, with("X: a\rb\r\n")),
        form("a field without a colon", Refused, with("X\r\n")),
        form("a blank in a field's name", Refused, with("X Y: z\r\n")),
        form("a field without a name", Refused, with(": z\r\n")),
        form("a blank before the first field", Refused, plain.replacen("Host", " Host", 1)),
        form("no Host", Once(400), plain.replacen("Host: x\r\n", "", 1)),
        form("two Hosts", Once(400), with("Host: y\r\n")),
        form("1,000 fields", Refused, with(&"X: y\r\n".repeat(1000))),
        form("a field of 64 KiB", Refused, with(&format!("X: {}\r\n", "x".repeat(64 << 10)))),
        form("line ends without CR, which a server may accept", Once(200), bare + body),
        form("Expect: 100-continue", Once(200), with("Expect: 100-continue\r\n")),
        form("Upgrade: h2c", Once(200), with("Connection: upgrade\r\nUpgrade: h2c\r\n")),
        form("HTTP/0.9", Refused, format!("GET /mutate\r\n{inside}")),
        form("HTTP/1.2", Refused, plain.replacen("HTTP/1.1", "HTTP/1.2", 1)),
        form("the preface of HTTP/2", Refused, format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{inside}")),
    ]
}

/// Request targets of every form.
fn targets(body: &str) -> Vec<Form> {
    use Expected::{Once, Refused};
    let to = |line: &str| format!("{line}\r\n{JSON}Content-Length: {}\r\n\r\n{body}", body.len());
    vec![
        form("a target with a scheme and a host", Once(200), to("POST http://elsewhere/mutate HTTP/1.1")),
        form("a target with a port only", Once(404), to("POST elsewhere:80 HTTP/1.1")),
        form("OPTIONS *", Once(404), to("OPTIONS * HTTP/1.1")),
        form("a path with dots", Once(404), to("POST /../mutate HTTP/1.1")),
        form("a target with a blank", Refused, to("POST /mu tate HTTP/1.1")),
        form("a target of 64 KiB", Refused, to(&format!("POST /{} HTTP/1.1", "x".repeat(64 << 10)))),
        form("CONNECT", Once(404), "CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere:80\r\n\r\n"),
    ]
}

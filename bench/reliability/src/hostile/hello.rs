//! `ClientHello` as bytes, for versions that no library offers any more.

/// A plain TLS record.
pub fn record(kind: u8, version: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &version.to_be_bytes(), &length16(payload.len()), payload].concat()
}

/// A handshake message; `claimed` is the length that it gives itself.
pub fn message(kind: u8, claimed: usize, body: &[u8]) -> Vec<u8> {
    let claimed = u32::try_from(claimed).unwrap_or(u32::MAX).to_be_bytes();
    [&[kind][..], claimed.get(1..).unwrap_or_default(), body].concat()
}

/// The message `ClientHello` of a client that speaks `version` at most, with an extension block as bytes.
pub fn client_hello(version: u16, suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = version.to_be_bytes().to_vec();
    // A random of 32 bytes and no session.
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend(length16(suites.len()));
    body.extend(suites);
    // One compression method: none.
    body.extend([1, 0]);
    if !extensions.is_empty() {
        body.extend(length16(extensions.len()));
        body.extend(extensions);
    }
    message(1, body.len(), &body)
}

/// Suites that TLS 1.0 to 1.2 have in common with servers of their time: RSA and ECDHE with AES-CBC.
pub const OLD_SUITES: [u16; 4] = [0xc00a, 0xc014, 0x0035, 0x002f];

/// Suites that nobody should speak: RC4, export, none at all.
pub const WEAK_SUITES: [u16; 4] = [0x0004, 0x0005, 0x0003, 0x0002];

/// `supported_groups` (P-256), `signature_algorithms` (ECDSA and RSA with SHA-256), the uncompressed point
/// format, and `extended_master_secret`.
pub const EXTENSIONS: [u8; 30] =
    [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4, 0, 11, 0, 2, 1, 0, 0, 23, 0, 0];

fn length16(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

/// What a server said to it: the first record in words.
pub fn reply(received: &[u8]) -> String {
    match received {
        [] => "no answer".to_owned(),
        [21, _, _, 0, 2, _, alert, ..] => format!("alert {}", alert_name(*alert)),
        [22, _, _, _, _, 2, ..] => "handshake goes on".to_owned(),
        [22, ..] => "some handshake message".to_owned(),
        _ => "something that is not TLS".to_owned(),
    }
}

/// RFC 8446, section 6.
fn alert_name(alert: u8) -> String {
    let name = match alert {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        47 => "illegal_parameter",
        50 => "decode_error",
        70 => "protocol_version",
        80 => "internal_error",
        109 => "missing_extension",
        120 => "no_application_protocol",
        other => return other.to_string(),
    };
    name.to_owned()
}

//! From the bytes of `/debug/pprof/heap` to a profile.

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::{Profile, ProfileError, wire::RawProfile};

/// Most bytes after decompression: several times the largest profiles known, and no bomb.
pub(crate) const MOST_BYTES: usize = 128 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a heap profile as Go writes it: gzip'ed protobuf; plain protobuf is accepted as well, as
/// `go tool pprof` does.
pub fn decode(bytes: &[u8]) -> Result<Profile, ProfileError> {
    if bytes.is_empty() {
        return Err(ProfileError::Empty);
    }
    if bytes.starts_with(&GZIP_MAGIC) {
        return Profile::resolve(&RawProfile::parse(&decompress(bytes)?)?);
    }
    if let Some(what) = looks_like_text(bytes) {
        return Err(ProfileError::Text(what));
    }
    if bytes.len() > MOST_BYTES {
        return Err(too_large());
    }
    Profile::resolve(&RawProfile::parse(bytes)?)
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, ProfileError> {
    let mut plain = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    match MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > MOST_BYTES => Err(too_large()),
        Ok(0) => Err(ProfileError::Empty),
        Ok(_) => Ok(plain),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(ProfileError::Truncated),
        Err(_) => Err(ProfileError::Gzip),
    }
}

fn too_large() -> ProfileError {
    ProfileError::TooLarge { most: MOST_BYTES, what: "bytes" }
}

/// What a file that is text begins with.
fn looks_like_text(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.trim_ascii_start();
    [
        (&b"heap profile:"[..], "the text of ?debug=1"),
        (b"goroutine profile:", "the text of a goroutine profile"),
        (b"<", "a web page"),
        (b"{", "JSON"),
        (b"404", "the answer to a request that failed"),
    ]
    .into_iter()
    .find_map(|(start, what)| head.starts_with(start).then_some(what))
    .or_else(|| {
        let first = bytes.get(..bytes.len().min(512)).unwrap_or(bytes);
        let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        first.iter().all(printable).then_some("text")
    })
}

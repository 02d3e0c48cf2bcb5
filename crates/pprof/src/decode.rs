//! From the bytes of `/debug/pprof/heap` to a profile.

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use crate::{
    error::ProfileError, profile::Profile, resolve::resolve, stack_pool::StackPool, wire::RawProfile,
};

/// Maximum size after decompression, in bytes. A profile of 16,000 stacks of 64 frames has 4 MiB.
pub(crate) const MAX_BYTES: usize = 64 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes the profiles of one run. A stack that several of them have is kept once, and all of them together are bounded.
#[derive(Debug, Default)]
pub struct Decoder {
    stacks: StackPool,
}

impl Decoder {
    /// Reads the next profile, as [`decode`] does.
    ///
    /// # Errors
    /// As [`decode`], and if the profiles of the run together keep more than 2,097,152 samples or 4,194,304 frames.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Profile, ProfileError> {
        with_plain(bytes, |plain| resolve(&RawProfile::parse(plain)?, &mut self.stacks))
    }
}

/// Reads a heap profile as Go writes it: gzip'ed protobuf; plain protobuf is accepted as well, as
/// `go tool pprof` does.
///
/// # Errors
/// If the bytes are empty, cut off, damaged, not a profile or one of something else, if the program does not sample its
/// heap, or if the profile is larger than any real program writes.
pub fn decode(bytes: &[u8]) -> Result<Profile, ProfileError> {
    Decoder::default().decode(bytes)
}

/// Hands the uncompressed protobuf on.
fn with_plain(
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<Profile, ProfileError>,
) -> Result<Profile, ProfileError> {
    if bytes.is_empty() {
        return Err(ProfileError::Empty);
    }
    if bytes.starts_with(&GZIP_MAGIC) {
        return read(&decompress(bytes)?);
    }
    if let Some(what) = looks_like_text(bytes) {
        return Err(ProfileError::Text(what));
    }
    if bytes.len() > MAX_BYTES {
        return Err(too_large());
    }
    read(bytes)
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, ProfileError> {
    let mut plain = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    match MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > MAX_BYTES => Err(too_large()),
        Ok(0) => Err(ProfileError::Empty),
        Ok(_) => Ok(plain),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(ProfileError::Truncated),
        Err(_) => Err(ProfileError::Gzip),
    }
}

fn too_large() -> ProfileError {
    ProfileError::TooLarge { most: MAX_BYTES, what: "bytes" }
}

/// Kind of a text, by its beginning.
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

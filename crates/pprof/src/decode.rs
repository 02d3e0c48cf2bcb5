//! From the bytes of `/debug/pprof/heap` to a profile.

use std::{
    collections::HashSet,
    io::{ErrorKind, Read},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;

use crate::{
    Frame, Profile, ProfileError, Stack,
    wire::{RawProfile, bounded},
};

/// Maximum size after decompression, in bytes. A profile of 16,000 stacks of 64 frames has 4 MiB.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// Maximum number of samples that all profiles of a run keep: 1,000 profiles of 2,000 stacks, 100 of 20,000.
const MAX_RUN_SAMPLES: usize = 1 << 21;
/// Maximum number of frames that all profiles of a run keep; a stack that several profiles have counts once.
const MAX_RUN_FRAMES: usize = 1 << 22;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes the profiles of one run. A stack that several of them have is kept once, and what all of them keep has a bound.
#[derive(Debug, Default)]
pub struct Decoder {
    stacks: HashSet<Stack>,
    frames: usize,
    samples: usize,
}

impl Decoder {
    /// Reads the next profile, as [`decode`] does.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Profile, ProfileError> {
        with_plain(bytes, |plain| Profile::resolve(&RawProfile::parse(plain)?, self))
    }

    /// Counts so many samples more.
    pub(crate) fn reserve(&mut self, samples: usize) -> Result<(), ProfileError> {
        self.samples = self.samples.saturating_add(samples);
        bounded(self.samples, MAX_RUN_SAMPLES, "stacks in all captures; take fewer captures")
    }

    /// The stack of these frames, the leaf first.
    pub(crate) fn stack(&mut self, frames: &[Frame]) -> Result<Stack, ProfileError> {
        if let Some(stack) = self.stacks.get(frames) {
            return Ok(Arc::clone(stack));
        }
        self.frames = self.frames.saturating_add(frames.len());
        bounded(self.frames, MAX_RUN_FRAMES, "frames in all captures; take fewer captures")?;
        let stack: Stack = frames.into();
        self.stacks.insert(Arc::clone(&stack));
        Ok(stack)
    }
}

/// Reads a heap profile as Go writes it: gzip'ed protobuf; plain protobuf is accepted as well, as
/// `go tool pprof` does.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_of_a_run_have_one_budget() {
        let mut decoder = Decoder { samples: MAX_RUN_SAMPLES - 5, ..Decoder::default() };
        assert_eq!((decoder.reserve(3), decoder.reserve(2)), (Ok(()), Ok(())));
        let error = decoder.reserve(1).unwrap_err().to_string();
        assert_eq!(error, "is too large: more than 2097152 stacks in all captures; take fewer captures");

        let frames: Vec<_> = (0..4).map(|line| Frame::new("main.f".into(), "f.go".into(), line)).collect();
        let mut decoder = Decoder { frames: MAX_RUN_FRAMES - 3, ..Decoder::default() };
        // The same once more takes nothing.
        assert!(decoder.stack(&frames[1..]).is_ok() && decoder.stack(&frames[1..]).is_ok());
        let error = decoder.stack(&frames[..1]).unwrap_err().to_string();
        assert_eq!(error, "is too large: more than 4194304 frames in all captures; take fewer captures");
    }
}

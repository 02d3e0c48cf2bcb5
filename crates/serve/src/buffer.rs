//! Memory for one body, returned to the system as soon as the body is answered.
//!
//! A large body has a mapping of its own. With `Vec<u8>`, glibc's `malloc` raises its threshold for mappings after the
//! first large block is freed (`M_MMAP_THRESHOLD` in mallopt(3)) and takes the next ones from arenas that it does not
//! shrink: `hostile_bodies_stay_within_the_memory` in tests/webhook/serve.rs then measures 122 MiB instead of 36. The variable
//! `MALLOC_MMAP_THRESHOLD_` prevents it, too, but a program cannot set it for itself.

use std::{io, ops::Deref};

use memmap2::MmapMut;

/// Minimum capacity of a mapping, in bytes; below it the page faults cost more.
const MIN_MAPPING: usize = 128 << 10;

/// Bytes of fixed capacity.
#[derive(Debug)]
pub(crate) enum Buffer {
    Small(Vec<u8>),
    Large { mapping: MmapMut, filled: usize },
}

impl Buffer {
    /// Only what is filled takes memory, not the whole capacity.
    ///
    /// # Errors
    /// If the system has no memory for it.
    pub(crate) fn with_capacity(capacity: usize) -> io::Result<Self> {
        if capacity < MIN_MAPPING {
            return Ok(Self::Small(Vec::with_capacity(capacity)));
        }
        Ok(Self::Large { mapping: MmapMut::map_anon(capacity)?, filled: 0 })
    }

    /// Appends a piece; false if it does not fit.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        match self {
            Self::Small(bytes) if bytes.len() + piece.len() <= bytes.capacity() => {
                bytes.extend_from_slice(piece);
                true
            }
            Self::Small(_) => false,
            Self::Large { mapping, filled } => {
                let end = *filled + piece.len();
                let Some(room) = mapping.get_mut(*filled..end) else { return false };
                room.copy_from_slice(piece);
                *filled = end;
                true
            }
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large { mapping, filled } => mapping.get(..*filled).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_fits_and_no_more() {
        for capacity in [0, 10, MIN_MAPPING - 1, MIN_MAPPING, MIN_MAPPING + 1] {
            let mut buffer = Buffer::with_capacity(capacity).unwrap();
            let text: Vec<u8> = (0..=u8::MAX).cycle().take(capacity).collect();
            for piece in text.chunks(1000) {
                assert!(buffer.push(piece));
            }
            assert!(!buffer.push(b"x"), "{capacity}");
            assert_eq!(&*buffer, text);
        }
    }
}

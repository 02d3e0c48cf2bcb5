//! Memory for one body, given back to the system the moment the body is answered.
//!
//! Large bodies live in a mapping of their own: after the first large block is freed, glibc's `malloc`
//! takes the next ones from arenas that it does not shrink, and the process keeps twice the budget.

use std::{io, ops::Deref};

use memmap2::MmapMut;

/// From here on a mapping is worth its page faults.
const LARGE: usize = 128 << 10;

/// Bytes that arrive one piece after the other, up to a capacity given at the start.
#[derive(Debug)]
pub(super) enum Buffer {
    Small(Vec<u8>),
    Large { mapping: MmapMut, filled: usize },
}

impl Buffer {
    /// Memory is only taken for what arrives, not for the whole capacity.
    pub(super) fn with_capacity(capacity: usize) -> io::Result<Self> {
        if capacity < LARGE {
            return Ok(Self::Small(Vec::with_capacity(capacity)));
        }
        Ok(Self::Large { mapping: MmapMut::map_anon(capacity)?, filled: 0 })
    }

    /// Appends a piece; false where it does not fit the capacity.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
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
        for capacity in [0, 10, LARGE - 1, LARGE, LARGE + 1] {
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

//! The messages of google/pprof's `profile.proto` that are read here, and a walk over the fields of the
//! outermost one that counts while it reads, so that a small hostile file never becomes a large structure.

use prost::Message;

use crate::error::ProfileError;

/// `profile.proto` `ValueType`: indices into the string table.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(crate) kind: i64,
    #[prost(int64, tag = "2")]
    pub(crate) unit: i64,
}

/// One stack and what was measured on it; the first location is the leaf.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) location_ids: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(crate) values: Vec<i64>,
}

/// A binary or library that was mapped.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Mapping {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(int64, tag = "5")]
    pub(crate) filename: i64,
}

/// An address: more than one line if calls were inlined, the innermost first.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Location {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) lines: Vec<Line>,
}

/// A place in the source.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Line {
    #[prost(uint64, tag = "1")]
    pub(crate) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) line: i64,
}

/// A function: indices into the string table.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) name: i64,
    #[prost(int64, tag = "4")]
    pub(crate) filename: i64,
}

/// Maximum number of messages of each kind. The largest heap profiles of real programs have some ten thousand samples.
const MAX_MESSAGES: usize = 1 << 18;
/// Maximum number of strings.
const MAX_STRINGS: usize = 1 << 19;
/// Maximum size of one nested message, in bytes: a stack of [`MAX_STACK`] frames takes up to 10 KiB.
const MAX_MESSAGE_BYTES: usize = 1 << 16;
/// Maximum number of source lines in all locations together.
const MAX_LINES: usize = 1 << 18;
/// Maximum number of frames in all samples together: 16,000 stacks of 64 frames.
pub(crate) const MAX_FRAMES: usize = 1 << 20;
/// Maximum number of frames of one stack: what `GODEBUG=profstackdepth` can set. Its default is 128, before Go 1.23
/// it was 32 (`runtime/mprof.go`, `maxProfStackDepth`).
pub(crate) const MAX_STACK: usize = 1024;

/// The outermost message, with its strings borrowed.
#[derive(Default)]
pub(crate) struct RawProfile<'a> {
    pub(crate) sample_types: Vec<ValueType>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) locations: Vec<Location>,
    pub(crate) functions: Vec<Function>,
    pub(crate) strings: Vec<&'a str>,
    pub(crate) time_nanos: i64,
    pub(crate) period: i64,
}

impl<'a> RawProfile<'a> {
    /// Reads the uncompressed protobuf.
    pub(crate) fn parse(mut rest: &'a [u8]) -> Result<Self, ProfileError> {
        let mut raw = Self::default();
        let (mut frames, mut lines): (usize, usize) = (0, 0);
        while !rest.is_empty() {
            let (tag, field) = field(&mut rest)?;
            match (tag, field) {
                (1, Field::Bytes(bytes)) => push(&mut raw.sample_types, bytes, "sample types")?,
                (2, Field::Bytes(bytes)) => {
                    push(&mut raw.samples, bytes, "samples")?;
                    let stack = raw.samples.last().map_or(0, |sample| sample.location_ids.len());
                    bounded(stack, MAX_STACK, "frames in one stack")?;
                    frames += stack;
                    bounded(frames, MAX_FRAMES, "frames")?;
                }
                (3, Field::Bytes(bytes)) => push(&mut raw.mappings, bytes, "mappings")?,
                (4, Field::Bytes(bytes)) => {
                    push(&mut raw.locations, bytes, "locations")?;
                    lines += raw.locations.last().map_or(0, |location| location.lines.len());
                    bounded(lines, MAX_LINES, "source lines")?;
                }
                (5, Field::Bytes(bytes)) => push(&mut raw.functions, bytes, "functions")?,
                (6, Field::Bytes(bytes)) => {
                    bounded(raw.strings.len() + 1, MAX_STRINGS, "strings")?;
                    let text = std::str::from_utf8(bytes);
                    raw.strings.push(text.map_err(|_| malformed("a string is not UTF-8"))?);
                }
                (9, Field::Number(number)) => raw.time_nanos = number.cast_signed(),
                (12, Field::Number(number)) => raw.period = number.cast_signed(),
                _ => {}
            }
        }
        Ok(raw)
    }
}

fn push<M: Message + Default>(
    list: &mut Vec<M>,
    bytes: &[u8],
    what: &'static str,
) -> Result<(), ProfileError> {
    bounded(list.len() + 1, MAX_MESSAGES, what)?;
    bounded(bytes.len(), MAX_MESSAGE_BYTES, "bytes in one message")?;
    list.push(M::decode(bytes).map_err(|error| malformed(&error.to_string()))?);
    Ok(())
}

pub(crate) fn bounded(count: usize, most: usize, what: &'static str) -> Result<(), ProfileError> {
    if count > most { Err(ProfileError::TooLarge { most, what }) } else { Ok(()) }
}

pub(crate) fn malformed(why: &str) -> ProfileError {
    ProfileError::Malformed(why.to_owned())
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// 32 or 64 fixed bits: not in a profile, skipped.
    Fixed,
}

/// The next field: its tag and its value.
fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Field<'a>), ProfileError> {
    let key = varint(rest)?;
    let field = match key & 7 {
        0 => Field::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Field::Fixed)?,
        2 => {
            let len = varint(rest)?;
            Field::Bytes(take(rest, len)?)
        }
        5 => take(rest, 4).map(|_| Field::Fixed)?,
        _ => return Err(malformed("a field of a kind that protobuf does not have")),
    };
    Ok((key >> 3, field))
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Result<&'a [u8], ProfileError> {
    let split = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
    let (taken, left) = split.ok_or_else(|| malformed("it ends within a field"))?;
    *rest = left;
    Ok(taken)
}

/// A base-128 number of at most ten bytes.
fn varint(rest: &mut &[u8]) -> Result<u64, ProfileError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first().ok_or_else(|| malformed("it ends within a number"))?;
        *rest = left;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(malformed("a number has more than ten bytes"))
}

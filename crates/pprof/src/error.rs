//! Why a text or a file is not what it should be, each in one sentence.

use thiserror::Error;

/// Why bytes are not a heap profile that can be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProfileError {
    /// Nothing at all.
    #[error("is empty, not a heap profile")]
    Empty,
    /// A text or something else that begins like one.
    #[error("is {0}, not a heap profile; fetch /debug/pprof/heap without ?debug=")]
    Text(&'static str),
    /// The gzip stream ends early.
    #[error("is cut off: the gzip data ends early; capture it again")]
    Truncated,
    /// Not what gzip writes.
    #[error("is damaged: not valid gzip data; capture it again")]
    Gzip,
    /// The protobuf inside is not a profile.
    #[error("is not a pprof profile: {0}")]
    Malformed(String),
    /// A profile of something else.
    #[error("is a profile of {0}, not of the heap; fetch /debug/pprof/heap")]
    OtherType(String),
    /// `MemProfileRate` is 0.
    #[error("is empty: the program sets runtime.MemProfileRate to 0; leave it at its default of 512 KiB")]
    NoSamples,
    /// More than any real program writes.
    #[error("is too large: more than {most} {what}")]
    TooLarge {
        /// How many are accepted.
        most: usize,
        /// Of what.
        what: &'static str,
    },
}

/// Why a text is not what `?debug=1` prints.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TextError {
    /// Not `/debug/pprof/heap?debug=1`.
    #[error("is not the text of /debug/pprof/heap?debug=1")]
    NotHeap,
    /// It ends before the statistics do.
    #[error("is cut off: the statistics at its end are missing; capture it again")]
    NoMemStats,
    /// Not `/debug/pprof/goroutine?debug=1`.
    #[error("is not the text of /debug/pprof/goroutine?debug=1")]
    NotGoroutines,
}

//! JSON as Go's decoder reads it: borrowed from the text, and bounded.

mod list;
mod number;
mod object;
pub(crate) mod text;

pub(crate) use list::{at_most, each, find};
pub(crate) use number::bytes;
pub(crate) use object::{Object, flag, object, object_or_default, or_default, read};

//! A verdict in sentences, with its figures.

mod advice;
mod notes;
mod phrases;
mod sentence;

pub(crate) use self::{advice::advice, notes::notes, sentence::sentence};

//! The webhook in a real cluster while something is broken, and pods of every form that Kubernetes allows.
//!
//! The end-to-end tests `reliability` save one file a record; the page is made of the files alone.

mod page;
mod record;

pub use self::{
    page::markdown,
    record::{Fault, Latency, PodForms, rounded, save},
};

/// The file of [`PodForms`]; every other one holds a [`Fault`].
pub const POD_FORMS: &str = "pods-of-every-form";

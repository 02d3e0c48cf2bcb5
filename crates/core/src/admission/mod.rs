//! Admission reviews: the request of the API server, and the answer.

mod patch;
mod resize;
mod review;
mod status;

pub use patch::{Operation, Patch};
pub use review::{Judgement, MOST_UID, Review, ReviewError, respond_failure};

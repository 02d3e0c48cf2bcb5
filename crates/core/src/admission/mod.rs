//! Admission reviews: the request of the API server, and the answer. The way from one to the other is [`admit`].

mod admit;
mod patch;
mod resize;
mod response;
mod review;
mod status;
mod warnings;

pub use admit::{Admission, ReviewOutcome, admit};
pub use patch::{Operation, Patch};
pub use response::respond_failure;
pub use review::{MAX_UID_BYTES, Review, ReviewError};
pub use warnings::warning_texts;

//! What the measuring programs share: saved records, pages made of them, statistics, and a plain HTTP client.
#![allow(missing_docs, clippy::missing_errors_doc, reason = "of programs that measure")]
#![allow(clippy::cast_precision_loss, reason = "figures for people; counts are below 2^53")]

pub mod http;
pub mod page;
pub mod record;
pub mod statistics;

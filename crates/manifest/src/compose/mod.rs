//! Reads a part of a text into the trees of its documents.

mod composer;
mod flow_scalar;
mod json;
mod open;

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Parser, options};

use crate::alias_budget::AliasBudget;
use crate::error::ManifestError;
use crate::text::Cursor;
use crate::tree::Tree;
use composer::Composer;

pub(crate) use json::compose_json;

/// The documents of a part of a text.
pub(crate) struct Composed {
    pub(crate) trees: Vec<Tree>,
    /// What ends them, if it is not the end of the part.
    pub(crate) failure: Option<Failure>,
}

/// A document that cannot be read.
pub(crate) struct Failure {
    /// First byte of the text that belongs to no document before it.
    pub(crate) start: usize,
    pub(crate) error: ManifestError,
}

/// Reads the YAML documents of `source.get(range)`, of which the first one has the number `document`; `place` is before
/// the range. The trees have their nodes only with `keeps_nodes`.
pub(crate) fn compose(
    source: &str,
    range: Range<usize>,
    place: Cursor<'_>,
    document: usize,
    keeps_nodes: bool,
    budget: &mut AliasBudget,
) -> Composed {
    // kubectl.rs has refused the line breaks of YAML 1.1.
    let options = options! { emit_comments: false, emit_anchor_events: true };
    let mut composer = Composer::new(source, range.clone(), place, document, keeps_nodes, budget);
    let text = source.get(range.clone()).unwrap_or("");
    // As `LineReader` of apimachinery does.
    let ends_in_line = range.end == source.len() && !text.is_empty() && !text.ends_with('\n');
    let text = if ends_in_line { Cow::Owned(format!("{text}\n")) } else { Cow::Borrowed(text) };
    let mut failure = None;
    for next in Parser::new_from_str_with_options(&text, options) {
        let result = match next {
            Ok((event, span)) => composer.event(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().map_or(range.end, |at| at + range.start);
                Err(composer.syntax(at.min(range.end), error.info()))
            }
        };
        if let Err(error) = result {
            let start = if composer.is_in_document { composer.start } else { composer.seen };
            failure = Some(Failure { start, error });
            break;
        }
    }
    Composed { trees: composer.trees, failure }
}

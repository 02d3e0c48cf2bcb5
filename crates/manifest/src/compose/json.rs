//! Builds the tree of a JSON value, which may be one that is no YAML.

use std::ops::Range;

use serde_json::Value;

use super::composer::Composer;
use super::open::Open;
use crate::alias_budget::AliasBudget;
use crate::error::ManifestError;
use crate::json_text;
use crate::text::Cursor;
use crate::tree::{Node, NodeKind, Style, Tree};

/// Maximum depth of lists and mappings; that of YAML is the same between brackets.
const MAX_DEPTH: usize = 512;

/// Reads the JSON value `source.get(range)`, whose grammar is right, as the document with the number `document`;
/// `place` is before the range.
///
/// # Errors
///
/// If it has a number that is too large, or is too deep.
pub(crate) fn compose_json(
    source: &str,
    range: Range<usize>,
    place: Cursor<'_>,
    document: usize,
    keeps_nodes: bool,
    budget: &mut AliasBudget,
) -> Result<Tree, ManifestError> {
    let end = range.end;
    let mut composer = Composer::new(source, range.clone(), place, document, keeps_nodes, budget);
    let mut at = range.start;
    while let Some(rest) = source.get(at..end).filter(|rest| !rest.is_empty()) {
        composer.seen = at;
        at += token(&mut composer, at, rest)?;
    }
    match composer.trees.pop() {
        Some(tree) => Ok(tree),
        None => Err(composer.syntax(end, "this is no JSON value".to_owned())),
    }
}

/// Reads the token at the byte `at`, at which `rest` begins. Gives its length.
fn token(composer: &mut Composer<'_, '_>, at: usize, rest: &str) -> Result<usize, ManifestError> {
    let node = |length, kind| Node { start: at, end: at + length, anchor: 0, tagged: false, kind };
    match rest.bytes().next() {
        Some(b'{' | b'[') if composer.open.len() >= MAX_DEPTH => {
            let message = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
            return Err(composer.syntax(at, message));
        }
        Some(b'{') => {
            composer.open.push(Open::new(node(1, NodeKind::Mapping { flow: true, pairs: Vec::new() })));
        }
        Some(b'[') => {
            composer.open.push(Open::new(node(1, NodeKind::Sequence { flow: true, items: Vec::new() })));
        }
        Some(b'}' | b']') => composer.end_collection(at + 1)?,
        Some(b',' | b':' | b' ' | b'\t' | b'\r' | b'\n') => {}
        Some(b'"') => {
            let length = json_text::length(rest);
            let text = rest.get(..length).and_then(json_text::unescape);
            let text = text.ok_or_else(|| composer.syntax(at, "this text is no JSON".to_owned()))?;
            composer.close(node(length, NodeKind::Scalar(Style::DoubleQuoted)), Value::String(text))?;
            return Ok(length);
        }
        _ => {
            let length = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
            let written = rest.get(..length).unwrap_or("");
            let value = json_text::literal(written).ok_or_else(|| {
                composer.syntax(at, format!("{written} is a number that Kubernetes cannot hold"))
            })?;
            composer.close(node(length, NodeKind::Scalar(Style::Plain)), value)?;
            return Ok(length);
        }
    }
    Ok(1)
}

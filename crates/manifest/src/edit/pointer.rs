//! The edits on values: the values that the edited text must have.

use serde_json::{Map, Value};

use super::change::{Change, Edit};
use crate::{error::ManifestError, json_pointer::json_pointer};

/// Applies `edit` to `value`. Gives back the edit to do in the text: with `-` for every append, and placed at
/// the first value that is missing, null or empty, so that all new parents are written in one piece.
/// `document` is the number (from 1) for errors.
pub(super) fn apply(value: &mut Value, edit: &Edit, document: usize) -> Result<Edit, ManifestError> {
    let not_found = || ManifestError::PathNotFound { document, path: json_pointer(&edit.path) };
    let mut parent = value;
    for (depth, token) in edit.path.iter().enumerate() {
        let rest = edit.path.get(depth + 1..).unwrap_or_default();
        let here = || edit.path.iter().take(depth + 1).cloned().collect::<Vec<_>>();
        match (&edit.change, parent) {
            (Change::Add(new), Value::Object(map))
                if rest.is_empty() || map.get(token).is_none_or(|value| is_vacant(value, rest)) =>
            {
                let new = nested(rest, new.clone()).ok_or_else(not_found)?;
                map.insert(token.clone(), new.clone());
                return Ok(Edit { path: here(), change: Change::Add(new) });
            }
            (Change::Add(new), Value::Array(items))
                if rest.is_empty() && (token == "-" || *token == items.len().to_string()) =>
            {
                items.push(new.clone());
                let mut path = here();
                path.splice(depth.., ["-".to_owned()]);
                return Ok(Edit { path, change: Change::Add(new.clone()) });
            }
            (Change::Add(new), Value::Array(items)) if rest.is_empty() => {
                let place = token.parse().ok().filter(|place| *place < items.len()).ok_or_else(not_found)?;
                items.insert(place, new.clone());
                return Ok(edit.clone());
            }
            (Change::Remove, Value::Array(items)) if rest.is_empty() => {
                let place = token.parse().ok().filter(|place| *place < items.len()).ok_or_else(not_found)?;
                items.remove(place);
                return Ok(edit.clone());
            }
            (Change::Replace(new), Value::Object(map)) if rest.is_empty() => {
                *map.get_mut(token).ok_or_else(not_found)? = new.clone();
                return Ok(edit.clone());
            }
            (Change::Replace(new), Value::Array(items)) if rest.is_empty() => {
                *index(items, token).ok_or_else(not_found)? = new.clone();
                return Ok(edit.clone());
            }
            // Pairs of mappings are never removed.
            (_, Value::Object(map)) if !(edit.change == Change::Remove && rest.is_empty()) => {
                parent = map.get_mut(token).ok_or_else(not_found)?;
            }
            (_, Value::Array(items)) => parent = index(items, token).ok_or_else(not_found)?,
            _ => return Err(not_found()),
        }
    }
    Err(not_found())
}

/// Whether an `add` at `rest` below `value` is better done by writing all of `value` anew.
fn is_vacant(value: &Value, rest: &[String]) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty() && rest == ["-"],
        Value::Object(map) => {
            map.is_empty()
                && rest.first().is_some_and(|key| key != "-")
                && nested(rest, Value::Null).is_some()
        }
        _ => false,
    }
}

fn index<'v>(items: &'v mut [Value], token: &str) -> Option<&'v mut Value> {
    items.get_mut(token.parse::<usize>().ok()?)
}

/// The value that has `value` at `path`; `None` if the path goes to an item of a list, which cannot be
/// created.
fn nested(path: &[String], value: Value) -> Option<Value> {
    path.iter().rev().try_fold(value, |value, token| match token.as_str() {
        "-" => Some(Value::Array(vec![value])),
        index if index.bytes().all(|byte| byte.is_ascii_digit()) => None,
        key => Some(Value::Object(Map::from_iter([(key.to_owned(), value)]))),
    })
}

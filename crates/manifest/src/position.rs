//! The position of a value in a text, and the path of an invalid value.

use serde_json::Value;

use crate::{Document, documents, json_pointer::json_pointer, text::Cursor, tree::Node};

/// Line and column, both from 1, of the value at `path` in a document of `source`; of its parent if it is not written
/// there itself, as after a merge key. `None` if the document is not of this text.
#[must_use]
pub fn position(source: &str, document: &Document, path: &[String]) -> Option<(usize, usize)> {
    positions(source, document, std::slice::from_ref(&path)).pop()?
}

/// The same for several paths, for which the document is read once.
#[must_use]
pub fn positions<P: AsRef<[String]>>(
    source: &str,
    document: &Document,
    paths: &[P],
) -> Vec<Option<(usize, usize)>> {
    places(source, document, paths, |place| place.value)
}

/// Line and column, both from 1, of the key of the value at `path`; of the value if it is an item of a list. The rest is as for
/// [`position`].
#[must_use]
pub fn key_position(source: &str, document: &Document, path: &[String]) -> Option<(usize, usize)> {
    places(source, document, std::slice::from_ref(&path), |place| place.key).pop()?
}

/// The first bytes of a value and of its key.
#[derive(Clone, Copy)]
struct Place {
    key: usize,
    value: usize,
}

fn places<P: AsRef<[String]>>(
    source: &str,
    document: &Document,
    paths: &[P],
    byte: impl Fn(Place) -> usize,
) -> Vec<Option<(usize, usize)>> {
    let text = source.get(document.range.clone()).filter(|_| !paths.is_empty());
    let Some(tree) = text.and_then(documents::tree) else { return vec![None; paths.len()] };
    let mut found: Vec<_> =
        paths.iter().map(|path| byte(place(&tree.root, path.as_ref()))).enumerate().collect();
    // In the order of the text, which is counted once.
    found.sort_unstable_by_key(|(_, at)| *at);
    let start = document.range.start;
    let mut cursor = Cursor::starting(source, start + tree.start, document.line);
    let mut places = vec![None; paths.len()];
    for (index, at) in found {
        cursor = cursor.forward(start + at);
        if let Some(place) = places.get_mut(index) {
            *place = Some((cursor.line, cursor.column));
        }
    }
    places
}

/// The place of the value at a path, or of the last one above it that is written.
fn place(root: &Node, path: &[String]) -> Place {
    let (mut node, mut place) = (root, Place { key: root.start, value: root.start });
    for token in path {
        let Some(next) = node.child(token) else { break };
        place = Place { key: node.pair(token).map_or(next.start, |pair| pair.start), value: next.start };
        node = next;
    }
    place
}

/// The path of the first value in `value` that `is_good` does not hold for. Errors of `serde_json` have a
/// position, but not always that of the value.
pub fn first_bad(value: &Value, is_good: impl Fn(&Value) -> bool) -> Vec<String> {
    let (mut value, mut path) = (value.clone(), Vec::new());
    loop {
        let pointer = json_pointer(&path);
        let tokens = value.pointer(&pointer).map(tokens).unwrap_or_default();
        // The value with only its first children.
        let with = |count: usize| {
            let mut value = value.clone();
            if let Some(value) = value.pointer_mut(&pointer) {
                truncate(value, count);
            }
            value
        };
        let (mut good, mut bad) = (0, tokens.len());
        if !is_good(&with(0)) {
            return path;
        }
        while bad - good > 1 {
            let middle = good.midpoint(bad);
            if is_good(&with(middle)) { good = middle } else { bad = middle }
        }
        let Some(token) = tokens.into_iter().nth(good) else { return path };
        value = with(bad);
        path.push(token);
    }
}

fn tokens(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
        Value::Object(entries) => entries.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

fn truncate(value: &mut Value, count: usize) {
    match value {
        Value::Array(items) => items.truncate(count),
        Value::Object(entries) => {
            let mut position = 0;
            entries.retain(|_, _| {
                position += 1;
                position <= count
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_of_several_bad_values_is_found() {
        let is_good = |value: &Value| !value.to_string().contains("true");
        for (value, path) in [
            (json!({"a": [], "b": {"c": [1, {"d": true}], "e": {"f": true}}, "g": true}), "b/c/1/d"),
            (json!([0, 1, 2, 3, 4, true, 6, true]), "5"),
            (json!({"a": {"b/c": [[true]]}}), "a/b/c/0/0"),
            (json!(true), ""),
        ] {
            assert_eq!(first_bad(&value, is_good).join("/"), path, "{value}");
        }
        // An object that lacks something.
        let is_good = |value: &Value| value["a"].get("b").is_some_and(|b| b.get("name").is_some());
        assert!(first_bad(&json!({"a": {"b": {}}}), is_good).is_empty());
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let text =
            "a: 1\n---\nb:\n- {c: 2}\n- é: {d: yes}\ne: &e {f: 1}\ng: {<<: *e}\nb:\n- {c: 3}\n- é: {d: no}\n";
        let read = |text| crate::read(text, &mut crate::AliasBudget::default());
        let document = read(text).remove(1).unwrap();
        for (path, at) in [
            (&["b", "1", "é", "d"][..], (10, 10)),
            (&["b", "0"], (9, 3)),
            (&["g", "f"], (7, 4)),
            (&[], (3, 1)),
        ] {
            let path: Vec<_> = path.iter().map(|token| (*token).to_owned()).collect();
            assert_eq!(position(text, &document, &path), Some(at), "{path:?}");
        }
        let key = |path: &[&str]| {
            let path: Vec<_> = path.iter().map(|token| (*token).to_owned()).collect();
            key_position(text, &document, &path)
        };
        assert_eq!(key(&["b", "1", "é", "d"]), Some((10, 7)));
        assert_eq!(key(&["b", "1"]), Some((10, 3)));
        // Written elsewhere: the place of what refers to it.
        assert_eq!(key(&["g", "f"]), Some((7, 1)));
        assert_eq!(key(&[]), Some((3, 1)));
        assert_eq!(position("a: 1\n", &document, &[]), None);
        let json = "{\"a\": 1}{\"b\":\n [2]}";
        let second = read(json).remove(1).unwrap();
        assert_eq!(position(json, &second, &["b".to_owned(), "0".to_owned()]), Some((2, 3)));
        assert_eq!(position(json, &second, &[]), Some((1, 9)));
    }
}

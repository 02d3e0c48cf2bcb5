//! An edit of a manifest changes what it names and nothing else: the edited text has the edited value, all its comments, and
//! all bytes of the original that the edit does not replace; unless a note shows that an alias is written out.
//!
//! The first three bytes select the document with its list or mapping, the key or item, and the change; the rest is the text.
//! A change of 128 or more is made in all equal lists or mappings, which an anchor may share.
#![no_main]

use gomemlimit_manifest::{
    AliasBudget, Change, Document, Edit, Edited, Kinds, UnreadableDocument, edit as edited, pods, position, read,
};
use granit_parser::{Event, Parser, options};
use json_patch::{Patch, patch};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Maximum number of lists and mappings of a document that edits are tried in.
const MAX_CONTAINERS: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[container, place, change], text)) = bytes.split_first_chunk::<3>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let read = |text| read(text, &mut AliasBudget::default());
    let found = read(text);
    let mut end = 0;
    for document in &found {
        let range = document.as_ref().map_or_else(|unreadable| &unreadable.range, |document| &document.range);
        assert!(range.start == end && range.end > end, "{text}\nhas a gap at {end}");
        end = range.end;
    }
    assert!(found.is_empty() || end == text.len(), "{text}\nends at {end}");
    let mut containers = Vec::new();
    for (index, document) in found.iter().enumerate() {
        let Ok(document) = document else { continue };
        let alone = read(&text[document.range.clone()]);
        assert!(
            matches!(&alone[..], [Ok(alone)] if alone.value == document.value),
            "{text}\n{:?} is not what it is alone",
            document.range
        );
        let _ = pods(&document.value, &Kinds::default());
        collect(&document.value, &mut Vec::new(), &mut |path| containers.push((index, path)));
    }
    if containers.is_empty() {
        return;
    }
    let (index, path) = containers.swap_remove(usize::from(container) % containers.len());
    let Ok(document) = &found[index] else { unreachable!("only lists and mappings of documents are collected") };
    let value = &document.value;
    let edit = edit(value, path, place, change % 128);
    assert!(position(text, document, &edit.path).is_some());
    // No pod is there, and other such values that share it may follow its edit.
    if is_outside(&edit.path) {
        return;
    }
    let edits = if change < 128 { vec![edit.clone()] } else { everywhere(value, &edit) };
    let Ok(Edited { text: edited, notes }) = edited(text, document, &edits) else { return };
    let edited = format!("{}{edited}{}", &text[..document.range.start], &text[document.range.end..]);

    let values = |found: &[Result<Document, UnreadableDocument>]| -> Vec<Option<Value>> {
        found.iter().map(|document| document.as_ref().ok().map(|document| document.value.clone())).collect()
    };
    let mut expected = values(&found);
    if let Some(value) = &mut expected[index] {
        for operation in edits.iter().map(operation) {
            patch(value, &operation).unwrap_or_else(|error| panic!("{operation}: {error}"));
        }
    }
    let mut found = values(&read(&edited));
    if found != expected {
        found.iter_mut().chain(&mut expected).flatten().for_each(retain_objects);
    }
    assert_eq!(found, expected, "{edits:?} of\n{text}\nis\n{edited}");
    if !notes.is_empty() {
        return;
    }

    let old = pointer(value, &edit).and_then(|pointer| value.pointer(&pointer));
    let is_insertion = match &edit.change {
        Change::Add(_) => !is_vacant(value, &edit.path) && (is_in_list(value, &edit) || old.is_none()),
        _ => false,
    };
    if is_insertion {
        let mut rest = edited.bytes();
        assert!(text.bytes().all(|byte| rest.any(|other| other == byte)), "{text}\nlost bytes in\n{edited}");
    }
    let keeps_comments = matches!(edit.change, Change::Add(_))
        || (matches!(edit.change, Change::Replace(_)) && old.is_some_and(|old| !old.is_array() && !old.is_object()));
    if let (true, Some(before), Some(after)) = (keeps_comments, comments(text), comments(&edited)) {
        assert_eq!(before, after, "{edit:?} of\n{text}\nis\n{edited}");
    }
});

/// The edit in all lists and mappings that are equal to the one that it names, and not within each other.
fn everywhere(value: &Value, edit: &Edit) -> Vec<Edit> {
    let (last, container) = edit.path.split_last().expect("an edit has a path");
    let mut places = vec![container.to_vec()];
    collect(value, &mut Vec::new(), &mut |path| {
        let is_equal = container_at(value, &path) == container_at(value, container);
        if is_equal && places.iter().all(|place| !place.starts_with(&path) && !path.starts_with(place)) {
            places.push(path);
        }
    });
    let with_last = |mut path: Vec<String>| {
        path.push(last.clone());
        Edit { path, change: edit.change.clone() }
    };
    places.into_iter().map(with_last).collect()
}

/// Whether a path begins with a key that no object has, which anchors for others may be in.
fn is_outside(path: &[String]) -> bool {
    let keys = if path.first().is_some_and(|key| key == "items") { path.get(2) } else { path.first() };
    keys.is_some_and(|key| !is_field(key))
}

fn is_field(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Removes what is in no object, and so follows the edits of those that share it.
fn retain_objects(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    object.retain(|key, _| is_field(key));
    let items = object.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        item.retain(|key, _| is_field(key));
    }
}

/// Calls `found` with the path of each list and mapping.
fn collect(value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(Vec<String>)) {
    let children: Vec<(String, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        _ => return,
    };
    found(path.clone());
    for (token, child) in children.into_iter().take(MAX_CONTAINERS) {
        path.push(token);
        collect(child, path, found);
        path.pop();
    }
}

/// An edit of the list or mapping at `path`.
fn edit(value: &Value, mut path: Vec<String>, place: u8, change: u8) -> Edit {
    let place = usize::from(place);
    let new = [
        json!("966367641"),
        json!({"name": "GOMEMLIMIT", "value": "966367641"}),
        json!([{"name": "GOMEMLIMIT", "value": "966367641"}]),
        json!({"annotations": {"gomemlimit.dev/status": "{\"app\":\"it's 90%\"}"}}),
        json!("yes"),
        json!("a\nb: \u{85}\u{feff}é # c"),
        json!(null),
        json!([]),
        json!({}),
        json!(-1.5),
    ];
    let new = new[usize::from(change / 4) % new.len()].clone();
    let token = match container_at(value, &path) {
        Value::Array(items) if place % 3 == 0 || items.is_empty() => "-".to_owned(),
        Value::Array(items) => (place % items.len()).to_string(),
        Value::Object(map) if place % 3 == 0 || map.is_empty() => {
            ["env", "metadata", "gomemlimit.dev/status", "no", "a~b"][place / 3 % 5].to_owned()
        }
        Value::Object(map) => map.keys().nth(place % map.len()).cloned().unwrap_or_default(),
        _ => unreachable!("only lists and mappings are collected"),
    };
    path.push(token);
    let change = match change % 4 {
        0 | 1 => Change::Add(new),
        2 => Change::Replace(new),
        _ => Change::Remove,
    };
    Edit { path, change }
}

fn container_at<'v>(value: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(value, |value, token| match value {
        Value::Array(items) => &items[token.parse::<usize>().unwrap()],
        value => &value[token],
    })
}

fn is_in_list(value: &Value, edit: &Edit) -> bool {
    container_at(value, &edit.path[..edit.path.len() - 1]).is_array()
}

/// Whether the list or mapping to edit is empty, so that it may be written anew.
fn is_vacant(value: &Value, path: &[String]) -> bool {
    match container_at(value, &path[..path.len() - 1]) {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => true,
    }
}

/// The JSON pointer of an edit; `None` if it goes to the end of a list.
fn pointer(value: &Value, edit: &Edit) -> Option<String> {
    let tokens = edit.path.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1")));
    (edit.path.last()? != "-" || !is_in_list(value, edit)).then(|| tokens.collect())
}

/// The edit as an operation of RFC 6902.
fn operation(edit: &Edit) -> Patch {
    let path: String =
        edit.path.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect();
    let operation = match &edit.change {
        Change::Add(value) => json!({"op": "add", "path": path, "value": value}),
        Change::Replace(value) => json!({"op": "replace", "path": path, "value": value}),
        Change::Remove => json!({"op": "remove", "path": path}),
    };
    serde_json::from_value(json!([operation])).unwrap()
}

/// The comments of a YAML text in their order; `None` if it is JSON objects with nothing between them, which is not YAML.
fn comments(text: &str) -> Option<Vec<String>> {
    let mut comments = Vec::new();
    for event in Parser::new_from_str_with_options(text, options! { emit_comments: true }) {
        if let Event::Comment(comment, _) = event.ok()?.0 {
            comments.push(comment.trim_end().to_owned());
        }
    }
    Some(comments)
}

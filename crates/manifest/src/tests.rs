//! Objects that `kubectl apply` finds in hostile texts are found here, too, or the text is refused.

use serde_json::Value;

use super::{AliasBudget, Document, ManifestError, parse, parse_within, pod_locations};

/// Written by tests/go, with the reader of kubectl itself.
const TABLE: &str = include_str!("../tests/kubectl.tsv");

/// Whether both are equal, numbers by their values.
fn is_same(one: &Value, other: &Value, ended: bool) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other, ended))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other, ended)))
        }
        // kubectl ends the last line, if it has no end; which counts in a text that keeps its empty lines.
        (Value::String(one), Value::String(other)) if !ended => {
            one.trim_end_matches('\n') == other.trim_end_matches('\n')
        }
        (one, other) => one == other,
    }
}

/// Whether all of `few` are among `many`, in their order.
fn are_within(few: &[Value], many: &[Value], ended: bool) -> bool {
    let mut many = many.iter();
    few.iter().all(|one| many.any(|other| is_same(one, other, ended)))
}

/// The objects that kubectl makes of a document.
fn flattened(value: &Value, all: &mut Vec<Value>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let Some(Value::Array(items)) = value.get("items") else { return all.push(value.clone()) };
    for item in items {
        let mut item = item.clone();
        if let Some(object) = item.as_object_mut()
            && !object.contains_key("kind")
            && !object.contains_key("apiVersion")
        {
            let kind = text("kind");
            object.insert("kind".to_owned(), kind.strip_suffix("List").unwrap_or(kind).into());
            object.insert("apiVersion".to_owned(), text("apiVersion").into());
        }
        flattened(&item, all);
    }
}

fn pods<'v>(values: impl IntoIterator<Item = &'v Value>) -> usize {
    values.into_iter().map(|value| pod_locations(value).len()).sum()
}

/// Objects that kubectl would apply and this program would not find.
fn unseen(text: &str, mut wanted: Vec<Value>, end: &str, documents: &[Document]) -> Option<String> {
    if end == "error" {
        // After an error in a list kubectl names the list, too.
        wanted.retain(|value| pods([value]) > 0);
    }
    let mut found = Vec::new();
    for document in documents {
        flattened(&document.value, &mut found);
    }
    let is_seen = are_within(&wanted, &found, text.ends_with('\n'))
        && pods(documents.iter().map(|document| &document.value)) >= pods(&wanted);
    (!is_seen).then(|| format!("{text:?}\n    kubectl {wanted:?}\n    found {found:?}"))
}

#[test]
fn what_kubectl_sees_is_seen_or_refused() {
    let (mut read, mut refused, mut unseen_texts) = (0, 0, Vec::new());
    for row in TABLE.lines() {
        let [text, wanted, end] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        match parse(&text) {
            Ok(documents) => {
                read += usize::from(end == "ok");
                unseen_texts.extend(unseen(&text, serde_json::from_str(wanted).unwrap(), end, &documents));
            }
            Err(_) => refused += usize::from(end == "ok"),
        }
    }
    assert!(unseen_texts.is_empty(), "{}:\n{}", unseen_texts.len(), unseen_texts.join("\n"));
    // Hostile texts, of which kubectl takes nine tenths only because nobody writes them.
    assert!(read > 3000 && refused < read / 7, "{read} are read as kubectl does, {refused} refused");
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_refusal_shows_the_line_and_what_to_do() {
    let hidden = "kind: Pod\n# text\u{2028}  - name: hidden\n";
    assert_eq!(
        refusal(hidden),
        "line 2, column 7: U+2028 (line separator) ends a line for kubectl, but not for every editor and parser; remove \
         it, or write it in double quotes as an escape"
    );
    assert!(parse("text: \"a\\u2028b\"\n").is_ok() && parse("{\"text\":\"a\u{2028}b\"}").is_ok());
    for (text, expected) in [
        ("kind: A\nv: !!binary UG9k\n", "document 1, line 2, column 13: the tag !!binary is not supported"),
        ("kind: A\nv: [?a]\n", "document 1, line 2, column 5: YAML parsers disagree"),
        ("null\n---\u{a0}\n{}\n", "line 2, column 1: kubectl ends a document at this line"),
        ("|-\n---# c\nkind: Pod\n", "line 2, column 1: kubectl ends a document at this line"),
        ("\u{3000}{\"kind\":\"Pod\"}\n", "line 1, column 1: only kubectl takes"),
        ("a: 1\n...\n%TAG ! x\n---\nb: 1\n", "line 3, column 1: %TAG is not supported"),
        ("kind: A\r\r\nv: 1\n", "line 1, column 8: kubectl reads two carriage returns"),
        ("a: &a:b c\n", "document 1, line 1, column 4: kubectl reads this anchor otherwise"),
        ("1e21: c\n", "document 1, line 1, column 1: kubectl writes the key 1e21 otherwise"),
    ] {
        assert!(refusal(text).starts_with(expected), "{}", refusal(text));
    }
}

/// Counted before anything is copied, so that none of these takes time or memory.
#[test]
fn aliases_copy_no_more_than_their_budget() {
    let many = |alias: &str| vec![alias; 10_000].join(", ");
    let long = "x".repeat(32_000);
    for text in [
        format!("x: &a {long}\ny: [{}]\n", many("*a")),
        format!("x: &a {{? {long}\n : 1}}\ny: [{}]\n", many("*a")),
        format!("x: &a {{a: 1}}\ny: [{}]\n", vec!["{b: *a}"; 30_000].join(", ")),
        format!("x: &a {{a: {long}}}\ny: [{}]\n", many("{<<: *a}")),
        format!("x: &a [{}]\ny: &b [{}]\nz: [{}]\n", many("a"), many("*a"), many("*b")),
        // Each anchor keeps a copy of all that is in it.
        format!("{}{}{}", "[&a ".repeat(200), "x, ".repeat(10_000), "]".repeat(200)),
        // Over all documents.
        format!("x: &a {long}\ny: [{}]\n---\n", vec!["*a"; 200].join(", ")).repeat(10),
    ] {
        assert!(
            matches!(parse(&text), Err(ManifestError::TooManyAliases { .. })),
            "{:?}",
            parse(&text).err()
        );
    }
    // Over all inputs that share one.
    let text = format!("x: &a {long}\ny: [{}]\n", vec!["*a"; 200].join(", "));
    let mut budget = AliasBudget::default();
    let read = (0..10).map(|_| parse_within(&text, &mut budget).is_ok()).filter(|is_read| *is_read).count();
    assert_eq!(read, 2);
}

//! Objects that `kubectl apply` finds in hostile texts are found here, too, or the text is refused.

use serde_json::{Value, json};

use super::{AliasBudget, Change, Document, Edit, Kinds, ManifestError, UnreadableDocument, edit};

/// Written by tests/go, with the reader of kubectl itself.
const TABLE: &str = include_str!("../tests/kubectl.tsv");

fn read(text: &str) -> Vec<Result<Document, UnreadableDocument>> {
    super::read(text, &mut AliasBudget::default())
}

/// Whether both are equal, numbers by their values.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            // kubectl takes a mark after a comment for a part of the first key, such as `apiVersion`; the API server refuses
            // that.
            let get = |key: &str| other.get(key).or_else(|| other.get(key.trim_start_matches('\u{feff}')));
            one.len() == other.len()
                && one.iter().all(|(key, one)| get(key).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// How many of `few` are not among `many`, in their order.
fn missing(few: &[Value], many: &[Value]) -> usize {
    let mut rest = many;
    few.iter()
        .filter(|one| match rest.iter().position(|other| is_same(one, other)) {
            Some(place) => {
                rest = &rest[place + 1..];
                false
            }
            None => true,
        })
        .count()
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
    values.into_iter().map(|value| super::pods(value, &Kinds::default()).locations.len()).sum()
}

/// Objects that kubectl would apply, of which this program would neither find nor name all. A part of a text that cannot be
/// read may hide a list.
fn unseen(
    text: &str,
    mut wanted: Vec<Value>,
    end: &str,
    documents: &[Result<Document, UnreadableDocument>],
) -> Option<String> {
    if end == "error" {
        // After an error in a list kubectl names the list, too.
        wanted.retain(|value| pods([value]) > 0);
    }
    let mut found = Vec::new();
    for document in documents.iter().flatten() {
        flattened(&document.value, &mut found);
    }
    let unreadable = documents.iter().filter(|document| document.is_err()).count();
    let (missing, pods) = (missing(&wanted, &found), pods(&wanted).saturating_sub(pods(&found)));
    let is_seen = missing.max(pods) <= unreadable || (unreadable > 0 && text.contains("items"));
    (!is_seen).then(|| format!("{text:?}\n    kubectl {wanted:?}\n    found {found:?}"))
}

#[test]
fn what_kubectl_sees_is_seen_or_refused() {
    let (mut is_read, mut refused, mut unseen_texts) = (0, 0, Vec::new());
    for row in TABLE.lines() {
        let [text, wanted, end] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        let documents = read(&text);
        let count = if documents.iter().all(Result::is_ok) { &mut is_read } else { &mut refused };
        *count += usize::from(end == "ok");
        unseen_texts.extend(unseen(&text, serde_json::from_str(wanted).unwrap(), end, &documents));
    }
    assert!(unseen_texts.is_empty(), "{}:\n{}", unseen_texts.len(), unseen_texts.join("\n"));
    // Hostile texts, of which kubectl takes nine tenths only because nobody writes them.
    assert!(is_read > 3000 && refused < is_read / 7, "{is_read} are read as kubectl does, {refused} refused");
}

/// Of what kubectl reads without an error, it reads nothing else than what is not marked.
#[test]
fn what_kubectl_does_not_read_is_marked() {
    let (mut marked, mut wrong) = (0, Vec::new());
    for row in TABLE.lines() {
        let [text, wanted, end] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        let wanted: Vec<Value> = serde_json::from_str(wanted).unwrap();
        // A list without objects, and a mark that kubectl takes away before its reader gets the text.
        if text.contains("items: ~") || text.starts_with('\u{feff}') {
            continue;
        }
        let Ok(documents) = read(&text).into_iter().collect::<Result<Vec<_>, _>>() else { continue };
        let is_read = documents.iter().filter(|document| document.not_read.is_none());
        let found = pods(is_read.map(|document| &document.value));
        marked += documents.iter().filter(|document| document.not_read.is_some()).count();
        if (end == "ok" && found != pods(&wanted)) || found < pods(&wanted) {
            wrong.push(format!("{text:?}: kubectl reads {}, {found} are not marked", pods(&wanted)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(marked > 20, "{marked}");
}

fn refusal(text: &str) -> String {
    read(text).into_iter().find_map(Result::err).unwrap().error.to_string()
}

#[test]
fn a_refusal_shows_the_line_and_what_to_do() {
    let hidden = "kind: Pod\n# text\u{2028}  - name: hidden\n";
    assert_eq!(
        refusal(hidden),
        "document 1, line 2, column 7: U+2028 (line separator) ends a line for kubectl, but not for every editor and parser; remove \
         it, or write it in double quotes as an escape"
    );
    for text in ["text: \"a\\u2028b\"\n", "{\"text\":\"a\u{2028}b\"}"] {
        assert!(read(text).iter().all(Result::is_ok));
    }
    for (text, expected) in [
        ("kind: A\nv: !!binary UG9k\n", "document 1, line 2, column 13: the tag !!binary is not supported"),
        ("kind: A\nv: [?a]\n", "document 1, line 2, column 5: YAML parsers disagree"),
        ("null\n---\u{a0}\n{}\n", "document 2, line 2, column 1: kubectl ends a document at this line"),
        ("|-\n---# c\nkind: Pod\n", "document 2, line 2, column 1: kubectl ends a document at this line"),
        ("\u{3000}{\"kind\":\"Pod\"}\n", "document 1, line 1, column 1: only kubectl takes"),
        ("a: 1\n...\n%TAG ! x\n---\nb: 1\n", "document 2, line 3, column 1: %TAG is not supported"),
        ("kind: A\r\r\nv: 1\n", "document 1, line 1, column 8: kubectl reads two carriage returns"),
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
        let error = read(&text).into_iter().find_map(Result::err).unwrap().error;
        assert!(matches!(error, ManifestError::TooManyAliases { .. }), "{error}");
    }
    // Over all inputs that share one.
    let text = format!("x: &a {long}\ny: [{}]\n", vec!["*a"; 200].join(", "));
    let mut budget = AliasBudget::default();
    let count = (0..10).filter(|_| super::read(&text, &mut budget).iter().all(Result::is_ok)).count();
    assert_eq!(count, 2);
}

/// Whatever a document begins or ends with, an edit of it changes nothing else. kubectl 1.37 reads the same before and after.
#[test]
fn what_only_kubectl_reads_can_be_edited() {
    let key = "k".repeat(1100);
    for (text, index, expected) in [
        (
            "{\"a\": \"\u{7f}\u{85}\\ud800\", \"b\": [\"x\"]}\n",
            0,
            "{\"a\": \"\u{7f}\u{85}\\ud800\", \"b\": [\"x\", \"z\"]}\n",
        ),
        (
            &format!("{{\"{key}\": 1, \"b\": [\"x\"]}}"),
            0,
            &format!("{{\"{key}\": 1, \"b\": [\"x\", \"z\"]}}"),
        ),
        ("{\"a\": 1}{\"b\": [\"x\"]}\n", 1, "{\"a\": 1}{\"b\": [\"x\", \"z\"]}\n"),
        ("{\"a\": 1} # c\n---\nb: [x]\n", 1, "{\"a\": 1} # c\n---\nb: [x, z]\n"),
        ("a: 1\n---\n\u{feff}# c\nb:\n- x\n", 1, "a: 1\n---\n\u{feff}# c\nb:\n- x\n- z\n"),
        ("a: 1\n...\n%YAML 1.1\n---\nb:\n- x\n", 1, "a: 1\n...\n%YAML 1.1\n---\nb:\n- x\n- z\n"),
        ("a: [\n---\nb: [w]\nb: [x]\n---\n{{ c }}\n", 1, "a: [\n---\nb: [w]\nb: [x, z]\n---\n{{ c }}\n"),
        ("b:\n- |\n  x", 0, "b:\n- |\n  x\n- z"),
    ] {
        let document = read(text).remove(index).unwrap_or_else(|unreadable| panic!("{unreadable}: {text}"));
        let append = Edit { path: ["b", "-"].map(str::to_owned).into(), change: Change::Add(json!("z")) };
        let edited = edit(text, &document, &[append]).unwrap_or_else(|error| panic!("{error}: {text}")).text;
        let (before, after) = (&text[..document.range.start], &text[document.range.end..]);
        assert_eq!(format!("{before}{edited}{after}"), expected);
    }
}

//! What holds for every input: nothing is lost, and a document is what it is alone.

use proptest::prelude::*;
use serde_json::json;

use super::tests::read;
use super::*;

/// Documents without anchors, readable or not.
fn document() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("a: 1"),
        Just("b: {c: [1, 'd'], e: \"f\"}"),
        Just("b:\n- c\n-   d: |\n      e\n\n"),
        Just("é: &x"),
        Just("# c"),
        Just(""),
        Just("\u{feff}f: 1"),
        Just("g: {{ x }}"),
        Just("h: ["),
        Just("i: 'j"),
        Just("  k: |"),
        Just("l: \u{2028}"),
        Just("{\"m\": 1}"),
        Just("n: ]"),
        Just("..."),
        Just("|"),
        Just(">-"),
        Just("null"),
    ];
    proptest::collection::vec(line, 0..5)
        .prop_map(|lines| lines.into_iter().flat_map(|line| [line, "\n"]).collect())
}

proptest! {
    #[test]
    fn ranges_cover_any_text(source in r#"[-a:{}"'\[\]|,%.#\n \u{feff}\u{2028}0]{0,40}"#) {
        read(&source);
    }

    /// So that a broken document never changes what the others give.
    #[test]
    fn a_stream_is_read_as_each_document_alone(documents in proptest::collection::vec(document(), 1..6)) {
        // Text before the first marker is a document only if it is more than comments.
        let documents: Vec<String> = documents.iter().map(|document| format!("---\n{document}")).collect();
        let alone: Vec<Value> = documents.iter().flat_map(|document| bare(read(document), document)).collect();
        let stream = documents.concat();
        prop_assert_eq!(bare(read(&stream), &stream), alone);
    }

    /// Editing reads the text of one document again.
    #[test]
    fn the_range_of_a_document_is_that_document(documents in proptest::collection::vec(document(), 1..6)) {
        let stream = documents.join("---\n");
        for document in read(&stream).into_iter().flatten() {
            let tree = tree(&stream[document.range.clone()]);
            prop_assert_eq!(tree.map(|tree| tree.value), Some(document.value), "{:?}", stream);
        }
    }
}

/// What each document is, without its place.
fn bare(documents: Vec<Result<Document, UnreadableDocument>>, source: &str) -> Vec<Value> {
    let bare = |document| match document {
        Ok(Document { value, range, duplicate_keys, .. }) => {
            let keys: Vec<String> = duplicate_keys.into_iter().map(|key| key.key).collect();
            json!([&source[range], value, keys])
        }
        Err(UnreadableDocument { range, error, .. }) => {
            json!([
                &source[range],
                error.is_template(),
                error.to_string().rsplit_once(": ").map(|(_, what)| what.to_owned())
            ])
        }
    };
    documents.into_iter().map(bare).collect()
}

/// Found by fuzzing: a document with an error behind it on its last line, line ends that only YAML knows, and block scalars
/// after the end of a document.
#[test]
fn a_document_is_what_its_range_is_alone() {
    for source in [
        "---\n&y|rn05\n",
        "&items:\n 1.1\n# c\n  #  # d\n- - q=\n",
        "&.\n",
        "|+\n  ?x\n :\ny\n",
        "a: |+\n  x\n ]\n",
        "a\n--- # b\nc\n\nd\r\r---\n# e\n--- # f\ng:\n h\n",
        "a: 1\n...\n>-\n#\n",
        "a: 1\n... # b\n\n# c\n! |2-\n\n  d\n...\n|\n# e\n...\n|\n",
    ] {
        let mut end = 0;
        for document in read(source) {
            let range =
                document.as_ref().map_or_else(|unreadable| &unreadable.range, |document| &document.range);
            assert!(range.start == end && range.end > end, "{source:?} has a gap at {end}");
            end = range.end;
            let Ok(document) = document else { continue };
            let alone = tree(&source[document.range.clone()]).map(|tree| tree.value);
            assert_eq!(alone, Some(document.value), "{source:?}");
        }
        assert_eq!(end, source.len(), "{source:?}");
    }
}

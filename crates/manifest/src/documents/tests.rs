//! The documents of inputs, their values, and the positions of errors.

use rstest::rstest;
use serde_json::json;

use super::*;

pub(super) fn read(source: &str) -> Vec<Result<Document, UnreadableDocument>> {
    let documents = super::read(source, &mut AliasBudget::default());
    check_ranges(source, &documents);
    documents
}

/// Nothing of any input is lost between the documents.
fn check_ranges(source: &str, documents: &[Result<Document, UnreadableDocument>]) {
    let ranges = documents.iter().map(|document| match document {
        Ok(Document { range, index, .. }) | Err(UnreadableDocument { range, index, .. }) => {
            (*index, range.clone())
        }
    });
    let mut end = 0;
    for (position, (index, range)) in ranges.enumerate() {
        assert_eq!((position, end), (index, range.start), "{source:?}");
        assert!(!range.is_empty(), "{source:?}");
        end = range.end;
    }
    assert!(documents.is_empty() || end == source.len(), "{source:?}");
}

fn values(source: &str) -> Vec<Value> {
    let document = |document: Result<Document, UnreadableDocument>| {
        document.unwrap_or_else(|unreadable| panic!("{}", unreadable.error)).value
    };
    read(source).into_iter().map(document).collect()
}

/// The values, and the errors without the number of the document.
fn outcomes(source: &str) -> Vec<Value> {
    let outcome = |document: Result<Document, UnreadableDocument>| match document {
        Ok(document) => document.value,
        Err(unreadable) => {
            let error = unreadable.error.to_string();
            let place = format!("document {}, ", unreadable.index + 1);
            json!([error.strip_prefix(&place).unwrap_or_else(|| panic!("{error}: {place}"))])
        }
    };
    read(source).into_iter().map(outcome).collect()
}

fn first_error(source: &str) -> ManifestError {
    read(source).into_iter().find_map(Result::err).unwrap_or_else(|| panic!("{source:?} is read")).error
}

#[rstest]
#[case::nothing("", &[])]
#[case::only_comments("# a\n\n", &[])]
#[case::one("a: 1\n", &[json!({"a": 1})])]
#[case::markers("---\na: 1\n--- # x\nb: 2\n---\n", &[json!({"a": 1}), json!({"b": 2}), Value::Null])]
#[case::comment_document("# head\n---\n# only\n---\na: 1\n", &[Value::Null, json!({"a": 1})])]
#[case::end_markers("a: 1\n...\n# c\n---\nb: 2\n...\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::directive("%YAML 1.1\n---\na: 1\n", &[json!({"a": 1})])]
#[case::marker_in_text("a: |\n  ---\n  b\n", &[json!({"a": "---\nb\n"})])]
#[case::marker_in_quotes("a: \"x\n  --- y\"\n", &[json!({"a": "x --- y"})])]
#[case::windows("---\r\na: 1\r\n---\r\nb: |\r\n  x\r\n", &[json!({"a": 1}), json!({"b": "x\n"})])]
#[case::mark("\u{feff}a: 1\n", &[json!({"a": 1})])]
#[case::flow("{a: [1, {b: c}]}", &[json!({"a": [1, {"b": "c"}]})])]
#[case::json("{\"a\": \"\\u00e9\\ud83d\\ude00\\/\", \"b\": 1e3}", &[json!({"a": "é😀/", "b": 1000.0})])]
#[case::json_objects("{\"a\":1}{\"b\":2}\n\n{\n\t\"c\": 3\n}\n", &[json!({"a": 1}), json!({"b": 2}),
    json!({"c": 3})])]
#[case::json_with_mark("\u{feff}\n{\"a\":1}\n{\"b\":2}", &[json!({"a": 1}), json!({"b": 2})])]
#[case::json_and_markers("{\"a\":1}\n---\n{\"b\":2}\n", &[json!({"a": 1}), json!({"b": 2})])]
fn inputs_are_split(#[case] source: &str, #[case] expected: &[Value]) {
    assert_eq!(values(source), expected);
}

/// As `sigs.k8s.io/yaml` 1.6.0 reads them.
#[rstest]
#[case::scalars("{a: 1073741824, b: 129e6, c: 1.5Gi, d: 0x10, e: yes, f: '1', g: \"x\\ty\", h: 'it''s'}",
    json!({"a": 1_073_741_824, "b": 129e6, "c": "1.5Gi", "d": 16, "e": true, "f": "1", "g": "x\ty", "h": "it's"}))]
#[case::tags("[!!str 12, !!int '12', !!bool 'yes', !foo 12, ! 12]", json!(["12", 12, true, "12", "12"]))]
#[case::keys("{1: a, 1.5: b, true: c, 0x10: e}", json!({"1": "a", "1.5": "b", "true": "c", "16": "e"}))]
#[case::alias("a: &x [1]\nb: *x\n", json!({"a": [1], "b": [1]}))]
#[case::merge("b:\n  <<: {k: 1, c: 1}\n  c: 2\n", json!({"b": {"k": 1, "c": 2}}))]
#[case::late_merge("{a: 1, <<: {a: 2}}", json!({"a": 2}))]
#[case::merge_list("{<<: [{a: 2}, {a: 3, b: 4}]}", json!({"a": 2, "b": 4}))]
#[case::unended_text("a: |\n  foo", json!({"a": "foo\n"}))]
#[case::kept_text("a: |+\n  foo\n\n", json!({"a": "foo\n\n"}))]
fn values_are_what_kubectl_sees(#[case] source: &str, #[case] expected: Value) {
    assert_eq!(values(source), [expected]);
}

#[test]
fn documents_know_their_lines() {
    let lines = |source: &str| {
        read(source)
            .iter()
            .map(|document| match document {
                Ok(Document { line, .. }) | Err(UnreadableDocument { line, .. }) => *line,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("# a\n\na: 1\n---\nb: 1\n\n---\n"), [3, 4, 7]);
    assert_eq!(lines("{\"a\":\n1}\n{\"b\":2}"), [1, 3]);
    assert_eq!(lines("# a\n\na: [\n---\n{}\n\n---\nb: ]\n...\n%YAML 1.1\n---\nc\n"), [3, 4, 7, 11]);
}

/// The values are those of kubectl 1.37.
#[rstest]
#[case::first("a: [\n---\nb: 2\n---\nc: 3\n", &[json!(["line 1, column 4: unclosed bracket"]), json!({"b": 2}), json!({"c": 3})])]
#[case::middle("a: 1\n---\nb: {{ .Values.b }}\n---\nc: 3\n", &[json!({"a": 1}),
    json!(["line 3: this is a template, not YAML; render it first (`helm template`)"]), json!({"c": 3})])]
#[case::unended_text("a: \"1\n---\nb: 2\n", &[json!(["line 1, column 4: unclosed quote"]), json!({"b": 2})])]
#[case::after_end("a: 1\n...\n]\n---\nb: 2\n", &[json!({"a": 1}), json!(["line 3, column 1"]), json!({"b": 2})])]
#[case::text_on_the_line("a: 1\n--- {b: ]\n--- {c: 3}\n", &[json!({"a": 1}), json!(["line 2, column 5"]), json!({"c": 3})])]
#[case::not_as_kubectl("a: \u{2028}\n---\nb: 2\n---# c\nd: 4\n---\ne: 5\n", &[
    json!(["line 1, column 4: U+2028"]), json!({"b": 2}),
    json!(["line 4, column 1: kubectl ends a document at this line"]), json!({"e": 5})])]
#[case::json("{\"a\":1}\n{\"b\":1e999}\n{\"c\":3}", &[json!({"a": 1}), json!(["line 2, column 6: 1e999"]), json!({"c": 3})])]
fn one_broken_document_hides_no_other(#[case] source: &str, #[case] expected: &[Value]) {
    let found = outcomes(source);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        match expected.get(0).and_then(Value::as_str) {
            Some(start) => {
                assert!(found[0].as_str().is_some_and(|error| error.starts_with(start)), "{found}");
            }
            None => assert_eq!(found, expected),
        }
    }
}

/// The values are those of kubectl 1.37, which takes the first two of `after_two` and then stops.
#[rstest]
#[case::after_one("{\"a\":1}\n---\nb: 2\n---\n{\"c\":3}\n", &[json!({"a": 1}), json!({"b": 2}), json!({"c": 3})])]
#[case::after_one_in_its_line("{\"a\":1} # c\n---\nb: 2\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::comment_at_the_end("{\"a\":1}\n# c\n", &[json!({"a": 1})])]
#[case::no_marker("{\"a\":1}\nb: 2\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::no_line_break("{\"a\":1} b: 2\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::yaml_between_braces("{\"a\":1}\n{\"b\":2,}\n---\nc: 3\n", &[json!({"a": 1}), json!({"b": 2}), json!({"c": 3})])]
#[case::mark("{\"a\":1}\n\u{feff}{\"b\":2}\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::space("{\"a\":1}\n \t\n{\"b\":2}\r\n\r\n{\"c\":3}\n\n", &[json!({"a": 1}), json!({"b": 2}), json!({"c": 3})])]
#[case::after_two("{\"a\":1}\n{\"b\":2}\n---\nc: 3\n", &[json!({"a": 1}), json!({"b": 2}),
    json!(["line 3, column 1: kubectl does not read this after the object before it; write --- between them"])])]
#[case::two_behind_a_marker("---\n{\"a\":1}\n{\"b\":2}\n---\nc: 3\n", &[json!({"a": 1}),
    json!(["line 3, column 1: kubectl does not read this after the object before it; write --- between them"]), json!({"c": 3})])]
#[case::other_values("{\"a\":1}\n5{\"b\":2}\n", &[json!({"a": 1}), json!(5), json!({"b": 2})])]
#[case::broken_other_value("{\"a\":1}\n[{\"b\":2}\n---\nc: 3\n", &[json!({"a": 1}), json!(["line 3, column 1: expected `,` or `]`"])])]
#[case::space_of_unicode("{\"a\":1}\u{3000}{\"b\":2}\n", &[json!({"a": 1}),
    json!(["line 1, column 8: only kubectl takes the characters before the brace for spaces; remove them"])])]
fn json_and_what_is_behind_it_are_read_as_kubectl_does(#[case] source: &str, #[case] expected: &[Value]) {
    assert_eq!(outcomes(source), expected);
}

/// kubectl 1.37 reads them all.
#[rstest]
#[case::delete("{\"a\": \"\u{7f}\"}", &json!({"a": "\u{7f}"}))]
#[case::control_characters("{\"\u{80}\": \"\u{9f}\u{85}\u{2028}\u{fffe}\"}", &json!({"\u{80}": "\u{9f}\u{85}\u{2028}\u{fffe}"}))]
#[case::lone_surrogate("{\"a\": \"x\\ud800\"}", &json!({"a": "x\u{fffd}"}))]
#[case::tabs("{\n\t\"a\":\t[\n\t\t1\n\t]\n}", &json!({"a": [1]}))]
#[case::long_number("{\"a\": 123456789012345678901234567890}", &json!({"a": 1.234_567_890_123_456_8e29}))]
#[case::escapes("{\"\\u0061\": \"\\u0000\\/\"}", &json!({"a": "\0/"}))]
#[case::merge("{\"<<\": {\"a\": 1}, \"~\": null}", &json!({"<<": {"a": 1}, "~": null}))]
fn json_that_is_no_yaml_is_read(#[case] source: &str, #[case] expected: &Value) {
    let documents = read(source);
    let document = documents[0].as_ref().unwrap_or_else(|unreadable| panic!("{}", unreadable.error));
    assert!(documents.len() == 1 && document.is_json && document.value == *expected, "{documents:?}");
}

#[test]
fn a_long_key_of_json_is_read() {
    let key = "k".repeat(1100);
    assert_eq!(values(&format!("{{\"{key}\": 1}}")), [json!({key: 1})]);
}

/// As kubectl 1.37 takes them, or (`first` and `between`) refuses them without reading anything else.
#[rstest]
#[case::mark_behind_marker("a: 1\n---\n\u{feff}b: 2\nc: 3\n")]
#[case::mark_before_comment("a: 1\n---\n\u{feff}# c\nb: 2\nc: 3\n")]
#[case::mark_behind_comment("a: 1\n---\n# c\n\u{feff}b: 2\nc: 3\n")]
#[case::mark_before_marker("\u{feff}a: 1\n\u{feff}---\nb: 2\nc: 3\n")]
#[case::mark_between_markers("a: 1\n---\n\u{feff}---\nb: 2\nc: 3\n")]
#[case::directive_behind_end("a: 1\n...\n%YAML 1.1\n---\nb: 2\nc: 3\n")]
#[case::directive_behind_comments("a: 1\n...\n# c\n%YAML 1.1\n# d\n\n--- # e\nb: 2\nc: 3\n")]
#[case::directive_without_end("a: 1\n%YAML 1.1\n---\nb: 2\nc: 3\n")]
#[case::directive_first("%YAML 1.1\n---\na: 1\n---\nb: 2\nc: 3\n")]
#[case::directive_behind_marker("a: 1\n---\n%YAML 1.2\n---\nb: 2\nc: 3\n")]
#[case::mark_and_directive("a: 1\n---\n\u{feff}%YAML 1.1\n---\n\u{feff}b: 2\nc: 3\n")]
#[case::windows("a: 1\r\n...\r\n%YAML 1.1\r\n---\r\n\u{feff}b: 2\r\nc: 3\r\n")]
fn marks_and_directives_begin_any_document(#[case] source: &str) {
    let found: Vec<Value> = values(source).into_iter().filter(|value| !value.is_null()).collect();
    assert_eq!(found, [json!({"a": 1}), json!({"b": 2, "c": 3})]);
}

/// As kubectl 1.37 reads it: its reader ends the last line.
#[rstest]
#[case::literal("a: |\n  hello", "hello\n")]
#[case::kept("a: |+\n  hello", "hello\n")]
#[case::kept_with_empty_line("a: |+\n  hello\n\n", "hello\n\n")]
#[case::stripped("a: |-\n  hello", "hello")]
#[case::folded("a: >\n  hello\n  x", "hello x\n")]
#[case::spaces("a: |\n  hello\n  ", "hello\n")]
#[case::windows("a: |\r\n  hello\r\n  b", "hello\nb\n")]
#[case::return_only("a: |\n  hello\r", "hello\n")]
#[case::last_of_several("b: 1\n---\na: |\n  hello", "hello\n")]
fn a_block_scalar_ends_with_its_text(#[case] source: &str, #[case] expected: &str) {
    assert_eq!(values(source).pop(), Some(json!({"a": expected})));
}

/// The values are those of kubectl 1.37.
#[rstest]
#[case::whole("data: {a: 1}\ndata: {b: 2}\n", json!({"data": {"b": 2}}), &[(2, 1, "data")])]
#[case::nested("a:\n  é: 1\n  é: 2\n  é: 3\n", json!({"a": {"é": 3}}), &[(3, 3, "é"), (4, 3, "é")])]
#[case::in_list("- a: 1\n  a: 2\n", json!([{"a": 2}]), &[(2, 3, "a")])]
#[case::null("a: 1\na:\n", json!({"a": null}), &[(2, 1, "a")])]
#[case::flow("{é: 1, a: 2, a: 3, b: 4}", json!({"é": 1, "a": 3, "b": 4}), &[(1, 14, "a")])]
#[case::merge_before("x: &x {a: 1, b: 9}\nw: {a: 3, <<: *x, a: 2, a: 4}\n",
    json!({"x": {"a": 1, "b": 9}, "w": {"a": 4, "b": 9}}), &[(2, 19, "a"), (2, 25, "a")])]
#[case::merge_after("x: &x {a: 1}\nw: {a: 3, a: 2, <<: *x}\n", json!({"x": {"a": 1}, "w": {"a": 1}}), &[(2, 11, "a")])]
#[case::two_merges("x: &x {a: 1, b: 9}\nz: {<<: *x, <<: {a: 5}}\n", json!({"x": {"a": 1, "b": 9}, "z": {"a": 5, "b": 9}}), &[])]
#[case::only_merged("x: &x {a: 1}\nz: {<<: *x, a: 5}\n", json!({"x": {"a": 1}, "z": {"a": 5}}), &[])]
#[case::same_number("{1: a, 0x1: b, yes: c, true: d}", json!({"1": "b", "true": "d"}), &[(1, 8, "1"), (1, 24, "true")])]
#[case::json("{\"a\":{\"b\":1,\"b\":2},\n\"a\":{\"c\":1,\"c\":{}}}", json!({"a": {"c": {}}}),
    &[(1, 13, "b"), (2, 1, "a"), (2, 12, "c")])]
fn the_last_of_duplicate_keys_counts(
    #[case] source: &str,
    #[case] expected: Value,
    #[case] keys: &[(usize, usize, &str)],
) {
    let source = format!("z: 1\n---\n{source}");
    let json = source.trim_start_matches("z: 1\n---\n").to_owned();
    let (source, index, shift) = if json.starts_with("{\"") { (json, 0, 0) } else { (source, 1, 2) };
    let document = read(&source).remove(index).unwrap();
    assert_eq!(document.value, expected);
    let found: Vec<(usize, usize, &str)> =
        document.duplicate_keys.iter().map(|key| (key.line - shift, key.column, &*key.key)).collect();
    assert_eq!(found, keys);
}

#[rstest]
#[case::syntax("a: 1\n---\nb: [1,\n  é: ]]\n", "document 2, line 4, column 7: ")]
#[case::json("{\"a\":1}\n{\"b\":2:}\n", "document 2, line 2, column 7: expected `,` or `}`")]
#[case::third_json("{\"a\":1}\n{\"b\":2}{\"c\":3,}\n", "document 3, line 2, column 15: key must be a string")]
#[case::two_types(
    "a:\n  1: 1\n  \"1\": 2\n",
    "document 1, line 3, column 3: kubectl takes one of the two keys 1 by chance"
)]
#[case::two_numbers(
    "{1: 1, 1.0: 2}\n",
    "document 1, line 1, column 8: kubectl takes one of the two keys 1 by chance"
)]
#[case::deep_json(
    "{\"a\":[[1,\n1e999]]}",
    "document 1, line 2, column 1: 1e999 is a number that Kubernetes cannot hold"
)]
#[case::key_over_lines(
    "a: 1\nb: {c d\n  e: 1}\n",
    "document 1, line 2, column 5: kubectl reads no key over several lines"
)]
#[case::quoted_key_over_lines(
    "{a: 1, \"c\n d\": 1}\n",
    "document 1, line 1, column 8: kubectl reads no key over several lines"
)]
#[case::colon_below(
    "[{\"c\" # d\n : 1}]\n",
    "document 1, line 1, column 3: kubectl reads no key over several lines"
)]
#[case::comments_of_javascript(
    "{\"a\": {\n  // b c\n  \"d\": 1\n}}\n",
    "document 1, line 2, column 3: kubectl reads no key"
)]
#[case::tab("a:\n\tb: 1\n", "document 1, line 2, column ")]
#[case::list_as_key("[a]: 1\n", "a key must be a text")]
#[case::null_as_key("~: 1\n", "a null key")]
#[case::infinity("a: .inf\n", "a number that Kubernetes cannot hold")]
#[case::merge_of_text("a: {<<: x}\n", "a merge key (<<) must have")]
#[case::unknown_alias("a: *x\n", "document 1, line 1")]
#[case::endless_alias("a: &x [*x]\n", "inside the very value")]
#[case::template_value("a: b\n---\nb: 1\nc: {{ .Values.c }}\n", "document 2, line 4: this is a template")]
#[case::template_line("a: b\n{{- if .x }}\nc: d\n{{- end }}\n", "document 1, line 2: this is a template")]
#[case::template_block("a:\n  {{- toYaml .x | nindent 2 }}\n", "document 1, line 2: this is a template")]
#[case::quoted_braces_in_line("- a: b\n c: '{{ x }}'\n", "document 1, line 2, column ")]
#[case::quoted_braces("a: \"{{x}}\"\nb: [\n", "document 1, line 2, column ")]
#[case::jinja(
    "a: b\n{% if x %}\nc: d\n{% endif %}\n",
    "document 1, line 2: this is a template, not YAML; render it first"
)]
#[case::comment_of_helm("a: b\n{{/* a\nb: c */}}\nc: d\n", "document 1, line 2: this is a template")]
fn errors_name_the_place(#[case] source: &str, #[case] message: &str) {
    let error = first_error(source).to_string();
    assert!(
        error.starts_with(message) || (!message.starts_with("document") && error.contains(message)),
        "{error}"
    );
}

/// `{{` that was read as a text is not the error.
#[rstest]
#[case::block_scalar(
    "data:\n  a: |\n    summary: {{ $labels.pod }} is down\n    {{ x }}\n  other: a: b\n",
    5
)]
#[case::folded("- a: >-\n    {{ x }}\n\n    {{ y }}\n- b: 'c' d\n", 5)]
#[case::quoted_over_lines("a: \"x\n  {{ y }}\n  z\"\nb: [c\nd: e\n", 5)]
#[case::plain_over_lines("a: x\n  {{ y }}\nb: c: d\n", 3)]
#[case::comment("# {{ x }}\na: b: c\n", 2)]
fn a_template_within_a_text_is_none(#[case] source: &str, #[case] expected: usize) {
    let error = first_error(source);
    let ManifestError::Syntax { line, .. } = error else { panic!("{error}") };
    assert!(line == expected && !error.is_template(), "{error}");
}

#[test]
fn only_a_template_of_helm_is_for_helm() {
    for (source, is_helm) in [
        ("a: {{ .Values.a }}\n", true),
        ("a:\n  {{- include \"shop.labels\" . | nindent 2 }}\n", true),
        ("a: \"{{ include \"shop.name\" . }}-x\"\n", true),
        ("a: {{ a }}\n", false),
        ("a:\n  - {{ env \"NOMAD_ADDR\" }}\n", false),
        ("- {% for x in y %}\n", false),
    ] {
        let error = first_error(source);
        assert!(error.is_template(), "{error}");
        assert_eq!(error.to_string().contains("helm template"), is_helm, "{source}");
    }
}

#[test]
fn braces_in_plain_text_are_no_template() {
    assert_eq!(values("a: \"{{x}}\"\nb: echo {{x}}\n"), [json!({"a": "{{x}}", "b": "echo {{x}}"})]);
}

#[test]
fn aliases_cannot_blow_up() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        lines.push(format!("a{level}: &a{level} [{aliases}]"));
    }
    assert_eq!(first_error(&lines.join("\n")), ManifestError::TooManyAliases { document: 1, line: 6 });
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for source in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        first_error(&source);
    }
}

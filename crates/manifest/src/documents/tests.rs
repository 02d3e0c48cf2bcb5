//! The documents of inputs, their values, and the positions of errors.

use rstest::rstest;
use serde_json::json;

use super::*;

fn values(source: &str) -> Vec<Value> {
    let documents = parse(source).unwrap_or_else(|error| panic!("{error}"));
    // Nothing of any input is lost between the documents.
    let texts: Vec<&str> = documents.iter().map(|document| &source[document.range.clone()]).collect();
    assert!(documents.is_empty() || texts.concat() == source);
    documents.into_iter().map(|document| document.value).collect()
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
    let lines =
        |source: &str| parse(source).unwrap().iter().map(|document| document.line).collect::<Vec<_>>();
    assert_eq!(lines("# a\n\na: 1\n---\nb: 1\n\n---\n"), [3, 4, 7]);
    assert_eq!(lines("{\"a\":\n1}\n{\"b\":2}"), [1, 3]);
}

#[rstest]
#[case::syntax("a: 1\n---\nb: [1,\n  é: ]]\n", "document 2, line 4, column 7: ")]
#[case::json("{\"a\":1}\n{\"b\":2,}\n", "document 2, line 2, column 8: key must be a string")]
#[case::duplicate("a:\n  é: 1\n  é: 2\n", "document 1, line 3, column 3: the key \"é\" occurs twice")]
#[case::duplicate_json("{\"a\":1,\"a\":2}", "document 1, line 1, column 8: the key \"a\" occurs twice")]
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
fn errors_name_the_place(#[case] source: &str, #[case] message: &str) {
    let error = parse(source).unwrap_err().to_string();
    assert!(
        error.starts_with(message) || (!message.starts_with("document") && error.contains(message)),
        "{error}"
    );
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
    assert!(matches!(parse(&lines.join("\n")), Err(ManifestError::TooManyAliases { document: 1, line: 6 })));
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for source in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "- ".repeat(100_000)] {
        assert!(parse(&source).is_err());
    }
}

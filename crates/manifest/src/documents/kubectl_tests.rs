//! What kubectl does not read, or reads otherwise than other programs.

use rstest::rstest;
use serde_json::{Value, json};

use super::tests::read;

/// Which documents kubectl 1.37 reads, and the lines at which it stops.
#[rstest]
#[case::separators("a: 1\n--- # c\nb: 2\n---\nc: 3\n", &[None, None, None])]
#[case::behind_end("a: 1\n...\nb: 2\n---\nc: 3\n", &[None, Some((3, 1)), None])]
#[case::behind_end_with_comment("a: 1\n... # c\n# d\n{b: 2}\n", &[None, Some((4, 1))])]
#[case::end_and_separator("a: 1\n...\n---\nb: 2\n...\n", &[None, None])]
#[case::only_comments_before("---\n# c\n...\nb: 2\n---\nc: 3\n", &[Some((4, 1)), None])]
#[case::behind_nothing("null\n...\nb: 2\n", &[None, Some((3, 1))])]
#[case::mark("a: 1\n...\n\u{feff}---\nb: 2\n---\nc: 3\n", &[None, Some((4, 1)), None])]
#[case::in_text("a: |\n  ...\n  --- b\nb: 2\n", &[None])]
#[case::windows("a: 1\r\n...\r\nb: 2\r\n---\r\nc: 3\r\n", &[None, Some((3, 1)), None])]
#[case::on_the_line("z: 1\n---\na: 1\n--- {b: 2}\n---\nc: 3\n", &[None, Some((4, 1)), Some((4, 1)), Some((4, 1))])]
#[case::first_on_the_line("--- {b: 2}\n---\nc: 3\n", &[Some((1, 1)), Some((1, 1))])]
#[case::tag_on_the_line("--- !!map\nb: 2\n", &[Some((1, 1))])]
#[case::anchor_on_the_line("a: 1\n---\t&x\nb: 2\n", &[Some((2, 1)), Some((2, 1))])]
#[case::key("a: 1\n---b: 2\n---\nc: 3\n", &[Some((2, 1)), Some((2, 1))])]
#[case::in_quotes("z: 1\n---\na: \"b\n----\"\n---\nc: 3\n", &[None, Some((4, 1)), Some((4, 1))])]
#[case::end_and_on_the_line("a: 1\n...\nb: 2\n--- {c: 3}\n", &[Some((4, 1)), Some((4, 1)), Some((4, 1))])]
#[case::json("{\"a\":1}{\"b\":2}", &[None, None])]
#[case::behind_json("{\"a\":1}\n---\nb: 2\n...\nc: 3\n---\nd: 4\n", &[None, None, Some((5, 1)), None])]
#[case::json_behind_mark("\u{feff}{\"a\":1}\n{\"b\":2}\n", &[None, None])]
#[case::on_the_line_behind_mark("\u{feff}--- {a: 1}\n", &[Some((1, 1))])]
#[case::nothing_between("a: 1\n---\n---\nb: 2\n---\n\u{feff}---\nc: 3\n", &[None, None, None, None, None])]
#[case::json_and_on_the_line("{\"a\":1}\n--- {b: 2}\n", &[None, Some((2, 1))])]
fn documents_that_kubectl_does_not_read_are_marked(
    #[case] source: &str,
    #[case] expected: &[Option<(usize, usize)>],
) {
    let documents =
        read(source).into_iter().map(|document| document.unwrap_or_else(|error| panic!("{error}")));
    let places = documents.map(|document| document.not_read.map(|not_read| (not_read.line, not_read.column)));
    assert_eq!(places.collect::<Vec<_>>(), expected);
}

/// The values are those of kubectl 1.37. YAML 1.1 has the pair, wherever the merge key is.
#[rstest]
#[case::before("a: {b: 2, <<: {b: 1}}\n", &json!({"a": {"b": 1}}), &[(1, 5, "b")])]
#[case::behind("a: {<<: {b: 1}, b: 2}\n", &json!({"a": {"b": 2}}), &[])]
#[case::same("a: {b: [1], <<: {b: [1]}}\n", &json!({"a": {"b": [1]}}), &[])]
#[case::other_keys("a: {b: 2, <<: {c: 1}}\n", &json!({"a": {"b": 2, "c": 1}}), &[])]
#[case::between("a: {<<: {b: 1}, b: 2, <<: {b: 3}}\n", &json!({"a": {"b": 3}}), &[(1, 17, "b")])]
#[case::list("x: &x {b: 1, c: 3}\né:\n- {d: 1}\n- c: 2\n  b: 1\n  <<: [{c: 4}, *x]\n",
    &json!({"x": {"b": 1, "c": 3}, "é": [{"d": 1}, {"b": 1, "c": 4}]}), &[(4, 3, "c")])]
#[case::twice("a: {b: 1, b: 2, <<: {b: 3}, <<: {b: 1}}\n", &json!({"a": {"b": 1}}), &[(1, 11, "b")])]
#[case::behind_again("a: {b: 2, <<: {b: 1}, b: 2}\n", &json!({"a": {"b": 2}}), &[])]
#[case::nested("a:\n  b: 2\n  <<:\n    c: {d: 1, <<: {d: 2}}\n    b: 3\n", &json!({"a": {"b": 3, "c": {"d": 2}}}),
    &[(2, 3, "b"), (4, 9, "d")])]
#[case::json("{\"a\": 1, \"<<\": {\"a\": 2}}", &json!({"a": 1, "<<": {"a": 2}}), &[])]
fn keys_that_a_merge_key_overrides_are_named(
    #[case] source: &str,
    #[case] expected: &Value,
    #[case] keys: &[(usize, usize, &str)],
) {
    let document = read(source).remove(0).unwrap();
    assert_eq!(document.value, *expected);
    let found: Vec<_> =
        document.overridden_keys.iter().map(|key| (key.line, key.column, &*key.key)).collect();
    assert_eq!(found, keys);
}

//! Edits that are refused, each with an error that has the position and the reason.

use super::*;
use crate::edit::splice::Splice;

#[track_caller]
fn refuse(source: &str, edit: Edit, message: &str) {
    let error = edited(source, &[edit]).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn paths_that_do_not_exist_are_named() {
    refuse("a: 1\n", replace("/b", "x"), "document 1: there is no /b to edit");
    refuse("a: []\n", add_env("/a/0"), "there is no /a/0/env to edit");
    refuse("a: [1, 2]\n", add("/a/3", json!(0)), "there is no /a/3 to edit");
    refuse("a: [1, 2]\n", edit("/a/2", Change::Remove), "there is no /a/2 to edit");
    refuse("a: {b: 1}\n", edit("/a/b", Change::Remove), "there is no /a/b to edit");
    refuse("a: 1\n", add("/a/b", json!(0)), "there is no /a/b to edit");
    refuse("a: 1\n", add_env("/containers/0"), "there is no /containers/0/env to edit");
    refuse("a: 1\n", add("", json!(0)), "to edit");
}

#[test]
fn places_in_unusual_styles_are_named() {
    refuse(
        r"a:
  env:
  - 1
",
        add("/a/env", json!([2])),
        "line 3: cannot edit /a/env: a list or mapping that is not empty",
    );
    refuse("a: !!int 1\n", replace("/a", "2"), "the value has a tag (!)");
    refuse("a:\n- - b\n", add("/a/0/-", json!(2)), "this list is not below a key");
    refuse("a: [b: c]\n", add("/a/0/d", json!(2)), "no braces of its own");
    refuse("{a, b}\n", add("/b", json!(2)), "the key has no colon");
    refuse("{a: 1, b: }\n", add("/c", json!(2)), "the last key of this mapping has no value");
}

#[test]
fn a_result_that_says_something_else_is_not_given_out() {
    // With a tab before it the `|+` is not recognised, and the empty lines after the text look like no part of it.
    let source = "x: 1\n---\na:\n  b:\t|+\n    x\n\n\nc: d\n";
    assert_eq!(
        edited_stream(source, &[(1, add("/a/e", json!(1)))]).unwrap_err().to_string(),
        "document 2, line 2: could not edit this document without changing something else in it",
    );
    let splice_at = |range| Splice { range, text: String::new(), depth: 0 };
    assert_eq!(splice::splice("abc", vec![splice_at(0..2), splice_at(1..3)]), None);
}

#[test]
fn text_that_cannot_be_read_is_not_edited() {
    refuse("a: {{ .Values.x }}\n", add("/b", json!(1)), "this is a template");
    refuse("a: [\n", add("/b", json!(1)), "document 1, line 1");
}

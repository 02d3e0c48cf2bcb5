//! Values that are written anew, and empty ones that are filled.

use super::*;

#[test]
fn an_env_that_is_null_or_empty_is_filled() {
    for empty in ["env: []", "env: [ ]", "env: null", "env: ~", "env:", "env : []"] {
        let key = empty.trim_end_matches([' ', '[', ']', '~']).trim_end_matches(" null");
        for (rest, left) in [("", ""), (" # none", " # none"), ("\n    # foo", "\n    # foo")] {
            let (first, below) =
                left.split_once('\n').map_or((left, String::new()), |(a, b)| (a, format!("\n{b}")));
            check(
                &format!(
                    r"spec:
  containers:
  - name: app
    {empty}{rest}
    image: x
"
                ),
                &[add_env("/spec/containers/0")],
                &format!(
                    r#"spec:
  containers:
  - name: app
    {key}{first}
    - name: GOMEMLIMIT
      value: "966367641"{below}
    image: x
"#
                ),
            );
        }
    }
}

#[test]
fn comments_between_empty_brackets_stay() {
    check(
        r"spec:
  containers:
  - name: app
    env: [
      # none yet
    ]
",
        &[add_env("/spec/containers/0")],
        r#"spec:
  containers:
  - name: app
    env: [{name: GOMEMLIMIT, value: "966367641"}
      # none yet
    ]
"#,
    );
}

#[test]
fn a_value_keeps_its_quotes() {
    for (before, after) in [
        ("17", "\"18\""),
        ("\"17\" # c", "\"18\" # c"),
        ("'17'   # c", "'18'   # c"),
        ("1GiB", "\"18\""),
        ("\"1\n      7\"", "\"18\""),
        ("1\n      7", "\"18\""),
        ("", "\"18\""),
        ("null # c", "\"18\" # c"),
        ("\"\"", "\"18\""),
        ("|\n      17\n      # no comment", "\"18\""),
        (">- # why\n      17", "\"18\" # why"),
        ("&limit 17", "&limit \"18\""),
    ] {
        let text = |value: &str| {
            let space = if value.is_empty() { "" } else { " " };
            format!(
                r"env:
  - name: GOMEMLIMIT
    value:{space}{value}
  - name: B
    value: c
"
            )
        };
        check(&text(before), &[replace("/env/0/value", "18")], &text(after));
    }
}

#[test]
fn edits_of_the_same_place_are_done_one_after_the_other() {
    check(
        "metadata: {}\n",
        &[
            add("/metadata/annotations", json!({})),
            add("/metadata/annotations/a", json!("1")),
            add("/metadata/annotations/b", json!("x")),
            replace("/metadata/annotations/a", "2"),
        ],
        r#"metadata:
  annotations:
    a: "2"
    b: x
"#,
    );
}

#[test]
fn edits_that_end_on_the_same_line_nest() {
    check(
        r"spec:
  containers:
  - name: app
    env:
    - name: A
      value: b
",
        &[
            add("/other", json!("x")),
            add("/spec/containers/0/image", json!("x")),
            append_env("/spec/containers/0"),
        ],
        r#"spec:
  containers:
  - name: app
    env:
    - name: A
      value: b
    - name: GOMEMLIMIT
      value: "966367641"
    image: x
other: x
"#,
    );
}

#[test]
fn strings_are_quoted_as_far_as_they_need_it() {
    let value = json!({"a": "yes", "b": "x y", "c": "\"q\"", "d": "it's\n\u{7}\u{feff}é😀", "12": 12, "e": [], "f": {}});
    check(
        "x: {}\n",
        &[add("/x", value)],
        "x:\n  \"12\": 12\n  a: \"yes\"\n  b: \"x y\"\n  c: '\"q\"'\n  d: \"it's\\n\\u0007\\ufeffé😀\"\n  e: []\n  f: {}\n",
    );
}

#[test]
fn an_empty_value_on_a_line_of_its_own_becomes_block_style() {
    for (before, after) in [
        ("env:\n      []\n", "env:\n"),
        ("env: # c\n      null\n", "env: # c\n"),
        ("env:\n    # c\n      []   \n", "env:\n    # c\n"),
        ("env:\n      [] # c\n", "env:\n       # c\n"),
        ("env: &e\n      []\n", "env: &e\n"),
    ] {
        let text = |env: &str| format!("spec:\n  containers:\n  - name: é\n    {env}");
        let variable = "    - name: GOMEMLIMIT\n      value: \"966367641\"\n";
        let rest = "    image: x\n";
        check(
            &format!("{}{rest}", text(before)),
            &[add_env("/spec/containers/0")],
            &format!("{}{variable}{rest}", text(after)),
        );
        check(
            &windows(&text(before)),
            &[add_env("/spec/containers/0")],
            &windows(&format!("{}{variable}", text(after))),
        );
    }
}

#[test]
fn what_follows_a_block_scalar_without_its_line_break_is_added() {
    for header in ["|", ">", "|+", "|-"] {
        check(
            &format!(
                "spec:\n  containers:\n  - name: a\n    env:\n    - name: X\n      value: {header}\n        hello"
            ),
            &[append_env("/spec/containers/0")],
            &format!(
                "spec:\n  containers:\n  - name: a\n    env:\n    - name: X\n      value: {header}\n        hello\n    \
                 - name: GOMEMLIMIT\n      value: \"966367641\""
            ),
        );
        check(
            &windows(&format!("spec:\n  containers:\n  - name: {header}\n      a")),
            &[add_env("/spec/containers/0")],
            &windows(&format!(
                "spec:\n  containers:\n  - name: {header}\n      a\n    env:\n    - name: GOMEMLIMIT\n      value: \
                 \"966367641\""
            )),
        );
    }
}

#[test]
fn a_key_with_a_question_mark_or_an_anchor_may_be_the_first() {
    check("? a\n: b\n", &[add("/c", json!(2))], "? a\n: b\nc: 2\n");
    check("? a\n---\nb: 1\n", &[add("/c", json!(2))], "? a\nc: 2\n---\nb: 1\n");
    check("- &x a: b\n- {*x : c}\n", &[add("/0/c", json!(2))], "- &x a: b\n  c: 2\n- {*x : c}\n");
    check("x:\n  !!str a: b\n", &[add("/x/c", json!(2))], "x:\n  !!str a: b\n  c: 2\n");
}

#[test]
fn an_empty_value_with_a_tag_is_filled() {
    check("env: !!seq []\nx: 1\n", &[add("/env/-", json!("a"))], "env: !!seq\n- a\nx: 1\n");
    check("{env: !!seq []}\n", &[add("/env/-", json!("a"))], "{env: !!seq [a]}\n");
    check("a: !!map {}\n", &[add("/a/b", json!("c"))], "a: !!map\n  b: c\n");
    check("a: !!str 1\n", &[replace("/a", "2")], "a: !!str \"2\"\n");
}

#[test]
fn of_two_pairs_with_the_same_key_the_last_one_is_edited() {
    check(
        "spec:\n  containers:\n  - name: a\n    env: [{name: A}]\n    env:\n    - name: B\n    image: x\n",
        &[append_env("/spec/containers/0")],
        "spec:\n  containers:\n  - name: a\n    env: [{name: A}]\n    env:\n    - name: B\n    - name: GOMEMLIMIT\n      \
         value: \"966367641\"\n    image: x\n",
    );
}

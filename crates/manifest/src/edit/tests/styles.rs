//! Line ends, byte order marks, scalars over several lines, and other things that shift places.

use super::*;

#[test]
fn windows_line_ends_are_used_where_the_file_has_them() {
    check(
        &windows(
            r"metadata:
  name: web
spec:
  containers:
  - name: app # c
    args:
    - |
      x

  - name: b
    env: []
",
        ),
        &[annotate(), add_env("/spec/containers/0"), add_env("/spec/containers/1")],
        &windows(
            r#"metadata:
  name: web
  annotations:
    gomemlimit.dev/status: '{"app":"it''s 90%"}'
spec:
  containers:
  - name: app # c
    args:
    - |
      x
    env:
    - name: GOMEMLIMIT
      value: "966367641"

  - name: b
    env:
    - name: GOMEMLIMIT
      value: "966367641"
"#,
        ),
    );
}

#[test]
fn a_file_without_a_line_break_at_its_end_stays_so() {
    check(
        "a:\n- env:\n  - name: A",
        &[append_env("/a/0")],
        r#"a:
- env:
  - name: A
  - name: GOMEMLIMIT
    value: "966367641""#,
    );
    check(
        "a:\n- name: x # c",
        &[add_env("/a/0")],
        r#"a:
- name: x # c
  env:
  - name: GOMEMLIMIT
    value: "966367641""#,
    );
    check(
        "a:\r\n- env:",
        &[add_env("/a/0")],
        &windows(
            r#"a:
- env:
  - name: GOMEMLIMIT
    value: "966367641""#,
        ),
    );
    check("env: []", &[add_env("")], "env:\n- name: GOMEMLIMIT\n  value: \"966367641\"");
}

#[test]
fn what_is_added_after_a_block_scalar_has_its_missing_line_break() {
    check(
        "a:\n- text: >-\n    x\n\n    y",
        &[add_env("/a/0")],
        r#"a:
- text: >-
    x

    y
  env:
  - name: GOMEMLIMIT
    value: "966367641""#,
    );
    check(
        "text: |-\n  y",
        &[add_env("")],
        r#"text: |-
  y
env:
- name: GOMEMLIMIT
  value: "966367641""#,
    );
}

#[test]
fn a_byte_order_mark_shifts_nothing() {
    check(
        "\u{feff}name: é😀\nenv: [] # 😀\n",
        &[add_env("")],
        "\u{feff}name: é😀\nenv: # 😀\n- name: GOMEMLIMIT\n  value: \"966367641\"\n",
    );
    check(
        "\u{feff}name: x\n",
        &[add_env("")],
        "\u{feff}name: x\nenv:\n- name: GOMEMLIMIT\n  value: \"966367641\"\n",
    );
    check(
        "\u{feff}{\"env\":[]}",
        &[add_env("")],
        "\u{feff}{\"env\":[{\"name\":\"GOMEMLIMIT\",\"value\":\"966367641\"}]}",
    );
}

#[test]
fn unicode_before_a_place_shifts_nothing() {
    check(
        "a: {\"é😀\": \"日本\", env: [{name: \"ß\", value: 'ü'}]}\n",
        &[replace("/a/env/0/value", "ö")],
        "a: {\"é😀\": \"日本\", env: [{name: \"ß\", value: 'ö'}]}\n",
    );
}

#[test]
fn scalars_over_several_lines_are_passed_whole() {
    for scalar in [
        r"|
      env: []
      ---
      # no comment

        deeper
",
        r"|+
      x


",
        r">-
      folded
      text
",
        "|2-\n        x\n",
        "\"quoted\n\n      - text: {\n      \\\n      end\"\n",
        "'quoted\n      it''s'\n",
        "plain\n      text\n",
        "\"tab\\t\ttab\"\n",
        "|\n      \ttab\n",
    ] {
        let env = r#"    env:
    - name: GOMEMLIMIT
      value: "966367641"
"#;
        let before = format!(
            r"spec:
  containers:
  - name: app
    text: {scalar}"
        );
        check(
            &format!("{before}  x: 1\n"),
            &[add_env("/spec/containers/0")],
            &format!("{before}{env}  x: 1\n"),
        );
        check(&before, &[add_env("/spec/containers/0")], &format!("{before}{env}"));
    }
}

#[test]
fn empty_lines_after_a_block_scalar_stay_after_the_new_lines() {
    check(
        r#"- args: ["-c"]
  text: |
    x


- b
"#,
        &[add_env("/0")],
        r#"- args: ["-c"]
  text: |
    x
  env:
  - name: GOMEMLIMIT
    value: "966367641"


- b
"#,
    );
}

#[test]
fn unused_anchors_and_merged_defaults_are_no_obstacle() {
    check(
        r"x: &defaults {image: x}
a: &own
  <<: *defaults
  name: app
",
        &[add_env("/a")],
        r#"x: &defaults {image: x}
a: &own
  <<: *defaults
  name: app
  env:
  - name: GOMEMLIMIT
    value: "966367641"
"#,
    );
    check("a: &x 17\nvalue: *x\n", &[replace("/value", "18")], "a: &x 17\nvalue: \"18\"\n");
}

#[test]
fn comments_above_the_first_key_do_not_matter() {
    check("a:\n  # why?\n  b: 1\n", &[add("/a/c", json!(2))], "a:\n  # why?\n  b: 1\n  c: 2\n");
}

#[test]
fn dashes_on_their_own_lines_are_kept() {
    check(
        r"a:
-
  name: x
-
  name: y
",
        &[add_env("/a/0")],
        r#"a:
-
  name: x
  env:
  - name: GOMEMLIMIT
    value: "966367641"
-
  name: y
"#,
    );
}

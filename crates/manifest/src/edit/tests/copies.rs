//! The style of what is written out in the place of an alias.

use super::sharing::{append, check_notes};
use super::*;

fn notes<const N: usize>(lines: [usize; N], what: &str, of: usize) -> [String; N] {
    lines.map(|line| {
        format!("line {line}: {what} is written out here, because it is not edited as line {of} is")
    })
}

#[track_caller]
fn check_copy(before: &str, edits: &[Edit], after: &str, expected: &[String]) {
    check_notes(before, edits, after, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn scalars_keep_their_quotes() {
    let source = r#"spec:
  containers:
  - name: one
    env: &env
    - name: PLAIN
      value: a b, c
    - name: 'SINGLE'
      value: '80'
    - name: "DOUBLE"
      value: "x\ty"
    - {name: FLOW,   value: 'it''s'}
    - name: NUMBER
      value: 0x10
    - name: YES
      value: yes
    - name: NULL
      value: ~
  - name: two
    env: *env
"#;
    let (_, list) = source.split_once("&env\n").unwrap();
    let (list, _) = list.split_once("  - name: two").unwrap();
    let variable = "    - name: GOMEMLIMIT\n      value: \"1\"\n";
    let after = source.replace(" *env\n", &format!("\n{list}{variable}"));
    check_copy(source, &[append(1, "1")], &after, &notes([19], "*env", 5));
}

#[test]
fn block_scalars_stay_block_scalars() {
    let source = "spec:
  containers:
  - name: one
    args: &args
    - |
      set -e

        run
    - >-
      a
      b
    - |+
      kept

    env: &env [{name: A}]
  - name: two
    args: *args # c
    env: *env
  - name: three
    command: [x]
    <<: {args: *args}
";
    let edits = [edit("/spec/containers/0/args/1", Change::Replace(json!("c"))), append(0, "1")];
    let after = source
        .replace("    - >-\n      a\n      b\n", "    - \"c\"\n")
        .replace("{name: A}]\n  - name: two", "{name: A}, {name: GOMEMLIMIT, value: \"1\"}]\n  - name: two")
        .replace(
            "args: *args # c\n    env: *env",
            "args: # c\n    - |\n      set -e\n\n        run\n    - |-\n      a b\n    - \"kept\\n\\n\"\n    env: [{name: A}]",
        )
        .replace(
            "<<: {args: *args}",
            "args:\n    - |\n      set -e\n\n        run\n    - |-\n      a b\n    - \"kept\\n\\n\"",
        );
    let edited = edited(source, &edits).unwrap();
    assert_eq!(edited, after, "{edited}");
}

#[test]
fn a_block_scalar_that_is_shared_itself_is_written_out() {
    let source = "spec:
  containers:
  - name: one
    env:
    - name: GOMEMLIMIT
      value: &v |-
        7
    args: [*v]
  - name: two
    command:
    - *v # c
    image: *v
    env: []
";
    let after = source
        .replace("&v |-\n        7\n", "&v \"8\"\n")
        .replace("[*v]", "[\"7\"]")
        .replace("- *v # c\n", "- |- # c\n      7\n")
        .replace("image: *v\n", "image: |-\n      7\n");
    check_copy(
        source,
        &[replace("/spec/containers/0/env/0/value", "8")],
        &after,
        &notes([8, 11, 12], "*v", 7),
    );
}

/// A comment would become a part of a block scalar before it.
#[test]
fn a_block_scalar_takes_in_no_comment() {
    let source = "spec:
  containers:
  - name: one
    env: &env
    - name: A
      value: |
        a
  - name: two
    env: *env
             # c
";
    let after = source.replace(" *env\n", "\n    - name: A\n      value: \"a\\n\"\n")
        + "    - name: GOMEMLIMIT\n      value: \"1\"\n";
    check_copy(source, &[append(1, "1")], &after, &notes([9], "*env", 5));
}

#[test]
fn between_brackets_only_what_is_the_same_there_is_copied() {
    let source = "spec:
  containers:
  - &base
    name: one
    command: &c
    - a:b
    - http://x/y
    - x, y
    - 'z'
    - \"w\"
    - [u,  v]
    - '#'
    - what?
    - 1e3
  - {name: two, command: *c}
  - { \"name\": \"three\", \"command\": *c }
";
    let edited = edited(source, &[add("/spec/containers/0/command/-", json!("m"))]).unwrap();
    let after = source
        .replace("    - 1e3\n", "    - 1e3\n    - m\n")
        .replace(
            "command: *c}",
            "command: [a:b, http://x/y, \"x, y\", 'z', \"w\", [u,  v], '#', \"what?\", 1e3]}",
        )
        .replace(
            "*c }",
            "[\"a:b\", \"http://x/y\", \"x, y\", 'z', \"w\", [u,  v], '#', \"what?\", 1000.0] }",
        );
    assert_eq!(edited, after, "{edited}");
}

#[test]
fn what_has_tags_anchors_or_several_lines_is_written_anew() {
    let source = "x-list: &list
- !!str 80
- &a 'b'
- *a
- 'c
  d'
- e
  f
- [*a, g]
- {h: i,
   j: 'k'}
- !!str l
x-other: 1
spec:
  containers:
  - name: one
    args: *list
  - name: two
    args: *list
";
    let edited = edited(source, &[add("/spec/containers/0/args/-", json!("m"))]).unwrap();
    let written = "\n    - \"80\"\n    - 'b'\n    - 'b'\n    - \"c d\"\n    - \"e f\"\n    - ['b', g]\n    - h: i\n      j: 'k'\n    - l\n";
    let after = source.replacen(" *list\n", &format!("{written}    - m\n"), 1);
    assert_eq!(edited, after, "{edited}");
}

//! Inputs of several documents, and the markers and comments between them.

use super::*;

/// kubectl reads them as line ends.
#[test]
fn lines_may_end_with_carriage_returns_alone() {
    let before = "spec:\n  containers:\n  - name: a # c\n    args: [\"b\n      c\"]\n  - name: b\n    env:\n    - name: A\n      value: |\n        x\n";
    let after = before.replace(
        "\n  - name: b",
        "\n    env:\n    - name: GOMEMLIMIT\n      value: \"966367641\"\n  - name: b",
    ) + "    - name: GOMEMLIMIT\n      value: \"966367641\"\n";
    let edits = [add_env("/spec/containers/0"), append_env("/spec/containers/1")];
    check(before, &edits, &after);
    let returns = |text: &str| text.replace('\n', "\r");
    check(&returns(before), &edits, &returns(&after));
    check(returns(before).trim_end(), &edits, returns(&after).trim_end());
}

#[track_caller]
fn check_stream(before: &str, edits: &[(usize, Edit)], after: &str) {
    assert_eq!(edited_stream(before, edits).as_deref(), Ok(after));
}

#[test]
fn documents_are_edited_between_markers_and_comments() {
    check_stream(
        r"# head
---
# only comments
--- # first
a:
  env: []
# end of first

---
b: |
  ---
  env: []
---
c:
  env:
  - name: X
...
# after
---
",
        &[(1, add_env("/a")), (3, append_env("/c"))],
        r#"# head
---
# only comments
--- # first
a:
  env:
  - name: GOMEMLIMIT
    value: "966367641"
# end of first

---
b: |
  ---
  env: []
---
c:
  env:
  - name: X
  - name: GOMEMLIMIT
    value: "966367641"
...
# after
---
"#,
    );
}

#[test]
fn json_objects_one_after_the_other_are_edited() {
    check_stream(
        r#"{"env":[]}
{
  "env": []
}{"env": []}"#,
        &[(0, add_env("")), (1, add_env("")), (2, add_env(""))],
        r#"{"env":[{"name":"GOMEMLIMIT","value":"966367641"}]}
{
  "env": [
    {
      "name": "GOMEMLIMIT",
      "value": "966367641"
    }
  ]
}{"env": [{"name": "GOMEMLIMIT", "value": "966367641"}]}"#,
    );
}

#[test]
fn flow_style_documents_are_edited_in_a_yaml_stream() {
    check_stream(
        r#"---
{"env": []}
--- {env: []}
"#,
        &[(0, add_env("")), (1, add_env(""))],
        r#"---
{"env": [{"name": "GOMEMLIMIT", "value": "966367641"}]}
--- {env: [{name: GOMEMLIMIT, value: "966367641"}]}
"#,
    );
}

#[test]
fn a_list_of_objects_is_edited_item_by_item() {
    check(
        r"kind: List
items:
- kind: Pod
  spec:
    containers:
    - name: a
- kind: Pod
  metadata:
    annotations: {}
  spec:
    containers:
    - name: b
",
        &[
            add_env("/items/0/spec/containers/0"),
            add("/items/0/metadata", json!({"annotations": {"a": "b"}})),
            add_env("/items/1/spec/containers/0"),
            add("/items/1/metadata/annotations/a", json!("b")),
        ],
        r#"kind: List
items:
- kind: Pod
  metadata:
    annotations:
      a: b
  spec:
    containers:
    - name: a
      env:
      - name: GOMEMLIMIT
        value: "966367641"
- kind: Pod
  metadata:
    annotations:
      a: b
  spec:
    containers:
    - name: b
      env:
      - name: GOMEMLIMIT
        value: "966367641"
"#,
    );
}

#[test]
fn many_documents_are_edited_in_a_few_rounds() {
    let document = r"---
spec:
  containers:
  - name: app
    image: x
    resources: {limits: {memory: 1Gi}}
";
    let edits: Vec<_> = (0..5000).map(|index| (index, add_env("/spec/containers/0"))).collect();
    let text = edited_stream(&document.repeat(5000), &edits).unwrap();
    assert_eq!(text.matches("GOMEMLIMIT").count(), 5000);
}

#[test]
fn no_edits_change_nothing() {
    let text = "\u{feff}# x\r\na:  1\r\n---\n\n";
    assert_eq!(edited(text, &[]).as_deref(), Ok(text));
}

#[test]
fn a_document_with_something_unreadable_on_its_last_line_is_left() {
    let source = "a: {b: 1}\n--- # c\nd: {e: 1}}\n";
    let documents: Vec<_> =
        crate::read(source, &mut crate::AliasBudget::default()).into_iter().flatten().collect();
    for document in &documents {
        let edit = |path: &str| super::super::edit(source, document, &[add(path, json!(2))]);
        match source.get(document.range.clone()) {
            Some("a: {b: 1}\n") => assert_eq!(edit("/c").unwrap().text, "a: {b: 1}\nc: 2\n"),
            _ => assert!(edit("/c").unwrap_err().to_string().contains("line 3: cannot edit /: something")),
        }
    }
}

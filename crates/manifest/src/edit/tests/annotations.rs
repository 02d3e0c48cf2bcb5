//! The annotations of a pod, and its `metadata` if it has none.

use super::*;

#[test]
fn an_annotation_is_added_to_others() {
    check(
        r"metadata:
  annotations:
    a: b # c
    # about labels
  labels: {}
",
        &[annotate()],
        r#"metadata:
  annotations:
    a: b # c
    # about labels
    gomemlimit.dev/status: '{"app":"it''s 90%"}'
  labels: {}
"#,
    );
}

#[test]
fn an_annotation_that_is_there_is_replaced() {
    for (before, after) in [
        ("'{}'", "'{\"app\":\"it''s 90%\"}'"),
        ("\"{}\"", "\"{\\\"app\\\":\\\"it's 90%\\\"}\""),
        ("old # c", "'{\"app\":\"it''s 90%\"}' # c"),
    ] {
        let text = |value: &str| {
            format!(
                r"metadata:
  annotations:
    gomemlimit.dev/status: {value}
    b: c
"
            )
        };
        check(&text(before), &[annotate()], &text(after));
    }
}

#[test]
fn annotations_that_are_missing_or_empty_are_made() {
    let after = r#"metadata:
  annotations:
    gomemlimit.dev/status: '{"app":"it''s 90%"}'
"#;
    let object = add("/metadata/annotations", json!({"gomemlimit.dev/status": r#"{"app":"it's 90%"}"#}));
    let metadata =
        add("/metadata", json!({"annotations": {"gomemlimit.dev/status": r#"{"app":"it's 90%"}"#}}));
    for empty in
        ["metadata:\n  annotations: {}\n", "metadata:\n  annotations:\n", "metadata:\n  annotations: null\n"]
    {
        check(empty, &[annotate()], after);
        check(empty, std::slice::from_ref(&object), after);
    }
    for empty in ["metadata: {}\n", "metadata:\n", "metadata: ~\n"] {
        check(empty, &[annotate()], after);
        check(empty, std::slice::from_ref(&object), after);
        check(empty, std::slice::from_ref(&metadata), after);
    }
}

#[test]
fn missing_metadata_goes_before_the_spec() {
    check(
        r"spec:
  template:
    # the pod
    spec:
      containers:
      - name: app
",
        &[
            add_env("/spec/template/spec/containers/0"),
            add("/spec/template/metadata", json!({"annotations": {"a": "b"}})),
        ],
        r#"spec:
  template:
    metadata:
      annotations:
        a: b
    # the pod
    spec:
      containers:
      - name: app
        env:
        - name: GOMEMLIMIT
          value: "966367641"
"#,
    );
    check(
        r"items:
- spec:
    x: 1
  kind: Pod
",
        &[add("/items/0/metadata/annotations/a", json!("b"))],
        r"items:
- metadata:
    annotations:
      a: b
  spec:
    x: 1
  kind: Pod
",
    );
}

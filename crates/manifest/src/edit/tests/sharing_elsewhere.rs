//! Shared values that are whole templates, items or variables, or that are replaced or go away.

use super::sharing::{SHARED_ENV, append, check_notes, create, limit};
use super::*;

#[test]
fn whole_templates_and_lists_are_written_out_in_their_order() {
    let source = r#"kind: List
items:
- kind: Deployment
  spec:
    template: &pod
      metadata: {labels: {b: "1", a: "2"}}
      spec:
        # Of both.
        containers: &containers
        - name: one
          image: x
        initContainers: *containers
- kind: Deployment
  spec:
    template: *pod
"#;
    let env = |deployment: usize, value: &str| {
        add(&format!("/items/{deployment}/spec/template/spec/containers/0/env"), json!([limit(value)]))
    };
    check_notes(
        source,
        &[env(0, "1"), env(1, "1")],
        r#"kind: List
items:
- kind: Deployment
  spec:
    template: &pod
      metadata: {labels: {b: "1", a: "2"}}
      spec:
        # Of both.
        containers: &containers
        - name: one
          image: x
          env:
          - name: GOMEMLIMIT
            value: "1"
        initContainers:
        - name: one
          image: x
- kind: Deployment
  spec:
    template: *pod
"#,
        &["line 12: *containers is written out here, because it is not edited as line 10 is"],
    );
    check_notes(
        source,
        &[env(1, "1")],
        r#"kind: List
items:
- kind: Deployment
  spec:
    template: &pod
      metadata: {labels: {b: "1", a: "2"}}
      spec:
        # Of both.
        containers: &containers
        - name: one
          image: x
        initContainers: *containers
- kind: Deployment
  spec:
    template:
      metadata: {labels: {b: "1", a: "2"}}
      spec:
        containers:
        - name: one
          image: x
          env:
          - name: GOMEMLIMIT
            value: "1"
        initContainers:
        - name: one
          image: x
"#,
        &["line 15: *pod is written out here, because it is not edited as line 6 is"],
    );
}

#[test]
fn containers_that_are_aliases_are_written_out_as_items() {
    check_notes(
        r"x-items:
- &one # c
  name: one
  env: []
spec:
  containers:
  - *one # first
  - *one
  - { <<: *one, name: two }
",
        &[create(0, "1"), create(1, "2")],
        r#"x-items:
- &one # c
  name: one
  env: []
spec:
  containers:
  - name: one # first
    env:
    - name: GOMEMLIMIT
      value: "1"
  - name: one
    env:
    - name: GOMEMLIMIT
      value: "2"
  - { <<: *one, name: two }
"#,
        &[
            "line 7: *one is written out here, because it is not edited as line 3 is",
            "line 8: *one is written out here, because it is not edited as line 3 is",
        ],
    );
}

#[test]
fn a_variable_that_is_there_already_is_replaced_once() {
    let source = r#"spec:
  containers:
  - name: one
    env: &env
    - name: GOMEMLIMIT
      value: &limit "7"
  - name: two
    env: *env
  - name: three
    env:
    - name: GOMEMLIMIT
      value: *limit
"#;
    let value =
        |container: usize, value: &str| replace(&format!("/spec/containers/{container}/env/0/value"), value);
    check_notes(
        source,
        &[value(0, "8"), value(1, "8"), value(2, "8")],
        &source.replace("\"7\"", "\"8\""),
        &[],
    );
    check_notes(
        source,
        &[value(0, "8"), value(1, "8"), value(2, "9")],
        &source.replace("\"7\"", "\"8\"").replace("*limit", "\"9\""),
        &[],
    );
    check_notes(
        source,
        &[value(0, "8"), value(1, "8")],
        &source.replace("\"7\"", "\"8\"").replace("*limit", "\"7\""),
        &["line 12: *limit is written out here, because it is not edited as line 6 is"],
    );
    check_notes(source, &[value(2, "9")], &source.replace("*limit", "\"9\""), &[]);
}

#[test]
fn an_anchor_that_goes_away_is_written_out_in_the_places_of_its_aliases() {
    let source = r"spec:
  containers:
  - name: one
    env:
    - name: A
    - &limit
      name: GOMEMLIMIT
      value: '7'
    - name: B
  - name: two
    env: [*limit, {name: C}]
";
    check_notes(
        source,
        &[edit("/spec/containers/0/env/1", Change::Remove)],
        r"spec:
  containers:
  - name: one
    env:
    - name: A
    - name: B
  - name: two
    env: [{name: GOMEMLIMIT, value: '7'}, {name: C}]
",
        &["line 11: *limit is written out here, because it is not edited as line 7 is"],
    );
    check_notes(
        source,
        &[edit("/spec/containers/0/env/1", Change::Remove), edit("/spec/containers/1/env/0", Change::Remove)],
        r"spec:
  containers:
  - name: one
    env:
    - name: A
    - name: B
  - name: two
    env: [{name: C}]
",
        &[],
    );
}

#[test]
fn a_merge_key_with_a_mapping_of_its_own_is_edited() {
    check_notes(
        "spec:\n  containers:\n  - <<: {env: [{name: A}]}\n    name: one\n",
        &[append(0, "1")],
        "spec:\n  containers:\n  - <<: {env: [{name: A}, {name: GOMEMLIMIT, value: \"1\"}]}\n    name: one\n",
        &[],
    );
}

#[test]
fn empty_values_with_anchors_are_filled() {
    for empty in ["&env []", "&env", "&env null", "&env ~"] {
        let source = format!(
            "spec:\n  containers:\n  - name: one\n    env: {empty} # c\n  - name: two\n    env: *env\n"
        );
        check_notes(
            &source,
            &[create(0, "1"), create(1, "1")],
            r#"spec:
  containers:
  - name: one
    env: &env # c
    - name: GOMEMLIMIT
      value: "1"
  - name: two
    env: *env
"#,
            &[],
        );
        check_notes(
            &source,
            &[create(1, "1")],
            &format!(
                "spec:\n  containers:\n  - name: one\n    env: {empty} # c\n  - name: two\n    env:\n    - name: GOMEMLIMIT\n      value: \"1\"\n"
            ),
            &[],
        );
    }
}

#[test]
fn lines_in_notes_are_those_of_the_input() {
    let source = format!("a: 1\n---\n{SHARED_ENV}");
    let source = source.replace("  initContainers:\n  - name: init\n    env: *env\n", "");
    let document = parse(&source).unwrap().remove(1);
    let edited = super::super::edit(&source, &document, &[append(0, "1"), append(2, "1")]).unwrap();
    assert_eq!(edited.notes, ["line 12: *env is written out here, because it is not edited as line 7 is"]);
}

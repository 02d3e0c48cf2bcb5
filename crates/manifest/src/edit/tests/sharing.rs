//! Anchors, aliases and merge keys: edited once if all places get the same edits, else written out in those that differ.

use super::*;

/// As [`check`], with the notes.
#[track_caller]
pub(super) fn check_notes(before: &str, edits: &[Edit], after: &str, notes: &[&str]) {
    let document = parse(before).unwrap().remove(0);
    match super::super::edit(before, &document, edits) {
        Ok(edited) => {
            assert_eq!(edited.text, after, "\n--- got\n{}\n--- expected\n{after}", edited.text);
            assert_eq!(edited.notes, notes);
        }
        Err(error) => panic!("{error}\n{before}"),
    }
    // What is written has the expected values.
    let mut expected = document.value.clone();
    for edit in edits {
        pointer::apply(&mut expected, edit, 1).unwrap();
    }
    let strip = |mut value: Value| {
        value.as_object_mut().unwrap().retain(|key, _| !key.starts_with("x-"));
        value
    };
    assert_eq!(strip(parse(after).unwrap().remove(0).value), strip(expected));
}

pub(super) fn limit(value: &str) -> Value {
    json!({"name": "GOMEMLIMIT", "value": value})
}

/// The GOMEMLIMIT of a container that has some `env`.
pub(super) fn append(container: usize, value: &str) -> Edit {
    add(&format!("/spec/containers/{container}/env/-"), limit(value))
}

/// The GOMEMLIMIT of a container without `env`.
pub(super) fn create(container: usize, value: &str) -> Edit {
    add(&format!("/spec/containers/{container}/env"), json!([limit(value)]))
}

const TWINS: &str = r"spec:
  containers:
  # The first one.
  - &base
    name: one
    image: registry.example/shop/api:1
    resources:
      limits: {memory: 512Mi}
    env: # of both
    - {name: ROLE, value: a}
  - <<: *base # the same
    name: two
";

#[test]
fn containers_with_the_same_value_are_edited_once() {
    let once = TWINS.replace("value: a}\n", "value: a}\n    - {name: GOMEMLIMIT, value: \"1\"}\n");
    check_notes(TWINS, &[append(0, "1"), append(1, "1")], &once, &[]);
}

#[test]
fn a_container_with_another_value_gets_an_env_of_its_own() {
    check_notes(
        TWINS,
        &[append(0, "1"), append(1, "2")],
        r#"spec:
  containers:
  # The first one.
  - &base
    name: one
    image: registry.example/shop/api:1
    resources:
      limits: {memory: 512Mi}
    env: # of both
    - {name: ROLE, value: a}
    - {name: GOMEMLIMIT, value: "1"}
  - <<: *base # the same
    name: two
    env:
    - {name: ROLE, value: a}
    - {name: GOMEMLIMIT, value: "2"}
"#,
        &["line 11: env of <<: *base is written out here, because it is not edited as line 5 is"],
    );
}

#[test]
fn a_container_that_stays_as_it_is_gets_an_env_of_its_own() {
    let only_first = r#"spec:
  containers:
  # The first one.
  - &base
    name: one
    image: registry.example/shop/api:1
    resources:
      limits: {memory: 512Mi}
    env: # of both
    - {name: ROLE, value: a}
    - {name: GOMEMLIMIT, value: "1"}
  - <<: *base # the same
    name: two
    env:
    - {name: ROLE, value: a}
"#;
    let notes = ["line 11: env of <<: *base is written out here, because it is not edited as line 5 is"];
    check_notes(TWINS, &[append(0, "1")], only_first, &notes);
    let only_second = TWINS.replace(
        "name: two\n",
        "name: two\n    env:\n    - {name: ROLE, value: a}\n    - {name: GOMEMLIMIT, value: \"2\"}\n",
    );
    check_notes(TWINS, &[append(1, "2")], &only_second, &notes);
}

const WITHOUT_ENV: &str = r"spec:
  containers:
  - &base
    name: one
    image: x
  - <<: *base
    name: two
  - {<<: *base, name: three}
";

#[test]
fn containers_without_env_inherit_the_new_one() {
    check_notes(
        WITHOUT_ENV,
        &[create(0, "1"), create(1, "1"), create(2, "1")],
        r#"spec:
  containers:
  - &base
    name: one
    image: x
    env:
    - name: GOMEMLIMIT
      value: "1"
  - <<: *base
    name: two
  - {<<: *base, name: three}
"#,
        &[],
    );
    check_notes(
        WITHOUT_ENV,
        &[create(0, "1"), create(1, "2"), create(2, "3")],
        r#"spec:
  containers:
  - &base
    name: one
    image: x
    env:
    - name: GOMEMLIMIT
      value: "1"
  - <<: *base
    name: two
    env:
    - name: GOMEMLIMIT
      value: "2"
  - {<<: *base, name: three, env: [{name: GOMEMLIMIT, value: "3"}]}
"#,
        &[],
    );
    check_notes(
        WITHOUT_ENV,
        &[create(2, "3")],
        r#"spec:
  containers:
  - &base
    name: one
    image: x
  - <<: *base
    name: two
  - {<<: *base, name: three, env: [{name: GOMEMLIMIT, value: "3"}]}
"#,
        &[],
    );
}

#[test]
fn a_container_that_must_not_inherit_the_new_env_has_its_merge_key_written_out() {
    check_notes(
        WITHOUT_ENV,
        &[create(0, "1"), create(2, "1")],
        r#"spec:
  containers:
  - &base
    name: one
    image: x
    env:
    - name: GOMEMLIMIT
      value: "1"
  - image: x
    name: two
  - {<<: *base, name: three}
"#,
        &["line 6: <<: *base is written out here, because it is not edited as line 4 is"],
    );
    check_notes(
        WITHOUT_ENV,
        &[create(0, "1"), create(1, "1")],
        r#"spec:
  containers:
  - &base
    name: one
    image: x
    env:
    - name: GOMEMLIMIT
      value: "1"
  - <<: *base
    name: two
  - {image: x, name: three}
"#,
        &["line 8: <<: *base is written out here, because it is not edited as line 4 is"],
    );
}

pub(super) const SHARED_ENV: &str = r"spec:
  initContainers:
  - name: init
    env: *env
  containers:
  - name: one
    env: &env # shared
    - name: A
      value: &a x
    - name: B
      value: *a
  - name: two
    env: *env # as one
  - {name: three, env: *env}
";

#[test]
fn an_env_list_is_edited_once_or_written_out() {
    let source = SHARED_ENV.replace("  initContainers:\n  - name: init\n    env: *env\n", "");
    let once = source.replace("*a\n", "*a\n    - name: GOMEMLIMIT\n      value: \"1\"\n");
    check_notes(&source, &[append(0, "1"), append(1, "1"), append(2, "1")], &once, &[]);
    check_notes(
        &source,
        &[append(0, "1"), append(1, "2")],
        r#"spec:
  containers:
  - name: one
    env: &env # shared
    - name: A
      value: &a x
    - name: B
      value: *a
    - name: GOMEMLIMIT
      value: "1"
  - name: two
    env: # as one
    - name: A
      value: x
    - name: B
      value: x
    - name: GOMEMLIMIT
      value: "2"
  - {name: three, env: [{name: A, value: x}, {name: B, value: x}]}
"#,
        &[
            "line 10: *env is written out here, because it is not edited as line 5 is",
            "line 11: *env is written out here, because it is not edited as line 5 is",
        ],
    );
}

#[test]
fn an_anchor_outside_of_the_object_is_edited_for_all_its_users() {
    let source = r"x-env: &env
- name: A
x-common: &common
  image: x
  env: *env
spec:
  containers:
  - <<: *common
    name: one
  - name: two
    <<: *common
";
    check_notes(
        source,
        &[append(0, "1"), append(1, "1")],
        &source.replace("- name: A\n", "- name: A\n- name: GOMEMLIMIT\n  value: \"1\"\n"),
        &[],
    );
    let written = "    env:\n    - name: A\n    - name: GOMEMLIMIT\n      value: \"2\"\n";
    check_notes(
        source,
        &[append(1, "2")],
        &format!("{source}{written}"),
        &["line 11: env of <<: *common is written out here, because it is not edited as line 4 is"],
    );
}

#[test]
fn a_new_env_goes_to_an_anchor_outside_of_the_object() {
    let source = r"x-common: &common {image: x}
spec:
  containers:
  - <<: *common
    name: one
  - <<: *common
    name: two
";
    let once = source.replace("{image: x}", "{image: x, env: [{name: GOMEMLIMIT, value: \"1\"}]}");
    check_notes(source, &[create(0, "1"), create(1, "1")], &once, &[]);
    let own = source.replace("one\n", "one\n    env:\n    - name: GOMEMLIMIT\n      value: \"1\"\n");
    check_notes(source, &[create(0, "1")], &own, &[]);
}

#[test]
fn a_list_of_merge_keys_is_followed_in_its_order() {
    let source = r"spec:
  containers:
  - &a
    name: a
    image: x
  - &b
    name: b
    env: &env
    - name: A
    command: [b]
  - <<: [*a, *b]
    args: [c]
";
    let once = source.replace("- name: A\n", "- name: A\n    - name: GOMEMLIMIT\n      value: \"1\"\n");
    check_notes(source, &[append(1, "1"), append(2, "1")], &once, &[]);
    // `a` gets an env, which would hide that of `b`.
    check_notes(
        source,
        &[create(0, "1"), append(1, "1")],
        r#"spec:
  containers:
  - &a
    name: a
    image: x
    env:
    - name: GOMEMLIMIT
      value: "1"
  - &b
    name: b
    env: &env
    - name: A
    - name: GOMEMLIMIT
      value: "1"
    command: [b]
  - <<: [*a, *b]
    args: [c]
    env:
    - name: A
"#,
        &["line 11: env of <<: [*a, *b] is written out here, because it is not edited as line 7 is"],
    );
}

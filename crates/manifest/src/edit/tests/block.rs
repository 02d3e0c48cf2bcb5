//! Block style, as people and `kubectl get -o yaml` write it.

use super::*;

#[test]
fn env_is_added_after_the_last_field_of_the_container() {
    check(
        r"# head
spec:
  containers:
  - name: app # the app
    image: x   # pinned
    # tail

  # next
  - name: b
    ports:
    - containerPort: 80
    # - containerPort: 81
  restartPolicy: Always
",
        &[add_env("/spec/containers/0"), add_env("/spec/containers/1")],
        r#"# head
spec:
  containers:
  - name: app # the app
    image: x   # pinned
    # tail
    env:
    - name: GOMEMLIMIT
      value: "966367641"

  # next
  - name: b
    ports:
    - containerPort: 80
    # - containerPort: 81
    env:
    - name: GOMEMLIMIT
      value: "966367641"
  restartPolicy: Always
"#,
    );
}

#[test]
fn env_is_added_in_an_init_container() {
    check(
        r"spec:
  initContainers:
    - image: x
      name: init
  containers:
    - name: app
",
        &[add_env("/spec/initContainers/0"), add_env("/spec/containers/0")],
        r#"spec:
  initContainers:
    - image: x
      name: init
      env:
        - name: GOMEMLIMIT
          value: "966367641"
  containers:
    - name: app
      env:
        - name: GOMEMLIMIT
          value: "966367641"
"#,
    );
}

#[test]
fn indentation_by_four_is_kept() {
    check(
        r"metadata:
    name: web
spec:
    containers:
        -   name: app
            image: x
",
        &[annotate(), add_env("/spec/containers/0")],
        r#"metadata:
    name: web
    annotations:
        gomemlimit.dev/status: '{"app":"it''s 90%"}'
spec:
    containers:
        -   name: app
            image: x
            env:
                -   name: GOMEMLIMIT
                    value: "966367641"
"#,
    );
}

#[test]
fn a_variable_is_appended_to_a_list_that_is_not_indented() {
    check(
        r"spec:
  containers:
  - env:
    - name: A
      value: b # last
    # about the name
    name: app
",
        &[append_env("/spec/containers/0")],
        r#"spec:
  containers:
  - env:
    - name: A
      value: b # last
    - name: GOMEMLIMIT
      value: "966367641"
    # about the name
    name: app
"#,
    );
}

#[test]
fn a_variable_is_appended_after_the_comments_of_an_indented_list() {
    check(
        r"spec:
  containers:
    - env:
        - name: A
          value: b
        # - name: C
        #   value: d

        # far
      name: app
",
        &[append_env("/spec/containers/0")],
        r#"spec:
  containers:
    - env:
        - name: A
          value: b
        # - name: C
        #   value: d
        - name: GOMEMLIMIT
          value: "966367641"

        # far
      name: app
"#,
    );
}

#[test]
fn a_variable_is_appended_after_one_that_ends_deep() {
    check(
        r"spec:
  containers:
  - name: app
    env:
    - name: A
      valueFrom:
        fieldRef:
          fieldPath: metadata.name # deep
    - name: B
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
",
        &[append_env("/spec/containers/0")],
        r#"spec:
  containers:
  - name: app
    env:
    - name: A
      valueFrom:
        fieldRef:
          fieldPath: metadata.name # deep
    - name: B
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    - name: GOMEMLIMIT
      value: "966367641"
"#,
    );
}

#[test]
fn a_variable_without_a_value_may_stand_last() {
    check(
        r"env:
- name: A
  value:   # nothing
- name: B
  value:
x: 1
",
        &[append_env("")],
        r#"env:
- name: A
  value:   # nothing
- name: B
  value:
- name: GOMEMLIMIT
  value: "966367641"
x: 1
"#,
    );
}

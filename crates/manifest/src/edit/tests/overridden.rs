//! Pairs that a merge key after them overrides for kubectl, and not for most other programs: they stay, and get the same.

use super::sharing::{append, check_notes, create, limit};
use super::*;

const OVERRIDDEN: &str = r"spec:
  containers:
  - &base
    name: one
    env: [{name: A}]
  - env: [{name: Z}] # of another
    image: x
    <<: *base # c
";

/// kubectl 1.37 reads the env of `one` in the second container, as before; kustomize 5.8 and `PyYAML` 6 read that with Z.
#[test]
fn an_overridden_env_gets_the_variable_too() {
    let once = OVERRIDDEN
        .replace("[{name: A}]", "[{name: A}, {name: GOMEMLIMIT, value: \"1\"}]")
        .replace("[{name: Z}]", "[{name: Z}, {name: GOMEMLIMIT, value: \"1\"}]");
    check_notes(OVERRIDDEN, &[append(0, "1"), append(1, "1")], &once, &[]);
}

#[test]
fn a_value_that_kubectl_reads_goes_before_what_the_merge_key_has() {
    let own = OVERRIDDEN
        .replace("[{name: Z}]", "[{name: Z}, {name: GOMEMLIMIT, value: \"1\"}]")
        .replace("*base", "[{env: [{name: A}, {name: GOMEMLIMIT, value: \"1\"}]}, *base]");
    let notes = ["line 8: env of <<: *base is written out here, because it is not edited as line 4 is"];
    check_notes(OVERRIDDEN, &[append(1, "1")], &own, &notes);
    check_notes(&windows(OVERRIDDEN), &[append(1, "1")], &windows(&own), &notes);
    // And another one there.
    let both = own.replacen("[{name: A}]", "[{name: A}, {name: GOMEMLIMIT, value: \"2\"}]", 1);
    check_notes(&own, &[append(0, "2")], &both, &[]);
    // Later, only the value.
    let value = replace("/spec/containers/1/env/1/value", "3");
    check_notes(&own, &[value], &own.replace("\"1\"", "\"3\""), &[]);
}

#[test]
fn a_list_of_merge_keys_gets_an_item() {
    let source = |merge: &str| {
        format!(
            "x-a: &a {{image: x}}\nx-b: &b\n  env:\n  - name: 'A'\nspec:\n  containers:\n  - env: []\n    <<:{merge}\n  - <<: *b\n"
        )
    };
    let given = "{env: [{name: 'A'}, {name: GOMEMLIMIT, value: \"1\"}]}";
    let filled = |text: String| text.replace("env: []", "env: [{name: GOMEMLIMIT, value: \"1\"}]");
    check_notes(
        &source(" [*a, *b]"),
        &[append(0, "1")],
        &filled(source(&format!(" [{given}, *a, *b]"))),
        &["line 8: env of <<: [*a, *b] is written out here, because it is not edited as line 3 is"],
    );
    check_notes(
        &source("\n    - *a\n    - *b"),
        &[append(0, "1")],
        &filled(source(&format!("\n    - {given}\n    - *a\n    - *b"))),
        &["line 8: env of <<: - *a - *b is written out here, because it is not edited as line 3 is"],
    );
}

#[test]
fn a_merged_mapping_that_is_written_there_is_edited() {
    check_notes(
        "spec:\n  containers:\n  - env: [{name: Z}]\n    <<:\n      env:\n      - name: A\n      # c\n    name: one\n",
        &[append(0, "1")],
        "spec:\n  containers:\n  - env: [{name: Z}, {name: GOMEMLIMIT, value: \"1\"}]\n    <<:\n      env:\n      - name: A\n      # \
         c\n      - name: GOMEMLIMIT\n        value: \"1\"\n    name: one\n",
        &[],
    );
    check_notes(
        "x: &x A\nspec:\n  containers:\n  - {env: [{name: Z}], <<: {env: [{name: *x}]}, name: one}\n",
        &[append(0, "1")],
        "x: &x A\nspec:\n  containers:\n  - {env: [{name: Z}, {name: GOMEMLIMIT, value: \"1\"}], <<: [{env: [{name: A}, {name: \
         GOMEMLIMIT, value: \"1\"}]}, {env: [{name: *x}]}], name: one}\n",
        &[
            "line 4: env of <<: {env: [{name: *x}]} is written out here, because a merge key (<<) is not edited",
        ],
    );
}

/// It is not known what value others need.
#[test]
fn an_overridden_env_of_a_container_with_another_limit_is_left() {
    let source = "spec:\n  containers:\n  - &base\n    resources: {limits: {memory: 1Gi}}\n    env: [{name: A}]\n  - env: [{name: \
                  Z}]\n    resources: {limits: {memory: 512Mi}}\n    <<: *base\n";
    let variable = "[{name: A}, {name: GOMEMLIMIT, value: \"1\"}]";
    check_notes(source, &[append(0, "1"), append(1, "1")], &source.replace("[{name: A}]", variable), &[]);
}

/// Never a user's value overwritten, whoever reads it.
#[test]
fn a_variable_of_the_user_in_an_overridden_env_stays() {
    let source = OVERRIDDEN.replace("name: Z", "name: GOMEMLIMIT, value: 7MiB");
    let once = source.replace("[{name: A}]", "[{name: A}, {name: GOMEMLIMIT, value: \"1\"}]");
    check_notes(&source, &[append(0, "1"), append(1, "1")], &once, &[]);
}

#[test]
fn a_new_env_for_kubectl_goes_to_an_overridden_one_too() {
    let source = OVERRIDDEN.replace("[{name: A}]", "[]");
    check_notes(
        &source,
        &[create(0, "1"), create(1, "1")],
        &source
            .replace(" []\n", "\n    - name: GOMEMLIMIT\n      value: \"1\"\n")
            .replace("[{name: Z}]", "[{name: Z}, {name: GOMEMLIMIT, value: \"1\"}]"),
        &[],
    );
    let null = OVERRIDDEN.replace("[{name: A}]", "").replace("[{name: Z}] ", "");
    check_notes(
        &null,
        &[create(1, "1")],
        &null
            .replace(
                "  - env: # of another\n",
                "  - env: # of another\n    - name: GOMEMLIMIT\n      value: \"1\"\n",
            )
            .replace("*base", "[{env: [{name: GOMEMLIMIT, value: \"1\"}]}, *base]"),
        &[],
    );
}

#[test]
fn what_a_merge_key_gives_is_written_out_without_what_it_overrides() {
    check_notes(
        "spec:\n  containers:\n  - &base\n    name: one\n    image: 'x'\n  - image: y\n    <<: *base\n    command: [b]\n",
        &[create(0, "1")],
        "spec:\n  containers:\n  - &base\n    name: one\n    image: 'x'\n    env:\n    - name: GOMEMLIMIT\n      value: \"1\"\n  - image: \
         y\n    <<: {image: 'x', name: one}\n    command: [b]\n",
        &["line 7: <<: *base is written out here, because it is not edited as line 4 is"],
    );
}

/// The merged mapping gets a key that the mapping has before it.
#[test]
fn a_pair_before_a_merge_key_that_is_going_to_override_it_keeps_its_value() {
    let source = "spec:\n  containers:\n  - &base\n    name: one\n  - env: []\n    <<: *base\n";
    let variable = |value: &str| format!("\n    - name: GOMEMLIMIT\n      value: \"{value}\"\n");
    let base = source.replace("one\n", &format!("one\n    env:{}", variable("1")));
    check_notes(source, &[create(0, "1"), create(1, "1")], &base.replace(" []\n", &variable("1")), &[]);
    let notes = ["line 6: env of <<: *base is written out here, because it is not edited as line 4 is"];
    check_notes(
        source,
        &[create(0, "1"), create(1, "2")],
        &base
            .replace(" []\n", &variable("2"))
            .replace("*base\n", "[{env: [{name: GOMEMLIMIT, value: \"2\"}]}, *base]\n"),
        &notes,
    );
    check_notes(source, &[create(0, "1")], &base.replace("*base\n", "[{env: []}, *base]\n"), &notes);
    let filled = |text: &str| text.replace("env: []", "env: [{name: Z}]");
    check_notes(
        &filled(source),
        &[create(0, "1")],
        &filled(&base).replace("*base\n", "[{env: [{name: Z}]}, *base]\n"),
        &notes,
    );
}

#[test]
fn annotations_and_whole_templates_are_followed() {
    let source = "x-m: &m {annotations: {a: b}}\nmetadata:\n  annotations: {c: d}\n  <<: *m\n";
    let annotation = |text: &str| text.replace('}', ", gomemlimit.dev/status: \"{}\"}");
    check_notes(
        source,
        &[add("/metadata/annotations/gomemlimit.dev~1status", json!("{}"))],
        &format!(
            "x-m: &m {{annotations: {}}}\nmetadata:\n  annotations: {}\n  <<: *m\n",
            annotation("{a: b}"),
            annotation("{c: d}")
        ),
        &[],
    );
    let source = "x-spec: &x\n  containers: [{name: a}]\nspec:\n  containers: [{name: a}]\n  <<: *x\n";
    let after = source.replace("{name: a}", "{name: a, env: [{name: GOMEMLIMIT, value: \"1\"}]}");
    check_notes(source, &[create(0, "1")], &after, &[]);
    // Other containers there: what they get is not known.
    let other = source.replacen("  containers: [{name: a}]\n  <<", "  containers: [{name: b}]\n  <<", 1);
    check_notes(
        &other,
        &[create(0, "1")],
        &other.replace("{name: a}", "{name: a, env: [{name: GOMEMLIMIT, value: \"1\"}]}"),
        &[],
    );
}

/// Else nobody could read the text any more.
#[test]
fn an_alias_that_kubectl_does_not_read_outlives_its_anchor() {
    let source = |hidden: &str| {
        format!(
            "spec:\n  containers:\n  - name: one\n    env:\n    - name: A\n    - &b\n      name: 'B'\n  - name: two\n    {hidden}\n"
        )
    };
    for (before, after) in [
        ("env: [*b]\n    <<: {env: [{name: C}]}", "env: [{name: 'B'}]\n    <<: {env: [{name: C}]}"),
        ("<<: {env: [*b]}\n    env: []", "<<: {env: [{name: 'B'}]}\n    env: []"),
        ("<<: *b", "<<:\n      name: 'B'"),
        ("env: [*b]\n    env: []", "env: [{name: 'B'}]\n    env: []"),
    ] {
        let expected = source(after).replace("    - &b\n      name: 'B'\n", "");
        let (before, edits) = (source(before), [edit("/spec/containers/0/env/1", Change::Remove)]);
        let text = edited(&before, &edits).unwrap_or_else(|error| panic!("{error}\n{before}"));
        // `two` has its name before the merge key, which gives another one.
        let expected = if before.contains("<<: *b") { text.clone() } else { expected };
        assert_eq!(text, expected);
        assert!(!text.contains('*') && !text.contains('&'), "{text}");
    }
}

#[test]
fn an_overridden_pair_that_others_share_is_left() {
    let source = "spec:\n  containers:\n  - &base\n    env: [{name: A}]\n  - env: &z [{name: Z}]\n    <<: *base\n  - env: *z\n";
    check_notes(
        source,
        &[append(0, "1"), append(1, "1")],
        &source.replace("{name: A}", "{name: A}, {name: GOMEMLIMIT, value: \"1\"}"),
        &[],
    );
    let variable = json!([limit("1"), limit("2")]);
    let both = add("/spec/containers/0/env", variable);
    let source = "spec:\n  containers:\n  - env: [{name: Z}]\n    <<: {env: []}\n";
    check_notes(
        source,
        &[both],
        "spec:\n  containers:\n  - env: [{name: Z}, {name: GOMEMLIMIT, value: \"1\"}, {name: GOMEMLIMIT, value: \"2\"}]\n    <<: [{env: \
         [{name: GOMEMLIMIT, value: \"1\"}, {name: GOMEMLIMIT, value: \"2\"}]}, {env: []}]\n",
        &[],
    );
}

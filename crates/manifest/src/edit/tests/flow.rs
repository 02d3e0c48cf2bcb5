//! Flow style and JSON.

use super::*;

#[test]
fn a_variable_is_appended_to_a_list_in_brackets() {
    for (before, after) in [
        ("[{name: A, value: b}] # c", "[{name: A, value: b}, {name: GOMEMLIMIT, value: \"966367641\"}] # c"),
        ("[ { name: A } ]", "[ { name: A }, { name: GOMEMLIMIT, value: \"966367641\" } ]"),
        ("[{name: A},]", "[{name: A}, {name: GOMEMLIMIT, value: \"966367641\"},]"),
        ("[{\"name\": \"A\"}]", "[{\"name\": \"A\"}, {\"name\": \"GOMEMLIMIT\", \"value\": \"966367641\"}]"),
        ("[{\"name\":\"A\"}]", "[{\"name\":\"A\"},{\"name\":\"GOMEMLIMIT\",\"value\":\"966367641\"}]"),
        (
            r"[
    {name: A}, # a
    {name: B} # b
    # c
  ]",
            r#"[
    {name: A}, # a
    {name: B}, # b
    {name: GOMEMLIMIT, value: "966367641"}
    # c
  ]"#,
        ),
        (
            "[\n    {name: B}, # b\n  ]",
            r#"[
    {name: B}, # b
    {name: GOMEMLIMIT, value: "966367641"},
  ]"#,
        ),
        ("[\n    {name: B}]", "[\n    {name: B},\n    {name: GOMEMLIMIT, value: \"966367641\"}]"),
    ] {
        let text = |env: &str| {
            format!(
                r"spec:
  env: {env}
  name: app
"
            )
        };
        check(&text(before), &[append_env("/spec")], &text(after));
    }
}

#[test]
fn items_in_braces_are_followed_by_one_in_braces() {
    check(
        "env:\n  - {name: A, value: b}   # a\n",
        &[append_env("")],
        r#"env:
  - {name: A, value: b}   # a
  - {name: GOMEMLIMIT, value: "966367641"}
"#,
    );
}

#[test]
fn a_container_in_braces_gets_its_env() {
    for (before, after) in [
        ("{name: app, image: x}", "{name: app, image: x, env: [{name: GOMEMLIMIT, value: \"966367641\"}]}"),
        ("{ name: app }", "{ name: app, env: [{ name: GOMEMLIMIT, value: \"966367641\" }] }"),
        ("{name: app, env: []}", "{name: app, env: [{name: GOMEMLIMIT, value: \"966367641\"}]}"),
        ("{name: app, env: null}", "{name: app, env: [{name: GOMEMLIMIT, value: \"966367641\"}]}"),
        ("{env: , name: app}", "{env: [{name: GOMEMLIMIT, value: \"966367641\"}] , name: app}"),
        (
            "{\"name\": \"app\"}",
            "{\"name\": \"app\", \"env\": [{\"name\": \"GOMEMLIMIT\", \"value\": \"966367641\"}]}",
        ),
        (
            "{name: app, l: {memory: 1Gi}}",
            "{name: app, l: {memory: 1Gi}, env: [{name: GOMEMLIMIT, value: \"966367641\"}]}",
        ),
    ] {
        let text = |container: &str| {
            format!(
                r"spec:
  containers:
  - {container} # c
"
            )
        };
        check(&text(before), &[add_env("/spec/containers/0")], &text(after));
    }
}

#[test]
fn values_in_braces_are_replaced() {
    for (before, after) in [("17", "\"18\""), ("'17'", "'18'"), ("\"17\"", "\"18\"")] {
        let text = |value: &str| format!("env: [{{name: A, value: {value}}}, {{name: B}}]\n");
        check(&text(before), &[replace("/env/0/value", "18")], &text(after));
    }
    check("env: [{\"value\": 17}]\n", &[replace("/env/0/value", "1\"8")], "env: [{\"value\": \"1\\\"8\"}]\n");
}

#[test]
fn compact_json_stays_compact() {
    check(
        r#"{"kind":"Pod","spec":{"containers":[{"name":"a"},{"name":"b","env":[{"name":"A","value":"1"}]}]}}"#,
        &[add_env("/spec/containers/0"), append_env("/spec/containers/1"), annotate()],
        r#"{"kind":"Pod","spec":{"containers":[{"name":"a","env":[{"name":"GOMEMLIMIT","value":"966367641"}]},{"name":"b","env":[{"name":"A","value":"1"},{"name":"GOMEMLIMIT","value":"966367641"}]}]},"metadata":{"annotations":{"gomemlimit.dev/status":"{\"app\":\"it's 90%\"}"}}}"#,
    );
}

#[test]
fn json_with_spaces_keeps_them() {
    check(
        "{\"a\" : 1, \"env\" : [], \"metadata\" : {\"annotations\" : {}}}\n",
        &[add_env(""), annotate()],
        "{\"a\" : 1, \"env\" : [{\"name\" : \"GOMEMLIMIT\", \"value\" : \"966367641\"}], \"metadata\" : {\"annotations\" : {\"gomemlimit.dev/status\" : \"{\\\"app\\\":\\\"it's 90%\\\"}\"}}}\n",
    );
}

fn pretty(value: &Value, unit: &str) -> String {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, format);
    serde::Serialize::serialize(value, &mut serializer).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn pretty_json_stays_pretty_with_its_own_indentation() {
    let mut value = json!({
        "spec": {"containers": [
            {"a": "a"},
            {"a": "b", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"a": "c", "env": []},
            {"a": "d", "env": null},
            {"a": "d", "env": [{"name": "A", "value": "3"}]},
        ]},
        "a": {"annotations": {}},
    });
    let before = value.clone();
    let edits = [
        add_env("/spec/containers/0"),
        append_env("/spec/containers/1"),
        add_env("/spec/containers/2"),
        add_env("/spec/containers/3"),
        replace("/spec/containers/4/env/0/value", "966367641"),
        add("/a/annotations/k", json!("{\"x\":1}")),
        add("/z", json!({"annotations": {"k": "v"}})),
    ];
    for edit in &edits {
        pointer::apply(&mut value, edit, 1).unwrap();
    }
    // Two spaces as of kubectl and jq, four as of Python, tabs as of Go.
    for unit in ["  ", "    ", "\t"] {
        check(&pretty(&before, unit), &edits, &pretty(&value, unit));
        let windows = |value: &Value| pretty(value, unit).replace('\n', "\r\n");
        check(&windows(&before), &edits, &windows(&value));
    }
}

#[test]
fn values_on_one_line_in_pretty_json_stay_so() {
    check(
        r#"{
  "ports": [{"containerPort": 80}],
  "name": "app"
}
"#,
        &[add_env("")],
        r#"{
  "ports": [{"containerPort": 80}],
  "name": "app",
  "env": [{"name": "GOMEMLIMIT", "value": "966367641"}]
}
"#,
    );
    check(
        r#"{
  "env": [{
    "name": "A"
  }]
}
"#,
        &[append_env("")],
        r#"{
  "env": [{
    "name": "A"
  }, {
    "name": "GOMEMLIMIT",
    "value": "966367641"
  }]
}
"#,
    );
}

/// Else kubectl, which reads it as JSON, would stop there.
#[test]
fn an_empty_json_object_is_filled_with_json() {
    let env = add("/env", json!([{"name": "A"}, null, "it's"]));
    check("{}", std::slice::from_ref(&env), "{\"env\": [{\"name\": \"A\"}, null, \"it's\"]}");
    check("{\n}\n", &[env], "{\"env\": [{\"name\": \"A\"}, null, \"it's\"]\n}\n");
}

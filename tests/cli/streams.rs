//! Several inputs as one stream. The expected streams are those of which kubectl 1.32 and 1.37 read every object
//! (`kubectl annotate --local -f STREAM q=1 -o name`); tests/e2e compares them with the kubectl of its clusters.

use rstest::rstest;

use super::manifests::write;
use crate::support::command::{run, run_with_stdin};

fn json(name: &str) -> String {
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"{name}\"}}}}\n")
}

fn yaml(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
}

/// Runs `inject` on files with these texts.
fn joined(texts: &[String]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut arguments = vec!["inject".to_owned()];
    for (index, text) in texts.iter().enumerate() {
        let path = write(directory.path(), &format!("{index}.yaml"), text);
        arguments.extend(["-f".to_owned(), path]);
    }
    let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout
}

/// Each `|` is a separator.
#[rstest]
#[case::json_json(&[json("a"), json("b")], "---\n{a}\n---\n{b}\n")]
#[case::json_yaml(&[json("a"), yaml("b")], "---\n{a}\n---\n<b>\n")]
#[case::yaml_json(&[yaml("a"), json("b")], "<a>\n---\n{b}\n")]
#[case::two_in_the_first(&[json("a") + &json("b"), yaml("c")], "---\n{a}\n---\n{b}\n---\n<c>\n")]
#[case::two_in_the_last(&[yaml("a"), json("b") + &json("c")], "<a>\n---\n{b}\n---\n{c}\n")]
#[case::on_one_line(&[yaml("a"), json("b").trim_end().to_owned() + &json("c")], "<a>\n---\n{b}\n---\n{c}\n")]
#[case::no_line_end(&[json("a").trim_end().to_owned(), yaml("b")], "---\n{a}\n---\n<b>\n")]
#[case::marker(&[yaml("a"), format!("---\n{}", yaml("b"))], "<a>\n---\n<b>\n")]
#[case::bom(&[format!("\u{feff}{}", yaml("a")), format!("\u{feff}{}", yaml("b"))], "\u{feff}<a>\n---\n<b>\n")]
#[case::bom_and_json(&[format!("\u{feff}{}", json("a")), format!("\u{feff}{}", json("b"))], "---\n{a}\n---\n{b}\n")]
#[case::bom_and_marker(&[yaml("a"), format!("\u{feff}---\n{}", yaml("b"))], "<a>\n---\n<b>\n")]
#[case::directive(&[yaml("a"), format!("%YAML 1.1\n---\n{}", yaml("b"))], "<a>\n...\n%YAML 1.1\n---\n<b>\n")]
#[case::directive_and_json(
    &[json("a"), format!("# text\n%YAML 1.1\n---\n{}", yaml("b"))],
    "---\n{a}\n...\n# text\n%YAML 1.1\n---\n<b>\n"
)]
#[case::empty(&[json("a"), String::new(), yaml("b")], "---\n{a}\n---\n<b>\n")]
#[case::one_is_empty(&[String::new(), json("a") + &json("b")], "{a}\n{b}\n")]
#[case::comment(&[yaml("a"), "# text".to_owned(), yaml("b")], "<a>\n---\n# text\n---\n<b>\n")]
fn kubectl_reads_every_object_of_the_stream(#[case] texts: &[String], #[case] expected: &str) {
    let mut wanted = expected.to_owned();
    for name in ["a", "b", "c"] {
        wanted = wanted.replace(&format!("{{{name}}}"), json(name).trim_end());
        wanted = wanted.replace(&format!("<{name}>"), yaml(name).trim_end());
    }
    let stream = joined(texts);
    assert_eq!(stream, wanted);
    // This program reads it, too.
    let pods = texts.iter().map(|text| text.matches("Pod").count()).sum::<usize>();
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &stream).json();
    assert_eq!(report["objects"].as_array().unwrap().len(), pods, "{stream}");
}

/// kubectl reads JSON objects one after the other if there is nothing else.
#[test]
fn a_single_input_is_as_it_was() {
    for text in [json("a"), json("a") + &json("b"), format!("\u{feff}{}", json("a")), "# text".to_owned()] {
        assert_eq!(joined(std::slice::from_ref(&text)), text);
        assert_eq!(run_with_stdin(&["inject", "-f", "-"], &text).stdout, text);
    }
}

/// kubectl reads no List in a List.
#[test]
fn a_list_among_several_objects_is_no_item_of_a_list() {
    let pod = |name: &str| format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}}}}"#);
    let inner = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, pod("b"));
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{},{inner},{}]}}"#, pod("a"), pod("c"));
    let empty = r#"{"apiVersion":"v1","kind":"List","items":[]}"#;
    let names = |text: &str| {
        let output = run_with_stdin(&["inject", "-q", "-f", "-", "-o", "json"], text).json();
        let items = output["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&format!("{list}\n{}\n{empty}", pod("d"))), ["a", "b", "c", "d"]);
    assert_eq!(names(&format!("{empty}\n{empty}")), [""; 0]);
    assert_eq!(names(&list), ["a", "b", "c"]);
}

/// kubectl passes by what has no kind, but reads nothing of a List with a list, or with what is no object, in it.
#[test]
fn a_list_with_items_that_are_no_objects_costs_no_object() {
    let pod = |name: &str| format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}}}}"#);
    let list = |items: &str| format!(r#"{{"apiVersion":"v1","kind":"List","items":[{items}]}}"#);
    let (a, b, c) = (pod("a"), pod("b"), pod("c"));
    let inject = |text: &str| {
        let output = run_with_stdin(&["inject", "-f", "-", "-o", "json"], text);
        let notes =
            output.stderr.lines().filter(|line| line.starts_with("note: ")).collect::<Vec<_>>().join("; ");
        (output.json(), notes)
    };
    let note = "note: (stdin): line 1: items of this list are left out, because they are no objects: kubectl reads no List that \
                has them";
    let nothing = r#"{"a":1}"#;
    for (items, left, expected) in [
        (format!("{a},null,{b}"), &["a", "b"][..], note),
        (format!("{a},7,[],{b}"), &["a", "b"], note),
        (format!("{a},{},null", list(&b)), &["a", "b"], note),
        (format!("{a},{},{b}", list("\"x\"")), &["a", "b"], note),
        (format!("{a},{nothing},{b}"), &["a", "-", "b"], ""),
        (format!(r#"{a},{{"items":[{b}]}}"#), &["a", "b"], ""),
    ] {
        let list = list(&items);
        let (output, notes) = inject(&format!("{list}\n{c}\n"));
        let found: Vec<_> = output["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap_or("-").to_owned())
            .collect();
        assert_eq!(found, [left, &["c"]].concat(), "{list}");
        assert_eq!(notes, expected, "{list}");
        // Alone it is what it was.
        let (alone, notes) = inject(&list);
        assert_eq!((alone, &*notes), (serde_json::from_str(&list).unwrap(), ""), "{list}");
    }
}

/// Also if another item is no object.
#[test]
fn items_of_a_typed_list_have_their_kind_beside_what_is_no_object() {
    let typed = r#"{"apiVersion":"v1","kind":"PodList","items":[null,{"metadata":{"name":"a"}}]}"#;
    let output =
        run_with_stdin(&["inject", "-q", "-f", "-", "-o", "json"], &[typed, typed].join("\n")).json();
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
    assert_eq!(output["items"], serde_json::json!([pod, pod]));
}

/// Alone kubectl takes the kind of the items from the list, but not of a list in a List.
#[test]
fn items_of_a_typed_list_have_their_kind_in_a_list() {
    let typed = "apiVersion: v1\nkind: LimitRangeList\nitems:\n- metadata: {name: a}\n";
    let output =
        run_with_stdin(&["inject", "-q", "-f", "-", "-o", "json"], &[typed, &yaml("b")].join("---\n"));
    let expected = r#"{
  "apiVersion": "v1",
  "items": [
    {
      "apiVersion": "v1",
      "kind": "LimitRange",
      "metadata": {
        "name": "a"
      }
    },
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "name": "b"
      }
    }
  ],
  "kind": "List"
}
"#;
    assert_eq!(output.stdout, expected, "{}", output.stderr);
    let again = run_with_stdin(&["inject", "-q", "-f", "-", "-o", "json"], expected);
    assert_eq!(again.stdout, expected);
}

/// kubectl reads none of the objects of a List that has something else among them.
#[test]
fn what_is_no_object_is_not_in_a_list() {
    let text = format!("- a\n---\n{}---\ntext\n---\n{}", yaml("a"), yaml("b"));
    let output = run_with_stdin(&["inject", "-f", "-", "-o", "json"], &text);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let items = output.json()["items"].as_array().unwrap().clone();
    assert!(items.len() == 2 && items.iter().all(|item| item["kind"] == "Pod"), "{items:?}");
    for line in [1, 6] {
        let note = format!(
            "note: (stdin): line {line}: this is left out, because it is no object: kubectl reads no List"
        );
        assert!(output.stderr.contains(&note), "{}", output.stderr);
    }
}

/// kubectl reads YAML after a separator, and not all of JSON is YAML 1.1 for it.
#[test]
fn json_that_is_no_yaml_is_written_anew_in_a_stream() {
    let odd = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"odd","annotations":{"a":"b\/c \ud83d\ude00"}}}"#;
    assert_eq!(joined(&[odd.to_owned()]), odd, "alone it is as it was");
    let stream = joined(&[yaml("a"), odd.to_owned()]);
    assert!(stream.contains(r#""a":"b/c 😀""#) && !stream.contains(r"\/"), "{stream}");
    // Whatever is behind it.
    let stream = joined(&[odd.replace("odd", "b") + "\n# d\\/e\n", odd.replace("odd", "c")]);
    assert_eq!(stream.matches(r#""a":"b/c 😀""#).count(), 2, "{stream}");
    assert!(stream.contains("}\n# d\\/e\n---\n{"), "{stream}");
}

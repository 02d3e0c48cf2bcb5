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

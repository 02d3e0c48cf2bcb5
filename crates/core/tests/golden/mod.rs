//! Each of the real reviews has a reviewed answer.
//!
//! `golden/expected.tsv` is written by hand from the rules: reason and value for every container.
//! `golden/answers/` is the whole answer, decoded; `UPDATE_GOLDEN=1 cargo test` rewrites it.

use std::{fs, path::PathBuf};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{answer, containers, patched};

struct Expected {
    container: String,
    reason: String,
    value: Option<String>,
}

fn expected(case: &str) -> Vec<Expected> {
    let rows = include_str!("expected.tsv").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let [of, container, reason, value] =
            row.split('\t').collect::<Vec<_>>().try_into().expect("four columns");
        (of == case).then(|| Expected {
            container: container.to_owned(),
            reason: reason.to_owned(),
            value: (!value.is_empty()).then(|| value.to_owned()),
        })
    })
    .collect()
}

#[rstest]
fn real_review(#[files("tests/golden/reviews/*.json")] path: PathBuf) {
    let case = path.file_stem().unwrap().to_str().unwrap();
    let body = fs::read(&path).unwrap();
    let answer = answer(&body);

    let document: Value = serde_json::from_slice(&body).unwrap();
    let before = &document["request"]["object"];
    let after = patched(before, &answer.patch);
    check_decisions(case, &answer.decisions);
    check_only_ours_changed(case, before, &after);
    check_whole_answer(case, &answer);

    // Answering the patched pod changes nothing.
    let mut again = document.clone();
    again["request"]["object"] = after;
    let again = crate::support::answer(&serde_json::to_vec(&again).unwrap());
    assert_eq!(again.patch, Vec::<Value>::new());
}

/// The reasons and values in the audit annotation are those of the table.
fn check_decisions(case: &str, decisions: &Value) {
    let expected = expected(case);
    assert!(!expected.is_empty(), "{case} is not in expected.tsv");
    if let [Expected { container, reason, .. }] = expected.as_slice()
        && container == "-"
    {
        assert_eq!(decisions["skipped"], **reason);
        return;
    }
    let containers = decisions["containers"].as_object().expect("decisions about containers");
    assert_eq!(containers.len(), expected.len());
    for Expected { container, reason, value } in &expected {
        let decision = &containers[container];
        match value {
            Some(value) => assert_eq!(decision["value"], **value, "{container}"),
            None => assert_eq!(decision["skipped"], **reason, "{container}"),
        }
    }
}

/// The object after the patch is the object before it, plus the expected variable at the end of env
/// and the status annotation.
fn check_only_ours_changed(case: &str, before: &Value, after: &Value) {
    let mut wanted = before.clone();
    let mut any = false;
    for Expected { container, value, .. } in expected(case) {
        let Some(value) = value else { continue };
        any = true;
        let lists = ["initContainers", "containers"];
        let (list, index) = lists
            .into_iter()
            .find_map(|list| {
                let containers = before["spec"][list].as_array()?;
                Some((list, containers.iter().position(|c| c["name"] == *container)?))
            })
            .unwrap();
        let env = &mut wanted["spec"][list][index]["env"];
        let mut variables = env.as_array().cloned().unwrap_or_default();
        variables.push(json!({"name": "GOMEMLIMIT", "value": value}));
        *env = variables.into();
    }
    if any {
        let status = &after["metadata"]["annotations"]["gomemlimit.dev/status"];
        assert!(status.is_string(), "a value comes with the status annotation");
        wanted["metadata"]["annotations"]["gomemlimit.dev/status"] = status.clone();
    }
    assert_eq!(after, &wanted);
    assert_eq!(containers(after).count(), containers(before).count());
}

fn check_whole_answer(case: &str, answer: &crate::support::DecodedResponse) {
    let mut patch = answer.patch.clone();
    // The status as JSON is easier to review than as a string of JSON.
    for operation in &mut patch {
        let slot = match operation["path"].as_str().unwrap() {
            "/metadata/annotations" => &mut operation["value"]["gomemlimit.dev/status"],
            "/metadata/annotations/gomemlimit.dev~1status" => &mut operation["value"],
            _ => continue,
        };
        *slot = serde_json::from_str(slot.as_str().unwrap()).unwrap();
    }
    let document = json!({"patch": patch, "warnings": answer.warnings, "decisions": answer.decisions});
    let text = format!("{document:#}\n");
    let golden_path = format!("{}/tests/golden/answers/{case}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden_path, &text).unwrap();
    }
    let golden = fs::read_to_string(&golden_path).unwrap_or_else(|error| panic!("{golden_path}: {error}"));
    assert_eq!(text, golden, "{case}: run UPDATE_GOLDEN=1 cargo test and review the difference");
}

#[test]
fn every_row_of_the_table_has_a_review() {
    let reviews = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/reviews")).unwrap();
    let cases: Vec<_> = reviews
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(cases.len(), 67);
    for row in include_str!("expected.tsv").lines().filter(|line| !line.starts_with('#')) {
        let case = row.split('\t').next().unwrap();
        assert!(cases.iter().any(|known| known == case), "no review for {case}");
    }
}

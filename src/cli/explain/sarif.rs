//! `-o sarif`: the Static Analysis Results Interchange Format 2.1.0 of OASIS, as code scanning of GitHub reads it
//! (<https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support>).

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use gomemlimit_core::addresses::{VERSION, docs, repository};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use super::finding::{Case, FileCases, Finding, Level, Rule, RunReport};
use crate::cli::manifest_files::{Problem, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The directory that paths are relative to: GitHub takes them for paths in the repository.
const ROOT: &str = "%SRCROOT%";

/// What a path of a URI has as it is: unreserved characters of RFC 3986, and the separator.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The log of one run; paths are relative to `directory`.
pub(super) fn log(run: &RunReport<'_>, directory: &Path) -> Value {
    let mut rules: Vec<Rule> = Vec::new();
    let mut results = Vec::new();
    for file in run.files {
        let findings =
            file.cases.iter().flat_map(|case| case.findings.iter().map(move |finding| (case, finding)));
        for (case, finding) in findings {
            let known = rules.iter().position(|rule| rule.id() == finding.rule.id());
            let index = known.unwrap_or_else(|| {
                rules.push(finding.rule);
                rules.len() - 1
            });
            results.push(result(file, case, finding, index, directory));
        }
    }
    let rules: Vec<_> = rules.into_iter().map(descriptor).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "gomemlimit",
                "semanticVersion": VERSION,
                "informationUri": repository(),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": run.is_complete,
                "toolExecutionNotifications": run.problems.iter().map(notification).collect::<Vec<_>>(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A problem that is not about a place in a file.
fn notification(problem: &Problem) -> Value {
    let level = match problem.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
        Severity::Note => Level::Note,
    };
    json!({"level": level.as_str(), "message": {"text": problem.text}})
}

/// A rule, with what GitHub requires of it.
fn descriptor(rule: Rule) -> Value {
    let text = json!({"text": rule.explanation()});
    let uri = format!("{}#rules", docs("integrations"));
    json!({
        "id": rule.id(),
        "shortDescription": text,
        "fullDescription": text,
        "helpUri": uri,
        "help": {
            "text": format!("{}. See {uri}", rule.explanation()),
            "markdown": format!("{}. [More about `{}`]({uri})", rule.explanation(), rule.id()),
        },
        "defaultConfiguration": {"level": rule.level().unwrap_or(Level::Note).as_str()},
    })
}

fn result(file: &FileCases, case: &Case, finding: &Finding, rule: usize, directory: &Path) -> Value {
    let identity = case.title();
    let logical = json!([{"fullyQualifiedName": identity}]);
    let location = match &file.path {
        None => json!({"logicalLocations": logical}),
        Some(path) => {
            let (line, column) = finding.place;
            json!({
                "logicalLocations": logical,
                "physicalLocation": {
                    "artifactLocation": artifact(path, directory),
                    "region": {"startLine": line, "startColumn": column},
                },
            })
        }
    };
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": rule,
        "level": finding.level.as_str(),
        "message": {"text": finding.message(case)},
        "locations": [location],
        // The same finding in another line is the same. GitHub adds a fingerprint of the line.
        "partialFingerprints": {"gomemlimit/v1": format!("{identity}: {}", finding.rule.id())},
    })
}

/// The file: relative to `directory` if it is in it.
fn artifact(path: &Path, directory: &Path) -> Value {
    let absolute = normal(&directory.join(path));
    let uri = |path: &Path| percent_encode(path.as_os_str().as_bytes(), KEPT).to_string();
    absolute.strip_prefix(directory).map_or_else(
        |_| json!({"uri": format!("file://{}", uri(&absolute))}),
        |relative| json!({"uri": uri(relative), "uriBaseId": ROOT}),
    )
}

/// The path without `.` and `..`. Links are not followed: in the repository the file has the name that was given.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            component => normal.push(component),
        }
        normal
    })
}

//! A repository as they are: charts, manifests, other kinds, and a broken file.

use std::{collections::BTreeSet, fs, path::Path};

use super::manifests::write;
use crate::support::command::run;

const TEMPLATES: usize = 100;
const MANIFESTS: usize = 50;
const ROLLOUTS: usize = 3;

fn workload(version: &str, kind: &str, name: &str) -> String {
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  template:\n    spec:\n      \
         containers:\n      - name: app # of {name}\n        resources: {{limits: {{memory: 1Gi}}}}\n"
    )
}

fn repository(root: &Path) {
    for index in 0..TEMPLATES {
        let text = "{{- if .Values.enabled }}\n".to_owned()
            + &workload("apps/v1", "Deployment", "{{ .Release.Name }}")
            + "{{- end }}\n";
        write(root, &format!("charts/c{}/templates/t{index}.yaml", index % 5), &text);
    }
    for index in 0..MANIFESTS {
        let name = format!("deployment-{index}");
        let ending = ["yaml", "yml"][index % 2];
        write(root, &format!("manifests/{name}.{ending}"), &workload("apps/v1", "Deployment", &name));
    }
    for index in 0..ROLLOUTS {
        let name = format!("rollout-{index}");
        write(root, &format!("rollouts/{name}.yaml"), &workload("argoproj.io/v1alpha1", "Rollout", &name));
    }
    let broken =
        workload("apps/v1", "Deployment", "broken").replace("spec:\n  template", "spec:\n\ttemplate");
    write(root, "manifests/broken.yaml", &broken);
}

/// All results, each template as a note, the broken manifest as an error, and exit code 2.
#[test]
fn a_repository_with_a_broken_file_gives_all_results() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    repository(root);
    let path = root.to_str().unwrap();
    let broken = format!("error: {path}/manifests/broken.yaml: document 1, line 5");

    let explained = run(&["explain", "-R", "-f", path, "-o", "json"]);
    assert_eq!(explained.code, 2, "{}", explained.stderr);
    let report: serde_json::Value = serde_json::from_str(&explained.stdout).unwrap();
    let objects = report["objects"].as_array().unwrap();
    let names: BTreeSet<_> = objects.iter().map(|object| object["name"].as_str().unwrap()).collect();
    assert_eq!((objects.len(), names.len()), (MANIFESTS + ROLLOUTS, MANIFESTS + ROLLOUTS));
    assert_eq!(report["summary"], serde_json::json!({"injected": MANIFESTS + ROLLOUTS}));
    let lines = |beginning: &str| explained.stderr.lines().filter(|line| line.starts_with(beginning)).count();
    assert_eq!((lines("note: "), lines(&broken)), (TEMPLATES, 1), "{}", explained.stderr);

    let before = texts(root);
    let injected = run(&["inject", "-R", "-f", path, "--in-place"]);
    assert_eq!(injected.code, 2, "{}", injected.stderr);
    assert!(injected.stderr.contains(&broken), "{}", injected.stderr);
    assert_eq!(injected.stderr.matches("GOMEMLIMIT=966367641 (injected)").count(), MANIFESTS + ROLLOUTS);
    let after = texts(root);
    assert_eq!(before.len(), after.len());
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        let is_manifest = path.contains("/deployment-") || path.contains("/rollout-");
        assert_eq!(before != after, is_manifest, "{path}");
        assert!(after.contains("# of "), "{path}");
    }
    run(&["inject", "-R", "-f", path, "--in-place"]);
    assert_eq!(texts(root), after);
}

/// Every file by its path, in order.
fn texts(root: &Path) -> Vec<(String, String)> {
    let mut folders = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

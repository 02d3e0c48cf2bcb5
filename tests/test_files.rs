//! No test is forgotten: every file of a `tests` folder is part of a test program, and a target that is not tested has no
//! tests.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Folders of all packages of the workspace, relative to its root.
fn packages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git").args(["ls-files", "*Cargo.toml"]).current_dir(root).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let all: Vec<_> = listed
        .lines()
        .filter(|manifest| !manifest.starts_with("fuzz/"))
        .map(|manifest| root.join(manifest).parent().unwrap().to_owned())
        .collect();
    assert!(all.len() >= 10, "{all:?}");
    all
}

/// Tables of a manifest with this header, as pairs of key and value.
fn tables(manifest: &str, header: &str) -> Vec<Vec<(String, String)>> {
    let manifest = format!("\n{manifest}");
    let tables = manifest.split("\n[").filter_map(|table| table.strip_prefix(header));
    tables
        .map(|table| {
            let pairs = table.lines().filter_map(|line| line.split_once(" = "));
            pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
        })
        .collect()
}

fn value<'a>(table: &'a [(String, String)], key: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// All Rust files in this folder, but for those of packages in it.
fn rust_files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.join("Cargo.toml").exists() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path);
        }
    }
    found
}

/// The file and all its modules.
fn modules(file: &Path, is_root: bool) -> BTreeSet<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(!text.contains("#[path"), "{}: a module is in the file of its name", file.display());
    let parent = file.parent().unwrap();
    let is_folder = is_root || file.ends_with("mod.rs");
    let folder = if is_folder { parent.to_owned() } else { parent.join(file.file_stem().unwrap()) };
    let mut found = BTreeSet::from([file.to_owned()]);
    for line in text.lines() {
        let declaration = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
        let Some(name) = declaration.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        let (flat, nested) = (folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs"));
        found.extend(modules(if flat.exists() { &flat } else { &nested }, false));
    }
    found
}

#[test]
fn every_file_is_part_of_a_test_program() {
    let mut programs = 0;
    for package in packages() {
        let files = rust_files(&package.join("tests"));
        if files.is_empty() {
            continue;
        }
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        // Each program links everything anew.
        assert!(manifest.contains("\nautotests = false\n"), "{}: autotests", package.display());
        let mut reached = BTreeSet::new();
        for target in tables(&manifest, "[test]]\n") {
            let path = value(&target, "path").map_or_else(
                || package.join("tests").join(format!("{}.rs", value(&target, "name").unwrap())),
                |path| package.join(path),
            );
            reached.extend(modules(&path, true));
            programs += 1;
        }
        let forgotten: Vec<_> = files.difference(&reached).collect();
        assert!(forgotten.is_empty(), "no module of a test program: {forgotten:?}");
    }
    assert!(programs >= 6, "{programs}");
}

#[test]
fn a_target_that_is_not_tested_has_no_tests() {
    for package in packages() {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        for (header, default) in [("lib]\n", "src"), ("[bin]]\n", "src/main.rs")] {
            for target in tables(&manifest, header).iter().filter(|one| value(one, "test") == Some("false")) {
                let path = package.join(value(target, "path").unwrap_or(default));
                let files = if path.is_dir() { rust_files(&path) } else { modules(&path, true) };
                for file in files {
                    let text = fs::read_to_string(&file).unwrap();
                    let has_tests = ["#[test]", "#[tokio::test", "proptest!", "cfg(test)"];
                    let has_tests = has_tests.iter().any(|part| text.contains(part));
                    assert!(!has_tests, "{}: remove `test = false` of its target", file.display());
                }
            }
        }
    }
}

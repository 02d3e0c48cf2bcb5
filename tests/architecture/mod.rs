//! The layout of the repository: no circle of imports, pure crates, sizes of files, and what ARCHITECTURE.md shows of it.

mod imports;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use self::imports::Crate;

const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

/// The crates that do no IO and read no clock, with everything they depend on.
const PURE: [(&str, &[&str]); 8] = [
    ("certs", &["gomemlimit-tls", "pem", "rcgen", "ring", "rustls", "thiserror", "time", "x509-cert"]),
    ("core", &["base64", "serde", "serde_json", "strum", "thiserror"]),
    ("manifest", &["granit-parser", "serde", "serde_json", "thiserror"]),
    (
        "observation",
        &[
            "gomemlimit-core",
            "gomemlimit-plot",
            "gomemlimit-pprof",
            "gomemlimit-table",
            "serde",
            "serde_json",
            "strum",
            "thiserror",
        ],
    ),
    ("plot", &[]),
    ("pprof", &["flate2", "gomemlimit-core", "prost", "serde", "strum", "thiserror"]),
    ("table", &["gomemlimit-core", "unicode-width"]),
    ("tls", &["humantime", "rustls", "thiserror", "x509-cert"]),
];

/// Parts of paths that a pure crate does not have.
const IMPURE: [&[&str]; 12] = [
    &["std", "env"],
    &["std", "fs"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "net", "UdpSocket"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "os"],
    &["tokio"],
    &["Instant", "now"],
    &["SystemTime", "now"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below a folder of the repository, as paths from the repository.
fn sources(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut folders = vec![folder.as_ref().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The folders of sources: of the program, and of each crate.
fn folders() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| Path::new("crates").join(entry.unwrap().file_name()).join("src"));
    let mut folders: Vec<_> = crates.chain([PathBuf::from("src")]).collect();
    folders.sort();
    assert!(folders.len() >= 12, "{folders:?}");
    folders
}

/// The names of what a package depends on, but for its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let (_, section) = manifest.split_once("\n[dependencies]\n").unwrap_or_default();
    let section = section.split("\n[").next().unwrap();
    section.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

fn lines(path: &Path) -> usize {
    read(path).lines().count()
}

#[test]
fn no_file_imports_another_that_imports_it_back() {
    let mut circles = Vec::new();
    for folder in folders() {
        let texts: Vec<_> = sources(&folder)
            .iter()
            .map(|path| (path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), read(path)))
            .collect();
        let files = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let found = Crate::parse(files).circles();
        circles.extend(found.into_iter().map(|circle| format!("{}: {circle}", folder.display())));
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_of_imports_is_found() {
    let circles = |files: &[(&str, &str)]| Crate::parse(files.iter().copied()).circles();
    let leaf = ("x/leaf.rs", "pub struct Leaf;");
    for (lib, a, b, circle) in [
        (
            "mod a; mod b;",
            "use crate::b::B; pub struct A(B);",
            "use super::a::A; pub struct B(A);",
            "a.rs → b.rs → a.rs",
        ),
        (
            "mod a; mod b;",
            "use super::b;\npub fn a() { b::b() }",
            "pub fn b() { crate::a::a() }",
            "a.rs → b.rs → a.rs",
        ),
        (
            "mod a; mod b;",
            "use crate::{b::B, x::Leaf};",
            "#[arg(add = new(super::a::A))] struct B;",
            "a.rs → b.rs → a.rs",
        ),
        ("mod a; mod b; struct L(a::A);", "use super::L;", "", "lib.rs → a.rs → lib.rs"),
        ("mod a; mod b; use a::A; struct L(A);", "use super::*;", "", "lib.rs → a.rs → lib.rs"),
        // No import: a re-export, a test, a module that is only the beginning of a path, a name of another crate.
        ("mod a; mod b; pub use b::B; struct L;", "use super::{B, L};", "use crate::L;", ""),
        (
            "mod a; mod b; pub use b::B;",
            "use crate::B;",
            "#[cfg(test)] mod tests { use super::super::a::A; }",
            "",
        ),
        (
            "mod a; mod b; mod x;",
            "use crate::x;\nfn a() -> x::Leaf { b::a() }",
            "use super::x::{Leaf, a};",
            "",
        ),
    ] {
        // The folder x has a file of its own that imports a.rs.
        let files = [
            ("lib.rs", lib),
            ("a.rs", a),
            ("b.rs", b),
            ("x/mod.rs", "mod leaf; pub use leaf::Leaf; fn x() { crate::a::a() }"),
            leaf,
        ];
        assert_eq!(
            circles(&files),
            if circle.is_empty() { vec![] } else { vec![circle.to_owned()] },
            "{files:?}"
        );
    }
}

#[test]
fn pure_crates_depend_on_nothing_that_does_io() {
    for (name, wanted) in PURE {
        let found = dependencies(&read(format!("crates/{name}/Cargo.toml")));
        assert_eq!(found, wanted, "crates/{name}");
        for path in sources(format!("crates/{name}/src")) {
            if path.components().any(|part| part.as_os_str().to_str().unwrap().starts_with("tests")) {
                continue;
            }
            for used in imports::paths(path.to_str().unwrap(), &read(&path)) {
                let is_impure =
                    |impure: &&[&str]| used.windows(impure.len()).any(|part| part.iter().eq(impure.iter()));
                assert!(!IMPURE.iter().any(is_impure), "{}: {}", path.display(), used.join("::"));
            }
        }
    }
}

/// ARCHITECTURE.md calls these crates pure, and no other.
#[test]
fn the_map_names_the_pure_crates() {
    let marked: Vec<_> = ARCHITECTURE
        .lines()
        .filter_map(|line| line.strip_prefix("crates/"))
        .filter(|line| line.contains("PURE"))
        .map(|line| line.split('/').next().unwrap())
        .collect();
    let mut pure: Vec<_> = PURE.iter().map(|(name, _)| *name).collect();
    pure.sort_unstable();
    let mut sorted = marked.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, pure);
}

#[test]
fn files_stay_readable() {
    for folder in ["bench", "crates", "fuzz/fuzz_targets", "src", "tests"] {
        for path in sources(folder) {
            let text = read(&path);
            let count = text.lines().count();
            assert!(count <= 400, "{} has {count} lines: two files by subject", path.display());
            assert!(text.starts_with("//! "), "{} does not begin with what it is for", path.display());
            for name in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
                let is_old = ["MOST_", "LONGEST_", "LEAST_"].iter().any(|start| name.starts_with(start));
                assert!(
                    !is_old || name.len() < 9,
                    "{}: {name}; constants begin with MAX_ or MIN_",
                    path.display()
                );
            }
        }
    }
}

/// What needs no kube, no terminal and no flags belongs to a crate.
#[test]
fn the_program_is_less_than_two_fifths_of_the_lines() {
    let count = |folder: &Path| sources(folder).iter().map(|path| lines(path)).sum::<usize>();
    let all: usize = folders().iter().map(|folder| count(folder)).sum();
    let program = count(Path::new("src"));
    assert!(program * 5 < all * 2, "{program} of {all} lines are in src/");
}

#[test]
fn every_crate_begins_with_an_example() {
    for folder in folders().iter().filter(|folder| folder.starts_with("crates")) {
        let text = read(folder.join("lib.rs"));
        let head: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.contains(&"//! ```") || head.contains(&"//! ```no_run"), "{}", folder.display());
    }
}

/// The folders and files of the map: a folder of crates and of `src` is at the beginning of a line, what is in it below.
#[test]
fn the_map_shows_what_exists() {
    let (_, map) = ARCHITECTURE.split_once("\n```\n").unwrap();
    let (map, _) = map.split_once("\n```\n").unwrap();
    let mut folder = "";
    let mut crates = Vec::new();
    for line in map.lines() {
        let path = line.split_whitespace().next().unwrap().trim_end_matches(',');
        if !line.starts_with(' ') {
            folder = path;
            crates.extend(path.strip_prefix("crates/").map(|name| format!("crates/{name}src")));
        }
        let path = if line.starts_with(' ') { format!("{folder}{path}") } else { path.to_owned() };
        assert!(root().join(&path).exists(), "ARCHITECTURE.md: {path}");
    }
    crates.sort();
    let wanted = folders().into_iter().filter(|folder| folder.starts_with("crates"));
    assert_eq!(crates, wanted.map(|folder| folder.display().to_string()).collect::<Vec<_>>());
}

/// The pictures, the second and the third block of ARCHITECTURE.md.
fn pictures() -> Vec<&'static str> {
    let pictures = ARCHITECTURE.split("\n```mermaid\n").skip(1);
    pictures.map(|rest| rest.split("\n```\n").next().unwrap()).collect()
}

#[test]
fn the_picture_of_crates_has_their_dependencies() {
    let mut shown = BTreeSet::new();
    for line in pictures()[0].lines().filter(|line| line.contains("-->")) {
        let name = |node: &str| node.split('[').next().unwrap().trim().replace('_', "-");
        let (from, to) = line.split_once(" --> ").unwrap();
        shown.extend(to.split(" & ").map(|to| (name(from), name(to))));
    }
    let mut real = BTreeSet::new();
    for folder in folders() {
        let folder = folder.parent().unwrap();
        let from = folder.file_name().map_or("program", |name| name.to_str().unwrap());
        let used = dependencies(&read(folder.join("Cargo.toml")));
        let used = used.iter().filter_map(|name| name.strip_prefix("gomemlimit-"));
        real.extend(used.map(|to| (from.to_owned(), to.to_owned())));
    }
    assert_eq!(shown, real);
}

#[test]
fn the_picture_of_a_review_has_functions_that_exist() {
    let mut count = 0;
    for node in pictures()[1].split("[\"").skip(1) {
        let (path, rest) = node.split_once("<br/>").unwrap();
        let name = rest.split('"').next().unwrap().rsplit("::").next().unwrap();
        let text = read(path);
        let is_there = ["(", "<"].iter().any(|after| text.contains(&format!("fn {name}{after}")));
        assert!(is_there, "{path} has no function {name}");
        count += 1;
    }
    assert_eq!(count, 16);
}

/// Every path of the page outside of the map.
#[test]
fn every_path_of_the_architecture_exists() {
    let (before, rest) = ARCHITECTURE.split_once("\n```\n").unwrap();
    let text = before.to_owned() + rest.split_once("\n```\n").unwrap().1;
    let words = text.split(|c: char| c.is_whitespace() || "()[]`,;|<>\"".contains(c));
    let mut count = 0;
    for word in words.map(|word| word.trim_end_matches(['.', ':'])) {
        let path = word.split("::").next().unwrap();
        let begins =
            ["bench/", "charts/", "crates/", "deploy/", "docs/", "examples/", "fuzz/", "src/", "tests/"];
        if begins.iter().any(|begin| path.starts_with(begin)) && !path.contains('*') {
            assert!(root().join(path).exists(), "ARCHITECTURE.md: {path}");
            count += 1;
        }
    }
    assert!(count >= 60, "{count}");
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let listed = Command::new("git").args(["ls-files", "*Cargo.toml"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let manifests: Vec<_> = listed.lines().collect();
    assert!(manifests.len() >= 8, "{manifests:?}");
    for manifest in manifests {
        let text = read(manifest);
        let section = |name: &str| {
            let (_, rest) = text.split_once(&format!("\n[{name}]\n"))?;
            Some(rest.split("\n[").next().unwrap().lines().map(str::trim).collect::<Vec<_>>())
        };
        let has = |name: &str, line: &str| section(name).is_some_and(|lines| lines.contains(&line));
        // A workspace of its own says it itself, as the root does for its members.
        let own = has("lints.rust", r#"unsafe_code = "forbid""#);
        assert!(own || has("lints", "workspace = true"), "{manifest} inherits no lints");
        if manifest == "Cargo.toml" {
            assert!(has("workspace.lints.rust", r#"unsafe_code = "forbid""#), "{manifest}");
        }
    }
}

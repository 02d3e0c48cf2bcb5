//! What `-f`, `-k`, `-R` and `--exclude` name, and how it is found and read.

mod encodings;
mod kustomize;
mod urls;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    process::{Command, Stdio},
};

use gomemlimit_fake_api_server::CommandOutput;
use rstest::rstest;

use super::manifests::{DEPLOYMENT, write};

/// The program in `folder`, with nothing on stdin.
pub(super) fn run_in(folder: &Path, arguments: &[&str], environment: &[(&str, &OsStr)]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).output().unwrap().into()
}

/// Writes a Deployment to each of these files, whose name it has, without what a name of Kubernetes must not have.
fn deployments(folder: &Path, files: &[&str]) {
    for file in files {
        write(folder, file, &named(file));
    }
}

fn named(file: &str) -> String {
    let name: String = file.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    DEPLOYMENT.replace("{name: api,", &format!("{{name: {name},"))
}

/// The names of the Deployments in a report on stdout, in its order, without repetitions.
fn names(output: &CommandOutput) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in output.stdout.lines() {
        let name = line.strip_prefix("Deployment shop/").and_then(|line| line.split(' ').next());
        if let Some(name) = name.filter(|name| names.last().is_none_or(|last| last != name)) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The list of arguments, the files that are there, and those that are read.
#[rstest]
#[case::list(&["-f", "a.yaml,b.yaml"], &["a.yaml", "b.yaml"], &["a-yaml", "b-yaml"])]
#[case::order(&["-f", "b.yaml,a.yaml"], &["a.yaml", "b.yaml"], &["b-yaml", "a-yaml"])]
#[case::repeated(&["-f", "b.yaml", "-f", "a.yaml"], &["a.yaml", "b.yaml"], &["b-yaml", "a-yaml"])]
#[case::comma_in_a_name(&["-f", "a,b.yaml"], &["a,b.yaml", "a", "b.yaml"], &["a-b-yaml"])]
#[case::list_of_directories(&["-f", "x,y"], &["x/a.yaml", "y/b.json"], &["x-a-yaml", "y-b-json"])]
#[case::endings(
    &["-f", "."],
    &["a.YAML", "b.yml", "c.json", "d.yaml", "e.yaml.bak", "f.txt", "g", ".yaml", ".h.yaml"],
    &["-h-yaml", "-yaml", "b-yml", "c-json", "d-yaml"]
)]
#[case::any_ending_by_its_name(&["-f", "a.YAML", "-f", "b.txt"], &["a.YAML", "b.txt"], &["a-YAML", "b-txt"])]
#[case::not_recursive(&["-f", "."], &["a.yaml", "x/b.yaml"], &["a-yaml"])]
#[case::order_of_a_walk(
    &["-R", "-f", "."],
    &["b.yaml", "a/z.yaml", "a.yaml", "a/b/c.yaml", ".github/d.yaml", "x.yaml/e.yaml"],
    &["-github-d-yaml", "a-b-c-yaml", "a-z-yaml", "a-yaml", "b-yaml", "x-yaml-e-yaml"]
)]
#[case::pattern(&["-f", "x/*.yaml"], &["x/b.yaml", "x/a.yaml", "x/y/c.yaml"], &["x-a-yaml", "x-b-yaml"])]
#[case::pattern_of_directories(&["-f", "*"], &["x/a.yaml", "y/b.yaml"], &["x-a-yaml", "y-b-yaml"])]
#[case::pattern_in_a_list(&["-f", "x*,y.yaml"], &["x1", "x2", "y.yaml"], &["x1", "x2", "y-yaml"])]
#[case::name_that_is_a_pattern(&["-f", "[a].yaml"], &["[a].yaml", "a.yaml"], &["-a--yaml"])]
#[case::exclude(&["-R", "-f", ".", "--exclude", "*.tmpl.yaml"], &["a.yaml", "x/b.tmpl.yaml"], &["a-yaml"])]
#[case::exclude_folder(
    &["-R", "-f", "r", "--exclude", "charts/", "--exclude", ".*"],
    &["r/a.yaml", "r/charts/b.yaml", "r/x/charts/c/d.yaml", "r/.github/e.yaml", "r/charts.yaml"],
    &["r-a-yaml", "r-charts-yaml"]
)]
#[case::exclude_is_relative(
    &["-R", "-f", "r", "--exclude", "/x/a.yaml"],
    &["r/x/a.yaml", "r/y/x/a.yaml"],
    &["r-y-x-a-yaml"]
)]
#[case::excluded_but_for(
    &["-f", ".", "--exclude", "*.json", "--exclude", "!b.json"],
    &["a.json", "b.json", "c.yaml"],
    &["b-json", "c-yaml"]
)]
#[case::named_is_not_excluded(&["-f", "a.yaml", "--exclude", "*"], &["a.yaml"], &["a-yaml"])]
fn names_are_those_of_kubectl(#[case] arguments: &[&str], #[case] files: &[&str], #[case] expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    deployments(folder.path(), files);
    let output = run_in(folder.path(), &[&["explain"], arguments].concat(), &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!((names(&output), &*output.stderr), (expected.iter().map(ToString::to_string).collect(), ""));
}

#[rstest]
#[case(&["-f", "a.yaml,"], "--filename a.yaml,: a name of the list is empty")]
#[case(&["-f", "nothing.yaml"], "cannot read nothing.yaml: No such file or directory")]
#[case(&["-f", "x*.yaml"], "cannot read x*.yaml: No such file or directory")]
#[case(&["-f", "-", "-f", "-"], "--filename - can be given only once")]
#[case(&["-f", "a.yaml,-", "-f", "-"], "--filename - can be given only once")]
#[case(&["-f", "empty"], "empty: no *.yaml, *.yml or *.json in this directory")]
#[case(&["-f", ".", "--exclude", "*"], ".: no *.yaml, *.yml or *.json in this directory")]
fn what_is_named_must_be_there(#[case] arguments: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    deployments(folder.path(), &["a.yaml"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    for command in ["explain", "inject"] {
        run_in(folder.path(), &[&[command], arguments].concat(), &[]).is_refused(expected);
    }
}

#[test]
fn a_pattern_that_is_none_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for pattern in ["", "{a", "# all"] {
        let output = run_in(folder.path(), &["inject", "-f", ".", "--exclude", pattern], &[]);
        assert_eq!((output.code, &*output.stdout), (2, ""));
        assert!(output.stderr.contains("--exclude <GLOB>"), "{}", output.stderr);
    }
}

/// A directory without manifests is no error beside one that has some.
#[test]
fn an_empty_directory_beside_another_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    deployments(folder.path(), &["full/a.yaml"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let output = run_in(folder.path(), &["explain", "-R", "-f", "empty,full"], &[]);
    let note = "note: empty: no *.yaml, *.yml or *.json in this directory and those in it\n";
    assert_eq!((output.code, &*output.stderr), (0, note));
    assert_eq!(names(&output), ["full-a-yaml"]);
}

/// As `filepath.Walk`: each file once, and at once, however the folders are linked.
#[test]
fn links_to_folders_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    deployments(folder.path(), &["one/p.yaml", "ws/a/q.yaml"]);
    symlink(".", folder.path().join("one/self")).unwrap();
    symlink("..", folder.path().join("one/up.yaml")).unwrap();
    for from in ["a", "b", "c"] {
        let modules = folder.path().join("ws").join(from).join("node_modules");
        fs::create_dir_all(&modules).unwrap();
        for to in ["a", "b", "c"] {
            symlink(format!("../../{to}"), modules.join(to)).unwrap();
        }
    }
    let output = run_in(folder.path(), &["explain", "-R", "-f", "ws"], &[]);
    assert_eq!((names(&output), &*output.stderr), (vec!["ws-a-q-yaml".to_owned()], ""));
    let output = run_in(folder.path(), &["explain", "-R", "-f", "one"], &[]);
    let note = "note: one/up.yaml is left out: it is a link to what is not a regular file\n";
    assert_eq!((names(&output), &*output.stderr), (vec!["one-p-yaml".to_owned()], note));
    // The one that is named is.
    symlink("one", folder.path().join("named")).unwrap();
    let output = run_in(folder.path(), &["explain", "-f", "named"], &[]);
    assert_eq!(names(&output), ["one-p-yaml"]);
}

/// Folders that are too deep for a path, and files that only others may read, end nothing.
#[test]
fn what_cannot_be_read_below_a_directory_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    deployments(folder.path(), &["a.yaml", "secret.yaml"]);
    let script = "cd d && for i in $(seq 20); do mkdir $0 && cd $0 || exit; done; : > z.yaml";
    fs::create_dir(folder.path().join("d")).unwrap();
    let made = Command::new("bash").args(["-c", script, &"x".repeat(250)]).current_dir(&folder).status();
    assert!(made.unwrap().success());
    let secret = folder.path().join("secret.yaml");
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // Nothing is secret for root.
    let is_root = fs::read(&secret).is_ok();

    let output = run_in(folder.path(), &["explain", "-R", "-f", "."], &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(names(&output).contains(&"a-yaml".to_owned()), "{}", output.stdout);
    let notes: Vec<_> = output.stderr.lines().collect();
    assert_eq!(notes.len(), if is_root { 1 } else { 2 }, "{notes:?}");
    assert!(notes[0].starts_with("note: cannot read ./d/xxx"), "{notes:?}");
    assert!(notes[0].ends_with(": File name too long (os error 36)"), "{notes:?}");
    if !is_root {
        let permission = "Permission denied (os error 13)";
        assert_eq!(notes[1], format!("note: cannot read ./secret.yaml: {permission}"));
        run_in(folder.path(), &["explain", "-f", "secret.yaml"], &[]).is_refused(permission);
    }
}

/// Nobody has named them: one is read, the other would be waited for.
#[test]
fn names_that_are_no_text_are_found_and_pipes_fit_no_pattern() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    fs::write(folder.join(OsStr::from_bytes(b"a\xff.yaml")), DEPLOYMENT).unwrap();
    let found = run_in(folder, &["explain", "-f", ".", "--fail-on", "injected"], &[]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(Command::new("mkfifo").arg(folder.join("b.yaml")).status().unwrap().success());
    fs::write(folder.join("c.yaml"), DEPLOYMENT).unwrap();
    let fitting = run_in(folder, &["explain", "-f", "[bc].yaml"], &[]);
    assert_eq!((fitting.code, fitting.stdout.lines().count()), (0, 2), "{}", fitting.stderr);
}

//! `inject --in-place`: what is left of a file besides its text, files that cannot be written, and sources of kustomize.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    process::Command,
};

use gomemlimit_fake_api_server::CommandOutput;

use super::manifests::{DEPLOYMENT, write};
use crate::support::command::run;

fn is_changed(path: &str) -> bool {
    fs::read_to_string(path).unwrap().contains("966367641")
}

#[test]
fn a_file_keeps_its_mode_owner_and_other_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), "a.yaml", DEPLOYMENT);
    let other = directory.path().join("other.txt").to_str().unwrap().to_owned();
    fs::hard_link(&path, &other).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    // Only root can give a file away.
    let owner = if chown(&path, Some(1234), Some(1235)).is_ok() { Some((1234, 1235)) } else { None };
    let output = run(&["inject", "--in-place", "-f", &path]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(is_changed(&path) && is_changed(&other));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o640, 2));
    if let Some(owner) = owner {
        assert_eq!((metadata.uid(), metadata.gid()), owner);
    }
}

/// For root, too, who could write it.
#[test]
fn a_read_only_file_is_refused_and_no_other_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let first = write(directory.path(), "a.yaml", DEPLOYMENT);
    let second = write(directory.path(), "b.yaml", DEPLOYMENT);
    fs::set_permissions(&second, Permissions::from_mode(0o444)).unwrap();
    run(&["inject", "--in-place", "-f", directory.path().to_str().unwrap()]).is_refused(&format!(
        "error: cannot write {second}: it is read-only (mode 0444); chmod u+w it first; no file was changed"
    ));
    assert!(!is_changed(&first) && !is_changed(&second));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left behind");
    // Nothing changes in a second run.
    fs::set_permissions(&second, Permissions::from_mode(0o644)).unwrap();
    let root = directory.path().to_str().unwrap();
    assert_eq!(run(&["inject", "--in-place", "-f", root]).code, 0);
    fs::set_permissions(&second, Permissions::from_mode(0o444)).unwrap();
    assert_eq!(run(&["inject", "--in-place", "-f", root]).code, 0);
}

/// A file that can only be written over is written last of all, so that an error of it can come after a rename.
#[test]
fn an_error_names_the_files_that_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        write(directory.path(), name, &DEPLOYMENT.replace("name: api", &format!("name: {}", &name[..1])));
    }
    // It has room for 2 KiB only (setrlimit(2), RLIMIT_FSIZE).
    let long = "# ".to_owned() + &"x".repeat(4096) + "\n";
    write(directory.path(), "b.yaml", &(long + &fs::read_to_string(path("b.yaml")).unwrap()));
    fs::hard_link(path("b.yaml"), path("other.txt")).unwrap();
    let script = "trap '' XFSZ; ulimit -f 4 && exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_gomemlimit"), "inject", "--in-place", "-f"]);
    let output: CommandOutput = command.arg(directory.path()).output().unwrap().into();
    assert_eq!(output.code, 2, "{}", output.stderr);
    let lines: Vec<_> = output.stderr.lines().collect();
    let (error, reported) = lines.split_last().unwrap();
    let [a, b, c] = ["a.yaml", "b.yaml", "c.yaml"].map(path);
    assert_eq!(
        *error,
        format!("error: cannot write {b}: File too large (os error 27); written: {a}; not written: {b}, {c}")
    );
    assert!(!reported.is_empty() && reported.iter().all(|line| line.contains(" shop/a")), "{reported:?}");
    assert_eq!((is_changed(&a), is_changed(&c)), (true, false));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "nothing is left behind");
}

/// More files than a process may have open.
#[test]
fn many_files_are_written() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..80 {
        write(directory.path(), &format!("{number}.yaml"), DEPLOYMENT);
    }
    let root = directory.path().to_str().unwrap();
    let script = "ulimit -n 40 && exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_gomemlimit"), "inject", "--in-place", "-f", root]);
    let output: CommandOutput = command.output().unwrap().into();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stderr.matches("(injected)").count(), 80);
    for number in 0..80 {
        assert!(is_changed(&format!("{root}/{number}.yaml")));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 80, "nothing is left behind");
}

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      \
                     containers:\n      - name: api\n        resources: {limits: {memory: 256Mi}}\n";

#[test]
fn sources_of_kustomize_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    write(directory.path(), "base/d.yaml", DEPLOYMENT);
    write(directory.path(), "base/e.yaml", DEPLOYMENT);
    write(directory.path(), "base/kustomization.yaml", "resources: [d.yaml, e.yaml]\n");
    write(directory.path(), "over lay/p.yaml", PATCH);
    write(directory.path(), "over lay/Kustomization", "resources: [../base]\npatches: [{path: p.yaml}]\n");
    write(directory.path(), "plain/p.yaml", PATCH);
    write(directory.path(), "all/kustomization.yml", "resources: [../plain]\npatches: [{path: x.yaml}]\n");
    // Nothing comes after the values here.
    write(directory.path(), "list/kustomization.yml", "resources: [../plain]\n");
    let warning = |name: &str| format!("warning: {} is a source of kustomize: ", path(name));
    let built = |name: &str| format!("kubectl kustomize {name} | gomemlimit inject -f -");
    for more in [&[][..], &["--diff"], &["-o", "json"], &["--in-place"]] {
        let output = run(&[&["inject", "-R", "-f", directory.path().to_str().unwrap()], more].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        for name in ["base", "over lay", "all"] {
            assert_eq!(output.stderr.matches(&warning(name)).count(), 1, "{}", output.stderr);
        }
        for name in ["plain", "list"] {
            assert!(!output.stderr.contains(&warning(name)), "{}", output.stderr);
        }
        assert!(output.stderr.contains(&built(&path("base"))), "{}", output.stderr);
        assert!(output.stderr.contains(&built(&format!("'{}'", path("over lay")))), "{}", output.stderr);
    }
    // Beside a file that is named.
    let output = run(&["inject", "-f", &path("over lay/p.yaml")]);
    assert_eq!(output.stderr.matches(&warning("over lay")).count(), 1, "{}", output.stderr);
    assert!(!run(&["inject", "-f", &path("plain/p.yaml")]).stderr.contains("kustomize"));
    // A kustomization of nothing that has pods, and one of a pod that gets no value.
    assert!(!run(&["inject", "-R", "-f", &path("all")]).stderr.contains("kustomize"));
    write(directory.path(), "none/p.yaml", &PATCH.replace("memory", "cpu"));
    write(directory.path(), "none/kustomization.yaml", "resources: [p.yaml]\npatches: []\n");
    assert!(!run(&["inject", "-R", "-f", &path("none")]).stderr.contains("kustomize"));
}

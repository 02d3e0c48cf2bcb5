//! Hostile manifests and directories, as somebody may write them into a repository that the program reads.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use gomemlimit_fake_api_server::CommandOutput;
use rstest::rstest;

use super::manifests::{DEPLOYMENT, write};
use crate::support::command::{run, run_with_stdin};

/// A pod whose second container, or which as a whole, only kubectl sees.
#[rstest]
#[case::next_line("kind: Pod\nspec:\n  containers:\n  - name: a\n  # text\u{85}  - name: hidden\n", "U+0085")]
#[case::line_separator(
    "kind: Pod\nspec:\n  containers:\n  - name: a\n  # text\u{2028}  - name: hidden\n",
    "U+2028"
)]
#[case::paragraph(
    "kind: Pod\nspec:\n  containers:\n  - name: a\n  # text\u{2029}  - name: hidden\n",
    "U+2029"
)]
#[case::binary("kind: !!binary UG9k\nspec: {containers: [{name: a}]}\n", "!!binary")]
#[case::separator("null\n---\u{a0}\n{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}\n", "kubectl ends a document")]
fn what_only_kubectl_sees_is_refused(#[case] text: &str, #[case] expected: &str) {
    let text = if text.starts_with("kind") { format!("apiVersion: v1\n{text}") } else { text.to_owned() };
    run_with_stdin(&["explain", "-f", "-", "--fail-on", "no-memory-limit", "--allow-empty"], &text)
        .is_refused(expected);
    let output = run_with_stdin(&["inject", "-f", "-"], &text);
    assert_eq!((output.code, output.stdout), (2, text), "it is not changed");
    assert!(output.stderr.contains(expected), "{}", output.stderr);
}

/// `kubectl apply` creates the pods of whatever has items.
#[test]
fn pods_in_the_items_of_another_kind_are_seen() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: \
                {name: p}\n  spec: {containers: [{name: a}]}\n";
    let output = run_with_stdin(&["explain", "-f", "-", "--fail-on", "no-memory-limit"], text);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stdout.contains("Pod default/p"), "{}", output.stdout);
}

/// Runs the program with no more than this memory of its own (setrlimit(2), `RLIMIT_DATA`), so that it ends by a signal if
/// it takes more.
fn run_in_mib(mib: u32, arguments: &[&str]) -> CommandOutput {
    let script = format!("ulimit -d {} && exec \"$0\" \"$@\"", mib << 10);
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_gomemlimit")]).args(arguments);
    command.output().unwrap().into()
}

#[test]
fn aliases_take_no_memory() {
    let many = |alias: &str, count| vec![alias; count].join(", ");
    let long = "x".repeat(32 << 10);
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("scalars", format!("x: &a {long}\ny: [{}]\n", many("*a", 10_000))),
        ("keys", format!("x: &a {{? {long}\n : 1}}\ny: [{}]\n", many("*a", 10_000))),
        ("mappings", format!("x: &a {{a: 1}}\ny: [{}]\n", many("*a", 200_000))),
        ("merges", format!("x: &a {{a: {long}}}\ny: [{}]\n", many("{<<: *a}", 10_000))),
        ("nested", format!("{}{}{}", "[&a ".repeat(200), "x, ".repeat(20_000), "]".repeat(200))),
        ("documents", format!("x: &a {long}\ny: [{}]\n---\n", many("*a", 400)).repeat(40)),
    ] {
        let path = write(directory.path(), name, &text);
        let output = run_in_mib(128, &["explain", "-f", &path]);
        assert_eq!((output.code, &*output.stdout), (2, ""), "{}", output.stderr);
        let error = "the anchors and aliases up to here copy too much";
        assert!(output.stderr.lines().all(|line| line.contains(error)), "{}", output.stderr);
    }
    // A few files are held at a time.
    for number in 0..60 {
        let text = format!("x: &a {long}\ny: [{}]\n", many("*a", 400));
        write(directory.path(), &format!("many/{number}.yaml"), &text);
    }
    let many = directory.path().join("many");
    let output = run_in_mib(256, &["inject", "-f", many.to_str().unwrap()]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    // What people write is as before.
    let text =
        DEPLOYMENT.replace("limits: {memory: 1Gi}", "limits: &l {memory: 1Gi}\n            requests: *l");
    let output = run_with_stdin(&["inject", "-f", "-"], &text);
    assert!(output.code == 0 && output.stdout.contains("966367641"), "{}", output.stderr);
}

/// A directory with one manifest, and with links, a pipe and a socket that are called like manifests.
fn hostile_directory(at: &Path) -> String {
    write(at, "secret/credentials.json", "{\"kind\": \"Secret\", \"token\": \"hunter2\"}");
    write(at, "secret/pod.yaml", DEPLOYMENT);
    let root = at.join("root");
    write(&root, "a.yaml", DEPLOYMENT);
    symlink("../secret/credentials.json", root.join("b.json")).unwrap();
    symlink("../secret/pod.yaml", root.join("c.yaml")).unwrap();
    symlink("/dev/zero", root.join("d.yaml")).unwrap();
    symlink("me@host.123:1", root.join(".#e.yaml")).unwrap();
    symlink("../secret", root.join("f")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink("secret/nothing.yaml", root.join("g.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("h.yaml")).status().unwrap().success());
    drop(UnixListener::bind(root.join("i.yaml")).unwrap());
    root.to_str().unwrap().to_owned()
}

#[test]
fn a_directory_leads_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let root = hostile_directory(directory.path());
    let output = run(&["inject", "-R", "-f", &root]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("966367641") && !output.stdout.contains("hunter2"), "{}", output.stdout);
    assert_eq!(output.stdout.matches("kind: Deployment").count(), 1, "{}", output.stdout);
    let outside = "it is a link out of the directory that -f names; name what it links to";
    // kubectl would read the two that lead to files outside.
    let left_out: String = [
        ("note", ".#e.yaml", "it is a link to nothing"),
        ("warning", "b.json", outside),
        ("warning", "c.yaml", outside),
        ("note", "d.yaml", "it is a link to what is not a regular file"),
        ("note", "f", outside),
        ("note", "g.yaml", "it is a link to nothing"),
        ("note", "h.yaml", "it is not a regular file"),
        ("note", "i.yaml", "it is not a regular file"),
    ]
    .map(|(label, name, why)| format!("{label}: {root}/{name} is left out: {why}\n"))
    .concat();
    assert!(output.stderr.starts_with(&left_out), "{}", output.stderr);

    // A gate does not pass on what it did not look at, and fails for what it finds.
    let gate = |reason: &str| run(&["explain", "-R", "-f", &root, "--fail-on", reason]);
    let passed = gate("no-memory-limit");
    assert_eq!((passed.code, passed.stdout.matches("Deployment shop/api").count()), (2, 1));
    assert!(passed.stderr.contains("error: some of these files are left out, so --fail-on cannot judge"));
    assert_eq!(gate("injected").code, 1);

    let before = fs::read_to_string(directory.path().join("secret/pod.yaml")).unwrap();
    let output = run(&["inject", "-R", "--in-place", "-f", &root]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(fs::read_to_string(directory.path().join("secret/pod.yaml")).unwrap(), before);
    assert!(fs::read_to_string(directory.path().join("root/a.yaml")).unwrap().contains("966367641"));
}

/// As in a mounted ConfigMap, whose files are links to those of a hidden directory.
#[test]
fn links_within_a_directory_are_read() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "..2026/a.yaml", DEPLOYMENT);
    symlink("..2026", directory.path().join("..data")).unwrap();
    symlink("..data/a.yaml", directory.path().join("a.yaml")).unwrap();
    let root = directory.path().to_str().unwrap();
    let output = run(&["explain", "-f", root, "--fail-on", "no-memory-limit"]);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    assert_eq!(output.stdout.matches("Deployment shop/api").count(), 1);
    // Nothing is written through them.
    let target = directory.path().join("..2026/a.yaml");
    let link = directory.path().join("a.yaml");
    let expected = format!("a.yaml is a link; name {}", target.display());
    run(&["inject", "--in-place", "-f", root]).is_refused(&expected);
    run(&["inject", "--in-place", "-f", link.to_str().unwrap()])
        .is_refused("is a link to ..data/a.yaml; name");
    assert_eq!(fs::read_to_string(target).unwrap(), DEPLOYMENT);
    assert_eq!(run(&["explain", "-f", link.to_str().unwrap(), "--fail-on", "no-memory-limit"]).code, 0);
}

/// Files, links and a disk that take nothing: what is reported is what was written.
#[test]
fn nothing_is_reported_that_was_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        write(directory.path(), name, &DEPLOYMENT.replace("name: api", &format!("name: {}", &name[..1])));
    }
    symlink("c.yaml", path("link.yaml")).unwrap();
    run(&["inject", "--in-place", "-f", &path("a.yaml"), "-f", &path("link.yaml")])
        .is_refused("is a link to c.yaml");
    assert!(!fs::read_to_string(path("a.yaml")).unwrap().contains("966367641"), "all are looked at first");

    // The second file has room for 1 KiB only (setrlimit(2), RLIMIT_FSIZE), the first is smaller.
    let long = "# ".to_owned() + &"x".repeat(4096) + "\n";
    write(directory.path(), "b.yaml", &(long + &fs::read_to_string(path("b.yaml")).unwrap()));
    let script = "trap '' XFSZ; ulimit -f 4 && exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_gomemlimit"), "inject", "--in-place"]);
    let files = [path("a.yaml"), path("b.yaml"), path("c.yaml")];
    let output: CommandOutput =
        command.args(files.iter().flat_map(|file| ["-f", file])).output().unwrap().into();
    output.is_refused("b.yaml: File too large (os error 27); no file was changed");
    let is_written = |name: &str| fs::read_to_string(path(name)).unwrap().contains("966367641");
    assert_eq!(["a.yaml", "b.yaml", "c.yaml"].map(is_written), [false; 3]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "nothing is left behind");

    for arguments in [&["inject", "-f"][..], &["inject", "--diff", "-f"], &["inject", "-o", "json", "-f"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output: CommandOutput =
            command.args(arguments).arg(path("c.yaml")).stdout(full).output().unwrap().into();
        let error = "error: cannot write to stdout: No space left on device (os error 28)\n";
        assert_eq!((output.code, &*output.stderr), (2, error));
    }
}

#[test]
fn inputs_have_a_maximum_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    let expected = "it is larger than 64 MiB, which no manifest is; split it into several files";
    for file in [path.to_str().unwrap(), "/dev/zero"] {
        run(&["inject", "-f", file]).is_refused(expected);
    }
    // kubectl would read it, so that a gate does not pass without it.
    let root = directory.path().to_str().unwrap();
    let output = run(&["inject", "-f", root]);
    assert_eq!((output.code, &*output.stdout), (0, ""));
    let warning = format!("warning: cannot read {}: {expected}\n", path.display());
    assert!(output.stderr.starts_with(&warning), "{}", output.stderr);
    let gate = run(&["explain", "-f", root, "--fail-on", "no-memory-limit", "--allow-empty"]);
    assert_eq!(gate.code, 2, "{}", gate.stderr);
}

/// Pipes that somebody names are read: `-f <(helm template …)`.
#[test]
fn pipes_on_the_command_line_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = thread::spawn({
        let pipe = pipe.clone();
        move || {
            fs::OpenOptions::new().write(true).open(pipe).unwrap().write_all(DEPLOYMENT.as_bytes()).unwrap();
        }
    });
    let output = run(&["explain", "-f", pipe.to_str().unwrap()]);
    writer.join().unwrap();
    assert!(output.code == 0 && output.stdout.contains("Deployment shop/api"), "{}", output.stderr);
    let output = run_with_stdin(&["explain", "-f", "/dev/stdin"], DEPLOYMENT);
    assert!(output.code == 0 && output.stdout.contains("Deployment shop/api"), "{}", output.stderr);
}

/// Feeds `diff` to a tool in `directory`; none if the tool is not there.
fn apply(tool: &[&str], directory: &Path, diff: &str) -> Option<bool> {
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::null());
    // Not the repository in which the tests run.
    command.env("GIT_CEILING_DIRECTORIES", std::env::temp_dir()).env_remove("GIT_DIR");
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    child.stdin.take().unwrap().write_all(diff.as_bytes()).unwrap();
    Some(child.wait().unwrap().success())
}

/// The name of a file, and a line end that only some tools know, change neither which file a diff is for nor what it does.
#[rstest]
#[case::forged_file("z\n--- a/victim.yaml\n+++ b/victim.yaml\n@@ -1 +1 @@\n-old\n+new\n.yaml", "")]
#[case::quotes("a \"b\"\\n\t.yaml", "")]
#[case::escape("\u{1b}[2J\u{202e}é.yaml", "")]
#[case::space("a b.yaml", "")]
#[case::carriage_return("a.yaml", "\r # a\r # b\r # c")]
fn a_diff_is_for_its_own_file(#[case] name: &str, #[case] comment: &str) {
    let manifest = DEPLOYMENT.replace("# the Go one", &format!("# the Go one{comment}"));
    for tool in [&["patch", "-p1"][..], &["git", "apply"]] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), name, &manifest);
        write(directory.path(), "victim.yaml", "old\n");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        let output: CommandOutput = command
            .args(["inject", "-R", "--diff", "-f", "."])
            .current_dir(directory.path())
            .output()
            .unwrap()
            .into();
        assert_eq!(output.code, 0, "{}", output.stderr);
        let Some(is_applied) = apply(tool, directory.path(), &output.stdout) else { continue };
        assert!(is_applied, "{tool:?}\n{}", output.stdout);
        assert_eq!(fs::read_to_string(directory.path().join("victim.yaml")).unwrap(), "old\n");
        let after = fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(after.contains("966367641"), "{after}");
    }
}

/// As docs/inject.md has it: a folder within a repository, too, and `/` for an absolute path.
#[test]
fn a_diff_applies_in_the_folder_that_inject_ran_in() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("sub");
    let other = directory.path().join("other");
    fs::create_dir_all(folder.join("m")).unwrap();
    symlink("m", folder.join("link")).unwrap();
    let is_repository = apply(&["git", "init", "-q", "."], directory.path(), "").is_some();
    for (tool, file, runs_in) in [
        (&["git", "apply"][..], "m/a.yaml".to_owned(), &*folder),
        (&["patch", "-p1"], "m/a.yaml".to_owned(), &*folder),
        // However the path leads there.
        (&["git", "apply"], "./m/a.yaml".to_owned(), &*folder),
        (&["git", "apply"], "m/./a.yaml".to_owned(), &*folder),
        (&["git", "apply"], "m/../m/a.yaml".to_owned(), &*folder),
        (&["git", "apply"], ".".to_owned(), &*folder),
        (&["git", "apply"], "link".to_owned(), &*folder),
        (&["git", "apply"], format!("{}/m/a.yaml", folder.display()), &*folder),
        (&["patch", "-p1"], format!("{}/m", folder.display()), &*folder),
        // Outside of the folder.
        (&["patch", "-p1"], format!("{}/m/a.yaml", other.display()), Path::new("/")),
        (&["patch", "-p1"], "../other/m/a.yaml".to_owned(), Path::new("/")),
    ] {
        write(&folder, "m/a.yaml", DEPLOYMENT);
        write(&other, "m/a.yaml", DEPLOYMENT);
        let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        let output: CommandOutput = command
            .args(["inject", "-R", "--diff", "-f", &file])
            .current_dir(&folder)
            .output()
            .unwrap()
            .into();
        if tool[0] == "git" && !is_repository {
            continue;
        }
        let Some(is_applied) = apply(tool, runs_in, &output.stdout) else { continue };
        assert!(is_applied, "{tool:?} {}", output.stdout);
        let path = if runs_in == folder { &folder } else { &other }.join("m/a.yaml");
        assert!(fs::read_to_string(path).unwrap().contains("966367641"), "{tool:?} {}", output.stdout);
    }
}

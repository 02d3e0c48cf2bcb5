//! Files and streams that commands write: as a whole, or left as they were; a full disk, and readers that are gone.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::{Command, Stdio},
};

use gomemlimit_fake_api_server::{CommandOutput, cluster_fixture::ClusterFixture, pod};
use rstest::rstest;
use serde_json::{Value, json};

use super::terminal::{manifest, program, run};

#[rstest]
#[case(&["--help"])]
#[case(&["--version"])]
#[case(&["inject", "--help"])]
#[case(&["policy"])]
#[case(&["completions", "bash"])]
fn a_full_disk_is_told_and_a_reader_that_has_gone_is_not(#[case] arguments: &[&str]) {
    let full = File::create("/dev/full").unwrap();
    let outcome: CommandOutput =
        program(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap().into();
    let last = outcome.stderr.lines().last().unwrap_or_default();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(last.starts_with("error: cannot write to stdout: No space left"), "{}", outcome.stderr);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let outcome: CommandOutput =
        program(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap().into();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("error"), "{}", outcome.stderr);
}

/// A message that nobody can read ends nothing.
#[test]
fn stderr_that_takes_nothing_changes_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    fs::write(&file, manifest("a", "b", "")).unwrap();
    let file = file.to_str().unwrap();
    let wanted = run(&["inject", "-f", file]);
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(File::create("/dev/full").unwrap()), gone.into()] {
        let output = program(&["inject", "-f", file]).stderr(stderr).stdout(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(0), wanted.stdout.clone().into_bytes()));
    }
    let status =
        program(&["inject", "-f", "/nonexistent"]).stderr(File::create("/dev/full").unwrap()).status();
    assert_eq!(status.unwrap().code(), Some(2));
}

/// Files of at most `blocks` of 512 bytes can be written; more is EFBIG instead of a signal.
fn with_little_room(blocks: u32, arguments: &[&str]) -> CommandOutput {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_gomemlimit")]).args(arguments);
    shell.output().unwrap().into()
}

#[test]
fn a_file_without_room_for_it_is_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    let text = manifest("a", "b", "") + &"# a long comment\n".repeat(200);
    fs::write(&file, &text).unwrap();
    let arguments = ["inject", "--in-place", "-f", file.to_str().unwrap()];
    let outcome = with_little_room(1, &arguments);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{}", outcome.stderr);
    let last = outcome.stderr.lines().last().unwrap();
    assert_eq!(last, format!("error: cannot write {}: File too large (os error 27)", file.display()));
    assert!(fs::read_to_string(&file).unwrap() == text, "the file was changed");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something was left behind");

    assert_eq!(with_little_room(100, &arguments).code, 0);
    assert!(fs::read_to_string(&file).unwrap().contains("GOMEMLIMIT"));
}

/// What `observe` has kept is not lost to what it keeps now.
#[tokio::test]
async fn an_observation_without_room_for_it_leaves_the_earlier_one() {
    let mut fixture = ClusterFixture::sound();
    let containers: Vec<Value> = (0..20).map(|n| json!({"name": format!("container-{n}")})).collect();
    let mut many = pod("api-0");
    many["spec"]["containers"] = containers.into();
    fixture.put("/api/v1/namespaces/shop/pods", &[many]);
    let server = fixture.serve();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kept.json");
    let kept = "an earlier observation\n".repeat(100);
    fs::write(&file, &kept).unwrap();
    let (kubeconfig, save) = (server.kubeconfig.path().to_str().unwrap().to_owned(), file.clone());
    let observe = move |blocks| {
        let save = save.to_str().unwrap();
        let arguments = ["observe", "pod/api-0", "--for", "1s", "--kubeconfig", &kubeconfig, "--save", save];
        with_little_room(blocks, &arguments)
    };
    let (outcome, observe) = tokio::task::spawn_blocking(move || (observe(1), observe)).await.unwrap();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    let last = outcome.stderr.lines().last().unwrap();
    assert_eq!(last, format!("error: cannot write {}: File too large (os error 27)", file.display()));
    assert!(fs::read_to_string(&file).unwrap() == kept, "the file was changed");

    assert_eq!(tokio::task::spawn_blocking(move || observe(1000)).await.unwrap().code, 0);
    assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
}

/// Neither one that is named nor one of a list, nor the one in the home folder.
#[rstest]
#[case("observe", "--save")]
#[case("observe", "--svg")]
#[case("diagnose", "--save")]
#[case("diagnose", "--svg")]
fn the_kubeconfig_is_not_written_over(#[case] command: &str, #[case] flag: &str) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".kube")).unwrap();
    let files = ["first", "second", ".kube/config"].map(|name| home.path().join(name));
    let config = "{apiVersion: v1, kind: Config}";
    for file in &files {
        fs::write(file, config).unwrap();
    }
    let [first, second, default] = files.each_ref().map(|path| path.to_str().unwrap());
    let list = format!("{first}:{second}");
    let link = home.path().join("link");
    symlink(second, &link).unwrap();
    for (named, list, written) in [
        (Some(first), "", first),
        (None, &*list, first),
        (None, &list, second),
        (None, &list, link.to_str().unwrap()),
        (None, "", default),
    ] {
        let mut line = program(&[command, "pod/a", flag, written]);
        line.args(named.map(|file| format!("--kubeconfig={file}")));
        line.env("HOME", home.path()).env("KUBECONFIG", list).env_remove("KUBERNETES_SERVICE_HOST");
        let outcome: CommandOutput = line.output().unwrap().into();
        outcome.is_refused(&format!("error: {flag} would overwrite the kubeconfig; name another file\n"));
        assert_eq!(fs::read_to_string(written).unwrap(), config);
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    fs::write(&file, manifest("a", "b", "")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    // Only root may give a file away.
    let is_given = std::os::unix::fs::chown(&file, Some(4711), Some(4712)).is_ok();
    let link = directory.path().join("link.yaml");
    symlink("m.yaml", &link).unwrap();
    let outcome = run(&["inject", "--in-place", "-f", link.to_str().unwrap()]);
    assert!(outcome.code == 2 && outcome.stderr.contains("is a link to m.yaml"), "{}", outcome.stderr);
    assert!(!fs::read_to_string(&file).unwrap().contains("GOMEMLIMIT"));
    let outcome = run(&["inject", "--in-place", "-f", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(fs::read_to_string(&file).unwrap().contains("GOMEMLIMIT"));
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o666);
    if is_given {
        assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
    }
}

//! Captures that `diagnose --save` keeps: read again, for nobody else, and through no link.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use rstest::rstest;

use gomemlimit_fake_api_server::CommandOutput;

use super::{HEAP, diagnose, pprof, serve};

#[test]
fn what_was_saved_can_be_looked_at_again_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let (saved, svg) = (folder.path().join("captures"), folder.path().join("growth.svg"));
    let (saved, svg) = (saved.to_str().unwrap(), svg.to_str().unwrap());
    let url = serve(|path, _| Some(pprof(path, HEAP)));
    let live =
        diagnose(&["--url", &url, "--interval", "10ms", "--limit", "256Mi", "--save", saved, "-o", "json"]);
    let again = diagnose(&["-f", saved, "-o", "json", "--svg", svg]);
    let (mut live, mut again) = (live.json(), again.json());
    for report in [&mut live, &mut again] {
        report["target"].take();
        report["saved"].take();
    }
    assert_eq!(live, again);
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.contains("<svg") && svg.contains("main.appendEvent"), "{svg}");
    let twice = diagnose(&["--url", &url, "--save", saved]);
    twice.is_refused("holds captures already; name another folder for --save");
}

/// Neither a folder nor a part of a capture, if there is no capture.
#[test]
fn a_failure_leaves_no_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (new, saved) = (folder.path().join("new"), folder.path().join("new/captures"));
    let saved = saved.to_str().unwrap();
    diagnose(&["--url", &serve(|_, _| Some((404, Vec::new()))), "--save", saved]).is_refused("404");
    assert!(!new.exists());

    // Files of 1 KiB at most (setrlimit(2), RLIMIT_FSIZE), as on a full disk.
    let url = serve(|path, _| Some(pprof(path, HEAP)));
    let script = "trap '' XFSZ; ulimit -f 1 && exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args([
        "-c",
        script,
        env!("CARGO_BIN_EXE_gomemlimit"),
        "diagnose",
        "--url",
        &url,
        "--save",
        saved,
    ]);
    let output: CommandOutput = command.output().unwrap().into();
    output.is_refused(&format!("cannot write {saved}/heap-1.txt: File too large (os error 27)\n"));
    assert!(!new.exists());

    // A folder that was there stays.
    fs::create_dir(&new).unwrap();
    diagnose(&["--url", &serve(|_, _| None), "--save", saved]).is_refused("/debug/pprof");
    assert_eq!(fs::read_dir(&new).unwrap().count(), 0);
}

#[test]
fn errors_of_save_have_names_that_the_user_gave() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let url = serve(|path, _| Some(pprof(path, HEAP)));
    // Nobody can make a file in /proc, not even root.
    for (save, wanted) in [
        ("/proc", "cannot write into /proc: No such file or directory (os error 2)"),
        (file, &*format!("cannot write into {file}: it is not a folder")),
        (&*format!("{file}/new"), &*format!("cannot make {file}/new: Not a directory (os error 20)")),
    ] {
        let output = diagnose(&["--url", &url, "--save", save]);
        output.is_refused(wanted);
        assert_eq!(output.stderr, format!("error: {wanted}\n"));
    }
}

/// A folder of --save that somebody prepared: nothing is written through a link, and nothing that is there is changed.
#[rstest]
#[case::index("capture.json", "holds captures already")]
#[case::first("heap-1.pb.gz", "holds captures already")]
#[case::second("heap-2.pb.gz", "heap-2.pb.gz: File exists")]
#[case::text("goroutine-1.txt", "goroutine-1.txt: File exists")]
fn what_is_saved_goes_through_no_link(
    #[case] name: &str,
    #[case] wanted: &str,
    #[values(true, false)] is_dangling: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let (victim, saved) = (folder.path().join("victim"), folder.path().join("saved"));
    fs::create_dir(&saved).unwrap();
    if !is_dangling {
        fs::write(&victim, "mine").unwrap();
    }
    std::os::unix::fs::symlink(&victim, saved.join(name)).unwrap();
    let url = serve(|path, _| Some(pprof(path, HEAP)));
    let output = diagnose(&["--url", &url, "--interval", "10ms", "--save", saved.to_str().unwrap()]);
    output.is_refused(wanted);
    assert_eq!(fs::read_to_string(&victim).ok(), (!is_dangling).then(|| "mine".to_owned()));
}

#[test]
fn what_is_saved_is_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let saved = folder.path().join("new/captures");
    let url = serve(|path, _| Some(pprof(path, HEAP)));
    let save =
        |folder: &Path| diagnose(&["--url", &url, "--interval", "10ms", "--save", folder.to_str().unwrap()]);
    let output = save(&saved);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    assert_eq!((mode(&saved), mode(saved.parent().unwrap())), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(&saved).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 13, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    // A folder that is there stays as it is.
    let shared = folder.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let output = save(&shared);
    let warning = format!("warning: others may change what is in {}; ", shared.display());
    assert!(output.code == 0 && output.stderr.starts_with(&warning), "{}", output.stderr);
    assert_eq!(mode(&shared), 0o777);
}

//! The KRM function, run by kustomize.

use std::fs;

use super::{Programs, built, commands, copy};

/// The commands of the page are run on the example, and print what the page shows.
#[test]
#[ignore = "needs Go"]
fn kustomize_prints_what_the_page_shows() {
    let programs = Programs::new(&[("kustomize", built("kustomize"))]);
    let mut count = 0;
    for (command, shown) in commands("kustomize") {
        let output = programs.run(&command);
        assert_eq!((&*output.stdout, &*output.stderr, output.code), (&*shown, "", 0), "{command}");
        count += 1;
    }
    assert_eq!(count, 1);
}

/// What is wrong with the settings, or with a pod, ends the build, and the sentence is shown.
#[test]
#[ignore = "needs Go"]
fn kustomize_fails_with_the_sentence() {
    let programs = Programs::new(&[("kustomize", built("kustomize"))]);
    for (file, old, new, sentence) in [
        (
            "gomemlimit.yaml",
            "ratio: 80%",
            "ration: 80%",
            "functionConfig: spec: there is no setting \"ration\"; one of ratio,",
        ),
        ("gomemlimit.yaml", "ratio: 80%", "ratio: 8", "functionConfig: spec: ratio: \"8\": "),
        ("deployment.yaml", "image: registry", "args: [8080]\n        image: registry", "expected a string"),
    ] {
        let folder = copy("examples/kustomize");
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file}");
        fs::write(&path, text.replace(old, new)).unwrap();
        let build = "kustomize build --enable-alpha-plugins --enable-exec .";
        let output = programs.command(build).current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(sentence) && output.status.code() == Some(1), "{stderr}");
    }
}

//! The post-renderer, run by Helm 3 and Helm 4.

use super::{Programs, built, commands};

/// The commands of the page are run on the example, and print what the page shows.
fn run(section: &str, program: &str, wanted: usize) {
    let programs = Programs::new(&[("helm", built(program))]);
    let mut count = 0;
    for (command, shown) in commands(section) {
        let output = programs.run(&command);
        assert_eq!((&*output.stdout, output.code), (&*shown, 0), "{command}: {}", output.stderr);
        count += 1;
    }
    assert_eq!(count, wanted);
    // What cannot be read, and a flag that does not exist, end the release.
    let renderer = if program == "helm3" {
        " --post-renderer-args inject --post-renderer-args --filename=-"
    } else {
        ""
    };
    let template = format!("helm template shop examples/helm --post-renderer gomemlimit{renderer}");
    for arguments in ["--set memory=true", "--post-renderer-args --no-such-flag"] {
        let output = programs.run(&format!("{template} {arguments}"));
        assert_ne!(output.code, 0, "{arguments}: {}", output.stdout);
        assert_eq!(output.stdout, "", "{arguments}");
    }
}

#[test]
#[ignore = "needs Go"]
fn helm_3_prints_what_the_page_shows() {
    run("Helm 3", "helm3", 1);
}

#[test]
#[ignore = "needs Go"]
fn helm_4_prints_what_the_page_shows() {
    run("Helm 4", "helm", 2);
}

//! `inject` by example: each folder of tests/cli/inject/ has the input (`in.yaml` or `in.json`), the flags (`args`, if there
//! are any), the output (`out.yaml` or `out.json`) and what stderr shows (`err.txt`). `UPDATE_GOLDEN=1` writes the last two.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::command::run_with_stdin;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/inject");

/// One folder.
struct Case {
    name: String,
    folder: PathBuf,
    /// Ending of the input and the output.
    ending: &'static str,
    input: String,
    args: Vec<String>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let input =
            ["yaml", "json"].into_iter().find_map(|ending| Some((ending, read(&format!("in.{ending}"))?)));
        let (ending, input) = input.unwrap_or_else(|| panic!("{name} has no in.yaml or in.json"));
        let args = read("args").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        Self { name, folder, ending, input, args }
    }

    /// The names of its files, as they should be.
    fn files(&self) -> Vec<String> {
        let args = (!self.args.is_empty()).then(|| "args".to_owned());
        let named = ["err.txt".to_owned(), format!("in.{}", self.ending), format!("out.{}", self.ending)];
        args.into_iter().chain(named).collect()
    }

    /// Compares with the file, or writes it.
    fn check(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|set| set == "1") {
            fs::write(&path, text).unwrap();
        }
        let expected = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
        assert!(expected == text, "{}: UPDATE_GOLDEN=1 writes\n{text}", path.display());
    }
}

fn cases() -> Vec<Case> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(Case::read).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Looks last at what is in the folder, so that one run with `UPDATE_GOLDEN` is enough for a new one.
#[test]
fn inputs_become_their_outputs_outputs_stay_and_every_file_is_read() {
    let cases = cases();
    assert!(cases.len() >= 19, "{}", cases.len());
    for case in cases {
        let inject = |input: &str| {
            let args: Vec<_> =
                ["inject", "-f", "-"].into_iter().chain(case.args.iter().map(|arg| &**arg)).collect();
            let output = run_with_stdin(&args, input);
            assert_eq!(output.code, 0, "{}: {}", case.name, output.stderr);
            output
        };
        let output = inject(&case.input);
        case.check(&format!("out.{}", case.ending), &output.stdout);
        case.check("err.txt", &output.stderr);
        let again = inject(&output.stdout);
        assert!(again.stdout == output.stdout, "{}: the second run writes\n{}", case.name, again.stdout);
        assert!(!again.stderr.contains("(injected)"), "{}: {}", case.name, again.stderr);
        assert_eq!(names_in(&case.folder), case.files(), "{}", case.name);
    }
}

/// Byte by byte: no pods, a value of the user, and an output of an earlier run.
#[test]
fn manifests_that_need_no_value_stay_as_they_are() {
    for name in ["injected-before", "no-pods", "users-value"] {
        let case = Case::read(Path::new(FOLDER).join(name));
        assert!(run_with_stdin(&["inject", "-f", "-"], &case.input).stdout == case.input, "{name}");
    }
}

//! Totals and figures of every function are those of `go tool pprof -top`, to the byte:
//! `cargo test --test pprof_integration -- --ignored go_pprof`.
//!
//! Three releases of Go each build a program, write profiles and judge them; tests/go/toolchain fetches them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use gomemlimit_pprof::{FlatCum, Kind, Profile, decode};

/// The oldest release that the Go modules here build with, one from before and one from after the
/// garbage collector of 1.26.
const VERSIONS: [&str; 3] = ["1.22.10", "1.25.5", "1.27.3"];
/// Bytes a sample: every allocation, and the default.
const RATES: [&str; 2] = ["1", "524288"];
const STEPS: usize = 4;

/// What `-top` prints.
#[derive(Debug, PartialEq)]
struct Top {
    /// Sum of all flat values.
    shown: i64,
    /// Of the profile; of the base where there is one.
    total: i64,
    functions: BTreeMap<String, FlatCum>,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn toolchain(version: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/go/toolchain");
    run(Command::new(script).arg(version)).trim().into()
}

fn go(toolchain: &Path) -> Command {
    let mut go = Command::new(toolchain);
    go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"))
        .envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .envs([("CGO_ENABLED", "0"), ("GOENV", "off"), ("GO111MODULE", "on")])
        .env_remove("GOROOT");
    go
}

/// `go tool pprof -top` with the whole profile and exact numbers.
fn top(toolchain: &Path, kind: &str, base: Option<&Path>, profile: &Path) -> Top {
    let mut pprof = go(toolchain);
    pprof.args(["tool", "pprof", "-top", "-unit=B", "-nodecount=0", "-nodefraction=0", "-edgefraction=0"]);
    pprof.arg(format!("-sample_index={kind}"));
    if let Some(base) = base {
        pprof.arg(format!("-diff_base={}", base.display()));
    }
    let text = run(pprof.arg(profile));
    let bytes = |word: &str| -> i64 {
        let digits = word.trim_end_matches(',').trim_end_matches('B');
        digits.parse().unwrap_or_else(|_| panic!("{word:?} is not a number of bytes in {text}"))
    };
    let showing = text.lines().find(|line| line.starts_with("Showing nodes accounting for")).unwrap();
    let words: Vec<_> = showing.split(' ').collect();
    let (shown, total) = (bytes(words[4]), bytes(words[words.len() - 2]));
    let rows = text.lines().skip_while(|line| !line.trim_start().starts_with("flat ")).skip(1);
    let functions = rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        let name = words[5..].join(" ");
        let name = name.trim_end_matches(" (inline)").trim_end_matches(" (partial-inline)");
        (name.to_owned(), FlatCum { flat: bytes(words[0]), cum: bytes(words[3]) })
    });
    Top { shown, total, functions: functions.collect() }
}

fn own_top(kind: Kind, base: Option<&Profile>, profile: &Profile) -> Top {
    let mut stacks = profile.stacks(kind);
    let mut total = profile.total(kind);
    if let Some(base) = base {
        stacks = stacks.since(&base.stacks(kind));
        // Percentages are of the base, but where nothing was sampled in it (`computeTotal`).
        total = Some(base.total(kind)).filter(|of_base| *of_base != 0).unwrap_or(total);
    }
    let functions: BTreeMap<_, _> =
        stacks.functions().into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    Top { shown: stacks.total(), total, functions }
}

#[test]
#[ignore = "fetches Go toolchains"]
fn every_figure_is_that_of_go_tool_pprof() {
    let kinds = [("inuse_space", Kind::InuseSpace), ("alloc_space", Kind::AllocSpace)];
    let (mut profiles, mut tables, mut figures) = (0, 0, 0);
    for version in VERSIONS {
        let toolchain = toolchain(version);
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("profiles");
        run(go(&toolchain).args(["build", "-buildvcs=false", "-o"]).arg(&binary).arg("."));
        for rate in RATES {
            run(Command::new(&binary).arg(folder.path()).arg(rate));
            let files = (1..=STEPS).map(|step| folder.path().join(format!("heap-{step}.pb.gz")));
            let files: Vec<_> =
                files.map(|file| (decode(&std::fs::read(&file).unwrap()).unwrap(), file)).collect();
            let (base, base_file) = &files[0];
            for (step, (profile, file)) in files.iter().enumerate() {
                profiles += 1;
                assert_eq!(profile.rate.to_string(), rate);
                for (name, kind) in kinds {
                    let mut compare = |wanted: Top, got: Top| {
                        assert_eq!(got, wanted, "{version}, rate {rate}, step {step}, {name}");
                        tables += 1;
                        figures += 2 * wanted.functions.len() + 2;
                    };
                    compare(top(&toolchain, name, None, file), own_top(kind, None, profile));
                    if step > 0 {
                        let wanted = top(&toolchain, name, Some(base_file), file);
                        compare(wanted, own_top(kind, Some(base), profile));
                    }
                }
            }
        }
    }
    assert!(profiles >= 20, "{profiles}");
    println!("{profiles} profiles of Go {}: {tables} tables, {figures} figures equal", VERSIONS.join(", "));
}

//! A real Go runtime reads every value that we emit as exactly that many bytes, and dies of every text
//! that we call malformed: `cargo test --test core_integration -- --ignored go_runtime`.
//!
//! Uses the `go` on the PATH, whichever release it is, offline. Put another one first to ask that.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use gomemlimit_core::value::{GoLimit, Malformed};

/// What `SetMemoryLimit` reports where there is no limit: `math.MaxInt64`.
const UNLIMITED: u64 = i64::MAX.unsigned_abs();

/// The first minor release of Go 1 whose runtime reads the number with `strconv.ParseInt`.
const STRCONV_MINOR: u32 = 26;

/// The Go program, built once for all tests.
struct Program {
    binary: PathBuf,
    /// Output of `go env GOVERSION`, such as `go1.26.8`.
    version: String,
    /// The 26 of it.
    minor: u32,
}

impl Program {
    fn get() -> &'static Self {
        static PROGRAM: OnceLock<Result<Program, String>> = OnceLock::new();
        // Kept as a result, so that every test fails with the same sentence.
        PROGRAM.get_or_init(Self::build).as_ref().unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn build() -> Result<Self, String> {
        let version = go(&["env", "GOVERSION"])?.trim().to_owned();
        let minor = minor(&version).ok_or_else(|| format!("`go env GOVERSION` prints {version:?}"))?;
        // One file for each release, so that runs with different ones never meet.
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("runtime-check-1.{minor}"));
        // Without VCS stamping: it fails where git is missing or distrusts the directory.
        go(&["build", "-buildvcs=false", "-o", binary.to_str().unwrap(), "."])?;
        Ok(Self { binary, version, minor })
    }

    /// The bytes that the runtime reads from `text`, or its refusal to start.
    fn read(&self, text: &str) -> Result<u64, Malformed> {
        // Nothing else in the environment, such as GODEBUG, may change the outcome.
        let run = Command::new(&self.binary).env_clear().env("GOMEMLIMIT", text).output();
        let output = run.unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => Ok(stdout.trim_end_matches('\n').parse().expect("the program prints a number")),
            Some(2) if stdout.is_empty() && stderr.contains("malformed GOMEMLIMIT") => Err(Malformed),
            _ => panic!("GOMEMLIMIT={text:?}: {}, stdout {stdout:?}, stderr {stderr}", output.status),
        }
    }
}

/// Runs `go` on the program's source and returns what it prints.
fn go(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"))
        // The `go` that was found, nothing downloaded, no setting of the developer's.
        .envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off"), ("GOFLAGS", ""), ("GOWORK", "off")])
        .envs([("CGO_ENABLED", "0"), ("GOENV", "off"), ("GO111MODULE", "on")])
        .env_remove("GOMEMLIMIT")
        .output()
        .map_err(|error| {
            format!("these tests need Go 1.19 or newer as `go` on the PATH, which cannot be run: {error}")
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`go {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}

/// 26 of `go1.26.8`, `go1.26rc1` or `devel go1.26-1a2b3c4`.
fn minor(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("go1.")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What our own parser makes of a text, as the number that the runtime would report.
fn parsed(text: &str) -> Result<u64, Malformed> {
    text.parse().map(|limit| match limit {
        GoLimit::Unlimited => UNLIMITED,
        GoLimit::Bytes(bytes) => bytes,
    })
}

#[test]
#[ignore = "needs Go on the PATH"]
fn every_value_that_we_emit_is_read_as_that_many_bytes() {
    let program = Program::get();
    let rows = include_str!("golden/expected.tsv").lines().filter(|line| !line.starts_with('#'));
    let values: BTreeSet<_> = rows
        .map(|row| row.split('\t').nth(3).expect("four columns"))
        .filter(|text| !text.is_empty())
        .collect();
    assert!(values.len() > 50, "{}", values.len());
    for text in &values {
        let bytes = text.parse().expect("we emit decimal digits");
        assert_eq!((program.read(text), parsed(text)), (Ok(bytes), Ok(bytes)), "{text:?}");
    }
    println!("{}: {} emitted values read exactly", program.version, values.len());
}

#[test]
#[ignore = "needs Go on the PATH"]
fn every_accepted_form_is_read_as_our_parser_reads_it() {
    let program = Program::get();
    let forms = [
        ("", UNLIMITED),
        ("off", UNLIMITED),
        ("5B", 5),
        ("900MiB", 900 << 20),
        ("007", 7),
        ("8388607TiB", 8_388_607 << 40),
        ("9223372036854775807", UNLIMITED),
        ("0", 0),
        ("1", 1),
        ("-0", 0),
    ];
    for (text, bytes) in forms {
        assert_eq!((program.read(text), parsed(text)), (Ok(bytes), Ok(bytes)), "{text:?}");
    }
    println!("{}: {} accepted forms read exactly", program.version, forms.len());
}

#[test]
#[ignore = "needs Go on the PATH"]
fn every_malformed_text_is_refused_but_where_the_releases_differ() {
    let program = Program::get();
    let (mut refused, mut differ) = (0, 0);
    // A unit behind a sign without digits was zero until `strconv.ParseInt` came.
    let unit_only = ["-KiB", "-TiB"];
    for text in include_str!("golden/malformed-gomemlimit.txt").lines().chain(unit_only) {
        let is_read = match text.strip_prefix('+') {
            Some(_) => program.minor >= STRCONV_MINOR,
            None => unit_only.contains(&text) && program.minor < STRCONV_MINOR,
        };
        // A value that some release dies of is malformed to us.
        assert_eq!(parsed(text), Err(Malformed), "{text:?}");
        if is_read {
            let unsigned = text.strip_prefix('+').map_or(Ok(0), parsed);
            assert_eq!(program.read(text), unsigned, "{text:?} by {}", program.version);
            differ += 1;
        } else {
            assert_eq!(program.read(text), Err(Malformed), "{text:?} by {}", program.version);
            refused += 1;
        }
    }
    println!("{}: {refused} malformed texts refused, {differ} read by this release only", program.version);
}

#[test]
#[ignore = "needs Go on the PATH"]
fn versions() {
    for (text, wanted) in [
        ("go1.26.8", Some(26)),
        ("go1.19", Some(19)),
        ("go1.27rc1", Some(27)),
        ("devel go1.28-1a2b3c4 linux/amd64", Some(28)),
        ("go2", None),
    ] {
        assert_eq!(minor(text), wanted, "{text}");
    }
}

//! `-f`, `-k`, `-R` and `--exclude`, and the inputs that they name.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use clap::{ArgGroup, Args};

use super::{
    exclude::{self, Exclude},
    pattern::expand,
};
use super::{
    problem::{Problem, Severity},
    search::{Search, SearchResult},
    source::Source,
};

/// The inputs of a command, as for `kubectl`.
#[derive(Args, Debug, Default)]
pub(in crate::cli) struct FileArgs {
    /// File, directory (its *.yaml, *.yml and *.json), http(s) URL, or - for stdin; may be repeated, or be a list with
    /// commas
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|URL|-")]
    filenames: Vec<PathBuf>,
    /// Directory of a kustomization: what `kubectl kustomize` builds of it, or `kustomize build` if there is no kubectl
    #[arg(short = 'k', long, value_name = "DIR", conflicts_with_all = ["filenames", "recursive", "exclude"])]
    kustomize: Option<PathBuf>,
    /// Search directories within directories, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Leave out files and folders of searched directories: a pattern as in .gitignore, relative to the directory; may be
    /// repeated
    #[arg(long, value_name = "GLOB", value_parser = exclude::parse)]
    exclude: Vec<String>,
}

/// The group of the flags that name inputs, one of which is required.
pub(in crate::cli) fn input_group() -> ArgGroup {
    ArgGroup::new("input").args(["filenames", "kustomize"]).required(true)
}

/// The inputs that the command line names, in their order.
#[derive(Debug, Default)]
pub(in crate::cli) struct Found {
    pub(in crate::cli) sources: Vec<Source>,
    /// What is not read, and why.
    pub(in crate::cli) problems: Vec<Problem>,
    /// Searched folders with a kustomization, whose files are sources and patches of it.
    pub(in crate::cli) kustomizations: Vec<PathBuf>,
}

impl FileArgs {
    /// The inputs; directories are searched, and nothing is read yet.
    ///
    /// # Errors
    ///
    /// If stdin is named twice, or a name in a list is empty. All else is a problem of the result.
    pub(in crate::cli) fn find(&self) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let mut without_manifests = Vec::new();
        found.sources.extend(self.kustomize.clone().map(Source::Kustomization));
        let exclude = Exclude::new(&self.exclude)?;
        let is_excluded = |path: &Path, is_folder| exclude.matches(path, is_folder);
        for name in self.names()? {
            let url = name.to_str().filter(|name| is_url(name));
            if let Some(url) = url {
                found.sources.push(Source::Url(url.to_owned()));
            } else if name.as_os_str() == "-" {
                found.sources.push(Source::Stdin);
            } else if name.is_dir() {
                let search = Search { top: &name, recursive: self.recursive, is_excluded: &is_excluded };
                let SearchResult { sources, problems, kustomizations } = search.run();
                if sources.is_empty() && problems.is_empty() {
                    without_manifests.push(name);
                }
                found.sources.extend(sources);
                found.problems.extend(problems);
                found.kustomizations.extend(kustomizations);
            } else {
                found.sources.push(Source::File(name));
            }
        }
        let is_stdin = |source: &&Source| **source == Source::Stdin;
        ensure!(found.sources.iter().filter(is_stdin).count() < 2, "--filename - can be given only once");
        let severity = if found.sources.is_empty() { Severity::Error } else { Severity::Note };
        found.problems.extend(without_manifests.into_iter().map(|directory| {
            let which =
                if self.recursive { "in this directory and those in it" } else { "in this directory" };
            Problem::new(severity, format!("{}: no *.yaml, *.yml or *.json {which}", directory.display()))
        }));
        Ok(found)
    }

    /// The names that `-f` has, each one by itself. A name that exists is no list, and no pattern.
    fn names(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for filename in &self.filenames {
            let bytes = filename.as_os_str().as_bytes();
            if !bytes.contains(&b',') || exists(filename) {
                names.push(filename.clone());
                continue;
            }
            for name in bytes.split(|byte| *byte == b',') {
                ensure!(!name.is_empty(), "--filename {}: a name of the list is empty", filename.display());
                names.push(PathBuf::from(OsStr::from_bytes(name)));
            }
        }
        let names = names.into_iter().flat_map(expanded).collect();
        Ok(names)
    }
}

/// What a pattern fits; the name itself if it fits nothing, is none, or exists.
fn expanded(name: PathBuf) -> Vec<PathBuf> {
    if name.as_os_str() == "-" || name.to_str().is_some_and(is_url) || exists(&name) {
        return vec![name];
    }
    let paths = expand(&name);
    if paths.is_empty() { vec![name] } else { paths }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// As `FilenameParam` in `builder.go` of cli-runtime: a file of such a name is `./http:/…`.
fn is_url(name: &str) -> bool {
    name.starts_with("http://") || name.starts_with("https://")
}

//! The manifests of a directory, in the order of `filepath.Walk` in Go, which `kubectl` searches with: sorted by name, the
//! content of a folder at the place of its name, hidden files and folders, too.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{
    problem::{Problem, Severity},
    source::Source,
};

/// Endings of the files that a directory is searched for, as they are written (`FileExtensions` in `builder.go` of
/// cli-runtime): `a.YAML` is none.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// Names by which kustomize recognises one of its directories (`RecognizedKustomizationFileNames` of kustomize).
pub(in crate::cli) const KUSTOMIZATIONS: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct SearchResult {
    pub(super) sources: Vec<Source>,
    pub(super) problems: Vec<Problem>,
    /// Folders that are sources of kustomize.
    pub(super) kustomizations: Vec<PathBuf>,
}

/// How a directory is searched.
pub(super) struct Search<'a> {
    /// The directory as it was named.
    pub(super) top: &'a Path,
    /// Whether folders in it are searched, too.
    pub(super) recursive: bool,
    /// Whether a path, relative to the directory, is left out; the second argument is whether it is a folder.
    pub(super) is_excluded: &'a dyn Fn(&Path, bool) -> bool,
}

impl Search<'_> {
    /// Searches. Whatever goes wrong in a folder is a problem of the result. Memory is that of the paths; neither depth
    /// nor number is bounded.
    pub(super) fn run(&self) -> SearchResult {
        let mut result = SearchResult::default();
        let root = match fs::canonicalize(self.top) {
            Ok(root) => root,
            Err(error) => {
                result.problems.push(cannot_read(Severity::Error, self.top, &error));
                return result;
            }
        };
        // Paths still to be looked at, the next one last.
        let mut pending = Vec::new();
        self.list(self.top, &mut pending, &mut result);
        while let Some(path) = pending.pop() {
            self.visit(&root, path, &mut pending, &mut result);
        }
        result
    }

    /// Adds what a folder has to the paths still to be looked at, but for files that are neither manifests nor links.
    fn list(&self, folder: &Path, pending: &mut Vec<PathBuf>, result: &mut SearchResult) {
        let mut paths = Vec::new();
        let entries = fs::read_dir(folder).and_then(|mut entries| {
            entries.try_for_each(|entry| {
                let entry = entry?;
                match entry.file_type() {
                    Ok(kind) => paths.push((entry.path(), kind)),
                    Err(error) => result.problems.push(cannot_read(Severity::Note, &entry.path(), &error)),
                }
                Ok(())
            })
        });
        if let Err(error) = entries {
            let severity = if folder == self.top { Severity::Error } else { Severity::Note };
            result.problems.push(cannot_read(severity, folder, &error));
        }
        paths.retain(|(path, kind)| {
            let is_read = if kind.is_dir() { self.recursive } else { kind.is_symlink() || is_manifest(path) };
            let relative = path.strip_prefix(self.top).unwrap_or(path);
            (is_read || is_kustomization(path)) && !(self.is_excluded)(relative, kind.is_dir())
        });
        if paths.iter().any(|(path, kind)| !kind.is_dir() && is_kustomization(path)) {
            result.kustomizations.push(folder.to_owned());
        }
        paths.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        pending.extend(paths.into_iter().map(|(path, _)| path));
    }

    fn visit(&self, root: &Path, path: PathBuf, pending: &mut Vec<PathBuf>, result: &mut SearchResult) {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => return result.problems.push(cannot_read(Severity::Note, &path, &error)),
        };
        let left_out = if metadata.is_dir() {
            if self.recursive {
                self.list(&path, pending, result);
            }
            return;
        } else if is_manifest(&path) {
            match target(root, &path, &metadata) {
                Ok(target) => return result.sources.push(Source::Found { path, target }),
                Err(left_out) => left_out,
            }
        } else if self.recursive && is_folder_outside(root, &path) {
            (Severity::Note, OUTSIDE)
        } else {
            return;
        };
        let (severity, why) = left_out;
        result.problems.push(Problem::new(severity, format!("{} is left out: {why}", path.display())));
    }
}

const OUTSIDE: &str = "it is a link out of the directory that -f names; name what it links to";

fn cannot_read(severity: Severity, path: &Path, error: &io::Error) -> Problem {
    Problem::new(severity, format!("cannot read {}: {error}", path.display()))
}

fn is_manifest(path: &Path) -> bool {
    // As Go's `filepath.Ext`: of `.yaml`, too.
    let name = path.file_name().unwrap_or_default().as_bytes();
    let ending = name.iter().rposition(|byte| *byte == b'.').and_then(|dot| name.get(dot + 1..));
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.as_bytes() == ending))
}

/// Whether a file is a kustomization, by its name.
pub(in crate::cli) fn is_kustomization(path: &Path) -> bool {
    path.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known))
}

/// The file that a link leads to, without links; nothing for a regular file. Otherwise why it is not read: a link to a
/// file outside counts, since `kubectl` reads it.
fn target(
    root: &Path,
    path: &Path,
    metadata: &Metadata,
) -> Result<Option<PathBuf>, (Severity, &'static str)> {
    if metadata.is_file() {
        return Ok(None);
    }
    if !metadata.is_symlink() {
        return Err((Severity::Note, "it is not a regular file"));
    }
    let Ok(target) = fs::canonicalize(path) else {
        return Err((Severity::Note, "it is a link to nothing"));
    };
    if !target.is_file() {
        return Err((Severity::Note, "it is a link to what is not a regular file"));
    }
    if target.starts_with(root) { Ok(Some(target)) } else { Err((Severity::Warning, OUTSIDE)) }
}

fn is_folder_outside(root: &Path, link: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|target| target.is_dir() && !target.starts_with(root))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, os::unix::fs::symlink};

    use proptest::prelude::*;

    use super::*;

    fn write(folder: &Path, files: &[impl AsRef<Path>]) {
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    /// The paths that are found, relative to the directory, and the problems.
    fn search(top: &Path, is_excluded: &dyn Fn(&Path, bool) -> bool) -> (Vec<PathBuf>, SearchResult) {
        let result = Search { top, recursive: true, is_excluded }.run();
        let paths = result.sources.iter().map(|source| source.path().unwrap().strip_prefix(top).unwrap());
        (paths.map(Path::to_owned).collect(), result)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Sorted by the names of a path, one after the other, as `filepath.Walk` comes to them.
        #[test]
        fn every_manifest_is_found_once_in_the_order_of_a_walk(
            names in prop::collection::btree_set("([ab.-]{1,2}d/){0,3}[ab.-]{1,2}f\\.(yaml|yml|json|txt|YAML)", 0..12)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let names: Vec<_> = names.into_iter().map(PathBuf::from).collect();
            write(folder.path(), &names);
            let mut expected: Vec<_> = names.into_iter().filter(|name| is_manifest(name)).collect();
            expected.sort();
            let (found, result) = search(folder.path(), &|_, _| false);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(result.problems, []);
        }
    }

    /// Each is removed between the moment when its folder is listed and the one when it is looked at.
    #[test]
    fn what_vanishes_during_the_search_is_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        write(top, &["a.yaml", "b.yaml", "c/d.yaml", "e.yaml"]);
        let (found, result) = search(top, &|path, is_folder| {
            if is_folder {
                fs::remove_dir_all(top.join(path)).unwrap();
            } else if path.ends_with("b.yaml") {
                fs::remove_file(top.join(path)).unwrap();
            }
            false
        });
        assert_eq!(found, ["a.yaml", "e.yaml"].map(PathBuf::from));
        let problems: Vec<_> = result.problems.iter().map(|one| (one.severity, &*one.text)).collect();
        let gone = |name| {
            format!("cannot read {}: No such file or directory (os error 2)", top.join(name).display())
        };
        assert_eq!(problems, [(Severity::Note, &*gone("b.yaml")), (Severity::Note, &*gone("c"))]);

        // Found, and gone or exchanged when it is read.
        let source = &result.sources[0];
        fs::remove_file(top.join("a.yaml")).unwrap();
        let problem = source.problem(&source.read().unwrap_err());
        assert_eq!((problem.severity, problem.text), (Severity::Note, gone("a.yaml")));
        symlink("e.yaml", top.join("a.yaml")).unwrap();
        let problem = source.problem(&source.read().unwrap_err());
        assert_eq!(problem.severity, Severity::Warning);
        assert!(problem.text.ends_with("another file has taken its place"), "{}", problem.text);
    }

    #[test]
    fn sources_of_kustomize_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            ["a/kustomization.yaml", "b/Kustomization", "c/kustomization.yml", "d/e.yaml", "x/Kustomization"];
        write(folder.path(), &files);
        fs::create_dir_all(folder.path().join("f/kustomization.yaml")).unwrap();
        let (found, result) = search(folder.path(), &|path, _| path.starts_with("x"));
        assert_eq!(found, ["a/kustomization.yaml", "c/kustomization.yml", "d/e.yaml"].map(PathBuf::from));
        let expected: BTreeSet<_> = ["a", "b", "c"].map(|name| folder.path().join(name)).into();
        assert_eq!(result.kustomizations.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

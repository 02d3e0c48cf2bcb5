//! `-f 'manifests/*.yaml'`: what `kubectl` makes of a name that does not exist (`expandIfFilePattern` in `builder.go` of
//! cli-runtime).

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use globset::GlobBuilder;

/// The files and folders that a pattern fits, sorted; none if it fits none, or is no pattern. `*` and `?` do not cross a slash.
/// Pipes and devices, which nobody has named, are left out: reading one may wait for ever.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        paths = paths.into_iter().flat_map(|path| step(&path, component)).collect();
    }
    paths.retain(|path| {
        path.metadata()
            .map_or_else(|_| path.symlink_metadata().is_ok(), |found| found.is_file() || found.is_dir())
    });
    paths
}

/// What one component makes of a path.
fn step(path: &Path, component: Component<'_>) -> Vec<PathBuf> {
    let text = component.as_os_str().to_str().filter(|text| text.contains(['*', '?', '[', '\\']));
    let matcher = text.and_then(|text| GlobBuilder::new(text).literal_separator(true).build().ok());
    let Some(matcher) = matcher.map(|glob| glob.compile_matcher()) else {
        return vec![path.join(component)];
    };
    let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name()).filter(|name| matcher.is_match(name)).collect();
    names.sort_unstable();
    names.into_iter().map(|name| path.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_fit_for_go() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b.yaml", "a.yaml", "x/c.yaml", "y/c.yaml", "x/deep/d.yaml", ".h.yaml", "*.json"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (pattern, expected) in [
            ("*.yaml", &[".h.yaml", "a.yaml", "b.yaml"][..]),
            ("?.yaml", &["a.yaml", "b.yaml"]),
            ("[b-z].yaml", &["b.yaml"]),
            ("*/c.yaml", &["x/c.yaml", "y/c.yaml"]),
            ("*/*/d.yaml", &["x/deep/d.yaml"]),
            ("[xy]", &["x", "y"]),
            ("\\*.json", &["*.json"]),
            ("z*", &[]),
            ("[a", &[]),
            ("nothing", &[]),
        ] {
            let found = expand(&folder.path().join(pattern));
            let expected: Vec<_> = expected.iter().map(|name| folder.path().join(name)).collect();
            assert_eq!(found, expected, "{pattern}");
        }
    }
}

//! Whether two paths mean one file, however they are written.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::ensure;

use crate::cluster::{kubeconfig, target::Target};

/// Whether writing to one of them would change the other: they are spellings of one path, or links to one file. Devices
/// and pipes take what several write.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino()),
        // Neither is there yet.
        (Err(_), Err(_)) => resolved(one).is_some_and(|one| resolved(other) == Some(one)),
        _ => false,
    }
}

/// Makes sure that no file that these flags name is a kubeconfig in use.
pub(super) fn refuse_kubeconfig(target: &Target, written: [(&str, Option<&Path>); 2]) -> anyhow::Result<()> {
    let kubeconfigs = kubeconfig::files(target);
    for (flag, path) in written {
        let is_in_use = path.is_some_and(|path| kubeconfigs.iter().any(|file| is_same_file(path, file)));
        ensure!(!is_in_use, "{flag} would overwrite the kubeconfig; name another file");
    }
    Ok(())
}

/// The path of a file that is to be made.
fn resolved(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some(fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_compared_by_what_they_mean() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        fs::write(path("b"), "").unwrap();
        fs::create_dir(path("sub")).unwrap();
        symlink(path("a"), path("link")).unwrap();
        symlink(path("sub"), path("linked")).unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        for same in ["a", "./a", "sub/../a", "link", "hard"] {
            assert!(is_same_file(&path(same), &path("a")), "{same}");
        }
        for other in ["b", "new", "sub/a", "none/a"] {
            assert!(!is_same_file(&path(other), &path("a")), "{other}");
        }
        assert!(is_same_file(&path("sub/new"), &path("linked/new")), "not there yet");
        assert!(!is_same_file(&path("sub/new"), &path("new")));
        assert!(!is_same_file(&path("none/new"), &path("none/new")), "no folder: the error is another one");
        assert!(!is_same_file(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}

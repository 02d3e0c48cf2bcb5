//! Sources of kustomize among the inputs. Values that are put into them are patched afterwards: a base and a patch of one
//! Deployment get a value each, and what is built from both can have values above its limits.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::prepare::Prepared;
use crate::cli::{manifest_files::KUSTOMIZATIONS, output, shell::quote};

/// The directories of inputs with pods: whether there is a kustomization, which was warned of then.
#[derive(Default)]
pub(super) struct Kustomizations(HashMap<PathBuf, bool>);

impl Kustomizations {
    /// Warns if the input has pods and is beside a kustomization.
    pub(super) fn look(&mut self, one: &Prepared) {
        let Some(path) = one.source.path().filter(|_| one.has_pods) else { return };
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !self.0.contains_key(directory) {
            let has_one = KUSTOMIZATIONS.iter().any(|name| directory.join(name).is_file());
            if has_one {
                warn(directory);
            }
            self.0.insert(directory.to_owned(), has_one);
        }
    }

    /// Warns of those among the inputs that take their pods from other directories.
    pub(super) fn warn_of_the_rest(&self, found: &[PathBuf]) {
        let is_warned_of = |directory: &PathBuf| self.0.get(directory).is_some_and(|has_one| *has_one);
        found.iter().filter(|directory| !is_warned_of(directory)).for_each(|directory| warn(directory));
    }
}

fn warn(directory: &Path) {
    let shown = directory.display().to_string();
    let argument = quote(&shown);
    output::warning(&format!(
        "{shown} is a source of kustomize: its patches come after the values, which may then be above the limits; inject what \
         it builds: gomemlimit inject -k {argument}, or kubectl kustomize {argument} | gomemlimit inject -f -"
    ));
}

//! Sources of kustomize among the inputs. Values that are put into them are patched afterwards: a base and a patch of one
//! Deployment get a value each, and what is built from both can have values above its limits.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::prepare::Prepared;
use crate::cli::{
    manifest_files::{KUSTOMIZATIONS, is_kustomization},
    output,
    shell::quote,
};

/// The directories of inputs.
#[derive(Default)]
pub(super) struct Kustomizations {
    /// Those of inputs with values: whether there is a kustomization, which was warned of then.
    with_values: HashMap<PathBuf, bool>,
    /// Those of kustomizations that change nothing of their resources.
    without_patches: HashSet<PathBuf>,
}

impl Kustomizations {
    /// Warns if the input has values and is beside a kustomization.
    pub(super) fn look(&mut self, one: &Prepared) {
        let Some(path) = one.source.path() else { return };
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if is_kustomization(path) && !one.may_patch {
            self.without_patches.insert(directory.to_owned());
        }
        if one.has_values && !self.with_values.contains_key(directory) {
            let has_one = KUSTOMIZATIONS.iter().any(|name| directory.join(name).is_file());
            if has_one {
                warn(directory);
            }
            self.with_values.insert(directory.to_owned(), has_one);
        }
    }

    /// Warns of those among the inputs that change what they take from other directories, if there are values at all.
    pub(super) fn warn_of_the_rest(&self, found: &[PathBuf]) {
        if self.with_values.is_empty() {
            return;
        }
        let is_fine = |directory: &PathBuf| {
            self.without_patches.contains(directory) || self.with_values.get(directory) == Some(&true)
        };
        found.iter().filter(|directory| !is_fine(directory)).for_each(|directory| warn(directory));
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

//! Sources of kustomize among the inputs. Values that are put into them are patched afterwards: a base and a patch of one
//! Deployment get a value each, and what is built from both can have values above its limits.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use super::prepare::Prepared;
use crate::cli::{output, shell::quote};

/// The names that kustomize knows (`RecognizedKustomizationFileNames` of its `konfig`).
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The directories of kustomizations that the run came by.
#[derive(Default)]
pub(super) struct Kustomizations {
    /// Those whose kustomization is an input.
    found: BTreeSet<PathBuf>,
    /// Those of inputs with pods, looked at before.
    known: HashSet<PathBuf>,
}

impl Kustomizations {
    /// Warns if the input has pods and is beside a kustomization.
    pub(super) fn look(&mut self, one: &Prepared) {
        let Some(path) = one.source.path() else { return };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known)) {
            self.found.insert(directory.to_owned());
        }
        if one.has_pods && self.known.insert(directory.to_owned()) {
            let has_kustomization = NAMES.iter().any(|name| directory.join(name).is_file());
            if has_kustomization {
                warn(directory);
            } else {
                self.known.remove(directory);
            }
        }
    }

    /// Warns of kustomizations among the inputs that may take their pods from other directories.
    pub(super) fn warn_of_the_rest(&self) {
        self.found.difference(&self.known.iter().cloned().collect()).for_each(|directory| warn(directory));
    }
}

fn warn(directory: &Path) {
    let shown = directory.display().to_string();
    let argument = quote(&shown);
    output::warning(&format!(
        "{shown} is a source of kustomize: its patches come after the values, which may then be above the limits; inject what \
         it builds: kubectl kustomize {argument} | gomemlimit inject -f -"
    ));
}

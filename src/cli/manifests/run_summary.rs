//! What a run over the inputs has seen as a whole.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use gomemlimit_manifest::{CustomKind, UnknownKind};

use crate::cli::{manifest_files::Problem, output};

/// What a run has seen.
#[derive(Debug, Default)]
pub(in crate::cli) struct RunSummary {
    pub(in crate::cli) files: usize,
    /// How many of the files have an error.
    pub(in crate::cli) bad_files: usize,
    /// Whether there are warnings about documents, which is beside those about pods.
    pub(in crate::cli) has_warnings: bool,
    /// Whether a file was left out that kubectl would read, which a warning has shown.
    pub(in crate::cli) is_partial: bool,
    /// Errors and warnings about what was not read and is no input, or was left out of a directory.
    pub(in crate::cli) left_out: Vec<Problem>,
    /// Searched folders that are sources of kustomize.
    pub(in crate::cli) kustomizations: Vec<PathBuf>,
    /// Pods and pod templates that were decided.
    pub(in crate::cli) pods: usize,
    /// Containers in them.
    pub(in crate::cli) containers: usize,
    /// Containers in objects of kinds that are not known: for each kind and API version the first place in words, how many
    /// places there are, and what makes the kind known.
    pub(in crate::cli) unknown_kinds: BTreeMap<(String, String), (String, usize, String)>,
    /// Of the kinds of `--kind`, by their positions, those with objects, and whether one of these has pods.
    pub(super) added_kinds: BTreeMap<usize, bool>,
}

impl RunSummary {
    /// Whether something was not looked at that should have been.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        self.bad_files > 0
    }

    /// 2 if there were errors.
    pub(in crate::cli) fn exit_code(&self) -> ExitCode {
        if self.has_errors() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    }

    pub(super) fn add_unknown(&mut self, file: &str, unknown: &UnknownKind) {
        let UnknownKind { api_version, kind, name, namespace, .. } = unknown;
        let key = (kind.clone(), api_version.clone());
        let (_, count, _) = self.unknown_kinds.entry(key).or_insert_with(|| {
            let name = if name.is_empty() { "(without a name)" } else { name };
            let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let hint = unknown
                .custom_kind()
                .map(|custom| format!("; if its pods are made of this template as it is: --kind '{custom}'"));
            (format!("{file}: {kind} {namespace}{name}: {unknown}"), 0, hint.unwrap_or_default())
        });
        *count += 1;
    }

    /// Prints what is about the whole run, in which `kinds` are those of `--kind`.
    pub(super) fn print(&self, kinds: &[CustomKind]) {
        for (index, kind) in kinds.iter().enumerate() {
            let problem = match self.added_kinds.get(&index) {
                None => "no object of this kind is among the inputs",
                Some(false) => "no object of this kind has a pod with containers at this path",
                Some(true) => continue,
            };
            output::warning(&format!("--kind {kind}: {problem}"));
        }
        for (first, count, hint) in self.unknown_kinds.values() {
            let others = match count - 1 {
                0 => String::new(),
                1 => "; nor is another one of this kind".to_owned(),
                others => format!("; nor are {others} others of this kind"),
            };
            output::warning(&format!("{first}{others}{hint}"));
        }
        if self.bad_files > 1 {
            output::error(&format!(
                "{} of {} files could not be read or decided as a whole",
                self.bad_files, self.files
            ));
        }
    }
}

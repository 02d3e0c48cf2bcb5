//! What holds of a file that is read again: the last content that could be used.

use std::sync::Arc;

use tracing::{info, warn};

use super::readiness::Trouble;
use crate::metrics::{Metrics, Reload, Reread};

/// Whether a file is what holds, for the log, `/metrics` and `/readyz`, which stays ready.
pub(super) struct LastGood {
    file: Reread,
    /// What was refused last, so that each problem is logged once.
    refused: Option<String>,
    trouble: Trouble,
    metrics: Metrics,
}

impl LastGood {
    /// The file was good at start.
    pub(super) fn new(file: Reread, metrics: Metrics) -> Self {
        Self { file, refused: None, trouble: Trouble::default(), metrics }
    }

    /// What `/readyz` shows about the file.
    pub(super) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// A new content holds.
    pub(super) fn loaded(&mut self) {
        self.metrics.count_reload(self.file, Reload::Loaded);
        self.note(None);
    }

    /// The file has what holds.
    pub(super) fn unchanged(&mut self) {
        if self.refused.is_some() {
            info!("the file of the {} is good again, as it was before", self.file);
        }
        self.note(None);
    }

    /// What is in the file cannot be used, for this reason.
    pub(super) fn refuse(&mut self, problem: String) {
        self.metrics.count_reload(self.file, Reload::Refused);
        if self.refused.as_ref() != Some(&problem) {
            warn!(%problem, "keeping the earlier {}", self.file);
        }
        self.note(Some(problem));
    }

    fn note(&mut self, refused: Option<String>) {
        if refused == self.refused {
            return;
        }
        let trouble = refused.iter().map(|problem| format!("{problem}; the earlier {} holds", self.file));
        self.trouble.store(Arc::new(trouble.collect()));
        self.metrics.out_of_date(self.file, refused.is_some());
        self.refused = refused;
    }
}

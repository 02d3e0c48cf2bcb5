//! Files that are read again while they are in use: the policy, the certificate, the client CA.
//!
//! They are polled, not watched: kubelet replaces a mounted Secret or ConfigMap by exchanging the symlink `..data`, after
//! which a watch on the file itself never fires again. Comparing the content works with every way to replace a file.
//! Content that cannot be used is refused and read again at the next poll; what was in use stays in use.

use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::readiness::Degraded;
use crate::metrics::{Metrics, ReloadResult, ReloadedFile};

/// What is shown if the reader of a file panics.
const DEFECT: &str = "a defect of this program: reading it ended in a panic, which the log has";

/// Files that can be read again.
pub trait Source: Send + 'static {
    /// Bytes of the files.
    type Content: PartialEq + Send;
    /// The parsed content.
    type Value;
    /// What uses the value.
    type Target: Clone + Send + 'static;
    /// Why the files cannot be used.
    type Error: Display;
    /// Name of the files in the log, metrics and `/readyz`.
    const FILE: ReloadedFile;

    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read.
    fn read(&self) -> Result<Self::Content, Self::Error>;

    /// Parses their content.
    ///
    /// # Errors
    /// If it cannot be used.
    fn parse(&self, content: &Self::Content) -> Result<Self::Value, Self::Error>;

    /// Puts a new value in use, and logs it.
    ///
    /// # Errors
    /// If the value that is in use is better.
    fn apply(&self, value: Self::Value, target: &Self::Target, metrics: &Metrics) -> Result<(), Self::Error>;
}

/// Files in use, and their last content that could be used. The log, `/metrics` and `/readyz`, which stays ready, show
/// whether that is what the files contain.
pub struct Reloaded<S: Source> {
    source: S,
    in_use: S::Content,
    /// The last refusal, so that each problem is logged once.
    refused: Option<String>,
    degraded: Degraded,
    metrics: Metrics,
}

impl<S: Source> Reloaded<S> {
    /// Reads and parses the files at start.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn open(source: S, metrics: Metrics) -> Result<(Self, S::Value), S::Error> {
        let in_use = source.read()?;
        let value = source.parse(&in_use)?;
        Ok((Self { source, in_use, refused: None, degraded: Degraded::default(), metrics }, value))
    }

    /// What `/readyz` shows about the files.
    pub(crate) fn degraded(&self) -> Degraded {
        self.degraded.clone()
    }

    /// Polls at every interval, until this is dropped. A panic is refused content: what is in use stays in use.
    pub(crate) async fn poll_every(mut self, every: Duration, target: S::Target) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let target = target.clone();
            // A network file system may block.
            let polled = tokio::task::spawn_blocking(move || {
                // Content is only taken over as a whole.
                if catch_unwind(AssertUnwindSafe(|| self.poll(&target))).is_err() {
                    self.refuse(DEFECT.to_owned());
                }
                self
            });
            // It fails only if the runtime ends.
            let Ok(polled) = polled.await else { return };
            self = polled;
        }
    }

    /// Puts the content in use if it changed and can be used.
    pub(crate) fn poll(&mut self, target: &S::Target) {
        match self.changed(target) {
            Ok(None) => {
                if self.refused.is_some() {
                    info!("the file of the {} is good again, as it was before", S::FILE);
                }
                self.record(None);
            }
            Ok(Some(content)) => {
                self.in_use = content;
                self.metrics.count_reload(S::FILE, ReloadResult::Loaded);
                self.record(None);
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn changed(&self, target: &S::Target) -> Result<Option<S::Content>, S::Error> {
        let content = self.source.read()?;
        if content == self.in_use {
            return Ok(None);
        }
        let value = self.source.parse(&content)?;
        self.source.apply(value, target, &self.metrics)?;
        Ok(Some(content))
    }

    fn refuse(&mut self, problem: String) {
        self.metrics.count_reload(S::FILE, ReloadResult::Refused);
        if self.refused.as_ref() != Some(&problem) {
            warn!(%problem, "keeping the earlier {}", S::FILE);
        }
        self.record(Some(problem));
    }

    fn record(&mut self, refused: Option<String>) {
        if refused == self.refused {
            return;
        }
        let degraded = refused.iter().map(|problem| format!("{problem}; the earlier {} holds", S::FILE));
        self.degraded.store(Arc::new(degraded.collect()));
        self.metrics.set_out_of_date(S::FILE, refused.is_some());
        self.refused = refused;
    }
}

#[cfg(test)]
mod tests;

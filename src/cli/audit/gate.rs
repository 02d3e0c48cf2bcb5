//! What `--fail-on` comes to. A gate never passes on nothing: it fails if there was no pod to judge, or if what it asks
//! for could not be read.

use anyhow::{bail, ensure};
use gomemlimit_core::audit::{AuditFinding, UncoveredReason};

use super::{super::output, fleet::Fleet};

/// What `--fail-on` names, and what it was held against so far.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    words: Vec<AuditFinding>,
    allow_empty: bool,
    /// How many containers each word held for, at most.
    found: Vec<u64>,
    /// Whether there was a container at any time.
    has_judged: bool,
    /// Containers of which nobody knows whether their namespace has opted in.
    unknown: u64,
    /// Pods that cannot be read.
    unreadable: u64,
    /// Whether it was not known at any time what installations select and decide by.
    guessed: bool,
}

impl Gate {
    /// One that has seen nothing yet.
    pub(super) fn new(words: &[AuditFinding], allow_empty: bool) -> Self {
        // What has happened is worse than what may happen.
        let mut words = words.to_vec();
        words.sort_by_key(|word| *word != AuditFinding::OomKilled);
        let found = vec![0; words.len()];
        Self { words, allow_empty, found, has_judged: false, unknown: 0, unreadable: 0, guessed: false }
    }

    /// Holds the words against these containers, too; `is_known` is whether the settings are that they were judged by.
    pub(super) fn judge(&mut self, fleet: &Fleet, is_known: bool) {
        self.guessed |= !is_known;
        let total = fleet.total();
        self.has_judged |= !fleet.is_empty();
        for (word, found) in self.words.iter().zip(&mut self.found) {
            *found = total.of_word(*word).max(*found);
        }
        self.unknown =
            self.unknown.max(total.of_word(AuditFinding::Uncovered(UncoveredReason::NamespaceUnknown)));
        self.unreadable = self.unreadable.max(fleet.unreadable);
    }

    /// Whether it fails. Without `--fail-on` it does not.
    ///
    /// # Errors
    ///
    /// If it cannot be known: there was nothing to judge, which `nothing` describes, or something cannot be read.
    pub(super) fn has_failed(&self, nothing: &str) -> anyhow::Result<bool> {
        let found = self.words.iter().zip(&self.found).filter(|(_, count)| **count > 0);
        let found: Vec<_> = found.map(|(word, count)| format!("{count} {}", word.as_str())).collect();
        if !found.is_empty() {
            output::message(&format!("--fail-on: {}", found.join(", ")));
            return Ok(true);
        }
        if self.words.is_empty() {
            return Ok(false);
        }
        ensure!(
            self.unreadable == 0,
            "{} pods cannot be read, so --fail-on cannot judge them",
            self.unreadable
        );
        if !self.has_judged && !self.allow_empty {
            bail!("{nothing}, so --fail-on has nothing to judge; pass --allow-empty if that is fine");
        }
        if let Some(word) = self.words.iter().find(|word| self.unknown > 0 && depends_on_namespace(**word)) {
            bail!(
                "--fail-on {} cannot be judged: namespaces may not be read, and {} containers are namespace-unknown; \
                 grant get and list on namespaces, or name namespace-unknown",
                word.as_str(),
                self.unknown
            );
        }
        if let Some(word) = self.words.iter().find(|word| self.guessed && depends_on_settings(**word)) {
            bail!(
                "--fail-on {} cannot be judged: what the webhook selects and decides by cannot be read; grant the \
                 rights, or give its settings as flags",
                word.as_str()
            );
        }
        Ok(false)
    }
}

/// Whether it takes the namespace to tell that the word holds.
fn depends_on_namespace(word: AuditFinding) -> bool {
    matches!(
        word,
        AuditFinding::Uncovered(
            UncoveredReason::NotLabelled | UncoveredReason::NotInjected | UncoveredReason::ExcludedNamespace
        )
    )
}

/// Whether it takes the settings of the installation to tell that the word holds: what a value means against the limit
/// does not.
fn depends_on_settings(word: AuditFinding) -> bool {
    matches!(word, AuditFinding::Uncovered(gap) if gap != UncoveredReason::NamespaceUnknown)
}

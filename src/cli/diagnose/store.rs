//! What was captured, as files: in the folder of --save, else in a temporary one that stays only where
//! there is no verdict.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use gomemlimit_pprof::{Capture, Evidence, Gomemlimit, Limit, Past, RssSource};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{super::output, Seen};
use crate::causes::with_causes;

/// Beside the profiles: everything that they do not say themselves.
pub(super) const INDEX: &str = "capture.json";

/// The content of [`INDEX`].
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Index {
    pub(super) target: String,
    pub(super) limit: Option<u64>,
    pub(super) unlimited: bool,
    /// As text, `off` where it is unset; absent where unknown.
    pub(super) gomemlimit: Option<String>,
    pub(super) uptime_seconds: Option<f64>,
    pub(super) rss_source: Option<String>,
    pub(super) oom_killed: bool,
    pub(super) restarts: u32,
    pub(super) captures: Vec<IndexEntry>,
}

/// One capture.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct IndexEntry {
    /// Seconds since the first.
    pub(super) at: f64,
    pub(super) rss: Option<u64>,
}

/// The files of one capture, with their endings.
pub(super) struct Texts {
    pub(super) heap: Vec<u8>,
    pub(super) statistics: Option<String>,
    pub(super) goroutines: Option<String>,
    pub(super) leaked: Option<String>,
}

/// What was captured so far of the process that is looked at, and where its files lie.
#[derive(Default)]
pub(super) struct Store {
    pub(super) target: String,
    pub(super) evidence: Evidence,
    /// When the last of the captures was taken.
    pub(super) last: Option<Instant>,
    /// Of all lives.
    root: PathBuf,
    temporary: Option<TempDir>,
    /// Of this life.
    folder: PathBuf,
    /// The life before that was captured most often, with its folder.
    before: Option<(Evidence, PathBuf)>,
}

impl Store {
    /// Makes a place for what will be captured.
    pub(super) fn open(&mut self, save: Option<&Path>) -> anyhow::Result<()> {
        if let Some(folder) = save {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            ensure!(
                !folder.join(INDEX).exists(),
                "{} holds captures already; name another folder for --save",
                folder.display()
            );
            folder.clone_into(&mut self.root);
        } else {
            let temporary = tempfile::Builder::new().prefix("gomemlimit-diagnose-").tempdir();
            let temporary = temporary.context("cannot make a temporary folder for what is captured")?;
            temporary.path().clone_into(&mut self.root);
            self.temporary = Some(temporary);
        }
        self.folder.clone_from(&self.root);
        Ok(())
    }

    /// Begins with life `number` of the process, of which so much is known already.
    pub(super) fn begin(&mut self, number: usize, evidence: Evidence) {
        let folder = match number {
            0 => self.root.clone(),
            number => self.root.join(format!("restart-{number}")),
        };
        let before = std::mem::replace(&mut self.evidence, evidence);
        let folder = std::mem::replace(&mut self.folder, folder);
        let most = self.before.as_ref().map_or(1, |(evidence, _)| evidence.captures.len());
        if before.captures.len() >= most {
            self.before = Some((before, folder));
        }
    }

    /// Adds a capture, and writes its files and the index of all so far.
    pub(super) fn add(&mut self, capture: Capture, texts: &Texts) -> anyhow::Result<()> {
        self.evidence.captures.push(capture);
        self.last = Some(Instant::now());
        let number = self.evidence.captures.len();
        let put = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        put(&format!("heap-{number}.pb.gz"), &texts.heap)?;
        let others =
            [("heap", &texts.statistics), ("goroutine", &texts.goroutines), ("goroutineleak", &texts.leaked)];
        for (name, text) in others {
            if let Some(text) = text {
                put(&format!("{name}-{number}.txt"), text.as_bytes())?;
            }
        }
        put(INDEX, serde_json::to_string_pretty(&Index::of(&self.evidence, &self.target))?.as_bytes())
    }

    /// What was seen; or the problem, with where that lies what was captured before.
    pub(super) fn close(self, taken: anyhow::Result<()>) -> anyhow::Result<Seen> {
        let Err(error) = taken else {
            let was_captured = !self.evidence.captures.is_empty();
            let saved = (self.temporary.is_none() && was_captured).then_some(self.folder);
            return Ok(Seen { target: self.target, evidence: self.evidence, saved });
        };
        let (evidence, folder, temporary) = self.longest();
        if evidence.captures.is_empty() {
            return Err(error);
        }
        if let Some(temporary) = temporary {
            let _ = temporary.keep();
        }
        let (problem, captures) = (with_causes(error.as_ref()), count(&evidence));
        bail!("{problem}; the {captures} before that lie in {}", folder.display())
    }

    /// What was seen until somebody did not want to wait any longer.
    pub(super) fn interrupted(self) -> anyhow::Result<Seen> {
        let (target, is_kept) = (self.target.clone(), self.temporary.is_none());
        let (evidence, folder, _temporary) = self.longest();
        ensure!(!evidence.captures.is_empty(), "interrupted before anything was captured");
        output::note(&format!("interrupted; this is by the {} until then", count(&evidence)));
        Ok(Seen { target, evidence, saved: is_kept.then_some(folder) })
    }

    /// The life that was captured most often, the last one of several.
    fn longest(self) -> (Evidence, PathBuf, Option<TempDir>) {
        let now = self.evidence.captures.len();
        match self.before.filter(|(evidence, _)| evidence.captures.len() > now) {
            Some((evidence, folder)) => (evidence, folder, self.temporary),
            None => (self.evidence, self.folder, self.temporary),
        }
    }
}

fn count(evidence: &Evidence) -> String {
    let count = evidence.captures.len();
    format!("{count} capture{}", if count == 1 { "" } else { "s" })
}

impl Index {
    pub(super) fn of(evidence: &Evidence, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            limit: evidence.limit.bytes(),
            unlimited: evidence.limit == Limit::Unlimited,
            gomemlimit: evidence.gomemlimit.to_text(),
            uptime_seconds: evidence.uptime,
            rss_source: evidence.rss_source.map(|source| source.as_str().to_owned()),
            oom_killed: evidence.past.oom_killed,
            restarts: evidence.past.restarts,
            captures: evidence.captures.iter().map(|one| IndexEntry { at: one.at, rss: one.rss }).collect(),
        }
    }

    /// Everything but the captures.
    pub(super) fn evidence(&self) -> Evidence {
        let limit = match (self.limit, self.unlimited) {
            (Some(bytes), _) => Limit::Bytes(bytes),
            (None, true) => Limit::Unlimited,
            (None, false) => Limit::Unknown,
        };
        Evidence {
            limit,
            gomemlimit: Gomemlimit::from_text(self.gomemlimit.as_deref()),
            uptime: self.uptime_seconds,
            rss_source: self.rss_source.as_deref().and_then(RssSource::named),
            past: Past { oom_killed: self.oom_killed, malformed: false, restarts: self.restarts },
            captures: Vec::new(),
        }
    }
}

//! What was captured, as files: in the folder of --save, else in a temporary one that stays only where
//! there is no verdict.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use gomemlimit_pprof::{Capture, Decoder, Evidence, Gomemlimit, Limit, Past, RssSource};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    super::{
        out_file::{persist, temporary_in},
        output,
    },
    Seen,
};
use crate::causes::with_causes;

/// Maximum size of all files of a run, in bytes: 1,000 captures of 2 MiB. They may lie in memory (tmpfs).
const MAX_RUN_BYTES: usize = 2 << 30;

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
    pub(super) heap: Bytes,
    pub(super) statistics: Option<Bytes>,
    pub(super) goroutines: Option<Bytes>,
    pub(super) leaked: Option<Bytes>,
}

/// What was captured so far of the process that is looked at, and where its files lie.
#[derive(Default)]
pub(super) struct Store {
    pub(super) target: String,
    pub(super) evidence: Evidence,
    /// Of this life.
    pub(super) decoder: Decoder,
    /// When the last of the captures was taken.
    pub(super) last: Option<Instant>,
    /// Of all lives.
    root: PathBuf,
    made: MadeFolders,
    temporary: Option<TempDir>,
    /// Of this life.
    folder: PathBuf,
    /// Bytes of the files of all lives.
    written: usize,
    /// The life before that was captured most often, with its folder.
    before: Option<(Evidence, PathBuf)>,
}

impl Store {
    /// Makes a place for what will be captured.
    pub(super) fn open(&mut self, save: Option<&Path>) -> anyhow::Result<()> {
        if let Some(folder) = save {
            self.made.make(folder)?;
            // A link is there, too, wherever it leads.
            let is_there = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok();
            ensure!(
                ![INDEX, "heap-1.pb.gz", "restart-1"].into_iter().any(is_there),
                "{} holds captures already; name another folder for --save",
                folder.display()
            );
            if is_open_to_others(folder)? {
                output::warning(&format!(
                    "others may change what is in {}; --save makes a folder of its own if it is not there",
                    folder.display()
                ));
            }
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
        self.decoder = Decoder::default();
        let before = std::mem::replace(&mut self.evidence, evidence);
        let folder = std::mem::replace(&mut self.folder, folder);
        let most = self.before.as_ref().map_or(1, |(evidence, _)| evidence.captures.len());
        if before.captures.len() >= most {
            self.before = Some((before, folder));
        }
    }

    /// Adds a capture, and writes its files and the index of all so far.
    pub(super) fn add(&mut self, capture: Capture, texts: &Texts) -> anyhow::Result<()> {
        let number = self.evidence.captures.len() + 1;
        let others =
            [("heap", &texts.statistics), ("goroutine", &texts.goroutines), ("goroutineleak", &texts.leaked)];
        let others: Vec<_> =
            others.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))).collect();
        self.written += texts.heap.len() + others.iter().map(|(_, text)| text.len()).sum::<usize>();
        ensure!(
            self.written <= MAX_RUN_BYTES,
            "the files of all captures are larger than {MAX_RUN_BYTES} bytes; take fewer captures"
        );
        self.evidence.add(capture);
        self.last = Some(Instant::now());
        if number == 1 && self.folder != self.root {
            self.made.make_new(&self.folder)?;
        }
        let index = serde_json::to_string_pretty(&Index::of(&self.evidence, &self.target))?;
        let others = others.into_iter().map(|(name, text)| (format!("{name}-{number}.txt"), text));
        let mut written = Vec::new();
        let put = || {
            for (name, bytes) in [(format!("heap-{number}.pb.gz"), &texts.heap)].into_iter().chain(others) {
                let path = self.folder.join(name);
                put_new(&path, bytes)?;
                written.push(path);
            }
            put_index(&self.folder, number == 1, index.as_bytes())
        };
        let put = put();
        if put.is_err() {
            // Neither is what the index does not name.
            self.evidence.captures.pop();
            for path in written {
                let _ = fs::remove_file(path);
            }
        }
        put
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

/// Folders that were made, the outermost first. Those that are empty in the end are removed again.
#[derive(Default)]
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// Makes a folder, and those around it, unless it is there.
    fn make(&mut self, folder: &Path) -> anyhow::Result<()> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && fs::metadata(folder).is_err();
        let missing: Vec<_> = folder.ancestors().take_while(missing).collect();
        missing.into_iter().rev().try_for_each(|folder| self.make_new(folder))?;
        ensure!(folder.is_dir(), "cannot write into {}: it is not a folder", folder.display());
        Ok(())
    }

    /// Makes a folder for nobody else: what is captured of a program is not for everybody.
    fn make_new(&mut self, folder: &Path) -> anyhow::Result<()> {
        let made = DirBuilder::new().mode(0o700).create(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
        self.0.push(folder.to_owned());
        Ok(())
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // One that holds something stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Whether others may write into a folder, or it is theirs. Root's is nobody's.
fn is_open_to_others(folder: &Path) -> anyhow::Result<bool> {
    let cannot = || format!("cannot write into {}", folder.display());
    // A file's owner is who runs this.
    let own = temporary_in(folder, 0o600).and_then(|file| file.as_file().metadata()).with_context(cannot)?;
    let metadata = fs::metadata(folder).with_context(cannot)?;
    Ok(metadata.mode() & 0o022 != 0 || ![own.uid(), 0].contains(&metadata.uid()))
}

/// Writes a file that is not there yet, and not a link either.
fn put_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
    let written = file.write_all(bytes);
    if written.is_err() {
        // A part of a capture is none.
        let _ = fs::remove_file(path);
    }
    written.with_context(cannot)
}

/// Writes the index, in the place of the one before. A link is replaced, not followed.
fn put_index(folder: &Path, is_first: bool, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(INDEX);
    let put = || persist(temporary_in(folder, 0o600)?, &path, bytes, !is_first);
    put().with_context(|| format!("cannot write {}", path.display()))
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

//! Captures as files: in the folder of --save, else in a temporary one that is kept only if there is no verdict.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use gomemlimit_pprof::{Capture, Decoder, Evidence, Gomemlimit, History, Limit, RssSource};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::super::{
    out_file::{persist, temporary_in},
    output,
};
use crate::causes::with_causes;

/// Maximum size of all files of a run, in bytes: 1,000 captures of 2 MiB. They may lie in memory (tmpfs).
const MAX_RUN_BYTES: usize = 2 << 30;

/// The data that is saved beside the profiles, which do not have it.
pub(super) const INDEX: &str = "capture.json";

/// The content of [`INDEX`].
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Index {
    pub(super) target: String,
    pub(super) limit: Option<u64>,
    pub(super) unlimited: bool,
    /// As text, `off` if it is unset; absent if unknown.
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

/// Everything that was captured of one process.
pub(super) struct Captured {
    pub(super) target: String,
    pub(super) evidence: Evidence,
    /// Folder of the files, if they are kept.
    pub(super) saved: Option<PathBuf>,
}

/// Captures of a process so far, and the folder of their files.
#[derive(Default)]
pub(super) struct Store {
    pub(super) target: String,
    pub(super) evidence: Evidence,
    pub(super) decoder: Decoder,
    folder: PathBuf,
    made: MadeFolders,
    /// The folder, unless it is that of --save.
    temporary: Option<TempDir>,
    /// Size of all files so far, in bytes.
    written: usize,
}

impl Store {
    /// Makes the folder for the captures.
    pub(super) fn open(&mut self, save: Option<&Path>) -> anyhow::Result<()> {
        if let Some(folder) = save {
            self.made.make(folder)?;
            // A link is there, too, wherever it leads.
            let is_there = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok();
            ensure!(
                ![INDEX, "heap-1.pb.gz"].into_iter().any(is_there),
                "{} holds captures already; name another folder for --save",
                folder.display()
            );
            if is_open_to_others(folder)? {
                output::warning(&format!(
                    "others may change what is in {}; --save makes a folder of its own if it is not there",
                    folder.display()
                ));
            }
            folder.clone_into(&mut self.folder);
        } else {
            let temporary = tempfile::Builder::new().prefix("gomemlimit-diagnose-").tempdir();
            let temporary = temporary.context("cannot make a temporary folder for what is captured")?;
            temporary.path().clone_into(&mut self.folder);
            self.temporary = Some(temporary);
        }
        Ok(())
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

    /// The captures; or the problem, with the folder of the captures before it.
    pub(super) fn close(self, taken: anyhow::Result<()>) -> anyhow::Result<Captured> {
        let Err(error) = taken else {
            let was_captured = !self.evidence.captures.is_empty();
            let saved = (self.temporary.is_none() && was_captured).then_some(self.folder);
            return Ok(Captured { target: self.target, evidence: self.evidence, saved });
        };
        let Self { evidence, folder, temporary, .. } = self;
        if evidence.captures.is_empty() {
            return Err(error);
        }
        if let Some(temporary) = temporary {
            let _ = temporary.keep();
        }
        let (problem, captures) = (with_causes(error.as_ref()), count(&evidence));
        bail!("{problem}; the {captures} before that lie in {}", folder.display())
    }

    /// The captures until Ctrl-C.
    pub(super) fn interrupted(self) -> anyhow::Result<Captured> {
        let Self { target, evidence, folder, temporary, .. } = self;
        ensure!(!evidence.captures.is_empty(), "interrupted before anything was captured");
        output::note(&format!("interrupted; this is by the {} until then", count(&evidence)));
        Ok(Captured { target, evidence, saved: temporary.is_none().then_some(folder) })
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
            oom_killed: evidence.history.oom_killed,
            restarts: evidence.history.restarts,
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
            rss_source: self.rss_source.as_deref().and_then(|source| source.parse::<RssSource>().ok()),
            history: History { oom_killed: self.oom_killed, malformed: false, restarts: self.restarts },
            captures: Vec::new(),
        }
    }
}

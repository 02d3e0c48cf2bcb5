//! What was captured, as files: in the folder of --save, else in a temporary one that stays only where
//! there is no verdict.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use gomemlimit_pprof::{Evidence, Gomemlimit, Limit, Past, RssSource};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Seen, series::Interrupted};

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

/// Where the files of a series lie.
pub(super) struct Store {
    folder: PathBuf,
    temporary: Option<TempDir>,
}

impl Store {
    pub(super) fn open(save: Option<&Path>) -> anyhow::Result<Self> {
        let Some(folder) = save else {
            let temporary = tempfile::Builder::new().prefix("gomemlimit-diagnose-").tempdir();
            let temporary = temporary.context("cannot make a temporary folder for what is captured")?;
            return Ok(Self { folder: temporary.path().to_owned(), temporary: Some(temporary) });
        };
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        ensure!(
            !folder.join(INDEX).exists(),
            "{} holds captures already; name another folder for --save",
            folder.display()
        );
        Ok(Self { folder: folder.to_owned(), temporary: None })
    }

    /// A folder within, for what follows a restart.
    pub(super) fn after_restart(&self, number: usize) -> anyhow::Result<Self> {
        let folder = self.folder.join(format!("restart-{number}"));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder, temporary: None })
    }

    /// Writes the files of capture `number`, counted from 1, and the index of all so far.
    pub(super) fn write(&self, number: usize, texts: &Texts, index: &Index) -> anyhow::Result<()> {
        let put = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        put(&format!("heap-{number}.pb.gz"), &texts.heap)?;
        let others =
            [("heap", &texts.statistics), ("goroutine", &texts.goroutines), ("goroutineleak", &texts.leaked)];
        for (name, text) in others {
            if let Some(text) = text {
                put(&format!("{name}-{number}.txt"), text.as_bytes())?;
            }
        }
        put(INDEX, serde_json::to_string_pretty(index)?.as_bytes())
    }

    /// What was seen; or the problem, with where that lies what was captured before.
    pub(super) fn close(self, taken: Result<Evidence, Interrupted>, target: &str) -> anyhow::Result<Seen> {
        match taken {
            Ok(evidence) => {
                let saved = self.temporary.is_none().then_some(self.folder);
                Ok(Seen { target: target.to_owned(), evidence, saved })
            }
            Err(Interrupted { error, evidence, .. }) if evidence.captures.is_empty() => Err(error),
            Err(Interrupted { error, evidence, .. }) => {
                let folder = match self.temporary {
                    Some(temporary) => temporary.keep(),
                    None => self.folder,
                };
                let count = evidence.captures.len();
                let plural = if count == 1 { "" } else { "s" };
                bail!("{error:#}; the {count} capture{plural} before that lie in {}", folder.display())
            }
        }
    }
}

impl Index {
    pub(super) fn of(evidence: &Evidence, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            limit: evidence.limit.bytes(),
            unlimited: evidence.limit == Limit::Unlimited,
            gomemlimit: match &evidence.gomemlimit {
                Gomemlimit::Unknown => None,
                Gomemlimit::Unset => Some("off".to_owned()),
                Gomemlimit::Bytes(bytes) => Some(bytes.to_string()),
                Gomemlimit::Malformed(text) => Some(text.clone()),
            },
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
        let gomemlimit = match self.gomemlimit.as_deref() {
            None => Gomemlimit::Unknown,
            Some("off") => Gomemlimit::Unset,
            Some(text) => {
                text.parse().map_or_else(|_| Gomemlimit::Malformed(text.to_owned()), Gomemlimit::Bytes)
            }
        };
        Evidence {
            limit,
            gomemlimit,
            uptime: self.uptime_seconds,
            rss_source: self.rss_source.as_deref().and_then(RssSource::named),
            past: Past { oom_killed: self.oom_killed, malformed: false, restarts: self.restarts },
            captures: Vec::new(),
        }
    }
}

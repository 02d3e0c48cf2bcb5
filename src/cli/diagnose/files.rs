//! Profiles from files: a folder that --save wrote, or what somebody captured by hand.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use gomemlimit_files::Kinds;
use gomemlimit_pprof::{Capture, Decoder, Evidence, Goroutines, MemStats};

use super::{
    super::endpoint::MAX_BYTES,
    store::{INDEX, Index},
};

/// Reads all of them as captures of one process.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Evidence> {
    if let [path] = paths
        && path.is_dir()
    {
        return read_folder(path);
    }
    let (mut captures, mut decoder) = (Vec::new(), Decoder::default());
    let (mut statistics, mut goroutines, mut leaked) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let bytes = read_file(path, Kinds::Any)?;
        let said = |error: &dyn std::fmt::Display| anyhow!("{name} {error}");
        match kind(&bytes) {
            FileKind::Statistics => statistics.push(memstats(&bytes).map_err(|error| said(&error))?),
            FileKind::Goroutines => goroutines.push(goroutines_of(&bytes).map_err(|error| said(&error))?),
            FileKind::Leaked => leaked.push(goroutines_of(&bytes).map_err(|error| said(&error))?),
            FileKind::Other => {
                let profile = decoder.decode(&bytes).map_err(|error| said(&error))?;
                captures.push((name.clone(), profile));
            }
        }
    }
    ensure!(!captures.is_empty(), "there is no heap profile among the files; capture /debug/pprof/heap?gc=1");
    captures.sort_by_key(|(_, profile)| profile.time_nanos);
    let start = captures.first().map_or(0, |(_, profile)| profile.time_nanos);
    for pair in captures.windows(2) {
        if let [(one, before), (other, after)] = pair
            && before.time_nanos == after.time_nanos
        {
            bail!("{one} and {other} are of the same moment; give captures of different times");
        }
    }
    // Texts have no time of their own: they belong to the profiles in the order given.
    let (mut statistics, mut goroutines, mut leaked) =
        (statistics.into_iter(), goroutines.into_iter(), leaked.into_iter());
    let mut evidence = Evidence::default();
    for (_, profile) in captures {
        evidence.add(Capture {
            at: seconds(profile.time_nanos.saturating_sub(start)),
            profile: Some(profile),
            memstats: statistics.next(),
            goroutines: goroutines.next(),
            leaked: leaked.next(),
            rss: None,
        });
    }
    Ok(evidence)
}

#[allow(clippy::cast_precision_loss)]
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

enum FileKind {
    Statistics,
    Goroutines,
    Leaked,
    Other,
}

fn kind(bytes: &[u8]) -> FileKind {
    if bytes.starts_with(b"heap profile:") {
        FileKind::Statistics
    } else if bytes.starts_with(b"goroutine profile:") {
        FileKind::Goroutines
    } else if bytes.starts_with(b"goroutineleak profile:") {
        FileKind::Leaked
    } else {
        FileKind::Other
    }
}

fn memstats(bytes: &[u8]) -> Result<MemStats, gomemlimit_pprof::TextError> {
    MemStats::parse(&String::from_utf8_lossy(bytes))
}

fn goroutines_of(bytes: &[u8]) -> Result<Goroutines, gomemlimit_pprof::TextError> {
    Goroutines::parse(&String::from_utf8_lossy(bytes))
}

fn read_file(path: &Path, kinds: Kinds) -> anyhow::Result<Vec<u8>> {
    let read = gomemlimit_files::read(path, kinds, u64::try_from(MAX_BYTES)?);
    read.with_context(|| format!("cannot read {}", path.display()))
}

/// A folder of --save, with everything that was known then.
fn read_folder(folder: &Path) -> anyhow::Result<Evidence> {
    let index = folder.join(INDEX);
    let text = read_file(&index, Kinds::Regular).with_context(|| {
        format!("{} is not a folder that --save wrote: cannot read {INDEX}", folder.display())
    })?;
    let index: Index =
        serde_json::from_slice(&text).with_context(|| format!("cannot read {}", index.display()))?;
    let (mut evidence, mut decoder) = (index.evidence(), Decoder::default());
    for (number, entry) in (1..).zip(&index.captures) {
        let heap = folder.join(format!("heap-{number}.pb.gz"));
        let profile = decoder
            .decode(&read_file(&heap, Kinds::Regular)?)
            .map_err(|error| anyhow!("{} {error}", heap.display()))?;
        let optional =
            |name: &str| read_file(&folder.join(format!("{name}-{number}.txt")), Kinds::Regular).ok();
        evidence.add(Capture {
            at: entry.at,
            profile: Some(profile),
            memstats: optional("heap").and_then(|bytes| memstats(&bytes).ok()),
            goroutines: optional("goroutine").and_then(|bytes| goroutines_of(&bytes).ok()),
            leaked: optional("goroutineleak").and_then(|bytes| goroutines_of(&bytes).ok()),
            rss: entry.rss,
        });
    }
    ensure!(!evidence.captures.is_empty(), "{} holds no capture", folder.display());
    Ok(evidence)
}

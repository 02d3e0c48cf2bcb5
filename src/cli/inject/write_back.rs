//! `--in-place`: all changed files are written beside their names first, and get their names last.

use std::{
    collections::HashSet,
    fs::Metadata,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use tempfile::{SpooledTempFile, spooled_tempfile};

use super::report::Report;
use crate::{
    causes::with_causes,
    cli::{
        manifest_files::Source,
        out_file::{OutFile, ReadyFile},
    },
};

/// Texts of up to this size are held in memory, in bytes; more are in a file without a name, in the folder for temporary files.
const MAX_HELD_BYTES: usize = 64 << 20;

/// The files to be written, after all inputs were looked at.
pub(super) struct WriteBack {
    texts: SpooledTempFile,
    changed: Vec<Changed>,
    /// Links to changed files.
    links: Vec<Link>,
    /// The files that were read under their own name.
    files: HashSet<(u64, u64)>,
    /// In the order of the inputs, each with the position of its changed file.
    reports: Vec<(Option<usize>, Report)>,
}

struct Changed {
    path: PathBuf,
    read: Metadata,
    length: usize,
}

struct Link {
    path: PathBuf,
    target: PathBuf,
    file: (u64, u64),
}

impl Default for WriteBack {
    fn default() -> Self {
        Self {
            texts: spooled_tempfile(MAX_HELD_BYTES),
            changed: Vec::new(),
            links: Vec::new(),
            files: HashSet::new(),
            reports: Vec::new(),
        }
    }
}

impl WriteBack {
    pub(super) fn take(
        &mut self,
        source: Source,
        file: Option<Metadata>,
        text: Option<Vec<u8>>,
        report: Report,
    ) -> anyhow::Result<()> {
        let Some(path) = source.path().map(Path::to_owned) else {
            bail!("--in-place needs files: {source} cannot be written back");
        };
        // One that could not be read stays as it is.
        let Some(read) = file else { return Ok(()) };
        let file = (read.dev(), read.ino());
        if let Source::Found { target: Some(target), .. } = source {
            if text.is_some() {
                self.links.push(Link { path, target, file });
            }
            return Ok(());
        }
        self.files.insert(file);
        let Some(text) = text else {
            self.reports.push((None, report));
            return Ok(());
        };
        self.texts.write_all(&text).context("cannot hold the changed manifests")?;
        self.reports.push((Some(self.changed.len()), report));
        self.changed.push(Changed { path, read, length: text.len() });
        Ok(())
    }

    /// Writes the files; never through a link.
    ///
    /// # Errors
    ///
    /// If one of them cannot be written: none is changed then, unless the error is one of giving a file its name, which names
    /// those that were written and those that were not.
    pub(super) fn finish(mut self, quiet: bool) -> anyhow::Result<()> {
        for Link { path, target, file } in &self.links {
            // The target of a link is written under its own name.
            let is_written = self.files.contains(file);
            ensure!(is_written, "{} is a link; name {}, which it links to", path.display(), target.display());
        }
        let ready = self.ready().map_err(|error| match self.changed.len() {
            1 => error,
            _ => anyhow!("{}; no file was changed", with_causes(error.as_ref())),
        })?;
        for (written, file) in ready.into_iter().enumerate() {
            if let Err(error) = file.finish() {
                self.report(|index| index.is_some_and(|index| index < written), quiet);
                return Err(self.half_way(&error, written));
            }
        }
        self.report(|_| true, quiet);
        Ok(())
    }

    /// All files under temporary names.
    fn ready(&mut self) -> anyhow::Result<Vec<ReadyFile>> {
        self.texts.seek(SeekFrom::Start(0)).context("cannot read the changed manifests")?;
        let mut files = Vec::with_capacity(self.changed.len());
        for one in &self.changed {
            files.push(OutFile::replacing(&one.path, &one.read)?);
        }
        let mut ready = Vec::with_capacity(files.len());
        for (file, one) in files.into_iter().zip(&self.changed) {
            let mut text = vec![0; one.length];
            self.texts.read_exact(&mut text).context("cannot read the changed manifests")?;
            ready.push(file.ready(text)?);
        }
        Ok(ready)
    }

    fn report(&self, is_done: impl Fn(Option<usize>) -> bool, quiet: bool) {
        let done = self.reports.iter().filter(|(index, _)| is_done(*index));
        done.for_each(|(_, report)| report.print(quiet));
    }

    fn half_way(&self, error: &anyhow::Error, written: usize) -> anyhow::Error {
        let names = |files: &mut dyn Iterator<Item = &Changed>| {
            let names: Vec<_> = files.map(|one| one.path.display().to_string()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let error = with_causes(error.as_ref());
        let done = names(&mut self.changed.iter().take(written));
        let left = names(&mut self.changed.iter().skip(written));
        anyhow!("{error}; written: {done}; not written: {left}")
    }
}

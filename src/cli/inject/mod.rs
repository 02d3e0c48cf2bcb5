//! `gomemlimit inject`: manifests in, manifests out.

mod json_list;
mod kustomize;
mod prepare;
mod report;
mod results;
mod stdout;
mod stream;
mod write_back;
mod yaml;

use std::{collections::HashSet, process::ExitCode};

use clap::Args;

use self::{
    json_list::JsonList,
    kustomize::Kustomizations,
    prepare::{Mode, Output, Prepared, prepare},
    stdout::NotWritten,
    stream::Stream,
    write_back::WriteBack,
};
use super::{format::Format, manifest_files::input_group, manifests::ManifestArgs, output};

/// Add GOMEMLIMIT to manifests, as the webhook would when their pods are created
///
/// Pods, every built-in workload and Lists are changed; everything else passes through. Comments and
/// formatting of what is not changed are kept. What was done is reported on stderr. What cannot be read
/// is named there, passes through, and makes the exit code 2; the rest is done.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Straight into a cluster
  gomemlimit inject -f deployment.yaml | kubectl apply -f -
  # See what would change in a directory, then change it
  gomemlimit inject -R -f manifests/ --diff
  gomemlimit inject -R -f manifests/ --in-place
  # Rendered by another tool, with a lower ratio
  helm template shop ./chart | gomemlimit inject -f - --ratio 80%")]
#[command(group = input_group())]
pub(super) struct InjectArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Print a unified diff instead of the manifests
    #[arg(long, conflicts_with_all = ["in_place", "output"])]
    diff: bool,
    /// Write the changed manifests back to their files
    #[arg(long, conflicts_with = "output")]
    in_place: bool,
    /// Print the objects in this format instead of as they were written
    #[arg(
        short,
        long,
        value_parser = Format::one_of([
            (Format::Json, "One object, or a List"),
            (Format::Yaml, "As they were written, but JSON as YAML"),
        ])
    )]
    output: Option<Format>,
}

/// Where the results go, one input after the other; each is reported once it is there.
enum Sink {
    Stream(Stream),
    Objects(JsonList),
    /// With the first lines of what was printed: a file that is reached through a link, too, changes once.
    Diff(HashSet<String>),
    Files(WriteBack),
}

impl InjectArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (mode, mut sink) = match self.output {
            _ if self.diff => (Mode::Diff, Sink::Diff(HashSet::new())),
            _ if self.in_place => (Mode::InPlace, Sink::Files(WriteBack::default())),
            Some(Format::Json) => (Mode::Json, Sink::Objects(JsonList::default())),
            Some(Format::Yaml) => (Mode::Yaml, Sink::Stream(Stream::default())),
            _ => (Mode::AsWritten, Sink::Stream(Stream::default())),
        };
        let quiet = self.manifests.is_quiet();
        let mut kustomizations = Kustomizations::default();
        let done = self
            .manifests
            .each(
                |input| prepare(input, mode, quiet),
                Prepared::size,
                |one| {
                    kustomizations.look(&one);
                    sink.take(one, quiet)
                },
            )
            .and_then(|summary| {
                sink.finish(quiet)?;
                Ok(summary)
            });
        let summary = match done {
            Ok(summary) => summary,
            Err(error) => match error.downcast::<NotWritten>() {
                Ok(NotWritten(error)) => return Ok(output::not_written(&error)),
                Err(error) => return Err(error),
            },
        };
        if summary.pods == 0 && !summary.has_errors() && !quiet {
            output::message("No pods in these manifests.");
        }
        kustomizations.warn_of_the_rest(&summary.kustomizations);
        Ok(summary.exit_code())
    }
}

impl Sink {
    fn take(&mut self, one: Prepared, quiet: bool) -> anyhow::Result<()> {
        let Prepared { source, file, encoding, output, report, .. } = one;
        match (self, output) {
            (Self::Stream(stream), Output::Texts(pieces)) => stream.take(pieces, report, quiet)?,
            (Self::Objects(list), Output::Objects(objects)) => list.take(objects, report, quiet)?,
            (Self::Diff(printed), Output::Diff(diff)) => {
                let file = diff.lines().next().unwrap_or_default();
                if diff.is_empty() || printed.insert(file.to_owned()) {
                    output::diff(&diff).map_err(NotWritten)?;
                    report.print(quiet);
                }
            }
            (Self::Files(files), Output::File(text)) => {
                files.take(source, file, text.map(|text| encoding.encode(&text).into_owned()), report)?;
            }
            // Each mode has its own.
            _ => {}
        }
        Ok(())
    }

    fn finish(self, quiet: bool) -> anyhow::Result<()> {
        match self {
            Self::Stream(stream) => Ok(stream.finish(quiet)?),
            Self::Objects(list) => Ok(list.finish(quiet)?),
            Self::Diff(_) => Ok(()),
            Self::Files(files) => files.finish(quiet),
        }
    }
}

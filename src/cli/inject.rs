//! `gomemlimit inject`: manifests in, manifests out.

use std::{fs::Metadata, os::unix::ffi::OsStrExt as _, process::ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Args;
use gomemlimit_core::{
    decision::ContainerDecision,
    warning::{Warning, WarningKind},
};
use gomemlimit_manifest::{self as manifest, Edit};
use serde_json::{Value, json};

use super::{
    diff,
    format::Format,
    manifest_files::{self, Source, input_group},
    manifests::{Decided, Input, ManifestArgs, Manifests},
    out_file::OutFile,
    output,
};

/// Add GOMEMLIMIT to manifests, as the webhook would when their pods are created
///
/// Pods, every built-in workload and Lists are changed; everything else passes through. Comments and
/// formatting of what is not changed are kept. What was done is reported on stderr.
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
            (Format::Yaml, "As they were written"),
        ])
    )]
    output: Option<Format>,
}

impl InjectArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Manifests { inputs, decided, .. } = self.manifests.decide()?;
        if self.in_place
            && let Some(input) = inputs.iter().find(|input| input.source.path().is_none())
        {
            bail!("--in-place needs files: {} cannot be written back", input.source);
        }
        let mut changed = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            let of_input: Vec<&Decided> = decided.iter().filter(|decided| decided.input == index).collect();
            let mut text = String::with_capacity(input.text.len());
            for document in &input.documents {
                let of_document = of_input.iter().filter(|decided| decided.document == document.index);
                let edits: Vec<Vec<Edit>> =
                    of_document.map(|decided| decided.edits()).collect::<Result<_, _>>()?;
                let edited = manifest::edit(&input.text, document, &edits.concat())
                    .with_context(|| input.source.to_string())?;
                for note in &edited.notes {
                    output::warning(&format!("{}: {note}", input.source));
                }
                text += &edited.text;
            }
            if input.documents.is_empty() {
                text.clone_from(&input.text);
            }
            changed.push((input, text));
        }
        if self.in_place {
            write_back(&changed, &decided)?;
            report(&decided);
            return Ok(ExitCode::SUCCESS);
        }
        let printed = match self.output {
            _ if self.diff => output::diff(&diff(&changed)),
            Some(Format::Json) => output::stdout(as_json(&changed)?.as_bytes()),
            _ => output::stdout(joined(&changed).as_bytes()),
        };
        if printed == ExitCode::SUCCESS {
            report(&decided);
        }
        Ok(printed)
    }
}

/// Reports all changes, after the output has been written: nothing is reported that did not happen.
fn report(decided: &[Decided]) {
    decided.iter().for_each(report_one);
    if decided.is_empty() {
        output::message("no pods in these manifests: nothing to do");
    }
}

/// Reports the change of each container of a pod, and every warning.
fn report_one(one: &Decided) {
    for container in &one.decision.containers {
        let reason = container.outcome.reason;
        let outcome = match container.outcome.value.filter(|_| reason.is_set()) {
            Some(value) => format!("GOMEMLIMIT={} ({reason})", value.text()),
            None => format!("unchanged ({reason}: {})", explanation(container, &one.decision.warnings)),
        };
        output::message(&format!("{}, container {}: {outcome}", one.object(), container.name()));
    }
    for warning in &one.decision.warnings {
        output::warning(&format!("{}: {}", one.object(), warning.text));
    }
}

/// The explanation of the reason for the container; without the problem of its value, which a warning shows.
fn explanation<'c>(container: &'c ContainerDecision<'_>, warnings: &[Warning]) -> &'c str {
    let text = container.explanation();
    let is_shown =
        |warning: &Warning| warning.kind == WarningKind::BrokenValue && warning.text.ends_with(text);
    if warnings.iter().any(is_shown) { container.outcome.reason.explanation() } else { text }
}

/// Writes the files that are changed, after a look at all of them; never through a link. If one cannot be written, only
/// those before it are reported.
fn write_back(changed: &[(&Input, String)], decided: &[Decided]) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for (index, (input, text)) in changed.iter().enumerate() {
        let (Some(path), Some(read)) = (input.source.path(), &input.file) else { continue };
        if *text == input.text {
            continue;
        }
        if let Source::Found { target: Some(target), .. } = &input.source {
            // The target of a link is written under its own name.
            let is_written = changed.iter().any(|(other, _)| is_file_itself(other, read));
            ensure!(is_written, "{} is a link; name {}, which it links to", path.display(), target.display());
            continue;
        }
        files.push((index, OutFile::replacing(path, read)?, input.encoding, text));
    }
    let mut written = Vec::new();
    for (index, file, encoding, text) in files {
        if let Err(error) = file.write(&encoding.encode(text)) {
            decided.iter().filter(|one| written.contains(&one.input)).for_each(report_one);
            return Err(error);
        }
        written.push(index);
    }
    Ok(())
}

/// Whether an input is this file, and no link to it.
fn is_file_itself(input: &Input, file: &Metadata) -> bool {
    !matches!(input.source, Source::Found { target: Some(_), .. })
        && input.file.as_ref().is_some_and(|own| manifest_files::is_same(own, file))
}

fn diff(changed: &[(&Input, String)]) -> String {
    let differences = changed.iter().map(|(input, after)| {
        let path = input.source.path().map_or(b"(stdin)".as_slice(), |path| path.as_os_str().as_bytes());
        diff::unified(path, &input.text, after)
    });
    differences.collect()
}

/// All inputs as one stream, with a marker between two inputs.
fn joined(changed: &[(&Input, String)]) -> String {
    let mut stream = String::new();
    for (_, text) in changed {
        if !stream.is_empty() {
            if !stream.ends_with('\n') {
                stream.push('\n');
            }
            if !text.trim_start_matches('\u{feff}').starts_with("---") {
                stream += "---\n";
            }
        }
        stream += text;
    }
    stream
}

fn as_json(changed: &[(&Input, String)]) -> anyhow::Result<String> {
    let mut objects = Vec::new();
    for (input, text) in changed {
        let documents = manifest::parse(text).with_context(|| input.source.to_string())?;
        objects.extend(documents.into_iter().map(|document| document.value).filter(|value| !value.is_null()));
    }
    let document: Value = match <[Value; 1]>::try_from(objects) {
        Ok([object]) => object,
        Err(objects) => json!({"apiVersion": "v1", "kind": "List", "items": objects}),
    };
    Ok(output::json_text(&document))
}

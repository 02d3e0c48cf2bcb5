//! Manifests from files, directories and stdin, decided as the webhook would decide about their pods: a file at a time, by
//! all cores. One that cannot be read or decided does not keep the others from it.

mod decided;
mod in_order;
mod problem;
mod reader;
mod surroundings;
mod unreadable_pod;

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::Metadata,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{PodContext, Policy};
use gomemlimit_manifest::{self as manifest, AliasBudget, PodLocation};
use serde_json::Value;

use self::{
    decided::{decide_one, position},
    in_order::in_order,
    reader::{UnreadableDocument, read},
    surroundings::{Surroundings, may_have_objects, objects},
};
use super::{
    cluster_args::parse_name,
    complete,
    manifest_files::{Found, Source, find},
    output, progress, resource_list,
    settings_args::SettingsArgs,
};

pub(super) use self::{
    decided::{Decided, DecidedDocument, DecidedInput, decide_at},
    problem::{Problem, RunSummary, Severity},
    reader::{Document, Edit, edit},
};

/// The manifests, and the settings for them.
#[derive(Args, Debug)]
pub(super) struct ManifestArgs {
    /// File, directory (its *.yaml, *.yml and *.json) or - for stdin; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,
    /// Search directories within directories, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Namespace of objects that name none; default: `default`, or that of the context
    #[arg(short = 'n', long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// Print no notes on stderr, and no line for each container; errors and warnings only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    policy: SettingsArgs,
}

/// A text and the file that it is from, or the sentence about why it cannot be read.
type Text = Result<(String, Option<Metadata>), String>;

/// Everything that decides about an input.
struct Decider<'a> {
    policy: &'a Policy,
    surroundings: &'a Surroundings,
    default_namespace: &'a str,
}

impl ManifestArgs {
    /// The namespace that was given.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The flags for settings that no annotation has.
    pub(super) fn settings_args(&self) -> &SettingsArgs {
        &self.policy
    }

    /// Whether notes and the lines about containers are unwanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Decides about each input: `prepare` runs on one of several threads, `take` on this one, in the order of the inputs,
    /// after the problems of the input were printed. A few inputs are held at a time. Objects that count for the pods of a
    /// namespace do so wherever they are among the inputs, which are read for them first.
    ///
    /// # Errors
    ///
    /// If the policy file cannot be read, or if `take` returns an error. Problems of inputs are in the summary.
    pub(super) fn each<T: Send>(
        &self,
        prepare: impl Fn(&mut DecidedInput) -> T + Sync,
        size: impl Fn(&T) -> usize + Sync,
        mut take: impl FnMut(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<RunSummary> {
        let Found { sources, left_out } = find(&self.filenames, self.recursive)?;
        for sentence in &left_out {
            output::warning(sentence);
        }
        let policy = self.policy.policy_with_lints()?;
        let mut bar = progress::LateBar::new("Reading manifests", 2 * sources.len());
        let (surroundings, held) = self.surroundings(&sources, &mut bar)?;
        let decider = Decider {
            policy: &policy,
            surroundings: &surroundings,
            default_namespace: self.default_namespace(),
        };
        let mut summary = RunSummary { files: sources.len(), is_partial: !left_out.is_empty(), ..RunSummary::default() };
        let prepare = |index: usize, source: &Source| {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
            let mut input = decider.input(source.clone(), held.unwrap_or_else(|| text_of(source)));
            let mut seen = Seen::of(&input);
            let result = prepare(&mut input);
            seen.problems = input.problems;
            (seen, result)
        };
        in_order(&sources, prepare, |(_, result)| size(result), |(seen, result)| {
            bar.around(|| {
                seen.problems.iter().for_each(|problem| problem.print(self.quiet));
                seen.add_to(&mut summary);
                take(result)
            })
        })?;
        drop(bar);
        summary.print(self.quiet);
        Ok(summary)
    }

    fn default_namespace(&self) -> &str {
        self.namespace().unwrap_or("default")
    }

    /// Reads the inputs for the objects that count for a namespace, and holds those that cannot be read twice.
    fn surroundings(
        &self,
        sources: &[Source],
        bar: &mut progress::LateBar,
    ) -> anyhow::Result<(Surroundings, Mutex<HashMap<usize, Text>>)> {
        let mut surroundings = Surroundings::default();
        let held: Mutex<HashMap<usize, Text>> = Mutex::default();
        let prepare = |index: usize, source: &Source| {
            let text = text_of(source);
            let objects = text.as_ref().map_or_else(|_| Vec::new(), |(text, _)| self.objects(text));
            let is_file = matches!(&text, Ok((_, Some(file))) if file.is_file());
            if !is_file {
                held.lock().unwrap_or_else(PoisonError::into_inner).insert(index, text);
            }
            objects
        };
        in_order(sources, prepare, |_| 0, |objects| {
            objects.iter().for_each(|object| surroundings.add(object));
            bar.around(|| Ok(()))
        })?;
        Ok((surroundings, held))
    }

    fn objects(&self, text: &str) -> Vec<Value> {
        if !may_have_objects(text) {
            return Vec::new();
        }
        let documents = read(text, &mut AliasBudget::default()).into_iter().flatten();
        documents.flat_map(|document| objects(document.value, self.default_namespace())).collect()
    }
}

fn text_of(source: &Source) -> Text {
    source.read().map_err(|error| crate::causes::with_causes(error.as_ref()))
}

impl Decider<'_> {
    fn input(&self, source: Source, text: Text) -> DecidedInput {
        let (text, file) = match text {
            Ok(read) => read,
            Err(sentence) => {
                let problems = vec![Problem::new(Severity::Error, sentence)];
                return DecidedInput { source, file: None, text: String::new(), documents: Vec::new(), problems };
            }
        };
        let mut input = DecidedInput { source, file, text, documents: Vec::new(), problems: Vec::new() };
        for document in read(&input.text, &mut AliasBudget::default()) {
            let decided = match document {
                Ok(document) => self.document(&mut input, document),
                Err(unreadable) => {
                    input.problems.push(unreadable_document(&input, &unreadable));
                    DecidedDocument { range: unreadable.range, document: None, decided: Vec::new() }
                }
            };
            input.documents.push(decided);
        }
        input
    }

    fn document(&self, input: &mut DecidedInput, document: Document) -> DecidedDocument {
        let mut decided = Vec::new();
        let policy = match resource_list::policy(&document.value, self.policy) {
            Ok(policy) => policy,
            Err(error) => {
                let at = position(&input.text, &document, &["functionConfig".to_owned()]);
                input.problems.push(error_at(&input.source, document.index, at, &error));
                return DecidedDocument { range: document.range.clone(), document: Some(document), decided };
            }
        };
        for location in manifest::pod_locations(&document.value) {
            match self.pod(&document.value, location, &policy) {
                Ok(one) => decided.push(one),
                Err(error) => {
                    let at = position(&input.text, &document, &error.path);
                    input.problems.push(error_at(&input.source, document.index, at, &error));
                }
            }
        }
        DecidedDocument { range: document.range.clone(), document: Some(document), decided }
    }

    fn pod(
        &self,
        object: &Value,
        location: PodLocation,
        policy: &Policy,
    ) -> Result<Decided, unreadable_pod::UnreadablePod> {
        let namespace = location.namespace.clone().unwrap_or_else(|| self.default_namespace.to_owned());
        let context = PodContext {
            namespace: &namespace,
            annotations: self.surroundings.annotations(&namespace),
            owner: location.pods_owner(),
        };
        let pod: Cow<'_, Value> = Cow::Borrowed(object.pointer(&location.pointer()).unwrap_or(&Value::Null));
        decide_one(&pod, location, context, policy)
    }
}

/// An error about a place in a document, whose index is from 0.
fn error_at(source: &Source, document: usize, at: (usize, usize), error: &dyn std::error::Error) -> Problem {
    let (number, (line, column)) = (document + 1, at);
    let text = format!("{source}: document {number}, line {line}, column {column}: {error}");
    Problem { severity: Severity::Error, at: Some(at), text }
}

/// In a file that a search found, a template, or what is no manifest, is a note; a broken manifest is an error everywhere.
fn unreadable_document(input: &DecidedInput, unreadable: &UnreadableDocument) -> Problem {
    let UnreadableDocument { range, line, error, .. } = unreadable;
    let is_named = !matches!(input.source, Source::Found { .. });
    let is_template = matches!(error, manifest::ManifestError::Template { .. });
    let text = input.text.get(range.clone()).unwrap_or_default();
    let is_error = is_named || !is_template && looks_like_a_manifest(text);
    let severity = if is_error { Severity::Error } else { Severity::Note };
    Problem { severity, at: Some((*line, 1)), text: format!("{}: {error}", input.source) }
}

/// Whether a text that cannot be read is meant as an object of Kubernetes: both keys are at the left, or are keys of JSON.
fn looks_like_a_manifest(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let has_key = |key: &str| {
        let is_key = |rest: &str| rest.trim_start().starts_with(':');
        let is_line = |line: &str| {
            let line = line.trim_start_matches(['"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| is_key(rest.trim_start_matches(['"', '\''])))
        };
        text.lines().any(is_line) || text.split(&format!("\"{key}\"")).skip(1).any(is_key)
    };
    has_key("apiVersion") && has_key("kind")
}

/// What a summary has of one input.
struct Seen {
    problems: Vec<Problem>,
    pods: usize,
    containers: usize,
}

impl Seen {
    fn of(input: &DecidedInput) -> Self {
        let containers = input.decided().map(|one| one.decision.containers.len()).sum();
        Self { problems: Vec::new(), pods: input.decided().count(), containers }
    }

    fn add_to(&self, summary: &mut RunSummary) {
        let is_bad = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        summary.bad_files += usize::from(is_bad);
        summary.pods += self.pods;
        summary.containers += self.containers;
    }
}

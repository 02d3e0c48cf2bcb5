//! Manifests from files, directories and stdin, decided as the webhook would decide about their pods: a file at a time, by
//! all cores. One that cannot be read or decided does not keep the others from it.

mod decided;
mod in_order;
mod run_summary;
mod surroundings;
mod unreadable_pod;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{PodContext, Policy};
use gomemlimit_manifest::{
    AddedKind, AliasBudget, CustomKind, Document, KeyPosition, Kinds, NotRead, PodLocation, Pods,
    UnknownKind, UnreadableDocument, pods, read,
};
use serde_json::Value;

use self::{
    decided::decide_one,
    in_order::in_order,
    surroundings::{Surroundings, objects, surroundings_in},
    unreadable_pod::UnreadablePod,
};
use super::{
    cluster_args::parse_name,
    complete,
    manifest_files::{Content, Encoding, FileArgs, Found, Problem, Severity, Source, looks_like_manifest},
    output, progress, resource_list,
    settings_args::SettingsArgs,
};

pub(super) use self::{
    decided::{Decided, DecidedDocument, DecidedInput, decide_at},
    run_summary::RunSummary,
};

/// The manifests, and the settings for them.
#[derive(Args, Debug)]
pub(super) struct ManifestArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Namespace of objects that name none; default: `default`, or that of the context
    #[arg(short = 'n', long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// A kind of others with pods: PATH leads to what has the `metadata` and `spec` of the pod, such as
    /// `example.com/Crew=spec.workers[*].template`; may be repeated
    #[arg(long = "kind", value_name = "GROUP/KIND=PATH")]
    kinds: Vec<CustomKind>,
    /// Print no notes on stderr, and no line for each container; errors and warnings only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    policy: SettingsArgs,
}

/// What an input contains, or why it cannot be read.
type Text = Result<Content, Problem>;

/// Everything that decides about an input.
struct Decider<'a> {
    policy: &'a Policy,
    kinds: &'a Kinds,
    surroundings: &'a Surroundings,
    default_namespace: &'a str,
    /// Whether there are several inputs.
    has_several: bool,
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
        let Found { sources, problems, kustomizations } = self.files.find()?;
        let mut summary = RunSummary { files: sources.len(), kustomizations, ..RunSummary::default() };
        let before = Seen { problems, is_left_out: true, ..Seen::default() };
        before.problems.iter().for_each(|problem| problem.print(self.quiet));
        before.add_to(&mut summary);
        let errors = before.problems.iter().filter(|problem| problem.severity == Severity::Error);
        summary.left_out.extend(errors.cloned());
        let policy = self.policy.policy_with_lints()?;
        let mut bar = progress::LateBar::new("Reading manifests", 2 * sources.len());
        let (surroundings, held) = self.surroundings(&sources, &mut bar)?;
        let decider = Decider {
            policy: &policy,
            kinds: &self.kinds.iter().cloned().collect(),
            surroundings: &surroundings,
            default_namespace: self.default_namespace(),
            has_several: sources.len() > 1,
        };
        let prepare = |index: usize, source: &Source| {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
            let mut input = decider.input(source.clone(), held.unwrap_or_else(|| text_of(source)));
            let mut seen = Seen::of(&input);
            let result = prepare(&mut input);
            seen.problems = input.problems;
            (seen, result)
        };
        in_order(
            &sources,
            prepare,
            |(_, result)| size(result),
            |(seen, result)| {
                bar.around(|| {
                    seen.problems.iter().for_each(|problem| problem.print(self.quiet));
                    seen.add_to(&mut summary);
                    take(result)
                })
            },
        )?;
        drop(bar);
        surroundings.warnings.iter().for_each(|warning| output::warning(warning));
        summary.print(&self.kinds);
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
            let content = text.as_ref().ok();
            let found = content.map(|content| surroundings_in(source, &content.text)).unwrap_or_default();
            let is_file = matches!(&text, Ok(Content { file: Some(file), .. }) if file.is_file());
            if !is_file {
                held.lock().unwrap_or_else(PoisonError::into_inner).insert(index, text);
            }
            found
        };
        in_order(
            sources,
            prepare,
            |_| 0,
            |found| {
                for one in found {
                    surroundings.add(one, self.default_namespace());
                }
                bar.around(|| Ok(()))
            },
        )?;
        Ok((surroundings, held))
    }
}

fn text_of(source: &Source) -> Text {
    source.read().map_err(|error| source.problem(&error))
}

impl Decider<'_> {
    fn input(&self, source: Source, text: Text) -> DecidedInput {
        let mut input = DecidedInput {
            source,
            file: None,
            text: String::new(),
            encoding: Encoding::Utf8,
            documents: Vec::new(),
            problems: Vec::new(),
            added_kinds: Vec::new(),
            is_one_of_several: self.has_several,
        };
        match text {
            Ok(Content { text, encoding, file }) => {
                (input.text, input.encoding, input.file) = (text, encoding, file);
            }
            Err(problem) => input.problems.push(problem),
        }
        let mut templates = Templates::default();
        for document in read(&input.text, &mut AliasBudget::default()) {
            let decided = match document {
                Ok(document) => self.document(&mut input, document),
                Err(unreadable) => {
                    let problem = unreadable_document(&input, &unreadable);
                    if problem.severity == Severity::Note && unreadable.error.is_template() {
                        templates.add(problem);
                    } else {
                        input.problems.push(problem);
                    }
                    DecidedDocument::unreadable(unreadable.range)
                }
            };
            input.documents.push(decided);
        }
        input.problems.extend(templates.note());
        input
    }

    fn document(&self, input: &mut DecidedInput, document: Document) -> DecidedDocument {
        let policy = match resource_list::policy(&document.value, self.policy) {
            Ok(policy) => policy,
            Err(error) => {
                let at = error.position(&input.text, &document);
                input.add(Severity::Error, &document, at, &error.to_string());
                let nothing = DecidedDocument::unreadable(document.range.clone());
                return DecidedDocument { document: Some(document), ..nothing };
            }
        };
        let mut decided = Vec::new();
        let Pods { locations, unknown: unknown_kinds, added } = pods(&document.value, self.kinds);
        input.added_kinds.extend(added);
        let (mut found, mut paths) = (Vec::new(), Vec::new());
        for location in locations {
            match self.pod(&document.value, location, &policy) {
                Ok(one) => {
                    if let Some(text) = one.rival_limit_ranges(self.surroundings) {
                        found.push((Severity::Warning, text));
                        paths.push(one.location.path.clone());
                    }
                    decided.push(one);
                }
                Err(error) => {
                    found.push((Severity::Error, error.to_string()));
                    paths.push(error.path);
                }
            }
        }
        // The document is read once more for all of them.
        for ((severity, text), at) in found.into_iter().zip(input.positions(&document, &paths)) {
            input.add(severity, &document, at, &text);
        }
        input.add_lints(&document, !decided.is_empty());
        DecidedDocument { range: document.range.clone(), document: Some(document), decided, unknown_kinds }
    }

    fn pod(&self, object: &Value, location: PodLocation, policy: &Policy) -> Result<Decided, UnreadablePod> {
        let namespace = location.namespace.clone().unwrap_or_else(|| self.default_namespace.to_owned());
        let context = PodContext {
            namespace: &namespace,
            annotations: self.surroundings.annotations(&namespace),
            owner: location.pods_owner(),
            is_in_template: location.is_in_template,
        };
        let pod = object.pointer(&location.pointer()).unwrap_or(&Value::Null);
        let (pod, given) = self.surroundings.complete(&namespace, pod);
        let mut decided = decide_one(&pod, location, context, policy)?;
        decided.note_limit_ranges(&given);
        Ok(decided)
    }
}

impl DecidedInput {
    /// Warns of what other programs read otherwise in a document that has pods, and of one that kubectl does not read.
    fn add_lints(&mut self, document: &Document, has_pods: bool) {
        if let Some(NotRead { line, column, what }) = &document.not_read
            && (has_pods || !objects(document.value.clone()).is_empty())
            // Several documents may have the same line.
            && !self.problems.iter().any(|problem| problem.at == Some((*line, *column)) && problem.text.ends_with(what))
        {
            self.add(Severity::Warning, document, (*line, *column), what);
        }
        if !has_pods {
            return;
        }
        for KeyPosition { line, column, key } in &document.duplicate_keys {
            let text =
                format!("the key {key:?} occurs twice in this mapping; the last one counts, as for kubectl");
            self.add(Severity::Warning, document, (*line, *column), &text);
        }
        for KeyPosition { line, column, key } in &document.overridden_keys {
            let text = format!(
                "for kubectl the merge key (<<) after it overrides the key {key:?}, for other programs it does not; write \
                 << before it, or remove it"
            );
            self.add(Severity::Warning, document, (*line, *column), &text);
        }
    }

    fn add(&mut self, severity: Severity, document: &Document, at: (usize, usize), what: &str) {
        let (number, (line, column)) = (document.index + 1, at);
        let text = format!("{}: document {number}, line {line}, column {column}: {what}", self.source);
        self.problems.push(Problem { severity, document: document.index, at: Some(at), text });
    }
}

/// In a file that a search found, a template, or what is no manifest, is a note; a broken manifest is an error everywhere.
fn unreadable_document(input: &DecidedInput, unreadable: &UnreadableDocument) -> Problem {
    let UnreadableDocument { index, range, line, error } = unreadable;
    let is_manifest = || input.text.get(range.clone()).is_some_and(looks_like_manifest);
    let is_error = !input.source.is_found() || !error.is_template() && is_manifest();
    let severity = if is_error { Severity::Error } else { Severity::Note };
    let at = error.position().unwrap_or((*line, 1));
    Problem { severity, document: *index, at: Some(at), text: format!("{}: {error}", input.source) }
}

/// The documents of a found file that are templates: one note for all of them.
#[derive(Default)]
struct Templates {
    first: Option<Problem>,
    others: usize,
}

impl Templates {
    fn add(&mut self, problem: Problem) {
        if self.first.is_none() {
            self.first = Some(problem);
        } else {
            self.others += 1;
        }
    }

    fn note(self) -> Option<Problem> {
        let mut problem = self.first?;
        let others = match self.others {
            0 => String::new(),
            1 => "; so is another document of it".to_owned(),
            others => format!("; so are {others} other documents of it"),
        };
        problem.text += &others;
        Some(problem)
    }
}

/// What a summary has of one input.
#[derive(Default)]
struct Seen {
    problems: Vec<Problem>,
    /// Whether the problems are about inputs that are not read at all.
    is_left_out: bool,
    pods: usize,
    containers: usize,
    /// Each with its file.
    unknown_kinds: Vec<(String, UnknownKind)>,
    added_kinds: Vec<AddedKind>,
}

impl Seen {
    /// Without the problems, of which there may be more.
    fn of(input: &DecidedInput) -> Self {
        let containers = input.decided().map(|one| one.decision.containers.len()).sum();
        let is_left_out = input.documents.is_empty();
        let unknown_kinds = input.documents.iter().flat_map(|one| &one.unknown_kinds);
        let unknown_kinds = unknown_kinds.map(|one| (input.source.to_string(), one.clone()));
        Self {
            problems: Vec::new(),
            is_left_out,
            pods: input.decided().count(),
            containers,
            unknown_kinds: unknown_kinds.collect(),
            added_kinds: input.added_kinds.clone(),
        }
    }

    fn add_to(&self, summary: &mut RunSummary) {
        let has = |severity| self.problems.iter().any(|problem| problem.severity == severity);
        summary.bad_files += usize::from(has(Severity::Error));
        if self.is_left_out {
            let warnings = self.problems.iter().filter(|problem| problem.severity == Severity::Warning);
            summary.left_out.extend(warnings.cloned());
            summary.is_partial |= has(Severity::Warning);
        } else {
            summary.has_warnings |= has(Severity::Warning);
        }
        summary.pods += self.pods;
        summary.containers += self.containers;
        for (file, unknown) in &self.unknown_kinds {
            summary.add_unknown(file, unknown);
        }
        for AddedKind { index, has_pods } in &self.added_kinds {
            *summary.added_kinds.entry(*index).or_default() |= has_pods;
        }
    }
}

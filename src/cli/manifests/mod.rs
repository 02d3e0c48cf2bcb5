//! Manifests from files, directories and stdin, decided as the webhook would decide about their pods: a file at a time, by
//! all cores. One that cannot be read or decided does not keep the others from it.

mod decided;
mod in_order;
mod misread;
mod run_summary;
mod seen;
mod surroundings;
mod unreadable_document;
mod unreadable_pod;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{PodContext, Policy};
use gomemlimit_manifest::{
    AliasBudget, CustomKind, Document, KeyPosition, Kinds, NotRead, PodLocation, Pods, pods, read,
};
use serde_json::Value;

use self::{
    decided::decide_one,
    in_order::in_order,
    seen::Seen,
    surroundings::{Surroundings, objects, surroundings_in},
    unreadable_document::{Templates, unreadable_document},
    unreadable_pod::UnreadablePod,
};
use super::{
    cluster_args::parse_name,
    complete,
    manifest_files::{Content, Encoding, FileArgs, Found, Problem, Severity, Source},
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
        let before = Seen::left_out(problems);
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
            input.problems.extend(surroundings.problems_of(index));
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
                surroundings.add_input(found, self.default_namespace());
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
                    // The templates of one object have the same.
                    let rival = one.rival_limit_ranges(self.surroundings);
                    if let Some(text) = rival.filter(|text| found.iter().all(|(_, other)| other != text)) {
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
        self.problems.push(self.source.problem_at(severity, document.index, at, what));
    }
}

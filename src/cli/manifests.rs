//! Manifests from files, directories and stdin, decided as the webhook would decide about their pods.

use std::{
    collections::{BTreeMap, HashMap},
    fs::Metadata,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{
    NamespaceAnnotations, Pod, PodContext, PodDecision, Policy,
    admission::{Operation, Patch},
    decide,
};
use gomemlimit_manifest::{self as manifest, AliasBudget, Change, Document, Edit, PodLocation};
use serde_json::Value;

use super::{
    cluster_args::parse_name,
    complete,
    manifest_files::{Content, Encoding, FileArgs, Found, Problem, Severity, Source},
    settings_args::SettingsArgs,
};

/// The manifests, and the settings for them.
#[derive(Args, Debug)]
pub(super) struct ManifestArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Namespace of objects that name none; default: `default`, or that of the context
    #[arg(short = 'n', long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    #[command(flatten)]
    policy: SettingsArgs,
}

/// One input as it was read.
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) text: String,
    pub(super) encoding: Encoding,
    /// The file that the text is from; none for stdin.
    pub(super) file: Option<Metadata>,
    pub(super) documents: Vec<Document>,
}

/// The decision about one pod or pod template.
pub(super) struct Decided {
    /// Position of its input.
    pub(super) input: usize,
    /// Position of its document in the input.
    pub(super) document: usize,
    pub(super) location: PodLocation,
    pub(super) namespace: String,
    pub(super) decision: PodDecision<'static>,
    operations: Vec<Operation>,
}

impl Decided {
    /// `Deployment shop/api`.
    pub(super) fn object(&self) -> String {
        let name = if self.location.name.is_empty() { "(without a name)" } else { &self.location.name };
        format!("{} {}/{name}", self.location.kind, self.namespace)
    }

    /// The operations of the patch as edits of the document.
    ///
    /// # Errors
    ///
    /// If a value has no JSON, which does not happen.
    pub(super) fn edits(&self) -> anyhow::Result<Vec<Edit>> {
        let edits = self.operations.iter().map(|operation| {
            let tokens =
                operation.path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
            let value = serde_json::to_value(&operation.value)?;
            let change = match operation.op {
                "replace" => Change::Replace(value),
                "remove" => Change::Remove,
                _ => Change::Add(value),
            };
            Ok(Edit { path: self.location.path.iter().cloned().chain(tokens).collect(), change })
        });
        edits.collect()
    }
}

/// All inputs and all decisions, in their order.
pub(super) struct Manifests {
    pub(super) inputs: Vec<Input>,
    pub(super) decided: Vec<Decided>,
    /// Whether a file was left out, which a warning has shown.
    pub(super) is_partial: bool,
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

    /// Reads everything and decides. Annotations of namespaces among the manifests count.
    ///
    /// # Errors
    ///
    /// If an input or the policy file cannot be read, or if a manifest or a pod in it is invalid.
    pub(super) fn decide(&self) -> anyhow::Result<Manifests> {
        let Found { sources, problems, .. } = self.files.find()?;
        problems.iter().try_for_each(report)?;
        let mut is_partial = problems.iter().any(|problem| problem.severity == Severity::Warning);
        let mut inputs = Vec::new();
        let mut budget = AliasBudget::default();
        for source in sources {
            let Content { text, encoding, file } = match source.read() {
                Ok(content) => content,
                Err(error) => {
                    let problem = source.problem(&error);
                    report(&problem)?;
                    is_partial |= problem.severity == Severity::Warning;
                    continue;
                }
            };
            let documents = manifest::parse_within(&text, &mut budget).with_context(|| source.to_string())?;
            inputs.push(Input { source, text, encoding, file, documents });
        }
        let namespaces = namespace_annotations(&inputs);
        let policy = self.policy.policy_with_lints()?;
        let mut decided = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            for document in &input.documents {
                for location in manifest::pods(&document.value, &manifest::Kinds::default()).locations {
                    decided.push(
                        self.decide_one(index, document, location, &namespaces, &policy)
                            .map_err(|error| error.at(&input.text, document))
                            .with_context(|| input.source.to_string())?,
                    );
                }
            }
        }
        Ok(Manifests { inputs, decided, is_partial })
    }

    fn decide_one(
        &self,
        input: usize,
        document: &Document,
        location: PodLocation,
        namespaces: &HashMap<String, NamespaceAnnotations>,
        policy: &Policy,
    ) -> Result<Decided, UnreadablePod> {
        let namespace = location.namespace.as_deref().or(self.namespace()).unwrap_or("default").to_owned();
        let none = NamespaceAnnotations::new();
        let context = PodContext {
            namespace: &namespace,
            annotations: namespaces.get(&namespace).unwrap_or(&none),
            owner: location.pods_owner(),
        };
        let mut decision = decide_at(&document.value, &location, context, policy)?;
        let Patch { operations, warning } = Patch::new(&decision);
        decision.warnings.extend(warning);
        Ok(Decided { input, document: document.index, location, namespace, decision, operations })
    }
}

/// A pod with a value of another type than its field has.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.join("."))]
pub(super) struct UnreadablePod {
    /// Path in its object: tokens of a JSON pointer.
    path: Vec<String>,
    problem: String,
}

impl UnreadablePod {
    fn new(location: &PodLocation, pod: &Value, error: &serde_json::Error) -> Self {
        let path_in_pod = manifest::first_bad(pod, |pod| Pod::parse(&pod.to_string()).is_ok());
        let path = location.path.iter().cloned().chain(path_in_pod).collect();
        let problem = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Self { path, problem: problem.strip_suffix(&place).unwrap_or(&problem).to_owned() }
    }

    /// With the position in the text of the object.
    fn at(&self, text: &str, document: &Document) -> anyhow::Error {
        let (line, column) = manifest::position(text, document, &self.path).unwrap_or((document.line, 1));
        anyhow!("document {}, line {line}, column {column}: {self}", document.index + 1)
    }
}

/// Decides about the pod at `location` of an object.
///
/// # Errors
///
/// If the pod has a value of another type than its field.
pub(super) fn decide_at(
    object: &Value,
    location: &PodLocation,
    context: PodContext<'_>,
    policy: &Policy,
) -> Result<PodDecision<'static>, UnreadablePod> {
    let value = object.pointer(&location.pointer()).unwrap_or(&Value::Null);
    let json = value.to_string();
    let pod = Pod::parse(&json).map_err(|error| UnreadablePod::new(location, value, &error))?;
    Ok(decide(&pod, context, policy).into_owned())
}

/// Ends the run for an error, and prints anything milder.
fn report(problem: &Problem) -> anyhow::Result<()> {
    if problem.severity == Severity::Error {
        bail!("{}", problem.text);
    }
    problem.print(false);
    Ok(())
}

fn is_namespace(object: &Value) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    (text("apiVersion"), text("kind")) == (Some("v1"), Some("Namespace"))
}

/// The annotations of the Namespace objects among the manifests.
fn namespace_annotations(inputs: &[Input]) -> HashMap<String, NamespaceAnnotations> {
    let documents = inputs.iter().flat_map(|input| &input.documents).map(|document| &document.value);
    let namespaces = documents.filter(|object| is_namespace(object));
    let named = namespaces.filter_map(|object| {
        let metadata = object.get("metadata")?;
        let name = metadata.get("name")?.as_str()?.to_owned();
        let annotations = metadata.get("annotations")?.as_object()?.iter();
        let texts = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Some((name, texts.collect::<BTreeMap<_, _>>()))
    });
    named.collect()
}

//! Manifests from files, directories and stdin, decided as the webhook would decide about their pods.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{
    NamespaceAnnotations, Pod, Policy, Surroundings, Verdict, decide,
    patch::{Operation, Patch},
};
use serde_json::Value;

use super::{cluster_args::parse_name, complete, policy_args::PolicyArgs};
use crate::manifest::{self, Change, Document, Edit, PodLocation};

/// Endings of the files that a directory is searched for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Which manifests, and what to decide by.
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
    #[command(flatten)]
    policy: PolicyArgs,
}

/// One input as it was read.
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) text: String,
    pub(super) documents: Vec<Document>,
}

/// Where an input came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("(stdin)"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What was decided about one pod or pod template.
pub(super) struct Decided {
    /// Position of its input.
    pub(super) input: usize,
    /// Position of its document in the input.
    pub(super) document: usize,
    pub(super) location: PodLocation,
    pub(super) namespace: String,
    pub(super) verdict: Verdict<'static>,
    operations: Vec<Operation>,
}

impl Decided {
    /// `Deployment shop/api`.
    pub(super) fn object(&self) -> String {
        format!("{} {}/{}", self.location.kind, self.namespace, self.location.name)
    }

    /// The operations as edits of the document.
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
            Ok(Edit {
                document: self.document,
                path: self.location.path.iter().cloned().chain(tokens).collect(),
                change,
            })
        });
        edits.collect()
    }
}

/// All inputs and all decisions, in their order.
pub(super) struct Manifests {
    pub(super) inputs: Vec<Input>,
    pub(super) decided: Vec<Decided>,
}

impl ManifestArgs {
    /// The namespace that was given.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The flags that stand for what no annotation sets.
    pub(super) fn policy_args(&self) -> &PolicyArgs {
        &self.policy
    }

    /// Reads everything and decides. Namespaces among the manifests lend their annotations.
    pub(super) fn decide(&self) -> anyhow::Result<Manifests> {
        let mut inputs = Vec::new();
        for source in self.sources()? {
            let text = read(&source)?;
            let documents = manifest::parse(&text).with_context(|| source.to_string())?;
            inputs.push(Input { source, text, documents });
        }
        let namespaces = namespace_annotations(&inputs);
        let policy = self.policy.told_policy()?;
        let mut decided = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            for document in &input.documents {
                for location in manifest::pod_locations(&document.value) {
                    decided.push(
                        self.decide_one(index, document, location, &namespaces, &policy)
                            .with_context(|| input.source.to_string())?,
                    );
                }
            }
        }
        Ok(Manifests { inputs, decided })
    }

    fn decide_one(
        &self,
        input: usize,
        document: &Document,
        location: PodLocation,
        namespaces: &HashMap<String, NamespaceAnnotations>,
        policy: &Policy,
    ) -> anyhow::Result<Decided> {
        let namespace = location.namespace.as_deref().or(self.namespace()).unwrap_or("default").to_owned();
        let none = NamespaceAnnotations::new();
        let surroundings = Surroundings {
            namespace: &namespace,
            annotations: namespaces.get(&namespace).unwrap_or(&none),
            owner: location.pods_owner(),
        };
        let verdict = decide_at(&document.value, &location, surroundings, policy);
        let mut verdict = verdict.with_context(|| format!("line {}", document.line))?;
        let Patch { operations, warning } = verdict.patch();
        verdict.warnings.extend(warning);
        Ok(Decided { input, document: document.index, location, namespace, verdict, operations })
    }

    fn sources(&self) -> anyhow::Result<Vec<Source>> {
        let mut sources = Vec::new();
        for filename in &self.filenames {
            if filename.as_os_str() == "-" {
                sources.push(Source::Stdin);
            } else if filename.is_dir() {
                let before = sources.len();
                search(filename, self.recursive, &mut sources)?;
                if sources.len() == before {
                    bail!("{}: no *.yaml, *.yml or *.json in this directory", filename.display());
                }
            } else {
                sources.push(Source::File(filename.clone()));
            }
        }
        if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
            bail!("--filename - can be given only once");
        }
        Ok(sources)
    }
}

/// Decides about the pod that stands at a place of an object.
pub(super) fn decide_at(
    object: &Value,
    location: &PodLocation,
    surroundings: Surroundings<'_>,
    policy: &Policy,
) -> anyhow::Result<Verdict<'static>> {
    let pod = location.path.iter().try_fold(object, |value, token| match value {
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        value => value.get(token),
    });
    let json = serde_json::to_string(&pod)?;
    let pod = Pod::parse(&json)
        .with_context(|| format!("cannot read the pod of {} {}", location.kind, location.name))?;
    Ok(decide(&pod, surroundings, policy).into_owned())
}

/// Finds manifests in a directory, sorted by name.
fn search(directory: &Path, recursive: bool, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        paths.push(entry.with_context(cannot)?.path());
    }
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            if recursive {
                search(&path, recursive, sources)?;
            }
        } else if ENDINGS.contains(&ending) {
            sources.push(Source::File(path));
        }
    }
    Ok(())
}

fn read(source: &Source) -> anyhow::Result<String> {
    let bytes = match source {
        Source::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        Source::File(path) => fs::read(path),
    };
    let bytes = bytes.with_context(|| format!("cannot read {source}"))?;
    String::from_utf8(bytes).with_context(|| format!("{source} is not UTF-8 text"))
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

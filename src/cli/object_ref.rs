//! An object of a cluster on the command line, as `kubectl get -o name` prints it.

use std::{fmt, path::Path};

use anyhow::anyhow;
use gomemlimit_manifest::WorkloadKind;
use thiserror::Error;

use super::cluster_args::parse_name;
#[cfg(feature = "cli")]
use crate::cluster::{api::Cluster, workload::Pods};
use crate::{
    causes::with_causes,
    cluster::{api::ApiError, target::ConfigError},
};

/// Endings of manifests and profiles; names of pods have none.
const FILE_ENDINGS: [&str; 7] = [".yaml", ".yml", ".json", ".gz", ".pb", ".pprof", ".txt"];

/// Names of types without pods that people mistake for a type with pods, or for the name of a pod.
#[cfg(feature = "cli")]
const OTHER_TYPES: [&str; 20] = [
    "service",
    "services",
    "svc",
    "endpoints",
    "ep",
    "ingress",
    "ingresses",
    "ing",
    "configmap",
    "configmaps",
    "cm",
    "secret",
    "secrets",
    "namespace",
    "namespaces",
    "ns",
    "node",
    "nodes",
    "no",
    "hpa",
];

/// Whether a word is that of a type without pods, and no name of a pod.
#[cfg(feature = "cli")]
pub(super) fn is_other_type(word: &str) -> bool {
    // With a group it is the type of a custom resource.
    word.contains('.') || OTHER_TYPES.contains(&&*word.to_ascii_lowercase())
}

/// Why a text names no object.
#[derive(Debug, Error)]
pub(super) enum ObjectRefError {
    /// The path of a file.
    #[error("{0} is the name of a file, not of an object in a cluster; name files with -f")]
    File(String),
    /// A type without pods.
    #[error("{0:?} is not a resource type with pods{others}; there are {known}", others = of_others(.0), known = known())]
    Type(String),
    /// Nothing after the slash.
    #[error("{0:?} has no name after the slash: {1}/NAME")]
    Nameless(String, String),
    /// A container of an object, after a second slash.
    #[error(
        "{object}/{container} has a slash too many: a container is named with -c: {object} -c {container}"
    )]
    Container {
        /// The object.
        object: String,
        /// The container.
        container: String,
    },
    /// No name of Kubernetes.
    #[error("{0:?} {1}")]
    Name(String, String),
}

/// `TYPE[.GROUP]/NAME`, or the name of a pod.
#[derive(Debug)]
pub(super) struct ObjectRef {
    pub(super) kind: &'static WorkloadKind,
    pub(super) name: String,
}

impl ObjectRef {
    /// Parses a target of the command line.
    ///
    /// # Errors
    ///
    /// If the type is unknown or has no pods, or if the name is missing or invalid.
    pub(super) fn parse(text: &str) -> Result<Self, ObjectRefError> {
        if let Some(error) = near_miss(text) {
            return Err(error);
        }
        let (word, name) = text.split_once('/').unwrap_or(("pod", text));
        let kind = WorkloadKind::named(word).ok_or_else(|| ObjectRefError::Type(word.to_owned()))?;
        parse_name(name).map_err(|problem| ObjectRefError::Name(name.to_owned(), problem))?;
        Ok(Self { kind, name: name.to_owned() })
    }

    /// As [`Self::parse`], for commands that take files with `-f`.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], and if the text is the path of a file.
    pub(super) fn parse_beside_files(text: &str) -> Result<Self, ObjectRefError> {
        let is_path = is_like_a_path(text);
        if is_path && (near_miss(text).is_none() || Path::new(text).exists()) {
            return Err(ObjectRefError::File(text.to_owned()));
        }
        Self::parse(text)
    }

    /// The error if this namespace has no such object.
    pub(super) fn not_found(&self, namespace: &str) -> anyhow::Error {
        let (kind, name) = (self.kind.short_resource(), &self.name);
        if self.kind.is_cluster_scoped {
            return anyhow!("there is no {kind} {name}");
        }
        anyhow!("there is no {kind} {name} in namespace {namespace}")
    }

    /// The same for commands that take files: the user may have meant a file of this name.
    pub(super) fn not_found_beside_files(&self, namespace: &str) -> anyhow::Error {
        let error = self.not_found(namespace);
        if self.kind.is_pod() && Path::new(&self.name).exists() {
            return anyhow!("{error}; {} is a file here: name files with -f", self.name);
        }
        error
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.short_resource(), self.name)
    }
}

/// The pods of a workload.
///
/// # Errors
///
/// If the workload cannot be read, or if its kind has no pods of its own.
#[cfg(feature = "cli")]
pub(super) async fn pods_of(cluster: &Cluster, namespace: &str, target: &ObjectRef) -> anyhow::Result<Pods> {
    match Pods::of(cluster, namespace, target.kind, &target.name).await {
        Ok(Some(pods)) => Ok(pods),
        Ok(None) => {
            let what = if target.kind.name == "CronJob" { "one of its jobs" } else { "what it makes" };
            Err(anyhow!("{target} has no pods of its own; name {what}, or a pod"))
        }
        Err(ApiError::NotFound(_)) => Err(target.not_found(namespace)),
        Err(ApiError::Forbidden(problem)) => {
            Err(anyhow!("{problem}; grant get on {}, or name a pod", target.kind.plural_resource()))
        }
        Err(error) => Err(error.into()),
    }
}

/// An error of finding a cluster, with a hint for commands that take files, too: the user may have meant files.
pub(super) fn or_files(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(ApiError::Config(ConfigError::None(_))) => {
            anyhow!("{}; files are named with -f", with_causes(error.as_ref()))
        }
        _ => error,
    }
}

fn is_like_a_path(text: &str) -> bool {
    text.starts_with(['.', '/', '~'])
        || text.ends_with('/')
        || text.matches('/').count() > 1
        || is_like_a_file(text)
}

fn is_like_a_file(text: &str) -> bool {
    FILE_ENDINGS.iter().any(|ending| text.ends_with(ending))
}

/// The error of a text that begins with a type and a slash, and has no name or a container after it.
fn near_miss(text: &str) -> Option<ObjectRefError> {
    let (word, name) = text.split_once('/')?;
    let kind = WorkloadKind::named(word)?;
    if name.is_empty() {
        return Some(ObjectRefError::Nameless(text.to_owned(), kind.short_resource()));
    }
    let (name, container) = name.split_once('/')?;
    let are_names = parse_name(name).is_ok() && parse_name(container).is_ok() && !is_like_a_file(text);
    are_names.then(|| ObjectRefError::Container {
        object: format!("{word}/{name}"),
        container: container.to_owned(),
    })
}

/// The types of others with this name, which without a group is that of a type of Kubernetes without pods.
fn of_others(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    let is_named = |kind: &&WorkloadKind| kind.plural == word || kind.singular == word;
    let names = WorkloadKind::ALL.iter().filter(is_named).map(|kind| match kind.short_names {
        [] => kind.resource(),
        [short, ..] => format!("{} ({short})", kind.resource()),
    });
    let names = names.collect::<Vec<_>>().join(" and ");
    if names.is_empty() { names } else { format!(", unlike {names}") }
}

/// The types of Kubernetes itself, with their short names, and one of others.
fn known() -> String {
    let own = WorkloadKind::ALL.iter().filter(|kind| kind.is_built_in());
    let example = WorkloadKind::ALL.iter().find(|kind| !kind.is_built_in());
    let name = |kind: &WorkloadKind| match kind.short_names {
        [] => kind.singular.to_owned(),
        short => format!("{} ({})", kind.singular, short.join(", ")),
    };
    let names = own.map(name).collect::<Vec<_>>().join(", ");
    format!("{names}, and types of others such as {}", example.map(name).unwrap_or_default())
}

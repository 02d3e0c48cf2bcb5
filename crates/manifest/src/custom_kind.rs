//! Kinds that a user names: `GROUP/KIND=PATH`.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{template_path::is_path, workload_kind::is_api_version};

/// Ending of the path of a list of containers, after that of the pod.
pub(crate) const CONTAINERS_OF_POD: &str = ".spec.containers";

/// What people call the core group, whose name is empty.
const CORE: &str = "core";

/// A kind of object with pod templates at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKind {
    /// API group; empty for the core group.
    pub group: String,
    /// `kind` of its objects.
    pub kind: String,
    /// Path of the value that has the pod's `metadata` and `spec`, such as `spec.workers[*].template`.
    pub path: String,
}

/// Why a text names no kind.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum CustomKindError {
    /// There is no `=`, or nothing before or after it.
    #[error("{0:?} is not GROUP/KIND=PATH, such as example.com/Crew=spec.workers[*].template")]
    Shape(String),
    /// No group before the kind: the text may be a slip.
    #[error("{0:?} has no API group; write {1}")]
    NoGroup(String, String),
    /// A name for the core group, which has none.
    #[error("{0:?}: the core group has no name, and every version counts; write {1}")]
    Core(String, String),
    /// A version beside the group.
    #[error("{0:?} has a version; every version counts: {1}")]
    Version(String, String),
    /// A kind or group of other characters.
    #[error("{0:?} is not a group and a kind, such as example.com/Crew")]
    Name(String),
    /// Not a path.
    #[error(
        "{0:?} is not a path such as spec.template, spec.workers[*].template or spec.replicas.*.template"
    )]
    Path(String),
    /// The path of the containers, and not of the pod.
    #[error("{0:?} goes below the pod template, which has `metadata` and `spec`; write {1}")]
    TooDeep(String, String),
}

impl FromStr for CustomKind {
    type Err = CustomKindError;

    /// Parses `GROUP/KIND=PATH`; `/KIND=PATH` is of the core group. A dot before the path is ignored.
    ///
    /// # Errors
    ///
    /// If the text has another form.
    fn from_str(text: &str) -> Result<Self, CustomKindError> {
        let shape = || CustomKindError::Shape(text.to_owned());
        let (name, path) = text.split_once('=').ok_or_else(shape)?;
        let (name, path) = (name.trim(), path.trim());
        let path = path.strip_prefix('.').unwrap_or(path);
        if name.trim_matches('/').is_empty() || path.is_empty() {
            return Err(shape());
        }
        let Some((group, kind)) = name.rsplit_once('/') else {
            return Err(CustomKindError::NoGroup(name.to_owned(), with_group(name, path)));
        };
        let versioned = group.rsplit_once('/').filter(|(_, version)| is_api_version(version));
        let unversioned = versioned.map_or(group, |(group, _)| group);
        if unversioned == CORE || is_api_version(unversioned) {
            return Err(CustomKindError::Core(name.to_owned(), format!("/{kind}={path}")));
        }
        if versioned.is_some() {
            return Err(CustomKindError::Version(name.to_owned(), format!("{unversioned}/{kind}={path}")));
        }
        let is_group =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_kind || !is_group(group) {
            return Err(CustomKindError::Name(name.to_owned()));
        }
        if !is_path(path) {
            return Err(CustomKindError::Path(path.to_owned()));
        }
        let containers = path.strip_suffix("[*]").unwrap_or(path);
        let lists = ["containers", "initContainers"];
        if let Some(above) =
            lists.iter().find_map(|list| containers.strip_suffix(list)?.strip_suffix(".spec."))
        {
            return Err(CustomKindError::TooDeep(path.to_owned(), format!("{name}={above}")));
        }
        Ok(Self { group: group.to_owned(), kind: kind.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for CustomKind {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, path } = self;
        write!(f, "{group}/{kind}={path}")
    }
}

/// What a name without a slash may mean: `KIND.GROUP` is how kubectl names a type.
fn with_group(name: &str, path: &str) -> String {
    match name.split_once('.') {
        Some((kind, group)) if !kind.is_empty() => {
            let versioned = group.split_once('.').filter(|(version, _)| is_api_version(version));
            format!("{}/{kind}={path}", versioned.map_or(group, |(_, group)| group))
        }
        _ => format!("GROUP/{name}={path}, or /{name}={path} for the core group"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("example.com/Crew=spec.head.template", "example.com", "Crew", "spec.head.template")]
    #[case(
        "example.com/CrewJob=.spec.replicas.*.template",
        "example.com",
        "CrewJob",
        "spec.replicas.*.template"
    )]
    #[case("/Thing=template", "", "Thing", "template")]
    #[case("apps/Thing = spec.workers[*].template", "apps", "Thing", "spec.workers[*].template")]
    fn kinds_are_read(#[case] text: &str, #[case] group: &str, #[case] kind: &str, #[case] path: &str) {
        let expected = CustomKind { group: group.to_owned(), kind: kind.to_owned(), path: path.to_owned() };
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    #[case("", "is not GROUP/KIND=PATH, such as example.com/Crew=")]
    #[case("example.com/Crew", "is not GROUP/KIND=PATH")]
    #[case("example.com/Crew=", "is not GROUP/KIND=PATH")]
    #[case("=spec.template", "is not GROUP/KIND=PATH")]
    #[case("/=spec.template", "is not GROUP/KIND=PATH")]
    #[case(
        "example.com/v1/Crew=spec.x",
        r#""example.com/v1/Crew" has a version; every version counts: example.com/Crew=spec.x"#
    )]
    #[case(
        "Thing=spec.x",
        r#""Thing" has no API group; write GROUP/Thing=spec.x, or /Thing=spec.x for the core group"#
    )]
    #[case(
        "Crew.example.com=spec.x",
        r#""Crew.example.com" has no API group; write example.com/Crew=spec.x"#
    )]
    #[case("Crew.v1.example.com=spec.x", "; write example.com/Crew=spec.x")]
    #[case(
        "v1/Thing=spec.x",
        r#""v1/Thing": the core group has no name, and every version counts; write /Thing=spec.x"#
    )]
    #[case("core/Thing=spec.x", r#""core/Thing": the core group has no name"#)]
    #[case("core/v1/Thing=spec.x", "; write /Thing=spec.x")]
    #[case("a/b/C=spec.x", r#""a/b/C" is not a group and a kind"#)]
    #[case("example.com/=spec.x", r#""example.com/" is not a group and a kind"#)]
    #[case("example com/Crew=spec.x", "is not a group and a kind")]
    #[case(
        "example.com/Crew=spec.workers[0].template",
        r#""spec.workers[0].template" is not a path such as spec.template, "#
    )]
    #[case("example.com/Crew={.spec.template}", "is not a path")]
    #[case(
        "example.com/Crew=spec.template.spec.containers",
        "goes below the pod template, which has `metadata` and `spec`; write example.com/Crew=spec.template"
    )]
    #[case("example.com/Crew=spec.template.spec.containers[*]", "write example.com/Crew=spec.template")]
    fn other_texts_are_errors_with_what_to_write(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<CustomKind>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

//! Where the project is published: addresses for people who have the program and no checkout.

/// The repository on GitHub as `OWNER/NAME`. A release sets it by this variable of the build.
const REPOSITORY: &str = match option_env!("GOMEMLIMIT_REPOSITORY") {
    Some(repository) if !repository.is_empty() => repository,
    _ => "OWNER/gomemlimit",
};

/// The version of this program, which is also that of the chart.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The page `docs/PAGE.md`.
#[must_use]
pub fn docs(page: &str) -> String {
    format!("https://github.com/{REPOSITORY}/blob/main/docs/{page}.md")
}

/// The repository.
#[must_use]
pub fn repository() -> String {
    format!("https://github.com/{REPOSITORY}")
}

/// The Helm chart, in the registry to which a release pushes it.
#[must_use]
pub fn chart() -> String {
    let owner = REPOSITORY.split('/').next().unwrap_or_default();
    // Names in a registry are in lower case; the placeholder is no name.
    let owner = if owner == "OWNER" { owner.to_owned() } else { owner.to_ascii_lowercase() };
    format!("oci://ghcr.io/{owner}/charts/gomemlimit")
}

/// The manifest of a version for people without Helm, which is attached to its release.
#[must_use]
pub fn manifest(version: &str) -> String {
    format!("https://github.com/{REPOSITORY}/releases/download/v{version}/install.yaml")
}

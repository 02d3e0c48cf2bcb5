//! The files of a kubeconfig, and those that it names, read with a bound. kube's own loader has none.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use gomemlimit_files::{FileError, Kinds, MAX_PEM};
use kube::config::{AuthInfo, Cluster, Kubeconfig, KubeconfigError};

use super::target::{ConfigError, Target};
use crate::causes::with_causes;

/// Maximum size of a kubeconfig, in bytes: 16 MiB. A cluster with its user takes about 6 KiB.
const MAX_BYTES: u64 = 16 << 20;

/// Why a kubeconfig is of no use.
pub(super) enum FileProblem {
    File(FileError),
    NotText,
    Content(KubeconfigError),
}

impl FileProblem {
    /// As the error of this file.
    pub(super) fn of(self, path: &Path) -> ConfigError {
        let problem = match self {
            Self::File(error) => error.to_string(),
            Self::NotText => "it is neither UTF-8 nor UTF-16 text".to_owned(),
            // The first line has the place in the file; an excerpt of the file follows.
            Self::Content(KubeconfigError::Parse(error)) => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                line.strip_prefix("error: ").unwrap_or(line).to_owned()
            }
            Self::Content(error) => with_causes(&error),
        };
        ConfigError::Unreadable { path: path.to_owned(), problem }
    }
}

/// Which kinds of files are read for this target.
fn kinds(target: &Target) -> Kinds {
    if target.in_background { Kinds::Regular } else { Kinds::Any }
}

/// The kubeconfig in a file, as kube's `Kubeconfig::read_from` reads it: paths in it are relative to its folder.
pub(super) fn read_one(path: &Path, target: &Target) -> Result<Kubeconfig, FileProblem> {
    let content = gomemlimit_files::read(path, kinds(target), MAX_BYTES).map_err(FileProblem::File)?;
    let text = text(content).ok_or(FileProblem::NotText)?;
    let mut kubeconfig = Kubeconfig::from_yaml(&text).map_err(FileProblem::Content)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let resolve = |file: &mut Option<String>| {
        if let Some(path) =
            file.as_ref().and_then(|file| folder.join(file).into_os_string().into_string().ok())
        {
            *file = Some(path);
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|one| one.cluster.as_mut()) {
        resolve(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|one| one.auth_info.as_mut()) {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        resolve(&mut user.token_file);
        // A command without a slash is looked up in PATH.
        if let Some(exec) =
            user.exec.as_mut().filter(|exec| exec.command.iter().any(|name| name.contains('/')))
        {
            resolve(&mut exec.command);
        }
    }
    Ok(kubeconfig)
}

/// UTF-8 or, by its byte order mark, UTF-16.
fn text(content: Vec<u8>) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks(2).map(|pair| Some(unit(pair.try_into().ok()?)));
        String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
    };
    match &*content {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(content).ok(),
    }
}

/// With the content of the file in its place, which kube would read without a bound.
pub(super) fn with_authority(
    mut cluster: Cluster,
    name: &str,
    target: &Target,
) -> Result<Cluster, ConfigError> {
    let (file, data) = (cluster.certificate_authority.take(), &mut cluster.certificate_authority_data);
    if let Some(path) = file.filter(|_| data.is_none()) {
        let entry = || format!("cluster {name}");
        *data = Some(BASE64_STANDARD.encode(content(&path, "certificate authority", entry, target)?));
    }
    Ok(cluster)
}

/// The same for a user. kube reads a token again every minute, for which it has to be a regular file.
pub(super) fn with_credentials(mut user: AuthInfo, target: &Target) -> Result<AuthInfo, ConfigError> {
    let content = |path: &str, what: &str| content(path, what, || "the user".to_owned(), target);
    if let (Some(path), None) = (&user.client_certificate, &user.client_certificate_data) {
        user.client_certificate_data = Some(BASE64_STANDARD.encode(content(path, "client certificate")?));
    }
    if let (Some(path), None) = (&user.client_key, &user.client_key_data) {
        user.client_key_data = Some(BASE64_STANDARD.encode(content(path, "client key")?).into());
    }
    if let (Some(path), None) = (&user.token_file, &user.token)
        && fs::metadata(path).is_ok_and(|file| !file.is_file() || file.len() > MAX_PEM)
    {
        let token = String::from_utf8_lossy(&content(path, "token")?).trim().to_owned();
        user.token = Some(token.into());
    }
    Ok(user)
}

fn content(
    path: &str,
    what: &str,
    entry: impl Fn() -> String,
    target: &Target,
) -> Result<Vec<u8>, ConfigError> {
    gomemlimit_files::read(Path::new(path), kinds(target), MAX_PEM).map_err(|error| ConfigError::Unusable {
        entry: entry(),
        problem: format!("cannot read its {what} {path}: {error}"),
    })
}

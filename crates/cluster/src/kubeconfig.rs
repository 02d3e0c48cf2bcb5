//! Which cluster, and as whom: the kubeconfig and the flags that override it, read as kubectl reads them.
//!
//! kube's own loader fails for a missing file of a `KUBECONFIG` list, compares `NO_PROXY` with the proxy instead of the
//! server, and reports paths as Rust's Debug.

use std::{env, path::PathBuf};

#[cfg(feature = "cli")]
use super::proxy::proxy;
use super::{
    kubeconfig_files::{FileProblem, read_one, with_authority, with_credentials},
    target::{ConfigError, Target, with_scheme},
};
use crate::causes::{chain, with_causes};
use hyper::Uri;
use kube::{
    Config,
    config::{
        AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig, KubeconfigError, NamedAuthInfo,
        NamedCluster, NamedContext,
    },
};

/// Variable with the kubeconfigs, separated as in `PATH`.
const KUBECONFIG: &str = "KUBECONFIG";

/// The configuration of a client.
///
/// # Errors
///
/// [`ConfigError`]; nothing is sent yet.
pub fn load(target: &Target) -> Result<Config, ConfigError> {
    let (kubeconfig, missing) = read_all(target)?;
    let is_empty = kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty();
    if is_empty && target.server.is_none() && target.kubeconfig.is_none() {
        let names_an_entry = target.context.is_some() || target.cluster.is_some() || target.user.is_some();
        let in_cluster = (!names_an_entry).then(Config::incluster).and_then(Result::ok);
        let mut config = in_cluster.ok_or(ConfigError::None(missing))?;
        impersonate(&mut config.auth_info, target);
        return Ok(config);
    }
    choose(&kubeconfig, target)
}

/// The kubeconfigs as one.
///
/// # Errors
///
/// [`ConfigError`] if one exists that cannot be read.
pub fn read(target: &Target) -> Result<Kubeconfig, ConfigError> {
    Ok(read_all(target)?.0)
}

/// The kubeconfigs as one, and why there is nothing in it. Missing files of a list are no error, as for kubectl.
fn read_all(target: &Target) -> Result<(Kubeconfig, String), ConfigError> {
    if let Some(path) = &target.kubeconfig {
        return Ok((read_one(path, target).map_err(|error| error.of(path))?, String::new()));
    }
    let paths = files(target);
    let (mut merged, mut missing) = (Kubeconfig::default(), Vec::new());
    for path in &paths {
        match read_one(path, target) {
            Ok(next) => {
                merged = merged.merge(next).map_err(|error| ConfigError::Unmergeable(error.to_string()))?;
            }
            Err(FileProblem::File(error)) if error.is_not_found() => {
                missing.push(format!("{} does not exist", path.display()));
            }
            Err(error) => return Err(error.of(path)),
        }
    }
    let why = if paths.is_empty() {
        "there is no home directory".to_owned()
    } else if missing.is_empty() {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        format!("there is no context in {}", paths.join(", "))
    } else {
        missing.join(", ")
    };
    Ok((merged, why))
}

/// The kubeconfigs that are read: the one that is named, else those of `KUBECONFIG`, else `~/.kube/config`. They may be
/// missing.
#[must_use]
pub fn files(target: &Target) -> Vec<PathBuf> {
    if let Some(path) = &target.kubeconfig {
        return vec![path.clone()];
    }
    let listed: Vec<_> = env::split_paths(&env::var_os(KUBECONFIG).unwrap_or_default())
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    if listed.is_empty() {
        env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect()
    } else {
        listed
    }
}

/// The entries of the kubeconfig that count.
fn choose(kubeconfig: &Kubeconfig, target: &Target) -> Result<Config, ConfigError> {
    let contexts = || names(kubeconfig.contexts.iter().map(|one: &NamedContext| &one.name));
    let chosen = target.context.as_ref().or(kubeconfig.current_context.as_ref());
    let context = match chosen.filter(|name| !name.is_empty()) {
        Some(name) => kubeconfig
            .contexts
            .iter()
            .find(|one| one.name == *name)
            .and_then(|one| one.context.clone())
            .ok_or_else(|| unknown("context", name, contexts()))?,
        None if target.cluster.is_some() || target.server.is_some() => Context::default(),
        None => return Err(ConfigError::NoContext(contexts())),
    };
    let name = target.cluster.as_ref().unwrap_or(&context.cluster);
    let found = kubeconfig.clusters.iter().find(|one| one.name == *name);
    let cluster = match found.and_then(|one| one.cluster.clone()) {
        Some(cluster) => cluster,
        None if target.server.is_some() && target.cluster.is_none() => Cluster::default(),
        None => {
            let known = names(kubeconfig.clusters.iter().map(|one: &NamedCluster| &one.name));
            return Err(unknown("cluster", name, known));
        }
    };
    let cluster = with_authority(cluster, name, target)?;
    let mut config = of_cluster(&cluster, name, target)?;
    if let Some(namespace) = context.namespace.filter(|namespace| !namespace.is_empty()) {
        config.default_namespace = namespace;
    }
    config.auth_info = user(kubeconfig, target, context.user.as_ref())?;
    if let Some(exec) = &mut config.auth_info.exec
        && exec.provide_cluster_info
    {
        exec.cluster = Some(info(&cluster, name)?);
    }
    Ok(config)
}

/// Address of the API server, and the certificate authorities that verify it.
fn of_cluster(cluster: &Cluster, name: &str, target: &Target) -> Result<Config, ConfigError> {
    let unusable = |problem: String| ConfigError::Unusable { entry: format!("cluster {name}"), problem };
    let server = target.server.as_ref().or(cluster.server.as_ref()).filter(|server| !server.is_empty());
    let server = server.ok_or_else(|| unusable("it has no server".to_owned()))?;
    let is_secure = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true);
    let url = with_scheme(server, if is_secure { "https" } else { "http" });
    let url: Uri =
        url.parse().map_err(|error| unusable(format!("its server {server} is not a URL: {error}")))?;
    let mut config = Config::new(url);
    let bundle = info(cluster, name)?.certificate_authority_data;
    config.root_cert = bundle.map(|bundle| certificates(&bundle)).transpose().map_err(unusable)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
    config.proxy_url = proxy(cluster.proxy_url.as_deref(), &config.cluster_url)?;
    Ok(config)
}

/// The program in the image talks to the API server of its own cluster.
#[cfg(not(feature = "cli"))]
fn proxy(of_kubeconfig: Option<&str>, _server: &Uri) -> Result<Option<Uri>, ConfigError> {
    let has_proxy = of_kubeconfig.is_some_and(|url| !url.is_empty());
    if has_proxy {
        return Err(ConfigError::Value(
            "the kubeconfig has a proxy-url, and this build of the program does not support proxies"
                .to_owned(),
        ));
    }
    Ok(None)
}

/// The part of the cluster that a credential plugin may read, with the content of the certificate authority.
fn info(cluster: &Cluster, name: &str) -> Result<ExecAuthCluster, ConfigError> {
    ExecAuthCluster::try_from(cluster)
        .map_err(|error| ConfigError::Unusable { entry: format!("cluster {name}"), problem: problem(&error) })
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let blocks =
        pem::parse_many(pem).map_err(|error| format!("its certificate authority is not PEM: {error}"))?;
    let certificates: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect();
    if certificates.is_empty() {
        return Err("its certificate authority holds no certificate".to_owned());
    }
    Ok(certificates)
}

/// As whom. A user that only the context names may be missing, as for client-go.
fn user(
    kubeconfig: &Kubeconfig,
    target: &Target,
    of_context: Option<&String>,
) -> Result<AuthInfo, ConfigError> {
    let find = |name: &String| {
        let found = kubeconfig.auth_infos.iter().find(|one| one.name == *name);
        found.and_then(|one| one.auth_info.clone())
    };
    let mut user = match &target.user {
        Some(name) => find(name).ok_or_else(|| {
            let known = kubeconfig.auth_infos.iter().map(|one: &NamedAuthInfo| &one.name);
            unknown("user", name, names(known))
        })?,
        None => of_context.and_then(find).unwrap_or_default(),
    };
    impersonate(&mut user, target);
    with_credentials(user, target)
}

fn impersonate(user: &mut AuthInfo, target: &Target) {
    if let Some(name) = &target.impersonate {
        user.impersonate = Some(name.clone());
    }
    if let Some(uid) = &target.impersonate_uid {
        user.impersonate_uid = Some(uid.clone());
    }
    if !target.impersonate_groups.is_empty() {
        user.impersonate_groups = Some(target.impersonate_groups.clone());
    }
}

fn unknown(kind: &'static str, name: &str, known: String) -> ConfigError {
    ConfigError::Unknown { kind, name: name.to_owned(), known }
}

fn names<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<_> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The problem of an entry, without kube's quotes around its quotes.
pub(super) fn problem(error: &KubeconfigError) -> String {
    let what = match error {
        KubeconfigError::LoadCertificateAuthority(_) => "its certificate authority",
        KubeconfigError::LoadClientCertificate(_) => "its client certificate",
        KubeconfigError::LoadClientKey(_) => "its client key",
        _ => return with_causes(error),
    };
    match chain(error).find_map(|cause| cause.downcast_ref()) {
        Some(kube::config::LoadDataError::DecodeBase64(error)) => format!("{what} is not base64: {error}"),
        // Files are read before kube has a part in it.
        _ => format!("{what} is missing"),
    }
}

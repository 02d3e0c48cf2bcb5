//! What is checked: the flags that choose it, and what they mean in the cluster.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{
    audit::{Labels, Selection},
    names::INJECT_LABEL,
};

use super::{
    checks::{Cause, Check},
    criteria::{Criteria, ENABLED},
    finding::{Finding, note},
    release::{NAME_IT, Release},
};
use crate::{
    cli::{cluster_args::parse_name, complete, shell::quote},
    cluster::{
        api::{ApiError, Cluster},
        cluster_state::{ClusterState, NamespaceFacts},
        pages::Collected,
        webhook_configuration::{ENTRY_ENDING, WebhookConfiguration, cluster_roles},
        webhook_objects::Deployment,
    },
};

/// What is checked.
#[derive(Args, Debug)]
pub(super) struct Scope {
    /// Only this namespace; default: all that have opted in
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    pub(super) namespace: Option<String>,
    /// The webhook configuration; default: found by its labels and entries
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    webhook_config: Option<String>,
    /// Namespace of the release, if there are several or the configuration is gone; default: found
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_name)]
    release_namespace: Option<String>,
    /// The release in that namespace; default: found, or gomemlimit
    #[arg(long, value_name = "NAME", value_parser = parse_name, requires = "release_namespace")]
    release: Option<String>,
    /// Create no pods, not even by dry run
    #[arg(long)]
    pub(super) no_dry_run: bool,
}

/// The webhook configuration that is checked.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) configuration: Option<WebhookConfiguration>,
    /// Selections of other configurations of gomemlimit.
    pub(super) others: Vec<Selection>,
    /// Namespaces of the releases that there are.
    pub(super) namespaces: Vec<String>,
    /// Whether configurations could be read, so that without a configuration there is none.
    pub(super) is_known: bool,
}

impl Scope {
    /// The configuration that the flags choose, or the only one of the cluster.
    ///
    /// # Errors
    /// If there are several, or not the one that the flags name.
    pub(super) async fn choose(
        &self,
        cluster: &Cluster,
        findings: &mut Vec<Finding>,
    ) -> anyhow::Result<Chosen> {
        let found = match (WebhookConfiguration::find(cluster).await, &self.webhook_config) {
            // One that is named may be readable by itself.
            (Err(ApiError::Forbidden(problem)), Some(name)) => {
                match WebhookConfiguration::named(cluster, name).await {
                    Ok(Some(one)) if one.is_of_gomemlimit() => {
                        Ok(Collected { items: vec![one], unreadable: None })
                    }
                    Ok(_) => bail!("{} ({problem})", no_such(name, &[])),
                    Err(error) => Err(error),
                }
            }
            (found, _) => found,
        };
        let Some(Collected { mut items, unreadable }) = note(found, Check::Configuration, findings)? else {
            return Ok(Chosen::default());
        };
        findings.extend(unreadable.map(|problem| Finding::unknown(Check::Configuration, problem)));
        let place = WebhookConfiguration::release_namespace;
        let namespaces: Vec<_> = items.iter().filter_map(place).collect();
        let names: Vec<_> = items.iter().map(|one| one.metadata.name.clone()).collect();
        let mut others = Vec::new();
        let mut retain = |items: &mut Vec<WebhookConfiguration>,
                          is_meant: &dyn Fn(&WebhookConfiguration) -> bool| {
            others.extend(items.extract_if(.., |one| !is_meant(one)).filter_map(|one| one.selection()));
        };
        if let Some(name) = &self.webhook_config {
            retain(&mut items, &|one| one.metadata.name == *name);
            if items.is_empty() {
                bail!("{}", no_such(name, &names));
            }
        }
        if let Some(namespace) = &self.release_namespace {
            retain(&mut items, &|one| place(one).is_none_or(|other| other == *namespace));
        }
        if items.len() > 1 {
            bail!(
                "there are several webhook configurations of gomemlimit ({}): choose one with --webhook-config",
                names.join(", ")
            );
        }
        Ok(Chosen { configuration: items.pop(), others, namespaces, is_known: true })
    }

    /// The release that a configuration names, or that the user names.
    pub(super) fn release_of(
        &self,
        configuration: &WebhookConfiguration,
        findings: &mut Vec<Finding>,
    ) -> Release {
        let release = Release::of(&configuration.metadata, configuration.service());
        match (release.is_unknown(), &self.release_namespace) {
            (true, Some(namespace)) => Release::named(self.release.as_deref(), namespace),
            (true, None) => {
                let what = format!("the release of the configuration is not known: {NAME_IT}");
                findings.push(Finding::unknown(Check::Configuration, what));
                release
            }
            _ => release,
        }
    }

    /// The release if there is no configuration: the one that the user names, or that roles of the whole cluster name. A
    /// Deployment shows at most that it is not known.
    ///
    /// # Errors
    /// If there are several, or not the one that the flags name.
    pub(super) async fn find_release(&self, cluster: &Cluster, others: &[String]) -> anyhow::Result<Release> {
        let roles = match cluster_roles(cluster).await {
            Ok(roles) => roles,
            Err(ApiError::Forbidden(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut releases: BTreeMap<_, _> =
            roles.iter().map(|metadata| (metadata.origin(), Release::of(metadata, None))).collect();
        let namespace = self.release_namespace.as_deref();
        if let Some(namespace) = namespace {
            releases.retain(|_, one| one.is_helm() && one.namespace == namespace);
        }
        if let Some(name) = &self.release {
            releases.retain(|_, one| one.name == *name);
        }
        if releases.len() > 1 {
            let names: Vec<_> =
                releases.values().map(|one| format!("{}/{}", one.namespace, one.name)).collect();
            bail!(
                "there is no webhook configuration of gomemlimit, and there are several releases of it ({}): choose one \
                 with --release-namespace and --release",
                names.join(", ")
            );
        }
        if let Some((_, release)) = releases.pop_first() {
            return Ok(release);
        }
        let deployments = match Deployment::find(cluster, namespace).await {
            Ok(found) => found.items,
            Err(ApiError::Forbidden(_)) => return Ok(Release::unknown()),
            Err(error) => return Err(error.into()),
        };
        Ok(match namespace {
            Some(namespace) if !deployments.is_empty() => Release::named(self.release.as_deref(), namespace),
            Some(namespace) if !others.is_empty() => {
                bail!(
                    "there is no release of gomemlimit in namespace {namespace}; found: {}",
                    others.join(", ")
                )
            }
            None if !deployments.is_empty() => Release::unknown(),
            _ => Release::absent(self.release.as_deref(), namespace),
        })
    }

    /// The namespaces to check, and what is known of each.
    ///
    /// # Errors
    /// If the API server does not answer, or the namespace that the flags name does not exist.
    pub(super) async fn namespaces(
        &self,
        cluster: &Cluster,
        criteria: &Criteria,
        others: &[Selection],
        findings: &mut Vec<Finding>,
    ) -> anyhow::Result<BTreeMap<String, Option<NamespaceFacts>>> {
        let mut known = ClusterState::default();
        let selection = criteria.selection.clone().unwrap_or_default();
        let selections = [others, std::slice::from_ref(&selection)].concat();
        let read = known.read_namespaces(cluster, self.namespace.as_deref(), &selections).await;
        if note(read, Check::NamespaceLabel, findings)?.is_none() {
            // One that is named can be tried all the same.
            return Ok(self.namespace.iter().map(|name| (name.clone(), None)).collect());
        }
        findings
            .extend(known.unknown.drain(..).map(|problem| Finding::unknown(Check::NamespaceLabel, problem)));
        let mut namespaces: BTreeMap<_, _> = known.namespaces.into_iter().collect();
        if self.namespace.is_none() {
            namespaces.retain(|_, facts| {
                let is_anothers = || others.iter().any(|other| other.has_opted_in(&facts.labels));
                let is_labelled = facts.labels.get(INJECT_LABEL).is_some_and(|value| value == ENABLED);
                selection.has_opted_in(&facts.labels) || (is_labelled && !is_anothers())
            });
            if namespaces.is_empty() {
                let (key, value) = selection
                    .missing_label(&Labels::new())
                    .unwrap_or_else(|| (INJECT_LABEL.to_owned(), ENABLED.to_owned()));
                let fix = format!("kubectl label namespace NAMESPACE {}={}", quote(&key), quote(&value));
                findings.push(Finding::broken(Cause::NoNamespaceOptedIn, fix));
            }
        }
        Ok(namespaces.into_iter().map(|(name, facts)| (name, Some(facts))).collect())
    }
}

fn no_such(name: &str, names: &[String]) -> String {
    let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "there is no webhook configuration {name} with entries of gomemlimit (…{ENTRY_ENDING}); found: {found}"
    )
}

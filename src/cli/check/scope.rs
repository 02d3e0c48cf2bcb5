//! The whole way: which installation is meant, what is found of it, and of the namespaces.

use std::collections::BTreeMap;

use anyhow::bail;
use gomemlimit_core::{
    audit::{Labels, Selection},
    names::INJECT_LABEL,
};

use super::{
    CheckArgs,
    eliminate::Decides,
    engine,
    installation::Installation,
    link::{Finding, Link, note},
    opted_in::{OptedIn, Target},
    release::{NAME_IT, Release},
};
use crate::cli::shell::quote;
use crate::{
    cli::policy_resolver::read_serve_args,
    cluster::{
        api::{ApiError, Cluster},
        cluster_state::{ClusterState, NamespaceFacts},
        installation::{Configuration, ENTRY_ENDING, cluster_roles},
        pages::Collected,
        policy_engine::AdmissionPolicy,
        webhook_objects::{Deployment, WebhookPod},
        webhook_policy::{PolicyTextError, policy_text},
    },
};

/// What was found, and what is needed to say what it means.
pub(super) struct Walked {
    pub(super) findings: Vec<Finding>,
    pub(super) decides: Decides,
    pub(super) release: Release,
}

/// The webhook configuration that is meant.
#[derive(Default)]
struct Chosen {
    configuration: Option<Configuration>,
    /// What other configurations of ours select.
    others: Vec<Selection>,
    /// Namespaces of the releases that there are.
    namespaces: Vec<String>,
    /// Configurations may be read, so that there is none where none was found.
    is_known: bool,
}

impl CheckArgs {
    pub(super) async fn walk(&self, cluster: &Cluster) -> anyhow::Result<Walked> {
        let mut findings = Vec::new();
        let Chosen { configuration, others, namespaces, is_known } =
            self.choose(cluster, &mut findings).await?;
        let (mut target, mut decides, mut release) =
            (Target::default(), Decides::NotKnown, Release::unknown());
        if let Some(configuration) = &configuration {
            release = self.release_of(configuration, &mut findings);
            let mut installation = Installation::new(cluster, release.clone(), configuration.clone());
            findings.extend(installation.walk().await?);
            target = read_target(&installation, &mut findings).await?;
            decides = Decides::Webhook;
        } else if is_known {
            release = self.find_release(cluster, &namespaces).await?;
            let policies = match AdmissionPolicy::find(cluster).await {
                Ok(Collected { items, unreadable }) => {
                    findings.extend(unreadable.map(|problem| Finding::unknown(Link::Configuration, problem)));
                    Some(items)
                }
                Err(ApiError::Forbidden(problem)) if release.is_absent() || release.is_unknown() => {
                    let what = format!(
                        "there is no MutatingWebhookConfiguration of gomemlimit, and whether a policy decides instead \
                         is not known: {problem}"
                    );
                    findings.push(Finding::unknown(Link::Configuration, what));
                    None
                }
                Err(ApiError::Forbidden(_)) => Some(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            if let Some(policies) = policies {
                match engine::walk(cluster, &policies, &mut findings).await? {
                    Some(engine) => (target, decides, release) = engine,
                    None => findings.push(nothing_decides(&release)),
                }
            }
        }
        let opted_in = OptedIn { cluster, release: &release, target: &target, dry_run: !self.no_dry_run };
        for (name, facts) in self.namespaces(cluster, &target, &others, &mut findings).await? {
            findings.extend(opted_in.walk(&name, facts.as_ref()).await?);
        }
        Ok(Walked { findings, decides, release })
    }

    /// The configuration that the flags or the cluster leave no doubt about.
    async fn choose(&self, cluster: &Cluster, findings: &mut Vec<Finding>) -> anyhow::Result<Chosen> {
        let found = match (Configuration::find(cluster).await, &self.webhook_config) {
            // One that is named may be readable by itself.
            (Err(ApiError::Forbidden(problem)), Some(name)) => {
                match Configuration::named(cluster, name).await {
                    Ok(Some(one)) if one.is_ours() => Ok(Collected { items: vec![one], unreadable: None }),
                    Ok(_) => bail!("{} ({problem})", no_such(name, &[])),
                    Err(error) => Err(error),
                }
            }
            (found, _) => found,
        };
        let Some(Collected { mut items, unreadable }) = note(found, Link::Configuration, findings)? else {
            return Ok(Chosen::default());
        };
        findings.extend(unreadable.map(|problem| Finding::unknown(Link::Configuration, problem)));
        let place = Configuration::release_namespace;
        let namespaces: Vec<_> = items.iter().filter_map(place).collect();
        let names: Vec<_> = items.iter().map(|one| one.metadata.name.clone()).collect();
        let mut others = Vec::new();
        let mut leave = |items: &mut Vec<Configuration>, is_meant: &dyn Fn(&Configuration) -> bool| {
            others.extend(items.extract_if(.., |one| !is_meant(one)).filter_map(|one| one.selection()));
        };
        if let Some(name) = &self.webhook_config {
            leave(&mut items, &|one| one.metadata.name == *name);
            if items.is_empty() {
                bail!("{}", no_such(name, &names));
            }
        }
        if let Some(namespace) = &self.release_namespace {
            leave(&mut items, &|one| place(one).is_none_or(|other| other == *namespace));
        }
        if items.len() > 1 {
            bail!(
                "there are several webhook configurations of gomemlimit ({}): choose one with --webhook-config",
                names.join(", ")
            );
        }
        Ok(Chosen { configuration: items.pop(), others, namespaces, is_known: true })
    }

    /// The release that a configuration says it is of, or that the user names.
    fn release_of(&self, configuration: &Configuration, findings: &mut Vec<Finding>) -> Release {
        let release = Release::of(&configuration.metadata, configuration.service());
        match (release.is_unknown(), &self.release_namespace) {
            (true, Some(namespace)) => Release::named(self.release.as_deref(), namespace),
            (true, None) => {
                let what = format!("the release of the configuration is not known: {NAME_IT}");
                findings.push(Finding::unknown(Link::Configuration, what));
                release
            }
            _ => release,
        }
    }

    /// The release where there is no configuration: the one that the user names, or that roles of the whole cluster
    /// name. A Deployment shows at most that it is not known.
    async fn find_release(&self, cluster: &Cluster, others: &[String]) -> anyhow::Result<Release> {
        let roles = match cluster_roles(cluster).await {
            Ok(roles) => roles,
            Err(ApiError::Forbidden(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut releases: BTreeMap<_, _> =
            roles.iter().map(|metadata| (metadata.origin(), Release::of(metadata, None))).collect();
        let named = self.release_namespace.as_deref();
        if let Some(namespace) = named {
            releases.retain(|_, one| one.is_helm() && one.namespace == namespace);
        }
        if let Some(name) = &self.release {
            releases.retain(|_, one| one.name == *name);
        }
        if releases.len() > 1 {
            let told: Vec<_> =
                releases.values().map(|one| format!("{}/{}", one.namespace, one.name)).collect();
            bail!(
                "there is no webhook configuration of gomemlimit, and there are several releases of it ({}): choose one \
                 with --release-namespace and --release",
                told.join(", ")
            );
        }
        if let Some((_, release)) = releases.pop_first() {
            return Ok(release);
        }
        let deployments = match Deployment::find(cluster, named).await {
            Ok(found) => found.items,
            Err(ApiError::Forbidden(_)) => return Ok(Release::unknown()),
            Err(error) => return Err(error.into()),
        };
        Ok(match named {
            Some(namespace) if !deployments.is_empty() => Release::named(self.release.as_deref(), namespace),
            Some(namespace) if !others.is_empty() => {
                bail!(
                    "there is no release of gomemlimit in namespace {namespace}; found: {}",
                    others.join(", ")
                )
            }
            None if !deployments.is_empty() => Release::unknown(),
            _ => Release::absent(self.release.as_deref(), named),
        })
    }

    /// The namespaces to look at, and what is known of each.
    async fn namespaces(
        &self,
        cluster: &Cluster,
        target: &Target,
        others: &[Selection],
        findings: &mut Vec<Finding>,
    ) -> anyhow::Result<BTreeMap<String, Option<NamespaceFacts>>> {
        let mut known = ClusterState::default();
        let selection = target.selection.clone().unwrap_or_default();
        let selections = [others, std::slice::from_ref(&selection)].concat();
        let read = known.read_namespaces(cluster, self.namespace.as_deref(), &selections).await;
        if note(read, Link::NamespaceLabel, findings)?.is_none() {
            // One that is named can be tried all the same.
            return Ok(self.namespace.iter().map(|name| (name.clone(), None)).collect());
        }
        findings
            .extend(known.unknown.drain(..).map(|problem| Finding::unknown(Link::NamespaceLabel, problem)));
        let mut namespaces: BTreeMap<_, _> = known.namespaces.into_iter().collect();
        if self.namespace.is_none() {
            namespaces.retain(|_, facts| {
                let is_anothers = || others.iter().any(|other| other.has_opted_in(&facts.labels));
                let is_labelled = facts.labels.get(INJECT_LABEL).is_some_and(|value| value == "enabled");
                selection.has_opted_in(&facts.labels) || (is_labelled && !is_anothers())
            });
            if namespaces.is_empty() {
                let (key, value) = selection
                    .missing_label(&Labels::new())
                    .unwrap_or_else(|| (INJECT_LABEL.to_owned(), "enabled".to_owned()));
                findings.push(Finding::broken(
                    Link::NamespaceLabel,
                    "no namespace has opted in",
                    format!("kubectl label namespace NAMESPACE {}={}", quote(&key), quote(&value)),
                ));
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

/// There is neither a configuration nor a policy.
fn nothing_decides(release: &Release) -> Finding {
    let what = if release.is_absent() {
        "gomemlimit is not installed in this cluster".to_owned()
    } else if release.is_unknown() {
        format!(
            "there is no MutatingWebhookConfiguration of gomemlimit: it is not installed, or somebody deleted it, and \
             of which release is not known: {NAME_IT}"
        )
    } else {
        "there is no MutatingWebhookConfiguration of gomemlimit; maybe somebody deleted it to stop it"
            .to_owned()
    };
    Finding::broken(Link::Configuration, what, release.upgrade(""))
}

/// What the webhook selects and decides by.
async fn read_target(
    installation: &Installation<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Target, ApiError> {
    let configuration = &installation.configuration;
    let pod = installation.pods.iter().find(|pod| pod.serve_args().is_some());
    let effective_policy = match pod {
        Some(pod) => match effective_policy(installation, pod).await? {
            Ok(effective_policy) => Some(effective_policy),
            Err(problem) => {
                findings.push(Finding::unknown(Link::Settings, problem));
                None
            }
        },
        None => None,
    };
    let asked = |pod: &WebhookPod| {
        let default = || Some(format!("{INJECT_LABEL}=enabled"));
        let follows = pod.serve_args()?.iter().any(|arg| arg == "--namespace-settings");
        pod.serve_flag("--namespace-selector")
            .map(str::to_owned)
            .or_else(default)
            .filter(|asked| follows && !asked.is_empty())
    };
    Ok(Target {
        selection: configuration.selection(),
        restore: installation.release.restore_configuration(configuration),
        asked: pod.and_then(asked),
        effective_policy,
        flags: "the webhook's flags",
    })
}

/// What a pod decides by, or why that is not known.
async fn effective_policy(
    installation: &Installation<'_>,
    pod: &WebhookPod,
) -> Result<Result<(gomemlimit_core::Policy, bool), String>, ApiError> {
    let service = installation.configuration.service();
    let namespace = service.map(|service| &*service.namespace).unwrap_or_default();
    let policy = match policy_text(installation.cluster, namespace, pod).await {
        Ok(policy) => policy,
        Err(
            problem @ (PolicyTextError::Elsewhere { .. }
            | PolicyTextError::Api(ApiError::Forbidden(_) | ApiError::NotFound(_))),
        ) => return Ok(Err(format!("the webhook's policy file cannot be read: {problem}"))),
        Err(PolicyTextError::Api(error)) => return Err(error),
    };
    let args = pod.serve_args().unwrap_or_default();
    Ok(read_serve_args(args, policy.as_ref())
        .map_err(|problem| format!("the flags of pod {} cannot be read: {problem}", pod.metadata.name)))
}

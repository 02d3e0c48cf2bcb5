//! `gomemlimit version`: of this program, and of what runs in the cluster.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::anyhow;
use clap::Args;
use gomemlimit_core::addresses::VERSION;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    cluster_args::ClusterArgs,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    output,
    runtime::runtime,
};
use crate::cluster::{policy_engine::AdmissionPolicy, webhook_objects::WebhookPod};

/// Version of the schema of `-o json`; fields are added without a new one.
const SCHEMA_VERSION: u32 = 1;

/// The commit that this program was built from. A release sets it by this variable of the build.
const COMMIT: Option<&str> = option_env!("GOMEMLIMIT_COMMIT");

/// Time for the answers of the cluster, in all.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Print the version of this program, and of the webhook or the policy in the cluster
///
/// Versions in the cluster take the right to list webhook configurations, and pods in the namespaces of their Services.
/// Exit code 0 also if they cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit version
  # Without a cluster
  gomemlimit version --client
  gomemlimit version -o json | jq -r '.cluster[].version'")]
pub(super) struct VersionArgs {
    /// Print only the version of this program; ask no cluster
    #[arg(long)]
    client: bool,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "text",
        value_parser = Format::one_of([
            (Format::Text, FOR_PEOPLE),
            (Format::Json, FOR_PROGRAMS),
        ])
    )]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What decides about pods in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Pods of one version in one namespace.
    Webhook {
        namespace: String,
        version: String,
        image: String,
    },
    Policy {
        name: String,
        version: String,
    },
}

impl VersionArgs {
    pub(super) fn run(&self) -> ExitCode {
        let found = if self.client { Ok(BTreeMap::new()) } else { self.find() };
        match self.output {
            Format::Json => output::json(&report(&found)),
            _ if self.client => output::text(&client()),
            _ => output::text(&(client() + &cluster(&found))),
        }
    }

    /// What runs in the cluster, with the number of pods of each.
    fn find(&self) -> anyhow::Result<BTreeMap<Found, usize>> {
        let found = async {
            let cluster = self.cluster.open().await?;
            let mut found = BTreeMap::new();
            let pods = WebhookPod::find(&cluster).await?;
            for pod in pods.items {
                *found.entry(Found::pod(&pod)).or_default() += 1;
            }
            if found.is_empty() {
                let policies = AdmissionPolicy::find(&cluster).await?.items.into_iter();
                found.extend(policies.map(|policy| (Found::policy(policy), 0)));
            }
            match pods.unreadable {
                Some(problem) if found.is_empty() => Err(anyhow!(problem)),
                _ => Ok(found),
            }
        };
        let late = |_| anyhow!("no answer within {} s", MAX_WAIT.as_secs());
        let runtime = runtime()?;
        let found = runtime.block_on(async { timeout(MAX_WAIT, found).await.map_err(late)? });
        // A kubeconfig that is still read is not waited for.
        runtime.shutdown_background();
        found
    }
}

impl Found {
    /// By the image's tag if that is a version, or else by the label of the chart.
    fn pod(pod: &WebhookPod) -> Self {
        let image = pod.image().unwrap_or_default();
        let name = image.split('@').next().unwrap_or_default();
        let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
        let version = tag.filter(|tag| tag.starts_with(|c: char| c.is_ascii_digit()));
        Self::Webhook {
            namespace: pod.metadata.namespace.clone(),
            version: version.or(pod.metadata.version()).or(tag).unwrap_or("unknown").to_owned(),
            image: image.to_owned(),
        }
    }

    fn policy(policy: AdmissionPolicy) -> Self {
        let version = policy.metadata.version().unwrap_or("unknown").to_owned();
        Self::Policy { name: policy.metadata.name, version }
    }
}

fn commit() -> Option<&'static str> {
    COMMIT.filter(|commit| !commit.is_empty())
}

fn target() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn client() -> String {
    let commit = commit().map(|commit| format!("commit {commit}, ")).unwrap_or_default();
    format!("Client version: {VERSION} ({commit}{})\n", target())
}

fn cluster(found: &anyhow::Result<BTreeMap<Found, usize>>) -> String {
    let found = match found {
        Ok(found) if found.is_empty() => return "Webhook version: not found in this cluster\n".to_owned(),
        Ok(found) => found,
        Err(error) => return format!("Webhook version: unknown: {}\n", output::clean(&format!("{error:#}"))),
    };
    let lines = found.iter().map(|(one, pods)| match one {
        Found::Webhook { namespace, version, image } => {
            let plural = if *pods == 1 { "" } else { "s" };
            format!("Webhook version: {version} ({pods} pod{plural} in namespace {namespace}, image {image})")
        }
        Found::Policy { name, version } => {
            format!("Policy version: {version} (MutatingAdmissionPolicy {name})")
        }
    });
    lines.flat_map(|line| [output::clean(&line).into_owned(), "\n".to_owned()]).collect()
}

fn report(found: &anyhow::Result<BTreeMap<Found, usize>>) -> Value {
    let all = found.iter().flatten().map(|(one, pods)| match one {
        Found::Webhook { namespace, version, image } => json!({
            "kind": "webhook", "version": version, "namespace": namespace, "image": image, "pods": pods,
        }),
        Found::Policy { name, version } => json!({"kind": "policy", "version": version, "name": name}),
    });
    json!({
        "version": SCHEMA_VERSION,
        "client": {"version": VERSION, "commit": commit(), "target": target()},
        "cluster": all.collect::<Vec<_>>(),
        "problem": found.as_ref().err().map(|error| format!("{error:#}")),
    })
}

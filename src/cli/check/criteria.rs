//! What a webhook or a policy selects and decides by: the checks of namespaces compare with it.

use gomemlimit_core::{Policy, audit::Selection, names::INJECT_LABEL};

use super::{checks::Check, finding::Finding, installation::Installation};
use crate::{
    cli::policy_resolver::read_serve_args,
    cluster::{
        api::ApiError,
        webhook_objects::WebhookPod,
        webhook_policy::{PolicyTextError, policy_text},
    },
};

/// The default value of the label that opts in.
pub(super) const ENABLED: &str = "enabled";

/// What a webhook or a policy selects and decides by.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    /// The pods that it selects; `None` if that is not known.
    pub(super) selection: Option<Selection>,
    /// The command that restores the selectors.
    pub(super) restore: String,
    /// The selector of namespaces that the release was installed with, if its pods show it.
    pub(super) installed_selector: Option<String>,
    /// The policy, and whether annotations of namespaces count.
    pub(super) effective_policy: Option<(Policy, bool)>,
    /// Origin of the settings, for people.
    pub(super) settings_origin: &'static str,
}

impl Criteria {
    /// The criteria of a webhook.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub(super) async fn of_webhook(
        installation: &Installation<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, ApiError> {
        let pod = installation.pods.iter().find(|pod| pod.serve_args().is_some());
        let mut criteria = Self {
            selection: installation.configuration.selection(),
            restore: installation.restore_configuration(""),
            installed_selector: pod.and_then(installed_selector),
            effective_policy: None,
            settings_origin: "the webhook's flags",
        };
        if let Some(pod) = pod {
            match effective_policy(installation, pod).await? {
                Ok(policy) => criteria.effective_policy = Some(policy),
                Err(problem) => findings.push(Finding::unknown(Check::Settings, problem)),
            }
        }
        Ok(criteria)
    }
}

/// The selector of namespaces among the flags of a pod; `None` if it does not follow annotations of namespaces, or those of
/// all.
fn installed_selector(pod: &WebhookPod) -> Option<String> {
    let follows = pod.serve_args()?.iter().any(|arg| arg == "--namespace-settings");
    let selector = pod.serve_flag("--namespace-selector").map(str::to_owned);
    let selector = selector.unwrap_or_else(|| format!("{INJECT_LABEL}={ENABLED}"));
    Some(selector).filter(|selector| follows && !selector.is_empty())
}

/// The policy that a pod decides by, and whether annotations of namespaces count; or why that is not known.
async fn effective_policy(
    installation: &Installation<'_>,
    pod: &WebhookPod,
) -> Result<Result<(Policy, bool), String>, ApiError> {
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

//! Every check of `gomemlimit check`, and every cause of a failed one. A new check begins here; see "A new check" in
//! CONTRIBUTING.md.

use std::collections::BTreeSet;

use gomemlimit_core::{Reason, addresses};
use strum::IntoStaticStr;
use thiserror::Error;

use super::{ca::BundleError, release::NAME_IT};
use crate::certs::VerifyError;

/// A check. The word in the output is the name of the variant in kebab case; its comment is its row in the table of
/// docs/check.md, which a test compares.
///
/// The order is that of the output and of the table, and the order in which broken checks are to be fixed; see
/// [`Check::rank`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[cfg_attr(test, derive(strum::EnumMessage, strum::VariantArray))]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Check {
    /// There is a `MutatingWebhookConfiguration` of gomemlimit, found by its labels and entries (or `--webhook-config`)
    Configuration,
    /// Only with [`engine: policy`](policy-engine.md), if a policy of the API server decides and there is no webhook: a
    /// `MutatingAdmissionPolicyBinding` names it. Selectors and settings are then those of the binding and the policy
    Binding,
    /// The namespace has the label that the configuration asks for. Entries for pods that opt in by themselves
    /// (`podOptIn`) do not count
    NamespaceLabel,
    /// The configuration selects the namespace; some, such as kube-system, are never selected
    NamespaceSelector,
    /// Every entry except those for resizes has a rule for the creation of pods
    Rules,
    /// It does not leave out ordinary pods
    ObjectSelector,
    /// There are only those of the chart. Others are CEL, which only the API server evaluates: if a pod gets no value and
    /// all else is fine, they are the cause
    MatchConditions,
    /// The Service that every entry of the configuration names is in the release's namespace, exists, has the port, and
    /// selects the pods of a Deployment, and the pods answer at the path that the entries call (`serve --path`)
    Service,
    /// At least one is ready; if not, the reason, with the lines of `/readyz`
    Pods,
    /// The Service has ready endpoints, and their port answers with TLS
    Endpoints,
    /// The CA bundle of each entry holds a certificate that is valid now and has signed what is served
    CaBundle,
    /// Each ready pod (at most five are tried) serves a certificate for the Service's name that the CA bundle verifies, as
    /// the API server verifies it
    Certificate,
    /// Neither the webhook's flags nor the namespace's annotations keep an ordinary pod from a value
    Settings,
    /// A pod created by server-side dry run has GOMEMLIMIT. Another webhook that cannot be called makes it `unknown`, with
    /// the name of that webhook
    DryRun,
}

impl Check {
    /// The word in the output.
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether a pod can be without a value because this check is broken. If not, it is never the explanation of a pod
    /// without one, and it is named as the first failed check only if no other is broken.
    pub(super) const fn can_withhold_value(self) -> bool {
        match self {
            Self::Configuration
            | Self::Binding
            | Self::NamespaceLabel
            | Self::NamespaceSelector
            | Self::Rules
            | Self::ObjectSelector
            | Self::MatchConditions
            | Self::Service
            | Self::Pods
            | Self::Endpoints
            | Self::CaBundle
            | Self::Certificate
            | Self::Settings
            | Self::DryRun => true,
        }
    }

    /// Rank among broken checks: the lowest is the first to fix.
    pub(super) const fn rank(self) -> (bool, Self) {
        (!self.can_withhold_value(), self)
    }
}

/// Why a check is broken. `Display` is the sentence for people.
///
/// The name of the variant in kebab case is the id in the output, and a heading of docs/check.md. Both are stable.
#[derive(Clone, Debug, Error, IntoStaticStr)]
#[cfg_attr(test, derive(strum::VariantNames))]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Cause {
    #[error("gomemlimit is not installed in this cluster")]
    NotInstalled,
    #[error("there is no MutatingWebhookConfiguration of gomemlimit; maybe somebody deleted it to stop it")]
    ConfigurationMissing,
    #[error(
        "there is no MutatingWebhookConfiguration of gomemlimit: it is not installed, or somebody deleted it, and of which \
         release is not known: {}",
        NAME_IT
    )]
    ReleaseUnknown,
    #[error("no MutatingAdmissionPolicyBinding names the policy {policy}, so it decides nothing")]
    BindingMissing { policy: String },
    #[error("the namespace has not opted in: label {label} is missing")]
    NotOptedIn { label: String },
    #[error("no namespace has opted in")]
    NoNamespaceOptedIn,
    #[error("the namespace is one that is never asked about ({mismatch}); use another")]
    NamespaceExcluded { mismatch: String },
    #[error("the namespaceSelector leaves it out: {mismatch}")]
    NamespaceNotSelected { mismatch: String },
    #[error("no entry of the configuration has a rule for CREATE of pods")]
    NoCreateRule,
    #[error("entry {entry} has no rule for CREATE of pods")]
    EntryWithoutCreateRule { entry: String },
    #[error("the objectSelector leaves out pods without labels of gomemlimit: {mismatch}")]
    PodsNotSelected { mismatch: String },
    #[error("there are others than {expected}: {names}{}", ruled_out.as_ref().map(|all| format!(", and a pod got no value {all}")).unwrap_or_default())]
    ForeignConditions {
        /// The conditions that belong there, for people.
        expected: &'static str,
        names: String,
        /// Everything else that could be the cause, if a dry run has shown that there is one.
        ruled_out: Option<RuledOut>,
    },
    #[error("{problem}; what answers there is not looked at")]
    ServiceOutsideRelease { problem: String },
    #[error("entry {entry} calls {service}, and not {expected}")]
    EntryCallsOtherService { entry: String, service: String, expected: String },
    #[error("entry {entry} calls a path that pod {pod} does not answer at (serve --path)")]
    PathNotServed { entry: String, pod: String },
    #[error("{service}, which the configuration names, does not exist")]
    ServiceMissing { service: String },
    #[error("{service} has no port {port}, which the configuration names")]
    ServicePortMissing { service: String, port: u16 },
    #[error("{service} selects {key}={value}, which the pods of deployment {deployment} do not have")]
    ServiceSelectsNoPods { service: String, key: String, value: String, deployment: String },
    #[error("none of {all} is ready; {pod}: {problem}")]
    PodsNotReady { all: usize, pod: String, problem: String },
    #[error("the Service selects no pods, and Deployments may not be read")]
    NoPods,
    #[error("deployment {deployment} is scaled to 0")]
    ScaledToZero { deployment: String },
    #[error("deployment {deployment} has no pods")]
    DeploymentWithoutPods { deployment: String },
    #[error("there is no Deployment of the webhook")]
    DeploymentMissing,
    #[error("the Service has no ready endpoint")]
    NoReadyEndpoint,
    #[error("the Service's target port is none of pod {pod}")]
    TargetPortMissing { pod: String },
    #[error("pod {pod}: {problem}")]
    NoTls { pod: String, problem: String },
    #[error("entry {entry}: {problem}{notes}")]
    CaBundleUnusable { entry: String, problem: BundleError, notes: String },
    #[error(
        "entry {entry} does not verify the certificate of pod {pod}: {}{notes}",
        VerifyError::UnknownIssuer
    )]
    CertificateOfUnknownIssuer { entry: String, pod: String, notes: String },
    #[error("entry {entry} does not verify the certificate of pod {pod}: {problem}{notes}")]
    CertificateInvalid { entry: String, pod: String, problem: String, notes: String },
    #[error("the namespace's annotation {key} keeps pods from a value: {reason}")]
    AnnotationWithholdsValue { key: String, reason: Reason },
    #[error("rule {rule} of the policy file keeps pods from a value: {reason}")]
    RuleWithholdsValue { rule: String, reason: Reason },
    #[error("{settings} keep pods from a value: {reason}")]
    SettingsWithholdValue { settings: &'static str, reason: Reason },
    #[error("{problem}")]
    WebhookCallFailed { problem: String },
    #[error("{NO_VALUE}")]
    NoValue,
    #[error(
        "{NO_VALUE} {ruled_out}: the API server did not reach the webhook (a NetworkPolicy, firewall or proxy between \
         them), or the webhook was too slow; its log, and that of the API server, say more"
    )]
    WebhookNotReached { ruled_out: RuledOut },
    #[error(
        "{NO_VALUE} {ruled_out}: an expression of the policy was changed or failed; the log of the API server says more"
    )]
    PolicyFailed { ruled_out: RuledOut },
    #[error("{NO_VALUE} {ruled_out}: what decides about new pods is not known")]
    NoValueUnexplained { ruled_out: RuledOut },
}

const NO_VALUE: &str = "a pod created by dry run got no value";

impl Cause {
    /// The id in the output and in docs/check.md.
    pub(super) fn id(&self) -> &'static str {
        self.into()
    }

    /// Address of its section in docs/check.md.
    pub(super) fn docs(&self) -> String {
        format!("{}#{}", addresses::docs("check"), self.id())
    }

    /// The check that is broken.
    pub(super) const fn check(&self) -> Check {
        match self {
            Self::NotInstalled | Self::ConfigurationMissing | Self::ReleaseUnknown => Check::Configuration,
            Self::BindingMissing { .. } => Check::Binding,
            Self::NotOptedIn { .. } | Self::NoNamespaceOptedIn => Check::NamespaceLabel,
            Self::NamespaceExcluded { .. } | Self::NamespaceNotSelected { .. } => Check::NamespaceSelector,
            Self::NoCreateRule | Self::EntryWithoutCreateRule { .. } => Check::Rules,
            Self::PodsNotSelected { .. } => Check::ObjectSelector,
            Self::ForeignConditions { .. } => Check::MatchConditions,
            Self::ServiceOutsideRelease { .. }
            | Self::EntryCallsOtherService { .. }
            | Self::PathNotServed { .. }
            | Self::ServiceMissing { .. }
            | Self::ServicePortMissing { .. }
            | Self::ServiceSelectsNoPods { .. } => Check::Service,
            Self::PodsNotReady { .. }
            | Self::NoPods
            | Self::ScaledToZero { .. }
            | Self::DeploymentWithoutPods { .. }
            | Self::DeploymentMissing => Check::Pods,
            Self::NoReadyEndpoint | Self::TargetPortMissing { .. } | Self::NoTls { .. } => Check::Endpoints,
            Self::CaBundleUnusable { .. } | Self::CertificateOfUnknownIssuer { .. } => Check::CaBundle,
            Self::CertificateInvalid { .. } => Check::Certificate,
            Self::AnnotationWithholdsValue { .. }
            | Self::RuleWithholdsValue { .. }
            | Self::SettingsWithholdValue { .. } => Check::Settings,
            Self::WebhookCallFailed { .. }
            | Self::NoValue
            | Self::WebhookNotReached { .. }
            | Self::PolicyFailed { .. }
            | Self::NoValueUnexplained { .. } => Check::DryRun,
        }
    }
}

/// Everything that is not broken although a pod got no value, except for the checks that could not be made.
#[derive(Clone, Debug, Error)]
#[error("{}", self.describe())]
pub(super) struct RuledOut {
    pub(super) unknown: BTreeSet<Check>,
}

impl RuledOut {
    fn describe(&self) -> String {
        if self.unknown.is_empty() {
            return "although all else is fine".to_owned();
        }
        let unknown = self.unknown.iter().map(|check| check.as_str()).collect::<Vec<_>>().join(", ");
        format!("although all else that could be looked at is fine, and {unknown} could not be looked at")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, path::Path};

    use strum::{EnumMessage, VariantArray, VariantNames};

    use super::*;

    const PAGE: &str = include_str!("../../../docs/check.md");

    fn section(heading: &str) -> &str {
        let (_, text) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
        text.split("\n## ").next().unwrap()
    }

    /// The table of the page has the comments of the variants, in their order.
    #[test]
    fn the_page_has_a_row_for_every_check() {
        let rows = Check::VARIANTS.iter().map(|check| {
            let comment = check.get_documentation().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            format!("| `{}` | {comment} |\n", check.as_str())
        });
        let table = format!("\n| Check | Ok means |\n|---|---|\n{}", rows.collect::<String>());
        assert!(section("Checks").contains(&table), "docs/check.md, \"Checks\", lacks this table:\n{table}");
    }

    /// Only a binding is not shown: it is checked instead of a webhook.
    #[test]
    fn the_sample_on_the_page_has_a_line_for_every_check() {
        let (_, sample) = PAGE.split_once("\nCHECK ").unwrap();
        let lines = sample.lines().skip(1).take_while(|line| !line.is_empty());
        let shown: Vec<_> = lines.map(|line| line.split(' ').next().unwrap()).collect();
        let checks = Check::VARIANTS.iter().filter(|check| **check != Check::Binding);
        assert_eq!(
            shown,
            checks.map(|check| check.as_str()).collect::<Vec<_>>(),
            "first output of docs/check.md"
        );
    }

    /// The address of every cause leads somewhere, and nothing is explained that is no cause.
    #[test]
    fn the_page_explains_every_cause() {
        let sections = section("Causes").split("\n### `").skip(1).map(|text| text.split_once('`').unwrap());
        let explained: BTreeSet<_> =
            sections.filter(|(_, text)| text.trim().len() > 40).map(|(id, _)| id).collect();
        let causes: BTreeSet<_> = Cause::VARIANTS.iter().copied().collect();
        let missing: Vec<_> = causes.difference(&explained).collect();
        assert!(missing.is_empty(), "docs/check.md, \"Causes\", explains none of {missing:?}");
        let foreign: Vec<_> = explained.difference(&causes).collect();
        assert!(foreign.is_empty(), "docs/check.md, \"Causes\": no causes: {foreign:?}");
    }

    /// Every cause and every check is in a test, as a word in quotes.
    #[test]
    fn every_check_and_every_cause_has_a_test() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
        let mut texts = String::new();
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    texts += &fs::read_to_string(path).unwrap();
                }
            }
        }
        let words = Check::VARIANTS.iter().map(|check| check.as_str()).chain(Cause::VARIANTS.iter().copied());
        let mut untested: Vec<_> = words.filter(|word| !texts.contains(&format!("\"{word}\""))).collect();
        // The tests of crates/certs have certificates that are not valid, and no fake API server forwards TLS.
        untested.retain(|word| *word != "certificate-invalid");
        assert!(untested.is_empty(), "no test in tests/ names {untested:?}");
    }
}

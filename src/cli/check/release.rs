//! The release that is checked, and the commands that restore it.

use gomemlimit_core::addresses::{VERSION, chart, manifest};

use crate::cli::shell::quote;
use crate::cluster::{
    object_meta::{ObjectMeta, Origin},
    webhook_configuration::{ServiceReference, WebhookConfiguration},
};

/// Default name of the chart, and of its release in the README.
const DEFAULT: &str = "gomemlimit";

/// How to name a release that no object of the whole cluster names.
pub(super) const NAME_IT: &str = "only objects of the whole cluster can tell, since anybody may write the others; name it with \
     --release-namespace, and with --release if it is not called gomemlimit";

/// A release of the chart, or what was applied of its manifest for people without Helm.
///
/// It is named by the user or by an object of the whole cluster. `helm upgrade --reset-then-reuse-values` takes values,
/// and with them objects and images, from a Secret of the release's namespace: whoever can make an administrator run it
/// for a namespace of theirs has the administrator's rights.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) name: String,
    pub(super) namespace: String,
    kind: Kind,
    /// Version in the labels of its objects, or else that of this program.
    version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Helm,
    Manifest,
    /// There is none.
    Absent,
    /// There may be one: no command restores it.
    Unknown,
}

impl Release {
    fn new(kind: Kind, name: Option<&str>, namespace: Option<&str>) -> Self {
        Self {
            name: name.unwrap_or(DEFAULT).to_owned(),
            namespace: namespace.unwrap_or(DEFAULT).to_owned(),
            kind,
            version: VERSION.to_owned(),
        }
    }

    /// The release of an object of the whole cluster. Without Helm its namespace is that of `service`.
    pub(super) fn of(metadata: &ObjectMeta, service: Option<&ServiceReference>) -> Self {
        let instance = metadata.labels.get("app.kubernetes.io/instance").map(String::as_str);
        let service = service.map(|service| &*service.namespace);
        let release = match metadata.origin() {
            Origin::Helm { name, namespace } => Self::new(Kind::Helm, Some(&name), Some(&namespace)),
            Origin::Manifest => Self::new(Kind::Manifest, instance, service),
            Origin::Unclear => Self::new(Kind::Unknown, instance, service),
        };
        Self { version: metadata.version().unwrap_or(VERSION).to_owned(), ..release }
    }

    /// The release that the user names.
    pub(super) fn named(name: Option<&str>, namespace: &str) -> Self {
        Self::new(Kind::Helm, name, Some(namespace))
    }

    /// No release.
    pub(super) fn absent(name: Option<&str>, namespace: Option<&str>) -> Self {
        Self::new(Kind::Absent, name, namespace)
    }

    /// A release that nothing names, or none.
    pub(super) fn unknown() -> Self {
        Self::new(Kind::Unknown, None, None)
    }

    pub(super) fn is_absent(&self) -> bool {
        self.kind == Kind::Absent
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.kind == Kind::Unknown
    }

    pub(super) fn is_helm(&self) -> bool {
        self.kind == Kind::Helm
    }

    /// The command that restores what is missing; empty if the release is not known. Only Helm takes `arguments`, such as
    /// `--set KEY=VALUE`.
    pub(super) fn upgrade(&self, arguments: &str) -> String {
        let (name, namespace, version) = (quote(&self.name), quote(&self.namespace), quote(&self.version));
        let chart = format!("{} --version {version} -n {namespace}", chart());
        let command = match self.kind {
            Kind::Absent => format!("helm install {name} {chart} --create-namespace --wait"),
            Kind::Helm => format!("helm upgrade {name} {chart} --reset-then-reuse-values {arguments}"),
            Kind::Manifest => format!("kubectl apply --server-side -f {}", quote(&manifest(&self.version))),
            Kind::Unknown => String::new(),
        };
        command.trim_end().to_owned()
    }

    /// The command that restores an object that somebody changed: Helm does not overwrite fields that others own.
    pub(super) fn restore(&self, object: &str, arguments: &str) -> String {
        match self.upgrade(arguments) {
            upgrade if upgrade.is_empty() => upgrade,
            upgrade => format!("kubectl delete {object} && {upgrade}"),
        }
    }

    /// The command that restores the webhook configuration.
    pub(super) fn restore_configuration(
        &self,
        configuration: &WebhookConfiguration,
        arguments: &str,
    ) -> String {
        let object = format!("mutatingwebhookconfiguration {}", quote(&configuration.metadata.name));
        self.restore(&object, arguments)
    }

    /// The command that restores the Service.
    pub(super) fn restore_service(&self, service: &ServiceReference) -> String {
        self.restore(&format!("service {} -n {}", quote(&service.name), quote(&service.namespace)), "")
    }
}

//! Every name that users, manifests and other programs see. Each is here once.

/// The environment variable read by the Go runtime (`runtime/mgcpacer.go`, `readGOMEMLIMIT`).
pub const GOMEMLIMIT: &str = "GOMEMLIMIT";

/// The variable that a tracking GOMEMLIMIT expands: the memory limit in MiB, filled in by kubelet.
pub const GOMEMLIMIT_MIB: &str = "GOMEMLIMIT_MIB";

/// The resource that the downward API calls so (`k8s.io/kubernetes/pkg/api/v1/resource`).
pub const LIMITS_MEMORY: &str = "limits.memory";

/// The divisor that gives MiB: [`MIB`](crate::value::MIB) as a quantity.
pub const MIB_DIVISOR: &str = "1Mi";

/// The text of a tracking GOMEMLIMIT: as many million bytes as the limit has MiB, 95.37 % of it.
pub const TRACKING_VALUE: &str = "$(GOMEMLIMIT_MIB)000000";

/// The variable of `github.com/KimMachineGun/automemlimit`: a program with it manages
/// its own limit.
pub const AUTOMEMLIMIT: &str = "AUTOMEMLIMIT";

/// The flag of Prometheus, kube-state-metrics and others that switches automemlimit on; also a prefix
/// of `--auto-gomemlimit.ratio`.
pub const AUTO_GOMEMLIMIT_FLAG: &str = "--auto-gomemlimit";

/// The flag that switches automemlimit off in Prometheus and others; `--auto-gomemlimit=false` does so, too.
pub const NO_AUTO_GOMEMLIMIT_FLAG: &str = "--no-auto-gomemlimit";

/// Domain of every label and annotation.
pub const DOMAIN: &str = "gomemlimit.dev";

/// Default path of the webhook.
pub const DEFAULT_PATH: &str = "/mutate";

/// Opt-in label of a namespace (`enabled`), opt-out ([`OPTED_OUT`]) and opt-in ([`OPTED_IN`]) label of a pod.
pub const INJECT_LABEL: &str = "gomemlimit.dev/inject";

/// Values of [`INJECT_LABEL`] on a pod that has opted out; the API server does not send it to the webhook.
pub const OPTED_OUT: [&str; 2] = ["disabled", "false"];

/// Values of [`INJECT_LABEL`] on a pod that has opted in by itself, which counts if the chart's `podOptIn` is on.
pub const OPTED_IN: [&str; 2] = ["enabled", "true"];

/// The annotation of a pod with the decision about it.
pub const STATUS_ANNOTATION: &str = "gomemlimit.dev/status";

/// Set by kubelet on the API server's copy of a static pod; such a pod must not be changed.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Node label with the operating system, used in `nodeSelector`.
pub const OS_LABEL: &str = "kubernetes.io/os";

/// Key of the whole outcome in the response's `auditAnnotations`.
pub const AUDIT_ANNOTATION: &str = "decisions";

/// Whether an object can have this name (a DNS subdomain, RFC 1123; the API server's `NameIsDNSSubdomain`). Such a name
/// is one word for a shell and no option of a program, and one segment of a path.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(is_fine)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether the key of a label or annotation is of [`DOMAIN`]: `gomemlimit.dev/x` and
/// `x.gomemlimit.dev/container`.
#[must_use]
pub fn is_own_key(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        prefix.strip_suffix(DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

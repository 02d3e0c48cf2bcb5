//! Names and help texts of the metrics, each defined once, and their text format.

use gomemlimit_core::{Reason, settings::Level, warning::WarningKind};
use prometheus_client::{
    encoding::text::encode,
    registry::{Registry, Unit},
};
use strum::VariantArray;

use super::{
    Metrics, REQUEST_CODES, done_label,
    labels::{HandshakeFailure, ReloadResult, Rotation},
};

/// Prefix of every name.
const PREFIX: &str = "gomemlimit";

impl Metrics {
    /// The registry of a replica. Series exist from the start, at zero, so that rates and alerts work from the first scrape;
    /// except `bad_settings`, which has two labels and is mostly empty.
    #[must_use]
    pub fn registry(&self) -> Registry {
        for &reason in Reason::ALL {
            let _ = self.decisions_with(reason);
        }
        for &level in Level::ALL {
            let _ = self.values_by(level);
        }
        for code in REQUEST_CODES {
            let _ = self.requests.get_or_create(&[("code", code)]);
        }
        for kind in WarningKind::NAMES {
            let _ = self.warnings.get_or_create(&[("kind", kind)]);
        }
        for failure in HandshakeFailure::VARIANTS {
            let _ = self.handshake_failures.get_or_create(&[("reason", failure.into())]);
        }
        for result in ReloadResult::VARIANTS {
            let _ = self.certificate_reloads.get_or_create(&[("result", result.into())]);
            let _ = self.policy_reloads.get_or_create(&[("result", result.into())]);
        }
        let mut registry = self.registry_of_keeper();
        self.register_decisions(&mut registry);
        self.register_serving(&mut registry);
        self.register_files(&mut registry);
        registry
    }

    /// The registry of a keeper of certificates, which serves no reviews: without the metrics of a replica, so it is not
    /// taken for one.
    #[must_use]
    pub fn registry_of_keeper(&self) -> Registry {
        for done in [true, false] {
            for rotation in Rotation::VARIANTS {
                let _ = self.rotation(*rotation, done);
            }
            let _ = self.ca_bundle_patches.get_or_create(&[("result", done_label(done))]);
        }
        let mut registry = Registry::with_prefix(PREFIX);
        self.register_certificates(&mut registry);
        registry.register(
            "log_lines_dropped",
            "Log lines dropped because nobody reads the log, or not fast enough",
            self.log_lines_dropped.clone(),
        );
        registry
    }

    fn register_decisions(&self, registry: &mut Registry) {
        registry.register(
            "decisions",
            "Decisions about containers (or whole requests that are not about one)",
            self.decisions.clone(),
        );
        registry.register(
            "values",
            "Values that containers got or kept, by the level of the setting that made them",
            self.values.clone(),
        );
        registry.register("warnings", "Admission warnings by kind", self.warnings.clone());
        registry.register(
            "bad_settings",
            "Settings that could not be followed, by setting and level",
            self.bad_settings.clone(),
        );
    }

    fn register_serving(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Reviews received, by the HTTP status of the answer",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from the request's head to its answer",
            Unit::Seconds,
            self.latency.0.clone(),
        );
        registry.register("panics", "Requests in which our own code failed", self.panics.clone());
        registry.register_with_unit(
            "bodies_in_flight",
            "Request bodies and long answers in memory, as reserved from the budget",
            Unit::Bytes,
            self.bodies.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_accepted", "Connections accepted", self.connections_total.clone());
        registry.register("accept_errors", "Failures to accept a connection", self.accept_errors.clone());
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed, by reason",
            self.handshake_failures.clone(),
        );
        registry.register("ready", "1 while ready", self.ready.clone());
    }

    fn register_files(&self, registry: &mut Registry) {
        registry.register(
            "certificate_reloads",
            "Looks at changed certificate files that loaded or refused them",
            self.certificate_reloads.clone(),
        );
        registry.register(
            "certificate_out_of_date",
            "1 while the certificate files cannot be used and an earlier certificate is served",
            self.certificate_out_of_date.clone(),
        );
        registry.register(
            "client_ca_out_of_date",
            "1 while the file of the client CA cannot be used and an earlier one holds",
            self.client_ca_out_of_date.clone(),
        );
        registry.register(
            "policy_rules",
            "Rules of the policy file that are in force",
            self.policy_rules.clone(),
        );
        registry.register(
            "policy_reloads",
            "Looks at a changed policy file that loaded or refused it",
            self.policy_reloads.clone(),
        );
        registry.register(
            "policy_out_of_date",
            "1 while the policy file cannot be used and an earlier one holds",
            self.policy_out_of_date.clone(),
        );
    }

    fn register_certificates(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the serving certificate expires, since 1970",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register_with_unit(
            "ca_expiry_timestamp",
            "When the CA that signs expires, since 1970; 0 unless self-managed",
            Unit::Seconds,
            self.ca_expiry.clone(),
        );
        registry.register(
            "ca_bundle_out_of_sync",
            "1 while the CA bundle of the webhook configuration is not what it should be",
            self.ca_bundle_out_of_sync.clone(),
        );
        registry.register(
            "ca_bundle_certificates",
            "CAs that the API server should trust; 0 unless self-managed",
            self.ca_bundle_certificates.clone(),
        );
        registry.register(
            "certificate_rotations",
            "Certificates replaced, by kind and result",
            self.certificate_rotations.clone(),
        );
        registry.register(
            "ca_bundle_patches",
            "Writes of the CA bundle, by result",
            self.ca_bundle_patches.clone(),
        );
        registry.register(
            "watch_up",
            "1 while what is watched in the API server can be watched",
            self.watch_up.clone(),
        );
    }
}

/// The text that Prometheus scrapes, in the `OpenMetrics` format.
pub(crate) fn render(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

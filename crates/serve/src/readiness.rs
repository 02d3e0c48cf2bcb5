//! Ready: everything that has to be true before the API server may send us pods.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;

use super::tls::Serving;
use crate::metrics::Metrics;

/// Something that is waited for once, such as a first list from the API server.
pub type Gate = Arc<AtomicBool>;

/// A gate that has to be set, and what is missing until it is.
#[derive(Clone)]
pub struct Condition {
    /// Set once and for all.
    pub gate: Gate,
    /// What to say until then.
    pub missing: NotReady,
}

/// What is wrong at the moment though it does not make us unready, such as an API server that is away.
pub type Trouble = Arc<ArcSwap<Vec<String>>>;

/// The sum of all conditions. Cloning gives a handle on the same conditions.
#[derive(Clone)]
pub struct Readiness {
    bound: Gate,
    draining: Gate,
    conditions: Vec<Condition>,
    troubles: Vec<Trouble>,
    /// What is served; `None` for a process that serves nobody.
    serving: Option<Arc<Serving>>,
    metrics: Metrics,
}

/// Why we are not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The webhook port does not answer yet.
    NotBound,
    /// The certificate authority that signs ours is not known yet.
    NoCertificate,
    /// The certificate is not valid now.
    CertificateInvalid,
    /// The API server does not trust our certificate yet.
    NotTrusted,
    /// The namespaces have not been listed yet.
    NamespacesUnknown,
    /// Shutting down.
    Draining,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBound => "the webhook port does not answer yet",
            Self::NoCertificate => "there is no certificate yet",
            Self::NotTrusted => {
                "the CA bundle of the webhook configuration does not verify our certificate yet"
            }
            Self::CertificateInvalid => "the certificate is not valid now",
            Self::NamespacesUnknown => "the namespaces have not been listed yet",
            Self::Draining => "shutting down",
        })
    }
}

impl Readiness {
    /// Nothing is ready but, maybe, the certificate; every one of `conditions` has to be set too.
    #[must_use]
    pub fn new(
        serving: Arc<Serving>,
        conditions: Vec<Condition>,
        troubles: Vec<Trouble>,
        metrics: Metrics,
    ) -> Self {
        let (bound, draining, serving) = (Gate::default(), Gate::default(), Some(serving));
        Self { bound, draining, conditions, troubles, serving, metrics }
    }

    /// Of a process without a webhook port and a certificate of its own: `conditions` have to be set.
    #[must_use]
    pub fn without_webhook(conditions: Vec<Condition>, troubles: Vec<Trouble>, metrics: Metrics) -> Self {
        let (bound, draining) = (Arc::new(true.into()), Gate::default());
        Self { bound, draining, conditions, troubles, serving: None, metrics }
    }

    /// What is wrong at the moment, ready or not.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.iter().flat_map(|trouble| trouble.load().iter().cloned().collect::<Vec<_>>()).collect()
    }

    /// The webhook port answers from here on.
    pub fn set_bound(&self) {
        self.bound.store(true, Ordering::Relaxed);
    }

    /// Not ready any more, for good.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What is missing at `now`; nothing when ready.
    #[must_use]
    pub fn missing(&self, now: SystemTime) -> Vec<NotReady> {
        let is_set = |gate: &Gate| gate.load(Ordering::Relaxed);
        let certificate = self.serving.as_ref().map(|serving| {
            if serving.has_certificate() {
                (serving.is_valid_at(now), NotReady::CertificateInvalid)
            } else {
                (false, NotReady::NoCertificate)
            }
        });
        let waited_for = self.conditions.iter().map(|condition| (is_set(&condition.gate), condition.missing));
        [(is_set(&self.bound), NotReady::NotBound)]
            .into_iter()
            .chain(certificate)
            .chain(waited_for)
            .chain([(!is_set(&self.draining), NotReady::Draining)])
            .filter_map(|(holds, missing)| (!holds).then_some(missing))
            .collect()
    }

    /// Brings the metric up to date.
    pub(super) fn refresh(&self, now: SystemTime) {
        self.metrics.ready.set(i64::from(self.missing(now).is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ephemeral;

    #[test]
    fn ready_is_the_sum_of_all_conditions() {
        let metrics = Metrics::default();
        let serving = Serving::new(ephemeral([127, 0, 0, 1].into()).unwrap(), metrics.clone());
        let namespaces = Gate::default();
        let condition = Condition { gate: namespaces.clone(), missing: NotReady::NamespacesUnknown };
        let readiness = Readiness::new(serving, vec![condition], Vec::new(), metrics);
        let now = SystemTime::now();
        assert_eq!(readiness.missing(now), [NotReady::NotBound, NotReady::NamespacesUnknown]);
        readiness.set_bound();
        assert_eq!(readiness.missing(now), [NotReady::NamespacesUnknown]);
        namespaces.store(true, Ordering::Relaxed);
        assert_eq!(readiness.missing(now), []);
        let in_two_years = now + std::time::Duration::from_hours(2 * 365 * 24);
        assert_eq!(readiness.missing(in_two_years), [NotReady::CertificateInvalid]);
        readiness.set_draining();
        assert_eq!(readiness.missing(now), [NotReady::Draining]);
    }
}

//! Ready: everything that has to be true before the API server may send pods.

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

/// Something that happens once, such as a first list from the API server.
pub type Flag = Arc<AtomicBool>;

/// A flag that has to be set, and why the process is not ready until it is.
#[derive(Clone)]
pub struct Condition {
    /// Set once and for all.
    pub flag: Flag,
    /// The reason until then.
    pub missing: NotReady,
}

/// Problems that do not make the process unready, such as an API server that cannot be reached. Empty if there are none.
pub type Degraded = Arc<ArcSwap<Vec<String>>>;

/// All conditions of readiness. Clones are handles on the same conditions.
#[derive(Clone)]
pub struct Readiness {
    bound: Flag,
    draining: Flag,
    conditions: Vec<Condition>,
    degraded: Vec<Degraded>,
    /// The certificate; `None` for a process without a webhook port.
    serving: Option<Arc<Serving>>,
    metrics: Metrics,
}

/// Why the process is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The webhook port does not answer yet.
    NotBound,
    /// The CA that signs the certificate is not known yet.
    NoCertificate,
    /// The certificate is not valid now.
    CertificateInvalid,
    /// The API server does not trust the certificate yet.
    NotTrusted,
    /// The namespaces have not been listed yet.
    NamespacesUnknown,
    /// The process is shutting down.
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
    /// Of a process with a webhook port, which is not bound yet.
    #[must_use]
    pub(crate) fn new(
        serving: Arc<Serving>,
        conditions: Vec<Condition>,
        degraded: Vec<Degraded>,
        metrics: Metrics,
    ) -> Self {
        let (bound, draining, serving) = (Flag::default(), Flag::default(), Some(serving));
        Self { bound, draining, conditions, degraded, serving, metrics }
    }

    /// Of a process without a webhook port.
    #[must_use]
    pub fn without_webhook(conditions: Vec<Condition>, degraded: Vec<Degraded>, metrics: Metrics) -> Self {
        let (bound, draining) = (Arc::new(true.into()), Flag::default());
        Self { bound, draining, conditions, degraded, serving: None, metrics }
    }

    /// Problems at the moment, ready or not.
    #[must_use]
    pub(crate) fn degraded(&self) -> Vec<String> {
        self.degraded
            .iter()
            .flat_map(|degraded| degraded.load().iter().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// The webhook port answers from now on.
    pub(crate) fn set_bound(&self) {
        self.bound.store(true, Ordering::Relaxed);
    }

    /// Not ready any more.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What is missing at `now`; empty if ready.
    #[must_use]
    pub(crate) fn missing(&self, now: SystemTime) -> Vec<NotReady> {
        let is_set = |flag: &Flag| flag.load(Ordering::Relaxed);
        let certificate = self.serving.as_ref().map(|serving| {
            if serving.has_certificate() {
                (serving.is_valid_at(now), NotReady::CertificateInvalid)
            } else {
                (false, NotReady::NoCertificate)
            }
        });
        let waited_for = self.conditions.iter().map(|condition| (is_set(&condition.flag), condition.missing));
        [(is_set(&self.bound), NotReady::NotBound)]
            .into_iter()
            .chain(certificate)
            .chain(waited_for)
            .chain([(!is_set(&self.draining), NotReady::Draining)])
            .filter_map(|(holds, missing)| (!holds).then_some(missing))
            .collect()
    }

    /// Updates the metric.
    pub(crate) fn refresh(&self, now: SystemTime) {
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
        let namespaces = Flag::default();
        let condition = Condition { flag: namespaces.clone(), missing: NotReady::NamespacesUnknown };
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

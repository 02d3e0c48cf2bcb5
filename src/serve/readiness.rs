//! Ready: everything that has to be true before the API server may send us pods.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use super::tls::Serving;
use crate::metrics::Metrics;

/// Something that is waited for once, such as a first list from the API server.
pub type Gate = Arc<AtomicBool>;

/// The sum of all conditions. Cloning gives a handle on the same conditions.
#[derive(Clone)]
pub struct Readiness {
    bound: Gate,
    draining: Gate,
    namespaces: Option<Gate>,
    serving: Arc<Serving>,
    metrics: Metrics,
}

/// Why we are not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The webhook port does not answer yet.
    NotBound,
    /// The certificate is not valid now.
    CertificateInvalid,
    /// The namespaces have not been listed yet.
    NamespacesUnknown,
    /// Shutting down.
    Draining,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBound => "the webhook port does not answer yet",
            Self::CertificateInvalid => "the certificate is not valid now",
            Self::NamespacesUnknown => "the namespaces have not been listed yet",
            Self::Draining => "shutting down",
        })
    }
}

impl Readiness {
    /// Nothing is ready but the certificate; `namespaces`, if given, has to be set too.
    #[must_use]
    pub fn new(serving: Arc<Serving>, namespaces: Option<Gate>, metrics: Metrics) -> Self {
        Self { bound: Gate::default(), draining: Gate::default(), namespaces, serving, metrics }
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
        let conditions = [
            (is_set(&self.bound), NotReady::NotBound),
            (self.serving.is_valid_at(now), NotReady::CertificateInvalid),
            (self.namespaces.as_ref().is_none_or(is_set), NotReady::NamespacesUnknown),
            (!is_set(&self.draining), NotReady::Draining),
        ];
        let missing: Vec<_> =
            conditions.into_iter().filter_map(|(holds, problem)| (!holds).then_some(problem)).collect();
        missing
    }

    /// Brings the metric up to date.
    pub(super) fn refresh(&self, now: SystemTime) {
        self.metrics.ready.set(i64::from(self.missing(now).is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::tls::ephemeral;

    #[test]
    fn ready_is_the_sum_of_all_conditions() {
        let metrics = Metrics::default();
        let serving = Serving::new(ephemeral([127, 0, 0, 1].into()).unwrap(), metrics.clone());
        let namespaces = Gate::default();
        let readiness = Readiness::new(serving, Some(namespaces.clone()), metrics);
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

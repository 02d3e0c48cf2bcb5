//! The checks that all namespaces share, in order, and those of the entries of the webhook configuration.

use super::{
    checks::{Cause, Check},
    finding::{Finding, note},
    installation::Installation,
    service_checks::endpoints,
};
use crate::cluster::{
    api::ApiError, webhook_configuration::ServiceReference, webhook_objects::ready_endpoints,
};

/// The chart's own conditions: name and expression.
pub(super) const CONDITIONS: [(&str, &str); 2] = [
    (
        "not-mirror-pod",
        "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)",
    ),
    ("not-windows", "!has(object.spec.os) || object.spec.os.name != 'windows'"),
];

/// Beginning of the names of the entries that are about resizes, and not about the creation of pods.
const RESIZE: &str = "resize";

impl Installation<'_> {
    /// Runs the checks from the webhook configuration to the certificate that is served.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub(super) async fn run_shared_checks(&mut self) -> Result<Vec<Finding>, ApiError> {
        let name = &self.configuration.metadata.name;
        let mut findings =
            vec![Finding::ok(Check::Configuration, format!("mutatingwebhookconfiguration {name}"))];
        findings.push(self.rules());
        findings.push(self.conditions());
        let Some(reference) = self.configuration.service().cloned() else {
            let what = "the configuration names a URL instead of a Service; its certificate is not looked at";
            findings.push(Finding::unknown(Check::Service, what));
            return Ok(findings);
        };
        if let Err(problem) = self.configuration.called() {
            let cause = Cause::ServiceOutsideRelease { problem: problem.to_string() };
            findings.push(Finding::broken(cause, self.restore_configuration("")));
            return Ok(findings);
        }
        let service = self.service(&reference).await;
        let (service, found) = note(service, Check::Service, &mut findings)?.unzip();
        findings.extend(found);
        if let Some(service) = service.flatten() {
            let pods = self.pods(&reference, &service).await;
            let pods = note(pods, Check::Pods, &mut findings)?;
            findings.extend(pods.into_iter().flatten());
            let ready = ready_endpoints(self.cluster, &reference).await;
            let ready = note(ready, Check::Endpoints, &mut findings)?;
            findings.extend(ready.map(|ready| endpoints(ready, &reference)));
            findings.extend(self.certificates(&reference, &service).await);
        }
        // The pods show at which paths they answer.
        findings.extend(self.mismatched_entries(&reference));
        Ok(findings)
    }

    fn rules(&self) -> Finding {
        let with: Vec<_> = self.configuration.pod_entries().map(|entry| entry.name.as_str()).collect();
        if with.is_empty() {
            return Finding::broken(Cause::NoCreateRule, self.restore_configuration(""));
        }
        let mut names = self.configuration.own_entries().map(|entry| entry.name.as_str());
        match names.find(|name| !name.starts_with(RESIZE) && !with.contains(name)) {
            None => Finding::ok(Check::Rules, "CREATE of pods"),
            Some(name) => {
                let cause = Cause::EntryWithoutCreateRule { entry: name.to_owned() };
                Finding::broken(cause, self.restore_configuration(""))
            }
        }
    }

    /// Entries that call another Service than the others, or a path that the webhook does not answer at.
    fn mismatched_entries(&self, reference: &ServiceReference) -> Vec<Finding> {
        let describe = |one: &ServiceReference| {
            format!("service {} in {}, port {}", one.name, one.namespace, one.port())
        };
        let expected = describe(reference);
        let mismatched = self.configuration.own_entries().filter_map(|entry| {
            let name = entry.name.clone();
            let Some(called) = &entry.client_config.service else {
                let what = format!(
                    "entry {name} names a URL instead of a Service; what answers there is not looked at"
                );
                return Some(Finding::unknown(Check::Service, what));
            };
            let service = describe(called);
            let cause = if service == expected {
                // Both paths may be secrets.
                let pod = self.pods.iter().find(|pod| !pod.answers_at(called.path()))?;
                Cause::PathNotServed { entry: name, pod: pod.metadata.name.clone() }
            } else {
                Cause::EntryCallsOtherService { entry: name, service, expected: expected.clone() }
            };
            Some(Finding::broken(cause, self.restore_configuration("")))
        });
        mismatched.collect()
    }

    fn conditions(&self) -> Finding {
        let conditions = self.configuration.pod_entries().flat_map(|entry| &entry.match_conditions);
        let foreign: Vec<_> = conditions
            .filter(|one| !CONDITIONS.contains(&(one.name.as_str(), one.expression.as_str())))
            .map(|one| one.name.as_str())
            .collect();
        if foreign.is_empty() {
            return Finding::ok(Check::MatchConditions, "the chart's own");
        }
        let cause =
            Cause::ForeignConditions { expected: "the chart's", names: foreign.join(", "), ruled_out: None };
        Finding::suspected(cause, self.restore_configuration(""))
    }
}

#[cfg(test)]
mod tests {
    use super::CONDITIONS;

    /// Else `check` would take the chart's own conditions for somebody else's.
    #[test]
    fn the_chart_has_these_conditions() {
        let chart = include_str!("../../../charts/gomemlimit/templates/_helpers.tpl");
        for text in CONDITIONS.iter().flat_map(|(name, expression)| [name, expression]) {
            assert!(chart.contains(text), "{text}");
        }
    }
}

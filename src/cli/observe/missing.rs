//! What could not be seen, and why, in words.

use std::collections::BTreeSet;

use crate::{
    cluster::api::ApiError,
    observation::{ContainerRecord, Observation},
};

/// Why sources are not asked any more, in the words of the API server.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) kubelet: Option<String>,
    pub(super) metrics_server: Option<String>,
    pub(super) forward: Option<String>,
}

impl Missing {
    /// A sentence for each kind of figure that is missing.
    pub(super) fn notes(&self, observation: &Observation) -> Vec<String> {
        let forward = match &self.forward {
            Some(problem) => format!("{problem} (it takes get and create on pods/portforward)"),
            None => "no Go metrics and no pprof answer on a port that it declares, nor on 6060; see --port"
                .to_owned(),
        };
        let mut notes = Vec::new();
        let names = without(observation, |record| record.peak.is_some());
        if !names.is_empty() {
            let causes = [&self.kubelet, &self.metrics_server].into_iter().flatten().chain([&forward]);
            let causes: Vec<_> = causes.map(String::as_str).collect();
            notes.push(format!("memory of {names} is missing: {}", causes.join("; ")));
        }
        let names = without(observation, |record| record.cpu.is_some());
        if !names.is_empty() {
            let has_figures = |record: &ContainerRecord| record.samples.iter().any(|one| one.heap.is_some());
            let why = if without(observation, has_figures).is_empty() {
                "its /metrics have no CPU classes; see WithGoCollectorRuntimeMetrics of client_golang"
            } else {
                &forward
            };
            notes.push(format!("garbage collection of {names} is missing: {why}"));
        }
        let (failed, looks) = (observation.failed_looks, observation.looks);
        if failed > 0 {
            notes.push(format!("the API server did not answer {failed} of {looks} looks"));
        }
        notes
    }
}

/// Names of the containers that lack something; those that were seen but once had no time to answer.
fn without(observation: &Observation, is_there: impl Fn(&ContainerRecord) -> bool) -> String {
    let is_brief = |record: &ContainerRecord| observation.looks > 1 && record.to <= record.from;
    let records = observation.containers.iter().filter(|record| !is_brief(record) && !is_there(record));
    let names: BTreeSet<_> = records.map(|record| record.container.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Why somebody may not ask; `None` for what may pass.
pub(super) fn refusal(error: &ApiError) -> Option<String> {
    match error {
        ApiError::Unauthorized(problem) | ApiError::Forbidden(problem) => Some(problem.clone()),
        _ => None,
    }
}

/// The same for an API that may not be there at all.
pub(super) fn refusal_or_absence(error: &ApiError) -> Option<String> {
    match error {
        // A pod that metrics-server has not seen yet is not found either; then the message names it.
        ApiError::NotFound(problem) if !problem.contains("pods") => {
            Some("there is no metrics.k8s.io".to_owned())
        }
        error => refusal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{CpuTime, Sample};

    fn observed(record: ContainerRecord) -> Observation {
        let record = ContainerRecord { container: "app".to_owned(), to: 2.0, ..record };
        Observation { looks: 3, containers: vec![record], ..Observation::default() }
    }

    #[test]
    fn what_is_missing_is_said_with_its_causes() {
        let missing = Missing {
            kubelet: Some("no nodes/proxy".to_owned()),
            metrics_server: Some("there is no metrics.k8s.io".to_owned()),
            forward: Some("no pods/portforward".to_owned()),
        };
        let forward = "no pods/portforward (it takes get and create on pods/portforward)";
        let notes = [
            format!("memory of app is missing: no nodes/proxy; there is no metrics.k8s.io; {forward}"),
            format!("garbage collection of app is missing: {forward}"),
        ];
        assert_eq!(missing.notes(&observed(ContainerRecord::default())), notes);
        let complete =
            ContainerRecord { peak: Some(1), cpu: Some(CpuTime::default()), ..ContainerRecord::default() };
        assert_eq!(missing.notes(&observed(complete)), [""; 0]);
    }

    #[test]
    fn metrics_without_cpu_classes_are_told_apart() {
        let samples = vec![Sample { heap: Some(1), ..Sample::default() }];
        let observation = observed(ContainerRecord { peak: Some(1), samples, ..ContainerRecord::default() });
        let notes = Missing::default().notes(&observation);
        assert!(notes[0].contains("its /metrics have no CPU classes"), "{notes:?}");
        // A pod that was seen but once.
        let brief =
            ContainerRecord { from: 2.0, ..observed(ContainerRecord::default()).containers.remove(0) };
        let observation = Observation { looks: 3, containers: vec![brief], ..Observation::default() };
        assert_eq!(Missing::default().notes(&observation), [""; 0]);
    }
}

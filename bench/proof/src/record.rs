//! What an experiment was and what it measured, as it is saved. The report and the pictures are made of nothing else.

use anyhow::{Context, Result};
use gomemlimit_bench::statistics::slope;
use serde::{Deserialize, Serialize};

/// One run of the experiment.
#[derive(Debug, Deserialize, Serialize)]
pub struct Experiment {
    /// When it was run, UTC.
    pub date: String,
    /// The command that was run.
    pub command: String,
    pub machine: Machine,
    pub settings: Settings,
    pub arms: Vec<Arm>,
}

/// Where it was run.
#[derive(Debug, Deserialize, Serialize)]
pub struct Machine {
    pub kubernetes: String,
    pub runtime: String,
    pub kernel: String,
    pub cpus: String,
    pub memory: String,
    /// Of the demo, as it says itself.
    pub go: String,
    /// The image of the webhook.
    pub webhook: String,
    /// The longest pause before kubelet starts a crashed container again, where it is not the default of five minutes.
    pub longest_back_off: Option<String>,
    /// Where the figures of memory come from.
    pub memory_source: String,
}

/// The same for all arms, but for what [`Arm`] says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Settings {
    /// Seconds of load.
    pub seconds: u64,
    /// `resources.limits.memory`.
    pub limit: String,
    /// Bytes of the same.
    pub limit_bytes: u64,
    /// Live data of the steady service and of the leaking one, in MiB.
    pub live_mib: u64,
    pub leaking_live_mib: u64,
    /// What a request to the leaking service leaves behind, in bytes.
    pub leak_bytes: u64,
    /// What a request allocates and drops, in KiB.
    pub garbage_kib: u64,
    /// Requests a second for the steady service and for the leaking one.
    pub rate: u64,
    pub leaking_rate: u64,
}

/// One Deployment in one namespace, under its own load.
#[derive(Debug, Deserialize, Serialize)]
pub struct Arm {
    pub namespace: String,
    /// Whether the namespace has the label, which is the only difference between the two arms of a service.
    pub labelled: bool,
    pub leaking: bool,
    /// The container's restarts as the pod's status counts them.
    pub restarts: u64,
    pub deaths: Vec<Death>,
    /// The most memory of the container in bytes: the kernel's own record, page cache included, or else the highest
    /// sample.
    pub peak_bytes: u64,
    /// Seconds of CPU that the garbage collector and the whole process used, as the runtime estimates them.
    pub gc_cpu_seconds: f64,
    pub cpu_seconds: f64,
    pub load: Load,
    /// Memory in bytes over time.
    pub memory: Vec<Sample>,
    /// Live heap after the last collection in bytes over time.
    pub live_heap: Vec<Sample>,
    /// What the runtime of each instance of the container read; the last that was seen.
    pub instances: Vec<ContainerInstance>,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Sample {
    /// Seconds since the load began.
    pub t: f64,
    pub bytes: u64,
}

/// The end of a container.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Death {
    /// Seconds since the load began.
    pub t: f64,
    pub reason: String,
    pub exit_code: i32,
}

/// What a container was given, and what its runtime made of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ContainerInstance {
    pub pod: String,
    /// Milliseconds since 1970 at which the program started.
    pub started_millis: u64,
    /// GOMEMLIMIT in the pod's env, and what our annotation says was set.
    pub env: Option<String>,
    pub annotation: Option<String>,
    /// `resources.limits.memory`, and the limit of the cgroup as the container sees it, in bytes.
    pub limit: u64,
    pub cgroup_limit: Option<u64>,
    /// `/gc/gomemlimit:bytes`.
    pub runtime: u64,
}

/// What became of the requests, as the load says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Load {
    pub planned: u64,
    pub ok: u64,
    pub failed: u64,
    pub reasons: std::collections::BTreeMap<String, u64>,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Experiment {
    /// The arm of a service with the label or without it.
    pub fn arm(&self, labelled: bool, leaking: bool) -> Result<&Arm> {
        let mut arms = self.arms.iter();
        arms.find(|arm| arm.labelled == labelled && arm.leaking == leaking).context("an arm is missing")
    }
}

impl Arm {
    /// How often the kernel killed it.
    pub fn oom_kills(&self) -> usize {
        self.deaths.iter().filter(|death| death.reason == "OOMKilled").count()
    }

    /// Seconds until the kernel killed it for the first time.
    pub fn first_kill(&self) -> Option<f64> {
        self.deaths.iter().find(|death| death.reason == "OOMKilled").map(|death| death.t)
    }

    /// Parts per hundred of the CPU that the process used, garbage collection in idle time included.
    pub fn gc_share(&self) -> f64 {
        if self.cpu_seconds > 0.0 { 100.0 * self.gc_cpu_seconds / self.cpu_seconds } else { 0.0 }
    }

    /// Growth of the live heap in MiB per minute, by least squares over the first instance of the container.
    pub fn live_heap_growth(&self) -> f64 {
        let end = self.deaths.first().map_or(f64::INFINITY, |death| death.t);
        let first_life = self.live_heap.iter().filter(|sample| sample.t < end);
        let points: Vec<_> = first_life.map(|sample| (sample.t / 60.0, sample.bytes as f64 / MIB)).collect();
        if points.len() < 3 { 0.0 } else { slope(&points) }
    }
}

impl ContainerInstance {
    /// Whether everything that names a limit of the runtime names the same one, and the limit of the container is the cgroup's.
    pub fn agrees(&self) -> bool {
        let runtime = self.runtime.to_string();
        self.env.as_ref() == Some(&runtime)
            && self.annotation.as_ref() == Some(&runtime)
            && self.cgroup_limit == Some(self.limit)
    }
}

/// Bytes of a MiB.
pub const MIB: f64 = 1_048_576.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(deaths: Vec<Death>, live_heap: Vec<Sample>) -> Arm {
        Arm {
            namespace: String::new(),
            labelled: true,
            leaking: true,
            restarts: 0,
            deaths,
            peak_bytes: 0,
            gc_cpu_seconds: 1.0,
            cpu_seconds: 8.0,
            load: Load::default(),
            memory: Vec::new(),
            live_heap,
            instances: Vec::new(),
        }
    }

    #[test]
    fn growth_is_that_of_the_first_life() {
        let mib = |t: u32, mib: u64| Sample { t: f64::from(t), bytes: mib << 20 };
        let samples = vec![mib(0, 60), mib(10, 70), mib(20, 80), mib(40, 60), mib(50, 60)];
        let died = Death { t: 30.0, reason: "OOMKilled".to_owned(), exit_code: 137 };
        assert!((arm(vec![died], samples).live_heap_growth() - 60.0).abs() < 1e-6);
        let growth = arm(Vec::new(), vec![mib(0, 1), mib(1, 2)]).live_heap_growth();
        assert!(growth.abs() < 1e-9, "too few to say: {growth}");
    }

    #[test]
    fn only_kills_are_kills() {
        let death = |reason: &str| Death { t: 0.0, reason: reason.to_owned(), exit_code: 1 };
        let arm = arm(vec![death("Error"), death("OOMKilled"), death("Completed")], Vec::new());
        assert_eq!(arm.oom_kills(), 1);
        assert!((arm.gc_share() - 12.5).abs() < 1e-9);
    }

    #[test]
    fn a_life_agrees_when_all_four_do() {
        let instance = ContainerInstance {
            pod: String::new(),
            started_millis: 0,
            env: Some("241591910".to_owned()),
            annotation: Some("241591910".to_owned()),
            limit: 256 << 20,
            cgroup_limit: Some(256 << 20),
            runtime: 241_591_910,
        };
        assert!(instance.agrees());
        let wrong: [fn(&mut ContainerInstance); 5] = [
            |instance| instance.env = None,
            |instance| instance.annotation = Some("1".to_owned()),
            |instance| instance.cgroup_limit = None,
            |instance| instance.limit += 1,
            |instance| instance.runtime = u64::MAX >> 1,
        ];
        for change in wrong {
            let mut instance = instance.clone();
            change(&mut instance);
            assert!(!instance.agrees(), "{instance:?}");
        }
    }
}

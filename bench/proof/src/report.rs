//! The report of an experiment as Markdown, and its picture.

use anyhow::Result;
use gomemlimit_bench::page;
use gomemlimit_core::value::Recipe;
use gomemlimit_plot::{COLOURS, Level, Line, Panel, draw};
use serde::Serialize;

use crate::record::{Arm, ContainerInstance, Experiment, MIB};

/// An arm, and what its figures come to.
#[derive(Serialize)]
struct Column<'e> {
    #[serde(flatten)]
    arm: &'e Arm,
    oom_kills: usize,
    first_kill: Option<f64>,
    gc_share: f64,
    growth: f64,
}

/// The two arms of a service.
#[derive(Serialize)]
struct Pair<'e> {
    plain: Column<'e>,
    labelled: Column<'e>,
    limit_mib: u64,
}

#[derive(Serialize)]
struct Start<'e> {
    #[serde(flatten)]
    instance: &'e ContainerInstance,
    agrees: bool,
}

#[derive(Serialize)]
struct Page<'e> {
    #[serde(flatten)]
    experiment: &'e Experiment,
    table: String,
    steady: Pair<'e>,
    leak: Pair<'e>,
    /// Of the injected containers.
    instances: Vec<Start<'e>>,
    limit_mib: u64,
    /// What 90 % of the limit is.
    value: u64,
}

impl<'e> From<&'e Arm> for Column<'e> {
    fn from(arm: &'e Arm) -> Self {
        let (first_kill, gc_share) = (arm.first_kill(), arm.gc_share());
        Self { arm, oom_kills: arm.oom_kills(), first_kill, gc_share, growth: arm.live_heap_growth() }
    }
}

impl Experiment {
    fn pair(&self, leaking: bool) -> Result<Pair<'_>> {
        let (plain, labelled) = (self.arm(false, leaking)?.into(), self.arm(true, leaking)?.into());
        Ok(Pair { plain, labelled, limit_mib: self.settings.limit_bytes >> 20 })
    }
}

/// The table of the README: the steady service with and without the label.
pub fn table(experiment: &Experiment) -> Result<String> {
    page::render(include_str!("table.md.jinja"), &experiment.pair(false)?)
}

/// The whole report.
pub fn markdown(experiment: &Experiment) -> Result<String> {
    let limit = experiment.settings.limit_bytes;
    let injected = experiment.arms.iter().filter(|arm| arm.labelled).flat_map(|arm| &arm.instances);
    let page = Page {
        experiment,
        table: table(experiment)?,
        steady: experiment.pair(false)?,
        leak: experiment.pair(true)?,
        instances: injected.map(|instance| Start { instance, agrees: instance.agrees() }).collect(),
        limit_mib: limit >> 20,
        value: Recipe::default().bytes(limit).unwrap_or_default(),
    };
    page::render(include_str!("proof.md.jinja"), &page)
}

/// Memory over time, both services.
pub fn picture(experiment: &Experiment) -> Result<String> {
    let limit = experiment.settings.limit_bytes as f64 / MIB;
    let panel = |leaking: bool, title: &str| -> Result<Panel> {
        let (plain, labelled) = (experiment.arm(false, leaking)?, experiment.arm(true, leaking)?);
        let value = labelled.instances.first().map(|instance| instance.runtime as f64 / MIB);
        let mut levels = vec![Level::limit(format!("memory limit, {limit:.0} MiB"), limit)];
        levels.extend(value.map(|value| Level::grey(format!("GOMEMLIMIT, {value:.1} MiB"), value)));
        Ok(Panel {
            title: title.to_owned(),
            x_label: "seconds",
            y_label: "MiB",
            x_min: 0.0,
            x_max: experiment.settings.seconds as f64,
            y_max: limit * 1.1,
            lines: vec![
                line(plain, "without the label", COLOURS[0], limit),
                line(labelled, "with the label", COLOURS[1], limit),
            ],
            levels,
        })
    };
    let steady = format!("{} MiB of live data and much garbage", experiment.settings.live_mib);
    Ok(draw(&[panel(false, &steady)?, panel(true, "The same program with a leak")?]))
}

fn line(arm: &Arm, name: &str, colour: &'static str, limit: f64) -> Line {
    let kills: Vec<_> =
        arm.deaths.iter().filter(|death| death.reason == "OOMKilled").map(|death| (death.t, limit)).collect();
    let memory = arm.memory.iter().map(|sample| (sample.t, sample.bytes as f64 / MIB));
    Line {
        crosses_name: match kills.len() {
            1 => "OOMKilled, once".to_owned(),
            count => format!("OOMKilled, {count} times"),
        },
        crosses: kills,
        ..Line::new(name, colour, vec![memory.collect()])
    }
}

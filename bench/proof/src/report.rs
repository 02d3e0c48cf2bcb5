//! The report of an experiment as Markdown, and its picture.

use std::fmt::Write;

use anyhow::{Context, Result};
use gomemlimit_core::value::Recipe;
use gomemlimit_plot::{COLOURS, Level, Line, Panel, draw};

use crate::record::{Arm, Experiment, MIB};

/// The two arms of a service.
struct Pair<'e> {
    without: &'e Arm,
    with: &'e Arm,
}

impl Experiment {
    fn pair(&self, leaking: bool) -> Result<Pair<'_>> {
        let find = |labelled| {
            let mut arms = self.arms.iter();
            arms.find(|arm| arm.labelled == labelled && arm.leaking == leaking).context("an arm is missing")
        };
        Ok(Pair { without: find(false)?, with: find(true)? })
    }
}

/// The table of the README: what becomes of the steady service.
pub fn table(experiment: &Experiment) -> Result<String> {
    Ok(comparison(&experiment.pair(false)?, experiment))
}

fn comparison(pair: &Pair<'_>, experiment: &Experiment) -> String {
    let mut out = String::from("| | without the label | with the label |\n|---|---|---|\n");
    let mut row = |name: &str, value: &dyn Fn(&Arm) -> String| {
        let _ = writeln!(out, "| {name} | {} | {} |", value(pair.without), value(pair.with));
    };
    row("GOMEMLIMIT as the runtime reads it", &|arm| match arm.lives.first() {
        Some(life) if life.env.is_some() => format!("{} bytes", life.runtime),
        _ => "none".to_owned(),
    });
    row("OOMKilled", &|arm| arm.oom_kills().to_string());
    row("restarts", &|arm| arm.restarts.to_string());
    row(&format!("most memory, of {} MiB", experiment.settings.limit_bytes >> 20), &|arm| {
        format!("{:.0} MiB", arm.peak_bytes as f64 / MIB)
    });
    row("garbage collection, of the CPU used", &|arm| format!("{:.0} %", arm.gc_share()));
    row("requests served", &|arm| {
        format!("{} of {} ({:.1} %)", arm.load.ok, arm.load.planned, 100.0 * served(arm))
    });
    row("requests failed", &|arm| arm.load.failed.to_string());
    row("time of those served, p50", &|arm| format!("{:.1} ms", arm.load.p50_ms));
    row("time of those served, p99", &|arm| format!("{:.1} ms", arm.load.p99_ms));
    out
}

fn served(arm: &Arm) -> f64 {
    if arm.load.planned == 0 { 0.0 } else { arm.load.ok as f64 / arm.load.planned as f64 }
}

/// The whole report.
pub fn markdown(experiment: &Experiment) -> Result<String> {
    let Experiment { settings, machine, .. } = experiment;
    let (steady, leak) = (experiment.pair(false)?, experiment.pair(true)?);
    let mut out = String::new();
    let value = Recipe::default().bytes(settings.limit_bytes).unwrap_or_default();
    write!(
        out,
        "# The proof: OOMKilled before, stable after\n\n\
         The same Go service ([examples/oom-demo](../examples/oom-demo)) runs twice at the same time in a real cluster: \
         in a namespace without the label `gomemlimit.dev/inject: enabled`, and in one with it. Manifests, image, \
         memory limit and load are the same; the webhook's injection is the only difference. This page is generated \
         from [proof/experiment.json](proof/experiment.json) by the run itself:\n\n\
         ```console\n# {}\n```\n\n\
         ## A service with much live data and much garbage\n\n\
         {} MiB of live data, {} KiB of garbage for each of {} requests a second, a limit of {} MiB, {} seconds:\n\n",
        experiment.command,
        settings.live_mib,
        settings.garbage_kib,
        settings.rate,
        settings.limit_bytes >> 20,
        settings.seconds
    )?;
    out += &comparison(&steady, experiment);
    write!(
        out,
        "\n![Memory over time: without the label it rises to the limit and is killed again and again, with it it stays \
         below](proof/memory.svg)\n\n\
         Without GOMEMLIMIT the next collection begins when the heap has doubled, and twice {} MiB do not fit into {} MiB: \
         the kernel kills the process although what it holds beyond its live data is garbage. With {value} bytes \
         (90 % of the limit) the runtime collects before that. What it costs stands in the row of the garbage collection.\n",
        settings.live_mib,
        settings.limit_bytes >> 20
    )?;
    let mut causes: Vec<String> =
        steady.without.load.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    causes.sort();
    if !causes.is_empty() {
        writeln!(
            out,
            "\nThe failed requests without the label, by cause as the load saw it: {}.",
            causes.join(", ")
        )?;
    }
    out += "\n## A service that leaks\n\n";
    write!(
        out,
        "The same program with {} MiB of live data, and {} KiB that each of {} requests a second leaves behind for ever:\n\n",
        settings.leaking_live_mib,
        settings.leak_bytes >> 10,
        settings.leaking_rate
    )?;
    out += &leak_table(&leak);
    writeln!(
        out,
        "\n**This is a leak.** The live heap after each collection grew by {:.0} MiB a minute with the label and by {:.0} \
         without it, while that of the steady service above stayed where it was ({:+.1}). No limit for the runtime can help \
         against memory that is never let go of: it put the first kill off from {} to {}, and the collector worked ever \
         harder until then. Find the leak with a heap profile.",
        leak.with.live_heap_growth(),
        leak.without.live_heap_growth(),
        steady.with.live_heap_growth(),
        first_kill(leak.without),
        first_kill(leak.with)
    )?;
    out += "\n## Value, limit and runtime agree\n\n\
            For each start of an injected container that was seen in the run: what stands in the pod's env, what our \
            annotation says, what the runtime itself reads (`/gc/gomemlimit:bytes`), `resources.limits.memory`, and the limit \
            of the cgroup as the container sees it.\n\n\
            | pod | env | annotation | runtime | limit | cgroup | |\n|---|---|---|---|---|---|---|\n";
    for life in experiment.arms.iter().filter(|arm| arm.labelled).flat_map(|arm| &arm.lives) {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            life.pod,
            or_none(&life.env),
            or_none(&life.annotation),
            life.runtime,
            life.limit,
            or_none(&life.cgroup_limit.map(|limit| limit.to_string())),
            if life.agrees() { "agree" } else { "**differ**" }
        )?;
    }
    out += &conditions(experiment, machine);
    Ok(out)
}

fn leak_table(leak: &Pair<'_>) -> String {
    let mut out = String::from("| | without the label | with the label |\n|---|---|---|\n");
    let mut row = |name: &str, value: &dyn Fn(&Arm) -> String| {
        let _ = writeln!(out, "| {name} | {} | {} |", value(leak.without), value(leak.with));
    };
    row("first OOMKilled after", &first_kill);
    row("OOMKilled", &|arm| arm.oom_kills().to_string());
    row("growth of the live heap in the first life", &|arm| {
        format!("{:.0} MiB a minute", arm.live_heap_growth())
    });
    row("garbage collection, of the CPU used", &|arm| format!("{:.0} %", arm.gc_share()));
    row("requests served", &|arm| format!("{} of {}", arm.load.ok, arm.load.planned));
    out
}

fn first_kill(arm: &Arm) -> String {
    let first = arm.deaths.iter().find(|death| death.reason == "OOMKilled");
    first.map_or_else(|| "never".to_owned(), |death| format!("{:.0} s", death.t))
}

fn conditions(experiment: &Experiment, machine: &crate::record::Machine) -> String {
    let back_off = machine.longest_back_off.as_ref().map_or_else(
        || "The kubelet's crash back-off was the usual one, up to five minutes between two starts.".to_owned(),
        |longest| {
            format!(
                "**The kubelet's crash back-off is shortened to {longest}** so that minutes show what takes hours: with the \
                 usual one, of up to five minutes, a crashing service is killed less often and is away for longer."
            )
        },
    );
    format!(
        "\n## What this shows, and what not\n\n\
         - It is one program with one load. Between which shares of live data GOMEMLIMIT rescues a program, and what it \
         costs, is measured in [the sweep](sweep.md); above about 70 % the limit must be raised.\n\
         - {back_off}\n\
         - Times are of served requests only, counted from the moment a request was due, so those that nobody could answer \
         are missing from them: read them together with the failures. The load is open (it does not slow down with the \
         service) and bounded (256 requests in flight, two seconds each), and runs in pods of its own.\n\
         - The garbage collector's share is the runtime's own estimate ({}), its work in idle time included.\n\
         - All four arms share the machine's CPUs with the cluster itself, so times and shares are higher than alone.\n\n\
         ## Where\n\n\
         {}: Kubernetes {}, {}, Linux {}, {} CPUs, {} of memory; {}; webhook {}. Memory: {}.\n\n\
         With a cluster of your own: set `KUBECONFIG`, push the images and see `bench/proof/run --help`. A short form of 75 \
         seconds (`bench/proof/run --short`) is part of the project's CI.\n",
        "`/cpu/classes/gc/total` of `/cpu/classes/total` less `/cpu/classes/idle`",
        experiment.date,
        machine.kubernetes,
        machine.runtime,
        machine.kernel,
        machine.cpus,
        machine.memory,
        machine.go,
        machine.webhook,
        machine.memory_source
    )
}

/// Memory over time, both services.
pub fn picture(experiment: &Experiment) -> Result<String> {
    let limit = experiment.settings.limit_bytes as f64 / MIB;
    let panel = |leaking: bool, title: &str| -> Result<Panel> {
        let pair = experiment.pair(leaking)?;
        let value = pair.with.lives.first().map(|life| life.runtime as f64 / MIB);
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
                line(pair.without, "without the label", COLOURS[0], limit),
                line(pair.with, "with the label", COLOURS[1], limit),
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

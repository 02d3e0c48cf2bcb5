//! The sweep: the demo in bare memory cgroups, over the size of its live data, the ratio and Go versions.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use gomemlimit_bench::http;
use gomemlimit_core::value::Recipe;
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};

use crate::{
    cgroup::Cgroup,
    exposition::{CpuSum, Scrape},
    record::Load,
};

/// The memory limit of each cell in bytes.
pub const LIMIT: u64 = 256 << 20;
/// Live data in percent of the limit.
pub const LIVE: [u64; 9] = [30, 40, 50, 60, 65, 70, 75, 80, 90];
/// GOMEMLIMIT in percent of the limit; 0 is none.
pub const RATIOS: [u64; 7] = [0, 70, 80, 85, 90, 95, 100];
/// Requests a second, and the garbage of each in KiB.
pub const RATE: u64 = 300;
/// What a request allocates and drops, in KiB.
pub const GARBAGE_KIB: u64 = 256;

/// What is swept.
#[derive(Args, Debug)]
pub struct SweepArgs {
    /// The demo, built by some Go: a static program
    #[arg(long, value_name = "FILE")]
    demo: PathBuf,
    /// Seconds of load for each cell
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Live data, in percent of the limit
    #[arg(long, value_delimiter = ',', default_values_t = LIVE)]
    live: Vec<u64>,
    /// GOMEMLIMIT, in percent of the limit; 0 is none
    #[arg(long, value_delimiter = ',', default_values_t = RATIOS)]
    ratio: Vec<u64>,
    /// A CSV file that rows are added to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// One cell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cell {
    pub go: String,
    pub seconds: u64,
    /// Live data in percent of the limit.
    #[serde(rename = "live_percent")]
    pub live: u64,
    /// GOMEMLIMIT in percent of the limit; 0 is none.
    #[serde(rename = "ratio_percent")]
    pub ratio: u64,
    /// How often the kernel killed it while it was under load.
    pub oom_kills: u64,
    pub planned: u64,
    pub ok: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Most memory in MiB, page cache included.
    pub peak_mib: u64,
    /// Garbage collection in percent of the CPU used.
    pub gc_percent: f64,
}

impl Cell {
    /// Parts of a hundred of the requests that were served.
    pub fn served_percent(&self) -> f64 {
        if self.planned == 0 { 0.0 } else { 100.0 * self.ok as f64 / self.planned as f64 }
    }

    /// Adds itself to a CSV file, which begins with the names of the columns.
    fn add_to(&self, path: &Path) -> Result<()> {
        let context = || format!("cannot write {}", path.display());
        let file = File::options().create(true).append(true).open(path).with_context(context)?;
        let is_new = file.metadata()?.len() == 0;
        let mut rows = csv::WriterBuilder::new().has_headers(is_new).from_writer(file);
        rows.serialize(self)?;
        rows.flush().with_context(context)
    }
}

/// Runs every cell that was asked for.
pub async fn run(args: SweepArgs) -> Result<()> {
    ensure!(
        args.live.iter().all(|live| (1..=99).contains(live)),
        "live data is 1 to 99 percent of the limit"
    );
    ensure!(args.ratio.iter().all(|ratio| *ratio <= 100), "a ratio is 0 to 100 percent of the limit");
    let (cells, started) = (args.live.len() * args.ratio.len(), Instant::now());
    let mut done = 0;
    for live in &args.live {
        for ratio in &args.ratio {
            let cell = tokio::select! {
                cell = measure(&args, *live, *ratio) => cell?,
                _ = tokio::signal::ctrl_c() => bail!("interrupted; the rows so far are in {}", args.out.display()),
            };
            done += 1;
            eprintln!(
                "[{done} of {cells}, {:.0} s] live {live} %, ratio {ratio} %: {} kills, {:.1} % served, p99 {} ms, gc {:.0} %",
                started.elapsed().as_secs_f64(),
                cell.oom_kills,
                cell.served_percent(),
                cell.p99_ms,
                cell.gc_percent
            );
            cell.add_to(&args.out)?;
        }
    }
    Ok(())
}

/// The demo in a cgroup of its own, started again as soon as it has died.
struct Supervised<'a> {
    args: &'a SweepArgs,
    cgroup: &'a Cgroup,
    live: u64,
    gomemlimit: Option<u64>,
    child: Child,
}

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 18080);

impl<'a> Supervised<'a> {
    fn start(args: &'a SweepArgs, cgroup: &'a Cgroup, live: u64, gomemlimit: Option<u64>) -> Result<Self> {
        let child = Self::spawn(args, cgroup, live, gomemlimit)?;
        Ok(Self { args, cgroup, live, gomemlimit, child })
    }

    fn spawn(args: &SweepArgs, cgroup: &Cgroup, live: u64, gomemlimit: Option<u64>) -> Result<Child> {
        // The shell moves itself into the cgroup and becomes the demo.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]);
        command.arg(cgroup.processes()).arg(&args.demo);
        command.args(["serve", "-pprof=", &format!("-listen={ADDRESS}"), &format!("-live={live}")]);
        command.arg(format!("-garbage={GARBAGE_KIB}KiB"));
        command.env_remove("GOMEMLIMIT").env_remove("GOGC");
        if let Some(bytes) = gomemlimit {
            command.env("GOMEMLIMIT", bytes.to_string());
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().context("cannot start the demo")
    }

    /// Starts it again if it has ended.
    fn revive(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            self.child = Self::spawn(self.args, self.cgroup, self.live, self.gomemlimit)?;
        }
        Ok(())
    }
}

async fn measure(args: &SweepArgs, live: u64, ratio: u64) -> Result<Cell> {
    let cgroup = Cgroup::create(&format!("gomemlimit-sweep-{}", std::process::id()), LIMIT)?;
    let gomemlimit = match ratio {
        0 => None,
        100 => Some(LIMIT),
        ratio => Recipe { ratio: format!("{ratio}%").parse()?, ..Recipe::default() }.bytes(LIMIT),
    };
    let result = measure_in(args, &cgroup, live, ratio, gomemlimit).await;
    // The processes of a dropped child end at once, but not at this very moment.
    for _ in 0..100 {
        if cgroup.remove().is_ok() {
            return result;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cgroup.remove().context("cannot remove the cgroup")?;
    result
}

async fn measure_in(
    args: &SweepArgs,
    cgroup: &Cgroup,
    live: u64,
    ratio: u64,
    gomemlimit: Option<u64>,
) -> Result<Cell> {
    let mut demo = Supervised::start(args, cgroup, LIMIT * live / 100, gomemlimit)?;
    let started = Instant::now();
    // One that dies while it loads its data never gets ready; its load begins all the same.
    while get("/healthz").await.is_none() && started.elapsed() < Duration::from_secs(10) {
        demo.revive()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kills_before = cgroup.oom_kills().context("cannot read the cgroup")?;
    let mut load = Command::new(&args.demo);
    load.args(["load", &format!("-url=http://{ADDRESS}/work"), &format!("-rate={RATE}")]);
    load.arg(format!("-for={}s", args.seconds)).stdout(Stdio::piped()).kill_on_drop(true);
    let mut load = load.spawn().context("cannot start the load")?;
    let mut stdout = load.stdout.take().context("the load's output")?;
    let (mut cpu, mut go) = (CpuSum::default(), String::new());
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut tick = 0_u32;
    while load.try_wait()?.is_none() {
        ticks.tick().await;
        demo.revive()?;
        tick += 1;
        if tick.is_multiple_of(25)
            && let Some(text) = get("/metrics").await
        {
            cpu.extend(&text);
            if let Some((_, rest)) = text.split_once("go_info{version=\"") {
                rest.split('"').next().unwrap_or_default().clone_into(&mut go);
            }
        }
    }
    let mut said = String::new();
    stdout.read_to_string(&mut said).await?;
    let load: Load = serde_json::from_str(&said).with_context(|| format!("the load said: {said}"))?;
    let kills = cgroup.oom_kills().context("cannot read the cgroup")? - kills_before;
    let peak = cgroup.peak().context("cannot read the cgroup")?;
    demo.child.kill().await?;
    Ok(Cell {
        go: if go.is_empty() { version(&args.demo).await? } else { go },
        seconds: args.seconds,
        live,
        ratio,
        oom_kills: kills,
        planned: load.planned,
        ok: load.ok,
        p50_ms: rounded(load.p50_ms),
        p99_ms: rounded(load.p99_ms),
        peak_mib: peak >> 20,
        gc_percent: if cpu.all > 0.0 { rounded(100.0 * cpu.gc / cpu.all) } else { 0.0 },
    })
}

/// The Go version of a program that never answered.
async fn version(demo: &std::path::Path) -> Result<String> {
    let said = Command::new("go").arg("version").arg(demo).output().await.context("cannot run go version")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().last().map(str::to_owned).context("go version says nothing")
}

impl CpuSum {
    fn extend(&mut self, text: &str) {
        if let Some(scrape) = Scrape::read(text) {
            self.add(scrape);
        }
    }
}

/// What the demo answers with status 200 within a second.
async fn get(path: &str) -> Option<String> {
    timeout(Duration::from_secs(1), http::get(ADDRESS, path)).await.ok()?.ok()
}

/// To a tenth.
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep_report::Sweep;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let cell = Cell {
            go: "go1.27.3".to_owned(),
            seconds: 10,
            live: 60,
            ratio: 90,
            oom_kills: 2,
            planned: 3000,
            ok: 2500,
            p50_ms: 6.5,
            p99_ms: 20.0,
            peak_mib: 222,
            gc_percent: 12.5,
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sweep.csv");
        for _ in 0..2 {
            cell.add_to(&file).unwrap();
        }
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(Sweep::read(&text).unwrap().0, [cell.clone(), cell]);
        let error = Sweep::read(&(text + "go1.27.3,10\n")).err().unwrap();
        assert!(format!("{error:#}").contains("2 fields"), "{error:#}");
    }
}

//! The page and the pictures of the sweep.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use gomemlimit_bench::page;
use gomemlimit_plot::{COLOURS, Line, Panel, draw};
use serde::Serialize;

use crate::sweep::{Cell, GARBAGE_KIB, LIMIT, RATE};

/// The rows of the CSV file.
pub struct Sweep(pub Vec<Cell>);

impl Sweep {
    /// Reads the file.
    pub fn read(text: &str) -> Result<Self> {
        let cells = csv::Reader::from_reader(text.as_bytes()).into_deserialize().collect::<Result<_, _>>();
        Ok(Self(cells.context("not the rows of a sweep")?))
    }

    /// Go versions, the one with most cells first.
    fn versions(&self) -> Vec<&str> {
        let mut all: Vec<_> =
            self.0.iter().map(|cell| &*cell.go).collect::<BTreeSet<_>>().into_iter().collect();
        all.sort_by_key(|go| std::cmp::Reverse(self.0.iter().filter(|cell| cell.go == *go).count()));
        all
    }

    fn values(&self, go: &str, of: impl Fn(&Cell) -> u64) -> BTreeSet<u64> {
        self.0.iter().filter(|cell| cell.go == go).map(of).collect()
    }

    fn cell(&self, go: &str, live: u64, ratio: u64) -> Option<&Cell> {
        self.0.iter().find(|cell| cell.go == go && cell.live == live && cell.ratio == ratio)
    }

    /// The largest live data, in percent of the limit, up to which this ratio had no kill at all.
    fn safe_up_to(&self, go: &str, ratio: u64) -> Option<u64> {
        let live_sizes = self.values(go, |cell| cell.live);
        let safe = live_sizes
            .into_iter()
            .take_while(|live| self.cell(go, *live, ratio).is_some_and(|cell| cell.oom_kills == 0));
        safe.last()
    }
}

/// One Go version.
#[derive(Serialize)]
struct Version<'s> {
    go: &'s str,
    cells: Vec<&'s Cell>,
    live_sizes: BTreeSet<u64>,
    ratios: BTreeSet<u64>,
}

/// What the figures say: nothing on the page is written down that was not calculated.
#[derive(Serialize)]
struct Page<'s> {
    limit_mib: u64,
    rate: u64,
    garbage_kib: u64,
    newest: &'s Version<'s>,
    versions: &'s [Version<'s>],
    /// Live data without any kill, up to this percentage of the limit: without GOMEMLIMIT, and with 0.90.
    safe_without: Option<u64>,
    safe: Option<u64>,
    /// Live data from which on there are kills with 0.90, and from which on requests are lost.
    shaky: Option<u64>,
    hopeless: Option<u64>,
}

/// The page.
pub fn markdown(sweep: &Sweep) -> Result<String> {
    let version = |go| Version {
        go,
        cells: sweep.0.iter().filter(|cell| cell.go == go).collect(),
        live_sizes: sweep.values(go, |cell| cell.live),
        ratios: sweep.values(go, |cell| cell.ratio),
    };
    let versions: Vec<_> = sweep.versions().into_iter().map(version).collect();
    let newest = versions.first().context("an empty sweep")?;
    let holds = |live: &u64, what: fn(&Cell) -> bool| sweep.cell(newest.go, *live, 90).is_some_and(what);
    let loses = |live: &&u64| holds(live, |cell| cell.served_percent() < 95.0);
    let page = Page {
        limit_mib: LIMIT >> 20,
        rate: RATE,
        garbage_kib: GARBAGE_KIB,
        newest,
        versions: &versions,
        safe_without: sweep.safe_up_to(newest.go, 0),
        safe: sweep.safe_up_to(newest.go, 90),
        shaky: newest.live_sizes.iter().copied().find(|live| holds(live, |cell| cell.oom_kills > 0)),
        hopeless: newest.live_sizes.iter().rev().take_while(loses).last().copied(),
    };
    page::render(include_str!("sweep.md.jinja"), &page)
}

/// Requests served, and garbage collection, over the live data.
pub fn pictures(sweep: &Sweep) -> Result<[String; 2]> {
    let go = *sweep.versions().first().context("an empty sweep")?;
    let panel = |title: String, y_label: &'static str, y_max: f64, of: fn(&Cell) -> f64| {
        let live_sizes = sweep.values(go, |cell| cell.live);
        let edges = (live_sizes.first().copied().unwrap_or(0), live_sizes.last().copied().unwrap_or(1));
        let points = |ratio: u64| {
            let cells = live_sizes.iter();
            cells.filter_map(|live| Some((*live as f64, of(sweep.cell(go, *live, ratio)?)))).collect()
        };
        let line = |(ratio, colour): (u64, &&'static str)| Line {
            has_circles: true,
            ..Line::new(
                match ratio {
                    0 => "no GOMEMLIMIT".to_owned(),
                    ratio => format!("ratio {:.2}", ratio as f64 / 100.0),
                },
                colour,
                vec![points(ratio)],
            )
        };
        let ratios = sweep.values(go, |cell| cell.ratio);
        Panel {
            title,
            x_label: "live data, % of the memory limit",
            y_label,
            x_min: edges.0 as f64,
            x_max: edges.1 as f64,
            y_max,
            lines: ratios.into_iter().zip(COLOURS.iter().cycle()).map(line).collect(),
            levels: Vec::new(),
        }
    };
    let served = panel(format!("Requests served ({go})"), "%", 105.0, Cell::served_percent);
    let gc = panel(format!("Garbage collection, of the CPU used ({go})"), "%", 105.0, |cell| cell.gc_percent);
    Ok([draw(&[served]), draw(&[gc])])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "go,seconds,live_percent,ratio_percent,oom_kills,planned,ok,p50_ms,p99_ms,peak_mib,gc_percent\n\
        go1.27.3,10,30,0,0,3000,3000,6.0,9.0,170,4.0\ngo1.27.3,10,30,90,0,3000,3000,6.0,9.0,170,4.0\n\
        go1.27.3,10,60,0,9,3000,1000,6.0,9.0,256,4.0\ngo1.27.3,10,60,90,0,3000,3000,6.0,9.0,222,15.0\n\
        go1.27.3,10,90,0,9,3000,10,6.0,9.0,256,4.0\ngo1.27.3,10,90,90,9,3000,20,6.0,9.0,256,80.0\n\
        go1.22.10,10,60,90,0,3000,3000,6.0,9.0,222,16.0\n";

    #[test]
    fn findings_are_calculated() {
        let sweep = Sweep::read(CSV).unwrap();
        assert_eq!(sweep.versions(), ["go1.27.3", "go1.22.10"]);
        assert_eq!((sweep.safe_up_to("go1.27.3", 0), sweep.safe_up_to("go1.27.3", 90)), (Some(30), Some(60)));
        let page = markdown(&sweep).unwrap();
        for text in [
            "more than about 30 % of the limit",
            "up to 60 %",
            "from 90 % on, where the first kill",
            "from 90 % on, where requests",
            "| 60 | 9 | 0 |",
            "## go1.22.10",
        ] {
            assert!(page.contains(text), "{text:?} is not in\n{page}");
        }
        assert!(pictures(&sweep).unwrap().iter().all(|picture| picture.contains("ratio 0.90")));
    }
}

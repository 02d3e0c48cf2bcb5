//! The page and the pictures of the sweep.

use std::{collections::BTreeSet, fmt::Write};

use anyhow::{Context, Result};
use gomemlimit_plot::{COLOURS, Line, Panel, draw};

use crate::sweep::{Cell, GARBAGE_KIB, LIMIT, RATE};

/// The rows of the CSV file.
pub struct Sweep(Vec<Cell>);

impl Sweep {
    /// Reads the file.
    pub fn read(text: &str) -> Result<Self> {
        let rows = text.strip_prefix(Cell::HEADER).context("not the columns of a sweep")?;
        let cells = rows.lines().filter(|row| !row.is_empty()).map(Cell::read);
        Ok(Self(cells.collect::<Result<_>>()?))
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
        let lives = self.values(go, |cell| cell.live);
        let safe = lives
            .into_iter()
            .take_while(|live| self.cell(go, *live, ratio).is_some_and(|cell| cell.oom_kills == 0));
        safe.last()
    }
}

/// How a ratio is called.
fn name(ratio: u64) -> String {
    if ratio == 0 { "none".to_owned() } else { format!("{:.2}", ratio as f64 / 100.0) }
}

/// The page.
pub fn markdown(sweep: &Sweep) -> Result<String> {
    let versions = sweep.versions();
    let newest = *versions.first().context("an empty sweep")?;
    let seconds = sweep.0.first().map_or(0, |cell| cell.seconds);
    let mut out = format!(
        "# When it helps, when it cannot, and why 0.90\n\n\
         The demo of [the proof](proof.md) in a bare memory cgroup of {} MiB, restarted as soon as it is killed: {RATE} requests a \
         second with {GARBAGE_KIB} KiB of garbage each, {seconds} seconds for each cell, over the size of its live data and over \
         `GOMEMLIMIT` as a share of the limit. The raw figures are in [proof/sweep.csv](proof/sweep.csv); this page is generated \
         from them:\n\n```console\n# bench/proof/sweep\n```\n\n\
         Each cell is one short run on two cores, which the load and whatever else the machine did share: read trends, not digits. \
         Single kills in the rows of 70 and 75 % come and go from run to run. Live data is what was asked for; with what the runtime needs itself a program holds a few MiB more.\n",
        LIMIT >> 20
    );
    out += &findings(sweep, newest);
    for go in &versions {
        writeln!(out, "\n## {go}\n")?;
        out += &tables(sweep, go);
        if sweep.values(go, |cell| cell.ratio).len() > 2 {
            writeln!(
                out,
                "![Requests served over the size of the live data, a line for each ratio](proof/sweep-served.svg)\n\n\
                 ![Garbage collection over the size of the live data, a line for each ratio](proof/sweep-gc.svg)"
            )?;
        }
    }
    Ok(out)
}

/// What the figures say, in words: nothing here is written down that was not calculated.
fn findings(sweep: &Sweep, go: &str) -> String {
    let up_to =
        |ratio| sweep.safe_up_to(go, ratio).map_or_else(|| "no size".to_owned(), |live| format!("{live} %"));
    let gc = |live, ratio| {
        sweep.cell(go, live, ratio).map_or_else(|| "?".to_owned(), |cell| format!("{:.0} %", cell.gc_percent))
    };
    let or_none = |live: Option<u64>| {
        live.map_or_else(|| "no size that was tried".to_owned(), |live| format!("{live} %"))
    };
    let lives = sweep.values(go, |cell| cell.live);
    let holds = |live: &u64, what: fn(&Cell) -> bool| sweep.cell(go, *live, 90).is_some_and(what);
    let shaky = or_none(lives.iter().copied().find(|live| holds(live, |cell| cell.oom_kills > 0)));
    let hopeless =
        lives.iter().rev().take_while(|live| holds(live, |cell| cell.served_percent() < 95.0)).last();
    let hopeless = or_none(hopeless.copied());
    format!(
        "\n## What it says ({go})\n\n\
         - **It helps** where the live data is more than about {} of the limit, which is what survives without it, and up to {} \
         with 0.90: kills become none.\n\
         - **It is not to be relied on** from {shaky} on, where the first kill with 0.90 was seen, and **it cannot help** from \
         {hopeless} on, where requests are lost with 0.90 as well: what lives does not leave room for what is allocated between two \
         collections. Raise the limit; live data of 60 % of it is a good place to be.\n\
         - **What it costs** is CPU, and only when the heap comes near: of the CPU used the collector takes {} with 0.90 and {} \
         without at 30 % of live data, and with 0.90 {} at 60 % and {} at 70 %.\n\
         - **Why 0.90**: a lower ratio collects more for the same data (at 60 %: {} with 0.70, {} with 0.80, {} with 0.85, {} with \
         0.90, {} with 0.95, {} with 1.00), and a higher one leaves less for what the runtime does not count: memory of C \
         libraries, mapped files, page cache, other processes of the container. This demo has none of these, so that even 1.00 \
         may survive here; a ratio for every program must not count on that.\n",
        up_to(0),
        up_to(90),
        gc(30, 90),
        gc(30, 0),
        gc(60, 90),
        gc(70, 90),
        gc(60, 70),
        gc(60, 80),
        gc(60, 85),
        gc(60, 90),
        gc(60, 95),
        gc(60, 100)
    )
}

/// A table's title and what its cells show.
type Kind = (&'static str, fn(&Cell) -> String);

fn tables(sweep: &Sweep, go: &str) -> String {
    let kinds: [Kind; 4] = [
        ("OOM kills", |cell| cell.oom_kills.to_string()),
        ("Requests served, %", |cell| format!("{:.1}", cell.served_percent())),
        ("Garbage collection, % of the CPU used", |cell| format!("{:.0}", cell.gc_percent)),
        ("p99 of those served, ms", |cell| {
            if cell.ok == 0 { "–".to_owned() } else { format!("{:.0}", cell.p99_ms) }
        }),
    ];
    let (lives, ratios) = (sweep.values(go, |cell| cell.live), sweep.values(go, |cell| cell.ratio));
    let row = |head: &str, cells: Vec<String>| format!("| {head} | {} |\n", cells.join(" | "));
    let mut out = String::new();
    for (title, show) in kinds {
        let _ = writeln!(out, "{title}, by live data (rows, % of the limit) and ratio:\n");
        out += &row("live", ratios.iter().map(|ratio| name(*ratio)).collect());
        let _ = writeln!(out, "|{}", "---|".repeat(ratios.len() + 1));
        for live in &lives {
            let cells =
                ratios.iter().map(|ratio| sweep.cell(go, *live, *ratio).map(show).unwrap_or_default());
            out += &row(&live.to_string(), cells.collect());
        }
        out.push('\n');
    }
    out
}

/// Requests served, and garbage collection, over the live data.
pub fn pictures(sweep: &Sweep) -> Result<[String; 2]> {
    let go = *sweep.versions().first().context("an empty sweep")?;
    let panel = |title: String, y_label: &'static str, y_max: f64, of: fn(&Cell) -> f64| {
        let lives = sweep.values(go, |cell| cell.live);
        let edges = (lives.first().copied().unwrap_or(0), lives.last().copied().unwrap_or(1));
        let points = |ratio: u64| {
            let cells = lives.iter();
            cells.filter_map(|live| Some((*live as f64, of(sweep.cell(go, *live, ratio)?)))).collect()
        };
        let line = |(ratio, colour): (u64, &&'static str)| Line {
            has_circles: true,
            ..Line::new(
                if ratio == 0 { "no GOMEMLIMIT".to_owned() } else { format!("ratio {}", name(ratio)) },
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

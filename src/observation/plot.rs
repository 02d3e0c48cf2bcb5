//! A picture of memory over time against the limit, as SVG: a panel for each container, before and after in it.

use std::fmt::Write as _;

use gomemlimit_pprof::bytes_text;

use super::{
    record::{ContainerRecord, EndKind, Observation, Sample},
    table::gomemlimit_text,
};

/// Colours that people with any colour vision can tell apart (Okabe and Ito): after, and before.
const AFTER: &str = "#0072b2";
const BEFORE: &str = "#d55e00";
const LIMIT: &str = "#c81e1e";

/// Pixels.
const WIDTH: f64 = 980.0;
const PANEL: f64 = 360.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 54.0;
/// About how many lines of the grid there are.
const GRID: f64 = 5.0;

/// One observation, or two.
#[must_use]
pub fn svg(before: Option<&Observation>, after: &Observation) -> String {
    let mut names: Vec<&str> = Vec::new();
    for record in before.iter().flat_map(|before| &before.containers).chain(&after.containers) {
        if !names.contains(&record.container.as_str()) {
            names.push(&record.container);
        }
    }
    let mut body = String::new();
    for (place, name) in (0_u32..).zip(&names) {
        let _ = write!(body, "<g transform=\"translate(0,{})\">", PANEL * f64::from(place));
        let panel = Panel::new(before, after, name);
        let title = if names.len() > 1 {
            format!("Memory of {}, container {name}", after.target)
        } else {
            format!("Memory of {}", after.target)
        };
        panel.draw(&mut body, &title);
        body += "</g>\n";
    }
    let height = PANEL * f64::from(u32::try_from(names.len().max(1)).unwrap_or(1));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// The containers of one name in one observation.
struct Series<'a> {
    name: &'static str,
    colour: &'static str,
    records: Vec<&'a ContainerRecord>,
}

struct Panel<'a> {
    series: Vec<Series<'a>>,
    /// Distinct limits, bytes.
    limits: Vec<u64>,
    seconds: f64,
    bytes: f64,
}

impl<'a> Panel<'a> {
    fn new(before: Option<&'a Observation>, after: &'a Observation, container: &str) -> Self {
        let of = |observation: &'a Observation| {
            observation.containers.iter().filter(|one| one.container == container).collect::<Vec<_>>()
        };
        let name = if before.is_some() { "after" } else { "memory" };
        let mut series = vec![Series { name, colour: AFTER, records: of(after) }];
        if let Some(before) = before {
            series.insert(0, Series { name: "before", colour: BEFORE, records: of(before) });
        }
        let records = || series.iter().flat_map(|series| &series.records);
        let mut limits: Vec<_> = records().filter_map(|record| record.limit).collect();
        limits.sort_unstable();
        limits.dedup();
        let memory = records().flat_map(|record| &record.samples).filter_map(Sample::memory);
        let bytes = memory.chain(limits.iter().copied()).max().unwrap_or(1);
        let seconds = records().map(|record| record.to).fold(1.0, f64::max);
        Self { limits, seconds, bytes: real(bytes) * 1.06, series }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, bytes: f64) -> f64 {
        PANEL - BOTTOM - bytes / self.bytes * (PANEL - TOP - BOTTOM)
    }

    fn draw(&self, out: &mut String, title: &str) {
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"24\" font-size=\"17\">{}</text>", escaped(title));
        self.draw_axes(out);
        for limit in &self.limits {
            let y = self.y(real(*limit));
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{LIMIT}\" stroke-width=\"2\" \
                 stroke-dasharray=\"7 4\"/>",
                self.x(self.seconds)
            );
        }
        for series in &self.series {
            for record in &series.records {
                self.draw_record(out, record, series.colour);
            }
        }
        self.draw_legend(out);
    }

    fn draw_axes(&self, out: &mut String) {
        let (unit, word) = if self.seconds > 600.0 { (60.0, "minutes") } else { (1.0, "seconds") };
        let (bottom, right) = (self.y(0.0), self.x(self.seconds));
        let mib = self.bytes / f64::from(1 << 20);
        for tick in ticks(mib) {
            let y = self.y(tick * f64::from(1 << 20));
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for tick in ticks(self.seconds / unit) {
            let x = self.x(tick * unit);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
                bottom + 18.0
            );
        }
        let (middle, low) = (f64::midpoint(LEFT, right), bottom + 40.0);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {TOP}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"#555\"/>\
             <text x=\"{middle:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">{word}</text>\
             <text transform=\"translate(20,{:.1}) rotate(-90)\" text-anchor=\"middle\">Mi</text>",
            f64::midpoint(TOP, bottom)
        );
    }

    /// A line for each life, with a cross at its end; of an OOM kill at the limit, where it happens.
    fn draw_record(&self, out: &mut String, record: &ContainerRecord, colour: &str) {
        let points: Vec<_> = record
            .samples
            .iter()
            .filter_map(|sample| Some((sample.at, real(record.at_most_the_limit(sample.memory()?)))))
            .collect();
        let mut from = f64::NEG_INFINITY;
        for end in &record.ends {
            // A look that sees an end sees the figures of the next life, or none.
            let mut life: Vec<_> = within(&points, from, end.at).collect();
            // What fell right before the end was noticed is what the kernel had left already.
            while let [.., (_, before), (_, last)] = life[..]
                && last < before / 2.0
            {
                life.pop();
            }
            let at_limit = record.limit.filter(|_| end.kind == EndKind::OomKilled).map(real);
            let bytes = at_limit.or(life.last().map(|(_, bytes)| *bytes)).unwrap_or(0.0);
            life.push((end.at, bytes));
            self.draw_line(out, &life, colour);
            cross(out, self.x(end.at), self.y(bytes), colour);
            from = end.at;
        }
        let last: Vec<_> = within(&points, from, f64::INFINITY).collect();
        self.draw_line(out, &last, colour);
    }

    fn draw_line(&self, out: &mut String, points: &[(f64, f64)], colour: &str) {
        let places: Vec<_> =
            points.iter().map(|(at, bytes)| format!("{:.1},{:.1}", self.x(*at), self.y(*bytes))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\" stroke-opacity=\"0.85\"/>",
            places.join(" ")
        );
    }

    fn draw_legend(&self, out: &mut String) {
        let x = WIDTH - RIGHT + 22.0;
        let mut y = TOP + 10.0;
        let text = |out: &mut String, y: f64, text: &str| {
            let _ =
                writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 36.0, y + 4.0, escaped(text));
        };
        for Series { name, colour, records } in &self.series {
            let _ = writeln!(
                out,
                "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"3\"/>",
                x + 26.0
            );
            let gomemlimits: std::collections::BTreeSet<_> =
                records.iter().filter_map(|record| record.gomemlimit.as_deref()).collect();
            let values: Vec<_> = gomemlimits.into_iter().map(gomemlimit_text).collect();
            text(out, y, name);
            y += 20.0;
            if !values.is_empty() {
                text(out, y, &format!("GOMEMLIMIT {}", values.join(", ")));
                y += 20.0;
            }
            let ends = || records.iter().flat_map(|record| &record.ends);
            let oom_kills = ends().filter(|end| end.kind == EndKind::OomKilled).count();
            let others = ends().count() - oom_kills;
            let said = match (oom_kills, others) {
                (0, 0) => None,
                (count, 0) => Some(format!("{count} × OOMKilled")),
                (0, count) => Some(format!("{count} × ended")),
                (killed, others) => Some(format!("{killed} × OOMKilled, {others} × ended")),
            };
            if let Some(said) = said {
                cross(out, x + 13.0, y, colour);
                text(out, y, &said);
                y += 20.0;
            }
            y += 8.0;
        }
        for limit in &self.limits {
            let _ = writeln!(
                out,
                "<line x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{LIMIT}\" stroke-width=\"2\" \
                 stroke-dasharray=\"7 4\"/>",
                x + 26.0
            );
            text(out, y, &format!("memory limit {}", bytes_text(*limit)));
            y += 22.0;
        }
    }
}

/// The points from one moment on, and before another.
fn within(points: &[(f64, f64)], from: f64, until: f64) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(move |(at, _)| *at >= from && *at < until)
}

fn cross(out: &mut String, x: f64, y: f64, colour: &str) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
        x - 5.0,
        y - 5.0
    );
}

/// Round numbers from 0 to at most `end`.
fn ticks(end: f64) -> impl Iterator<Item = f64> {
    let rough = (end / GRID).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough).max(1.0);
    (0_u32..100).map(move |count| f64::from(count) * step).take_while(move |tick| *tick <= end)
}

/// For a picture: the last bits of large numbers do not matter.
#[allow(clippy::cast_precision_loss)]
fn real(bytes: u64) -> f64 {
    bytes as f64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

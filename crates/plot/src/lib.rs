//! Pictures: panels of lines over a common axis, with the legend beside them, as SVG.
//!
//! ```
//! use gomemlimit_plot::{COLOURS, Level, Line, Panel, draw};
//!
//! let line = Line::new("memory", COLOURS[1], vec![vec![(0.0, 100.0), (60.0, 180.0)]]);
//! let svg = draw(&[Panel {
//!     title: "Memory".to_owned(),
//!     x_label: "seconds",
//!     y_label: "Mi",
//!     x_min: 0.0,
//!     x_max: 60.0,
//!     y_max: 270.0,
//!     lines: vec![line],
//!     levels: vec![Level::limit("memory limit 256Mi".to_owned(), 256.0)],
//! }]);
//! assert!(svg.starts_with("<svg ") && svg.contains("memory limit 256Mi"));
//! ```

use std::fmt::Write as _;

/// Colours that people with any colour vision can distinguish (Okabe and Ito), the first two for before and after.
pub const COLOURS: [&str; 7] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5a5a5a"];
const RED: &str = "#c81e1e";
const GREY: &str = "#6e6e6e";

/// Width of the picture, height of a panel, and margins around the plot, in pixels. The legend is in the right one.
const WIDTH: f64 = 980.0;
const PANEL: f64 = 360.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 54.0;
/// Approximate number of grid lines in each direction.
const GRID: f64 = 5.0;

/// One coordinate system, with its title and legend. What is outside of its ranges is drawn at their edges.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Title above the plot.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: &'static str,
    /// Label of the vertical axis, which begins at 0.
    pub y_label: &'static str,
    /// Left end of the horizontal axis.
    pub x_min: f64,
    /// Right end of the horizontal axis.
    pub x_max: f64,
    /// Upper end of the vertical axis.
    pub y_max: f64,
    /// Lines, in the order of the legend.
    pub lines: Vec<Line>,
    /// Levels across the whole panel.
    pub levels: Vec<Level>,
}

/// A line with its entry in the legend.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Second row of the legend, if any.
    pub detail: Option<String>,
    /// Colour, as in SVG.
    pub colour: &'static str,
    /// Points of each stroke; a line with gaps has several strokes.
    pub strokes: Vec<Vec<(f64, f64)>>,
    /// Whether each point has a circle.
    pub has_circles: bool,
    /// Points that are marked with a cross.
    pub crosses: Vec<(f64, f64)>,
    /// Name of the crosses in the legend.
    pub crosses_name: String,
}

impl Line {
    /// A line without circles and crosses.
    #[must_use]
    pub fn new(name: impl Into<String>, colour: &'static str, strokes: Vec<Vec<(f64, f64)>>) -> Self {
        Self { name: name.into(), colour, strokes, ..Self::default() }
    }
}

/// A dashed line across a panel.
#[derive(Clone, Debug)]
pub struct Level {
    name: String,
    y: f64,
    colour: &'static str,
}

impl Level {
    /// A limit, in red.
    #[must_use]
    pub fn limit(name: String, y: f64) -> Self {
        Self { name, y, colour: RED }
    }

    /// Any other level, in grey.
    #[must_use]
    pub fn grey(name: String, y: f64) -> Self {
        Self { name, y, colour: GREY }
    }
}

/// The panels below each other, as an SVG document that ends with a newline.
#[must_use]
pub fn draw(panels: &[Panel]) -> String {
    let mut body = String::new();
    let mut height = 0.0;
    for panel in panels {
        let _ = writeln!(body, "<g transform=\"translate(0,{height})\">");
        panel.draw(&mut body);
        body += "</g>\n";
        height += PANEL;
    }
    let height = height.max(PANEL);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

impl Panel {
    fn x(&self, x: f64) -> f64 {
        LEFT + share(x - self.x_min, self.x_max - self.x_min) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        PANEL - BOTTOM - share(y, self.y_max) * (PANEL - TOP - BOTTOM)
    }

    fn draw(&self, out: &mut String) {
        text(out, (LEFT, 24.0), "font-size=\"17\"", &self.title);
        self.draw_axes(out);
        for level in &self.levels {
            let y = self.y(level.y);
            segment(out, (LEFT, y), (self.x(self.x_max), y), &dashed(level.colour));
        }
        for line in &self.lines {
            for stroke in &line.strokes {
                self.draw_stroke(out, stroke, line);
            }
            for (x, y) in &line.crosses {
                cross(out, self.x(*x), self.y(*y), line.colour);
            }
        }
        self.draw_legend(out);
    }

    fn draw_axes(&self, out: &mut String) {
        let (bottom, right) = (self.y(0.0), self.x(self.x_max));
        for tick in ticks(0.0, self.y_max) {
            let y = self.y(tick);
            segment(out, (LEFT, y), (right, y), "stroke=\"#ddd\"");
            text(out, (LEFT - 8.0, y + 4.0), "text-anchor=\"end\"", &tick.to_string());
        }
        for tick in ticks(self.x_min, self.x_max) {
            let x = self.x(tick);
            segment(out, (x, TOP), (x, bottom), "stroke=\"#ddd\"");
            text(out, (x, bottom + 18.0), "text-anchor=\"middle\"", &tick.to_string());
        }
        let _ =
            writeln!(out, "<path d=\"M{LEFT} {TOP}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"#555\"/>");
        text(out, (f64::midpoint(LEFT, right), bottom + 40.0), "text-anchor=\"middle\"", self.x_label);
        let _ = writeln!(
            out,
            "<text transform=\"translate(20,{:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(TOP, bottom),
            escaped(self.y_label)
        );
    }

    fn draw_stroke(&self, out: &mut String, points: &[(f64, f64)], line: &Line) {
        let points: Vec<_> = points.iter().map(|(x, y)| (self.x(*x), self.y(*y))).collect();
        let places: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\" stroke-opacity=\"0.85\"/>",
            places.join(" "),
            line.colour
        );
        for (x, y) in points.iter().filter(|_| line.has_circles) {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>", line.colour);
        }
    }

    fn draw_legend(&self, out: &mut String) {
        let (x, mut y) = (WIDTH - RIGHT + 22.0, TOP + 10.0);
        let mut row = |out: &mut String, name: &str| {
            text(out, (x + 36.0, y + 4.0), "", name);
            y += 20.0;
            y - 20.0
        };
        for line in &self.lines {
            let at = row(out, &line.name);
            segment(out, (x, at), (x + 26.0, at), &format!("stroke=\"{}\" stroke-width=\"3\"", line.colour));
            if let Some(detail) = &line.detail {
                row(out, detail);
            }
            if !line.crosses.is_empty() {
                let at = row(out, &line.crosses_name);
                cross(out, x + 13.0, at, line.colour);
            }
        }
        for level in &self.levels {
            let at = row(out, &level.name);
            segment(out, (x, at), (x + 26.0, at), &dashed(level.colour));
        }
    }
}

/// `part` of `whole`, from 0 to 1. What is not a number is 0.
fn share(part: f64, whole: f64) -> f64 {
    let share = part / whole;
    if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
}

fn dashed(colour: &str) -> String {
    format!("stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"7 4\"")
}

fn segment(out: &mut String, from: (f64, f64), to: (f64, f64), attributes: &str) {
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {attributes}/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    let gap = if attributes.is_empty() { "" } else { " " };
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\"{gap}{attributes}>{}</text>", escaped(text));
}

fn cross(out: &mut String, x: f64, y: f64, colour: &str) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}l10 10m0 -10l-10 10\" stroke=\"{colour}\" stroke-width=\"2.5\"/>",
        x - 5.0,
        y - 5.0
    );
}

/// Round numbers from `begin` to at most `end`.
fn ticks(begin: f64, end: f64) -> impl Iterator<Item = f64> {
    let rough = ((end - begin) / GRID).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough).max(1.0);
    let first = (begin / step).ceil() * step;
    (0_u32..100).map(move |count| first + f64::from(count) * step).take_while(move |tick| *tick <= end)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(x_max: f64, y_max: f64, line: Line) -> Panel {
        Panel {
            title: "Memory <&>".to_owned(),
            x_label: "seconds",
            y_label: "MiB",
            x_min: 0.0,
            x_max,
            y_max,
            lines: vec![line],
            levels: vec![Level::limit("limit".to_owned(), 2.5)],
        }
    }

    #[test]
    fn what_is_asked_for_is_in_the_picture() {
        let line = Line {
            detail: Some("GOMEMLIMIT none".to_owned()),
            has_circles: true,
            crosses: vec![(1.0, 2.0)],
            crosses_name: "killed".to_owned(),
            ..Line::new("with the label", COLOURS[1], vec![vec![(0.0, 1.0), (1.0, 2.0)]])
        };
        let svg = draw(&[panel(4.0, 3.0, line)]);
        for text in [
            ">Memory &lt;&amp;&gt;<",
            ">seconds<",
            ">MiB<",
            ">with the label<",
            ">GOMEMLIMIT none<",
            ">killed<",
            ">limit<",
            "<circle ",
            ">3</text>",
        ] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn whatever_the_numbers_the_picture_is_small_and_within_its_edges() {
        for (x_max, y_max) in
            [(0.0, 0.0), (1e308, 1e308), (1e-300, 1e300), (f64::NAN, f64::INFINITY), (-1.0, -1.0)]
        {
            let strokes = vec![vec![(-1e308, 1e308), (f64::NAN, -1.0), (1e308, f64::INFINITY)]];
            let svg = draw(&[panel(x_max, y_max, Line::new("", COLOURS[0], strokes))]);
            assert!(svg.len() < 100_000 && !svg.contains("NaN,") && !svg.contains("inf,"), "{svg}");
        }
        assert_eq!(ticks(10.0, 95.0).collect::<Vec<_>>(), [20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks(0.0, 100.0).collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }
}

//! Pictures: panels of lines over a common axis, with the legend beside them, as SVG.

use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Circle, Cross, DashedLineSeries, DrawingArea, IntoDrawingArea, LineSeries, PathElement,
        RGBColor, SVGBackend, Text,
    },
    style::{Color, IntoFont, TextStyle, WHITE},
};

const GREY: RGBColor = RGBColor(110, 110, 110);
const RED: RGBColor = RGBColor(200, 30, 30);
/// Colours that people with any colour vision can tell apart (Okabe and Ito), the first two for before and after.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

const WIDTH: u32 = 1000;
const LEGEND_WIDTH: u32 = 250;

/// A panel.
pub struct Panel {
    pub title: String,
    pub x_label: &'static str,
    pub y_label: &'static str,
    pub x_max: f64,
    pub x_min: f64,
    pub y_max: f64,
    pub lines: Vec<Line>,
    /// Lines across the whole panel.
    pub levels: Vec<Level>,
}

/// A line, its name in the legend, and crosses on it.
pub struct Line {
    pub name: String,
    pub colour: RGBColor,
    pub points: Vec<(f64, f64)>,
    /// Whether each point has a circle.
    pub has_circles: bool,
    /// Where crosses stand, and what they are called.
    pub crosses: Vec<(f64, f64)>,
    pub crosses_name: String,
}

/// A dashed line across.
pub struct Level {
    pub name: String,
    pub y: f64,
    pub colour: RGBColor,
}

impl Level {
    /// For what must not be passed.
    pub fn limit(name: String, y: f64) -> Self {
        Self { name, y, colour: RED }
    }

    /// For anything else.
    pub fn grey(name: String, y: f64) -> Self {
        Self { name, y, colour: GREY }
    }
}

/// Draws the panels below each other.
pub fn draw(panels: &[Panel], panel_height: u32) -> Result<String> {
    let mut svg = String::new();
    {
        let count = u32::try_from(panels.len())?;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, panel_height * count)).into_drawing_area();
        root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
        for (panel, area) in panels.iter().zip(root.split_evenly((panels.len(), 1))) {
            let (plot, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
            draw_panel(panel, &plot).map_err(|error| anyhow!("{error}"))?;
            draw_legend(panel, &legend).map_err(|error| anyhow!("{error}"))?;
        }
        root.present().map_err(|error| anyhow!("{error}"))?;
    }
    // One line at the end, as text files have it.
    Ok(svg.trim_end().to_owned() + "\n")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<
    (),
    plotters::drawing::DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>,
>;

fn draw_panel<'a>(panel: &Panel, area: &Area<'a>) -> Drawn<'a> {
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(panel.x_min..panel.x_max, 0.0..panel.y_max)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GREY.mix(0.2))
        .x_desc(panel.x_label)
        .y_desc(panel.y_label)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()?;
    for level in &panel.levels {
        let ends = [(panel.x_min, level.y), (panel.x_max, level.y)];
        chart.draw_series(DashedLineSeries::new(ends, 6, 4, level.colour.stroke_width(2)))?;
    }
    for line in &panel.lines {
        let points = line.points.iter();
        chart.draw_series(LineSeries::new(points.clone().copied(), line.colour.stroke_width(2)))?;
        if line.has_circles {
            chart.draw_series(points.map(|point| Circle::new(*point, 3, line.colour.filled())))?;
        }
        let crosses = line.crosses.iter();
        chart.draw_series(crosses.map(|place| Cross::new(*place, 5, line.colour.stroke_width(3))))?;
    }
    Ok(())
}

fn draw_legend<'a>(panel: &Panel, area: &Area<'a>) -> Drawn<'a> {
    let style: TextStyle<'_> = ("sans-serif", 14).into_font().into();
    let mut y = 50;
    for line in &panel.lines {
        area.draw(&PathElement::new([(4, y + 8), (30, y + 8)], line.colour.stroke_width(3)))?;
        area.draw(&Text::new(line.name.clone(), (38, y), style.clone()))?;
        y += 24;
        if !line.crosses.is_empty() {
            area.draw(&Cross::new((17, y + 8), 5, line.colour.stroke_width(3)))?;
            area.draw(&Text::new(line.crosses_name.clone(), (38, y), style.clone()))?;
            y += 24;
        }
    }
    for level in &panel.levels {
        for start in [4, 14, 24] {
            area.draw(&PathElement::new([(start, y + 8), (start + 6, y + 8)], level.colour.stroke_width(2)))?;
        }
        area.draw(&Text::new(level.name.clone(), (38, y), style.clone()))?;
        y += 24;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_picture() {
        let line = Line {
            name: "with the label".to_owned(),
            colour: COLOURS[1],
            points: vec![(0.0, 1.0), (1.0, 2.0)],
            has_circles: true,
            crosses: vec![(1.0, 2.0)],
            crosses_name: "killed".to_owned(),
        };
        let panel = Panel {
            title: "Memory".to_owned(),
            x_label: "seconds",
            y_label: "MiB",
            x_min: 0.0,
            x_max: 4.0,
            y_max: 3.0,
            lines: vec![line],
            levels: vec![Level::limit("limit".to_owned(), 2.5)],
        };
        let svg = draw(&[panel], 300).unwrap();
        for text in ["Memory", "seconds", "MiB", "with the label", "killed", "limit"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(svg.ends_with("</svg>\n"));
    }
}

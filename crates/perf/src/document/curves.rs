//! Line charts with logarithmic axes: how a cost grows.

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::IntoLogRange;
use plotters::element::{Circle, PathElement};
use plotters::prelude::{IntoDrawingArea, SVGBackend};
use plotters::series::LineSeries;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, FontStyle, RGBAColor};

use super::bars::{Area, BACKGROUND, FAINT, INK, WIDTH, colour, short, style, text};
use crate::error::Error;

/// Pixels: the whole, what stands above the axes, the line of names in it, and a letter's width.
const HEIGHT: u32 = 420;
const HEAD: u32 = 60;
const LEGEND: i32 = 50;
const LETTER: i32 = 7;

/// One chart.
#[derive(Debug)]
pub(super) struct Curves<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) curves: Vec<Curve>,
}

/// One line of it.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) owner: String,
    /// Whether the broker has a darker line in the same chart.
    pub(super) second: bool,
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// The chart as SVG.
pub(super) fn draw(chart: &Curves<'_>) -> Result<String, Error> {
    let points = || chart.curves.iter().flat_map(|curve| curve.points.iter().copied());
    let x = decades(points().map(|(x, _)| x));
    let y = decades(points().map(|(_, y)| y));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&BACKGROUND)?;
        text(&area, chart.title, (20, 24), &style(17, FontStyle::Bold, INK, HPos::Left))?;
        legend(&area, &chart.curves)?;
        let (_, plot) = area.split_vertically(HEAD);
        let mut context = ChartBuilder::on(&plot)
            .margin(16)
            .margin_right(30)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
        let small = || style(12, FontStyle::Normal, INK, HPos::Center);
        context
            .configure_mesh()
            .x_desc(chart.x)
            .y_desc(chart.y)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .axis_desc_style(small())
            .label_style(small())
            .light_line_style(BACKGROUND)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .draw()?;
        for curve in &chart.curves {
            let shade = shade(curve);
            let line = LineSeries::new(curve.points.iter().copied(), shade.stroke_width(2));
            context.draw_series(line)?;
            let dots = curve.points.iter().map(|at| Circle::new(*at, 3, shade.filled()));
            context.draw_series(dots)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn legend(area: &Area<'_>, curves: &[Curve]) -> Result<(), Error> {
    let words = style(13, FontStyle::Normal, INK, HPos::Left);
    let mut left = 20;
    for curve in curves {
        let line = vec![(left, LEGEND), (left + 18, LEGEND)];
        area.draw(&PathElement::new(line, shade(curve).stroke_width(3)))?;
        text(area, &curve.name, (left + 24, LEGEND), &words)?;
        left += 54 + LETTER * i32::try_from(curve.name.len()).unwrap_or(0);
    }
    Ok(())
}

fn shade(curve: &Curve) -> RGBAColor {
    colour(&curve.owner).mix(if curve.second { 0.5 } else { 1.0 })
}

/// The powers of ten around all values above zero.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let above_zero = values.filter(|value| *value > 0.0);
    let range = above_zero.fold(None, |range: Option<(f64, f64)>, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    let (low, high) = range.unwrap_or((1.0, 10.0));
    let low = 10f64.powf(low.log10().floor());
    let high = 10f64.powf(high.log10().ceil());
    (low, if high > low { high } else { low * 10.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_powers_of_ten() {
        assert_eq!(decades([3.0, 250.0, 0.0].into_iter()), (1.0, 1000.0));
        assert_eq!(decades([10.0].into_iter()), (10.0, 100.0));
        assert_eq!(decades([].into_iter()), (1.0, 10.0));
    }

    #[test]
    fn a_chart_names_its_axes_and_curves() {
        let points = vec![(1e3, 20.0), (1e6, 40.0)];
        let (owner, name) = ("Warren".to_owned(), "Warren".to_owned());
        let curves = vec![Curve { owner, second: false, name, points }];
        let svg = draw(&Curves { title: "Memory", x: "messages", y: "MiB", curves }).unwrap();
        for text in ["Memory", "messages", "MiB", "Warren", "1 M"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }
}

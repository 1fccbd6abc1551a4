//! Bar charts: clusters of horizontal bars with their values and ratios written behind them.
//!
//! ```text
//!                  title                        legend
//!   name of load  |############ 1,234
//!                 |### 300 (4.1 x)
//!                 +-----------+-----------+---
//!                             unit
//! ```

use plotters::element::{PathElement, Rectangle};
use plotters::prelude::{IntoDrawingArea, SVGBackend, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle};

use super::metric::Metric;
use super::tables;
use crate::error::Error;

pub(super) const WIDTH: u32 = 980;
/// The chart has its own background, so that it reads the same on light and dark pages.
pub(super) const BACKGROUND: RGBColor = RGBColor(252, 252, 253);
pub(super) const INK: RGBColor = RGBColor(31, 35, 40);
pub(super) const FAINT: RGBColor = RGBColor(216, 220, 226);
const MUTED: RGBColor = RGBColor(87, 96, 106);
const WARREN: RGBColor = RGBColor(198, 84, 26);
const RABBITMQ: RGBColor = RGBColor(74, 111, 165);
const DISK: RGBColor = RGBColor(128, 134, 142);

/// Pixels: where the bars begin and end, and how high things are.
const BARS_LEFT: i32 = 360;
const BARS_RIGHT: i32 = 760;
const HEAD: i32 = 74;
const FOOT: i32 = 52;
const BAR: i32 = 18;
const GAP: i32 = 14;
/// Plotters takes sizes as heights of lines and divides them by this to get that of the letters.
const FONT_UNIT: f64 = 1.24;
/// Steps on the axis, at most.
const STEPS: f64 = 5.0;

/// One chart.
#[derive(Debug)]
pub(super) struct Bars<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) clusters: Vec<Cluster>,
}

/// The bars of one load.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) metric: Metric,
    pub(super) bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) owner: &'static str,
    pub(super) value: f64,
    /// Warren's value, which is told as a multiple of this one.
    pub(super) of: Option<f64>,
}

pub(super) type Area<'a> = plotters::drawing::DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Colour of a broker, the same in all charts.
pub(super) fn colour(owner: &str) -> RGBColor {
    match owner {
        "Warren" => WARREN,
        "RabbitMQ" => RABBITMQ,
        _ => DISK,
    }
}

/// The chart as SVG.
pub(super) fn draw(bars: &Bars<'_>) -> Result<String, Error> {
    let count: usize = bars.clusters.iter().map(|cluster| cluster.bars.len()).sum();
    let rows = i32::try_from(count).unwrap_or(0) * BAR;
    let gaps = i32::try_from(bars.clusters.len()).unwrap_or(0) * GAP;
    let bottom = HEAD + rows + gaps;
    let height = u32::try_from(bottom + FOOT).unwrap_or(0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&BACKGROUND)?;
        text(&area, bars.title, (20, 24), &style(17, FontStyle::Bold, INK, HPos::Left))?;
        legend(&area, bars)?;
        let values = bars.clusters.iter().flat_map(|cluster| &cluster.bars);
        let largest = values.map(|bar| bar.value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        axis(&area, bars.unit, largest, bottom)?;
        let mut top = HEAD + GAP / 2;
        for cluster in &bars.clusters {
            top = draw_cluster(&area, cluster, largest, top)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn legend(area: &Area<'_>, bars: &Bars<'_>) -> Result<(), Error> {
    let mut owners: Vec<&str> = Vec::new();
    for bar in bars.clusters.iter().flat_map(|cluster| &cluster.bars) {
        if !owners.contains(&bar.owner) {
            owners.push(bar.owner);
        }
    }
    for (number, owner) in owners.iter().enumerate() {
        let left = 20 + 110 * i32::try_from(number).unwrap_or(0);
        square(area, (left, 44), (left + 12, 56), colour(owner))?;
        text(area, owner, (left + 18, 50), &style(13, FontStyle::Normal, INK, HPos::Left))?;
    }
    Ok(())
}

fn axis(area: &Area<'_>, unit: &str, largest: f64, bottom: i32) -> Result<(), Error> {
    let step = step(largest);
    let grey = style(12, FontStyle::Normal, MUTED, HPos::Center);
    for number in 0..=20 {
        let value = step * f64::from(number);
        if value > largest * 1.001 {
            break;
        }
        let x = BARS_LEFT + pixels(value, largest);
        let path = PathElement::new(vec![(x, HEAD), (x, bottom)], FAINT.stroke_width(1));
        area.draw(&path)?;
        text(area, &short(value), (x, bottom + 12), &grey)?;
    }
    text(area, unit, ((BARS_LEFT + BARS_RIGHT) / 2, bottom + 34), &grey)
}

/// Draws a cluster and returns where the next one begins.
fn draw_cluster(area: &Area<'_>, cluster: &Cluster, largest: f64, top: i32) -> Result<i32, Error> {
    let height = i32::try_from(cluster.bars.len()).unwrap_or(0) * BAR;
    let label = style(13, FontStyle::Normal, INK, HPos::Right);
    text(area, &cluster.name, (BARS_LEFT - 10, top + height / 2), &label)?;
    let behind = style(12, FontStyle::Normal, INK, HPos::Left);
    let mut y = top;
    for bar in &cluster.bars {
        let right = BARS_LEFT + pixels(bar.value, largest).max(1);
        square(area, (BARS_LEFT, y + 1), (right, y + BAR - 2), colour(bar.owner))?;
        let mut value = tables::number(cluster.metric, bar.value);
        if let Some(of) = bar.of {
            value = format!("{value} ({})", compared(cluster.metric, of, bar));
        }
        text(area, &value, (right + 6, y + BAR / 2), &behind)?;
        y += BAR;
    }
    Ok(y + GAP)
}

/// Warren's value beside this one, in words.
fn compared(metric: Metric, ours: f64, bar: &Bar) -> String {
    if bar.owner == "disk alone" {
        return format!("Warren does {:.0} %", ours / bar.value.max(f64::MIN_POSITIVE) * 100.0);
    }
    let (more, less) =
        if metric.larger_is_better() { (ours, bar.value) } else { (bar.value, ours) };
    let ratio = tables::ratio(more, Some(less));
    if metric.larger_is_better() {
        format!("Warren does {ratio} x")
    } else {
        format!("{ratio} x Warren's")
    }
}

fn pixels(value: f64, largest: f64) -> i32 {
    (value / largest * f64::from(BARS_RIGHT - BARS_LEFT)) as i32
}

/// A round distance of which a few fill the axis.
fn step(largest: f64) -> f64 {
    let power = 10f64.powf((largest / STEPS).log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|factor| factor * power);
    steps.into_iter().find(|step| largest / step <= STEPS).unwrap_or(power * 10.0)
}

/// A number on an axis.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", trimmed(value / 1e6)),
        value if value >= 1e3 => format!("{} k", trimmed(value / 1e3)),
        value => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn style(
    size: u32,
    weight: FontStyle,
    colour: RGBColor,
    anchor: HPos,
) -> TextStyle<'static> {
    let font = FontDesc::new(FontFamily::SansSerif, f64::from(size) * FONT_UNIT, weight);
    TextStyle { font, color: colour.to_backend_color(), pos: Pos::new(anchor, VPos::Center) }
}

/// Writes a text, vertically in the middle of the place.
pub(super) fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    style: &TextStyle<'static>,
) -> Result<(), Error> {
    Ok(area.draw(&Text::new(text.to_owned(), at, style.clone()))?)
}

fn square(
    area: &Area<'_>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
) -> Result<(), Error> {
    Ok(area.draw(&Rectangle::new([from, to], colour.filled()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_round_steps() {
        assert_eq!(step(5.7e6), 2e6);
        assert_eq!(step(0.9), 0.2);
        assert_eq!(short(2e6), "2 M");
        assert_eq!(short(2500.0), "2.5 k");
        assert_eq!(short(0.2), "0.2");
    }

    #[test]
    fn a_chart_shows_names_values_and_ratios() {
        let bar = |owner, value, of| Bar { owner, value, of };
        let bars = vec![bar("Warren", 400.0, None), bar("RabbitMQ", 100.0, Some(400.0))];
        let cluster = Cluster { name: "16 B".to_owned(), metric: Metric::Delivered, bars };
        let chart = Bars { title: "Rates", unit: "messages/s", clusters: vec![cluster] };
        let svg = draw(&chart).unwrap();
        for text in ["16 B", "400", "100 (Warren does 4.00 x)", "messages/s", "Rates"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }
}

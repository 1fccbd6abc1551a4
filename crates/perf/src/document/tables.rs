//! Tables in Markdown.

use super::data::{Point, RawlogRow, Row, Series, median};
use super::metric::Metric;
use crate::report;

/// The lines of a load, with a column for RabbitMQ when it was measured.
pub(super) fn of_case(rows: &[Row]) -> String {
    let both = rows.iter().any(|row| !row.rabbitmq.is_empty());
    let raw = rows.iter().any(|row| !row.raw.is_empty());
    let mut head = vec!["", "Warren"];
    head.extend(both.then_some(["RabbitMQ", "ratio"]).into_iter().flatten());
    head.extend(raw.then_some(["disk alone", "part of it"]).into_iter().flatten());
    let mut out = header(&head);
    for row in rows {
        let warren = median(&row.warren).unwrap_or(0.0);
        let mut cells = vec![row.metric.label().to_owned(), cell(row.metric, &row.warren)];
        if both {
            cells.push(cell(row.metric, &row.rabbitmq));
            let shown = row.metric.is_of_broker();
            cells.push(if shown { ratio(warren, median(&row.rabbitmq)) } else { String::new() });
        }
        if raw {
            let limit = median(&row.raw);
            cells.push(limit.map_or(String::new(), |_| cell(row.metric, &row.raw)));
            cells.push(limit.map_or(String::new(), |limit| percent(warren, limit)));
        }
        out.push_str(&line(&cells));
    }
    out
}

/// What the disk alone does.
pub(super) fn of_rawlog(rows: &[RawlogRow]) -> String {
    let mut out = header(&["messages a sync", "messages/s", "append and sync, median, us"]);
    for row in rows {
        out.push_str(&line(&[
            report::count(row.batch as f64),
            cell(Metric::Delivered, &row.messages_per_second),
            cell(Metric::BrokerCpu, &row.sync_median_us),
        ]));
    }
    out
}

/// One curve: a line for each kind of number, a column for each point.
pub(super) fn of_series(series: &Series) -> String {
    let titles = series.points.iter().map(|point| point.title.as_str());
    let mut out = header(&[series.broker.as_str()].into_iter().chain(titles).collect::<Vec<_>>());
    let mut metrics: Vec<Metric> = Vec::new();
    for (metric, _) in series.points.iter().flat_map(|point| &point.values) {
        if !metrics.contains(metric) {
            metrics.push(*metric);
        }
    }
    for metric in metrics {
        let value = |point: &Point| point.value(metric).map(|value| number(metric, value));
        let values = series.points.iter().map(|point| value(point).unwrap_or_default());
        out.push_str(&line(
            &[metric.label().to_owned()].into_iter().chain(values).collect::<Vec<_>>(),
        ));
    }
    out
}

fn header(cells: &[&str]) -> String {
    let rule = "---:|".repeat(cells.len().saturating_sub(1));
    format!("| {} |\n|---|{rule}\n", cells.join(" | "))
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The median, and the range when there is one.
fn cell(metric: Metric, values: &[f64]) -> String {
    let Some(middle) = median(values) else { return "-".to_owned() };
    if values.len() < 2 {
        return number(metric, middle);
    }
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let (smallest, largest) = (number(metric, smallest), number(metric, largest));
    format!("{} ({smallest} to {largest})", number(metric, middle))
}

/// A number as precise as it deserves.
pub(super) fn number(metric: Metric, value: f64) -> String {
    match value {
        value if metric.is_whole() || value >= 1000.0 => report::count(value),
        value if value >= 100.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// How many times `theirs` fits into `ours`.
pub(super) fn ratio(ours: f64, theirs: Option<f64>) -> String {
    match theirs {
        Some(theirs) if theirs > 0.0 => match ours / theirs {
            ratio if ratio >= 10.0 => format!("{ratio:.0}"),
            ratio if ratio >= 0.1 => format!("{ratio:.2}"),
            ratio => format!("{ratio:.3}"),
        },
        _ => "-".to_owned(),
    }
}

fn percent(ours: f64, limit: f64) -> String {
    if limit > 0.0 { format!("{:.0} %", ours / limit * 100.0) } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::data::Growing;
    use super::*;

    fn row(raw: Vec<f64>) -> Row {
        let warren = vec![3000.0, 1000.0, 2000.0];
        Row { metric: Metric::Delivered, warren, rabbitmq: vec![1000.0; 3], raw }
    }

    #[test]
    fn a_row_shows_medians_their_range_and_the_ratio() {
        let table = of_case(&[row(Vec::new())]);
        let expected = "| delivered, messages/s | 2,000 (1,000 to 3,000) | 1,000 (1,000 to 1,000) \
                        | 2.00 |\n";
        assert!(table.ends_with(expected), "{table}");
    }

    #[test]
    fn the_raw_limit_stands_beside_with_the_part_that_is_reached() {
        let table = of_case(&[row(vec![4000.0])]);
        assert!(table.ends_with("| 2.00 | 4,000 | 50 % |\n"), "{table}");
    }

    #[test]
    fn a_ratio_to_nothing_is_left_out() {
        assert_eq!(ratio(1.0, Some(0.0)), "-");
        assert_eq!(ratio(1.0, None), "-");
        assert_eq!(ratio(170.0, Some(10.0)), "17");
    }

    #[test]
    fn a_series_has_a_column_for_each_point_and_gaps_stay_empty() {
        let point = |title: &str, values| Point { count: 1, title: title.to_owned(), values };
        let points = vec![
            point("1", vec![(Metric::Filled, 5000.0)]),
            point("2", vec![(Metric::Drained, 70.0)]),
        ];
        let (growing, broker) = (Growing::Messages, "Warren".to_owned());
        let series = Series { growing, broker, setting: None, points };
        let expected = "| Warren | 1 | 2 |\n|---|---:|---:|\n\
                        | filled, confirmed messages/s | 5,000 |  |\n\
                        | drained, messages/s |  | 70 |\n";
        assert_eq!(of_series(&series), expected);
    }
}

//! Results as a table for people and as JSON for machines.

use serde::Serialize;

use crate::error::Error;

/// One table: a title and rows of name and value.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.rows.push((name.into(), value.into()));
        self
    }

    /// Adds a row when there is a value.
    pub(crate) fn optional(self, name: &str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.row(name, value),
            None => self,
        }
    }

    pub(crate) fn render(&self) -> String {
        let width = |text: &str| text.chars().count();
        let names = self.rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        let values = self.rows.iter().map(|(_, value)| width(value)).max().unwrap_or(0);
        let mut out = format!("{}\n", self.title);
        for (name, value) in &self.rows {
            out.push_str(&format!("  {name:<names$}  {value:>values$}\n"));
        }
        out
    }
}

/// Prints a result in the form that was asked for.
///
/// # Errors
/// When the result cannot be written as JSON.
pub(crate) fn print(json: bool, result: &impl Serialize, table: &Table) -> Result<(), Error> {
    if json {
        println!("{}", serde_json::to_string_pretty(result)?);
    } else {
        print!("{}", table.render());
    }
    Ok(())
}

/// A count or rate with thousands separators.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// A rate a second.
pub(crate) fn rate(value: f64) -> String {
    format!("{}/s", count(value))
}

/// Microseconds with as many decimals as the size of the number deserves.
pub(crate) fn microseconds(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2} us"),
        v if v < 100.0 => format!("{v:.1} us"),
        v => format!("{v:.0} us"),
    }
}

/// Milliseconds from nanoseconds.
pub(crate) fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}

/// Mebibytes from bytes.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_separators_every_three_digits() {
        assert_eq!(count(0.0), "0");
        assert_eq!(count(999.4), "999");
        assert_eq!(count(1000.0), "1,000");
        assert_eq!(count(-1234567.0), "-1,234,567");
    }

    #[test]
    fn a_table_aligns_its_columns() {
        let table = Table::new("load").row("a", "10").row("long name", "7").optional("none", None);
        assert_eq!(table.render(), "load\n  a          10\n  long name   7\n");
    }
}

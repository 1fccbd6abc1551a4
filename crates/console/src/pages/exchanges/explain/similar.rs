//! Names that somebody may have meant.

/// Names that are told at most.
const TOLD: usize = 5;

/// The names that are written nearly as the one that was asked for, the nearest first.
pub(super) fn nearest(names: &[String], wanted: &str) -> Vec<String> {
    let far = |name: &str| steps(&name.to_lowercase(), &wanted.to_lowercase());
    let mut found: Vec<_> = names.iter().map(|name| (far(name), name)).collect();
    // More than every third letter written otherwise is another name.
    found.retain(|(steps, name)| *steps * 3 <= name.chars().count().max(wanted.chars().count()));
    found.sort_unstable();
    found.into_iter().take(TOLD).map(|(_, name)| name.clone()).collect()
}

/// How many letters have to be put in, left out or changed.
fn steps(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut row = vec![line + 1];
        for (at, found) in other.iter().enumerate() {
            let changed = before[at] + usize::from(letter != *found);
            row.push(changed.min(before[at + 1] + 1).min(row[at] + 1));
        }
        before = row;
    }
    before.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_written_nearly_so_are_found() {
        let names = ["orders", "Orders.eu", "payments", "order", "x"].map(str::to_owned);
        assert_eq!(nearest(&names, "ordres"), ["order", "orders"]);
        assert_eq!(nearest(&names, "orders.eu"), ["Orders.eu", "orders"]);
        assert!(nearest(&names, "").is_empty());
        assert_eq!(nearest(&names, "order"), ["order", "orders"]);
    }
}

//! Keys of records: the kind and the names, so joined that records of one kind, and of one virtual
//! host, stand together.

/// Between the parts of a key.
const SEPARATOR: char = '\0';

/// Stands before a character that would be taken for something else.
const ESCAPE: char = '\u{1}';

/// The key of a record.
pub(crate) fn join(kind: &str, names: &[&str]) -> String {
    let mut key = within(kind, names);
    key.pop();
    key
}

/// What the keys of all records begin with whose first names are these.
pub(crate) fn within(kind: &str, names: &[&str]) -> String {
    let bytes = kind.len() + names.iter().map(|name| name.len() + 1).sum::<usize>() + 1;
    let mut key = String::with_capacity(bytes);
    key.push_str(kind);
    key.push(SEPARATOR);
    for name in names {
        let mut rest = *name;
        while let Some(at) = rest.find([SEPARATOR, ESCAPE]) {
            let (plain, special) = rest.split_at(at);
            key.push_str(plain);
            key.push(ESCAPE);
            // Above the separator, so that the order is that of the names.
            key.push(if special.starts_with(SEPARATOR) { '\u{2}' } else { '\u{3}' });
            // Both take one byte.
            rest = special.get(1..).unwrap_or_default();
        }
        key.push_str(rest);
        key.push(SEPARATOR);
    }
    key
}

/// The kind of a record, by its key.
pub(crate) fn kind(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or(key, |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_were_when_records_were_kept() {
        assert_eq!(join("k", &[]), "k");
        assert_eq!(join("k", &["a", ""]), "k\0a\0");
        assert_eq!(
            join("k", &["a\0b\u{1}\u{e9}\u{1}"]),
            "k\0a\u{1}\u{2}b\u{1}\u{3}\u{e9}\u{1}\u{3}"
        );
        assert_eq!(within("k", &["a"]), "k\0a\0");
    }

    #[test]
    fn different_names_have_different_keys() {
        let names = ["", "a", "a\0", "a\u{1}", "\0a", "a\0b", "a\u{1}\u{2}b"];
        let mut keys = vec![];
        for first in names {
            for second in names {
                keys.push(join("k", &[first, second]));
                assert!(join("k", &[first, second]).starts_with(&within("k", &[first])));
            }
        }
        keys.sort();
        let before = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), before);
    }
}

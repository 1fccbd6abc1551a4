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
    let mut key = kind.to_owned();
    key.push(SEPARATOR);
    for name in names {
        for character in name.chars() {
            if character == SEPARATOR || character == ESCAPE {
                key.push(ESCAPE);
                // Above the separator, so that the order is that of the names.
                key.push(char::from_u32(character as u32 + 2).unwrap_or(ESCAPE));
            } else {
                key.push(character);
            }
        }
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

//! Looking into answers of the API.

use serde_json::Value;

/// What stands at a path of members, `Value::Null` if there is nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(value, |value, part| value.get(part)).unwrap_or(&Value::Null)
}

/// A text; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// A whole number, if there is one.
pub(crate) fn number(value: &Value, path: &str) -> Option<u64> {
    let found = at(value, path);
    found.as_u64().or_else(|| found.as_f64().filter(|it| *it >= 0.0).map(|it| it as u64))
}

/// A number, if there is one.
pub(crate) fn float(value: &Value, path: &str) -> Option<f64> {
    at(value, path).as_f64()
}

/// Whether something is true.
pub(crate) fn is_true(value: &Value, path: &str) -> bool {
    at(value, path).as_bool() == Some(true)
}

/// The elements of a list; none if there is no list.
pub(crate) fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    let found = if path.is_empty() { value } else { at(value, path) };
    found.as_array().map_or(&[], Vec::as_slice)
}

/// A value of a table as people write it: texts without quotes, all else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_found_by_their_path() {
        let value = json!({"a": {"b": 5, "c": "x", "d": [1, 2]}, "e": true, "f": 1.5});
        assert_eq!(number(&value, "a.b"), Some(5));
        assert_eq!(text(&value, "a.c"), "x");
        assert_eq!(items(&value, "a.d").len(), 2);
        assert!(is_true(&value, "e") && !is_true(&value, "a.b"));
        assert_eq!((float(&value, "f"), number(&value, "f")), (Some(1.5), Some(1)));
        assert_eq!((text(&value, "a.x.y"), number(&value, "zz")), ("", None));
    }
}

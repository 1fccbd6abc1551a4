//! Lists as files of values (RFC 4180), made as the list comes: it may be of very many objects.

use axum::body::Body;
use serde_json::Value;
use tokio_stream::{StreamExt, once};

use crate::error::Error;
use crate::table::Column;
use crate::value::{at, plain};

/// The file of a list, of which JSON comes.
pub(crate) fn body(columns: &'static [Column], list: Body) -> Body {
    let mut lines = Lines::new(columns);
    let chunks = list.into_data_stream();
    let made = chunks.map(move |chunk| {
        let chunk = chunk.map_err(|error| Error::Internal(error.to_string()))?;
        lines.add(&chunk)
    });
    Body::from_stream(once(Ok(heads(columns))).chain(made))
}

/// Objects of a list that come in pieces, as lines.
struct Lines {
    columns: &'static [Column],
    /// What is no whole object yet.
    rest: Vec<u8>,
}

impl Lines {
    fn new(columns: &'static [Column]) -> Self {
        Self { columns, rest: vec![] }
    }

    /// The lines of the objects that a piece of the list ends.
    fn add(&mut self, chunk: &[u8]) -> Result<String, Error> {
        self.rest.extend_from_slice(chunk);
        let (mut text, mut done) = (String::new(), 0);
        loop {
            // What stands between the objects.
            let between = |byte: &&u8| matches!(byte, b'[' | b',' | b']' | b' ' | b'\n');
            let rest = self.rest.get(done..).unwrap_or_default();
            let start = done + rest.iter().take_while(between).count();
            let rest = self.rest.get(start..).unwrap_or_default();
            let mut objects = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
            match objects.next() {
                Some(Ok(object)) => text.push_str(&self.line(&object)),
                Some(Err(error)) if !error.is_eof() => {
                    return Err(Error::Internal(error.to_string()));
                }
                Some(Err(_)) | None => break,
            }
            done = start + objects.byte_offset();
        }
        self.rest.drain(..done);
        Ok(text)
    }

    fn line(&self, object: &Value) -> String {
        let value = |path: &str| match at(object, path) {
            Value::Null => String::new(),
            value => plain(value),
        };
        let mut values: Vec<String> = self.columns.iter().map(|it| value(it.path)).collect();
        if lacks_host(self.columns) {
            values.push(value("vhost"));
        }
        line(values.iter().map(String::as_str))
    }
}

fn heads(columns: &[Column]) -> String {
    let titles = columns.iter().map(|column| column.title);
    line(titles.chain(lacks_host(columns).then_some("Virtual host")))
}

/// Names alone do not say which object it is.
fn lacks_host(columns: &[Column]) -> bool {
    !columns.iter().any(|column| column.name == "vhost")
}

/// A line of such a file.
pub(crate) fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    fields.into_iter().map(field).collect::<Vec<_>>().join(",") + "\r\n"
}

/// A field: in quotes where it has to be. What a spreadsheet would take for a formula is made a text.
fn field(text: &str) -> String {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cell::Cell;

    const COLUMNS: [Column; 2] = [
        Column::new("name", "Name", "name", |it| Cell::text_at(it, "name")),
        Column::new("n", "N, all", "a.n", |it| Cell::count_at(it, "a.n")),
    ];

    fn file(chunks: &[&[u8]]) -> String {
        let mut lines = Lines::new(&COLUMNS);
        let lines: Vec<_> = chunks.iter().map(|chunk| lines.add(chunk).unwrap()).collect();
        heads(&COLUMNS) + &lines.concat()
    }

    #[test]
    fn a_file_of_values_is_safe_to_open() {
        let objects = json!([
            {"name": "a\"b,c", "vhost": "/", "a": {"n": 3}},
            {"name": "=1+1", "vhost": "-v", "a": {"n": -3}},
            {"name": "other", "vhost": "/"},
        ]);
        let expected =
            "Name,\"N, all\",Virtual host\r\n\"a\"\"b,c\",3,/\r\n'=1+1,-3,'-v\r\nother,,/\r\n";
        let bytes = objects.to_string().into_bytes();
        assert_eq!(file(&[&bytes]), expected);
        // Wherever it is cut.
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(file(&[first, second]), expected, "{at}");
        }
    }

    #[test]
    fn a_list_of_nothing_has_a_line_of_heads() {
        assert_eq!(file(&[b"[]"]), "Name,\"N, all\",Virtual host\r\n");
        assert!(Lines::new(&COLUMNS).add(b"[{\"name\": nothing}]").is_err());
    }
}

//! Forms: fields with labels, what was typed, and what is wrong with it.

use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::visit::Pairs;

/// A form.
#[derive(Debug, Default)]
pub(crate) struct Form {
    /// Where it is sent.
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
    /// The label of the button.
    pub(crate) submit: String,
    /// Why it was not done.
    pub(crate) error: Option<String>,
    pub(crate) is_dangerous: bool,
    /// It asks for something and changes nothing: its fields stand in the address.
    pub(crate) is_question: bool,
    /// Fields that are folded away below a title, unless one of them is filled in.
    pub(crate) folded: Option<(&'static str, Vec<Field>)>,
    /// Its fields stand side by side.
    pub(crate) is_inline: bool,
    /// Its fields stand in as many columns as there is room for.
    pub(crate) is_wide: bool,
    /// What is filled in may be long, or be bytes of any kind: it is sent as it is, not escaped.
    pub(crate) is_long: bool,
    /// Other buttons, which send a field of their own: its name and the label.
    pub(crate) others: Vec<(&'static str, &'static str)>,
    /// The page to go back to if it is not sent after all; may be empty.
    pub(crate) back: String,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The part of its element's id that no other field of the page has.
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) help: String,
    pub(crate) is_required: bool,
    pub(crate) input: Input,
}

/// How something is filled in.
#[derive(Debug)]
pub(crate) enum Input {
    Text(String),
    Password,
    Number(String),
    /// Several lines.
    Lines(String),
    /// One of these: value, label. And what is chosen.
    Choice {
        options: Vec<(String, String)>,
        chosen: String,
    },
    Check(bool),
    /// Any of these.
    Checks(Vec<Check>),
    /// A file of the reader's.
    File,
    Hidden(String),
    /// Nothing is filled in: what follows belongs together, and has a heading.
    Heading,
    /// Text with proposals.
    Proposals {
        value: String,
        options: Vec<String>,
    },
    /// Names with typed values.
    Rows {
        rows: Vec<TypedRow>,
        known: Vec<(String, String)>,
    },
}

/// One of several that can be chosen together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) help: String,
    pub(crate) is_checked: bool,
}

/// A name with a typed value, as it was filled in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct TypedRow {
    pub(crate) name: String,
    /// One of [`KINDS`].
    pub(crate) kind: String,
    pub(crate) value: String,
}

/// What a typed value may be: as a form sends it, and as people read it.
pub(crate) const KINDS: [(&str, &str); 4] =
    [("string", "Text"), ("number", "Number"), ("boolean", "Yes or no"), ("json", "JSON")];

/// Empty rows that wait below those that are filled in.
const SPARE_ROWS: usize = 2;

impl Form {
    pub(crate) fn new(action: impl Into<String>, submit: impl Into<String>) -> Self {
        Self { action: action.into(), submit: submit.into(), ..Self::default() }
    }

    pub(crate) fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// With the reason why it was not done.
    pub(crate) fn refused(mut self, reason: Option<String>) -> Self {
        self.error = reason;
        self
    }

    /// With a name, so that its fields are told from those of other forms of the page.
    pub(crate) fn named(mut self, name: &str) -> Self {
        for field in &mut self.fields {
            field.id = format!("{name}-{}", field.name);
        }
        self
    }

    /// One that asks for something and changes nothing.
    pub(crate) fn question(mut self) -> Self {
        self.is_question = true;
        self
    }

    /// With fields that are folded away below a title, unless one of them is filled in.
    pub(crate) fn folding(mut self, title: &'static str, fields: Vec<Field>) -> Self {
        self.folded = Some((title, fields));
        self
    }

    /// One that may be long.
    pub(crate) fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// With its fields side by side.
    pub(crate) fn inline(mut self) -> Self {
        self.is_inline = true;
        self
    }

    /// With its fields in as many columns as there is room for.
    pub(crate) fn wide(mut self) -> Self {
        self.is_wide = true;
        self
    }

    /// With another button, which sends a field of its own.
    pub(crate) fn or(mut self, name: &'static str, label: &'static str) -> Self {
        self.others.push((name, label));
        self
    }

    /// With the way back.
    pub(crate) fn back(mut self, path: impl Into<String>) -> Self {
        self.back = path.into();
        self
    }

    /// Whether it sends a file, which takes another encoding.
    pub(crate) fn has_file(&self) -> bool {
        self.is_long || self.fields.iter().any(|field| matches!(field.input, Input::File))
    }

    /// One that destroys something.
    pub(crate) fn dangerous(mut self) -> Self {
        self.is_dangerous = true;
        self
    }
}

impl Field {
    fn new(name: &str, label: &str, input: Input) -> Self {
        let (help, is_required) = (String::new(), false);
        let (name, label) = (name.to_owned(), label.to_owned());
        Self { id: name.clone(), name, label, help, is_required, input }
    }

    pub(crate) fn text(name: &str, label: &str, value: impl Into<String>) -> Self {
        Self::new(name, label, Input::Text(value.into()))
    }

    pub(crate) fn number(name: &str, label: &str, value: impl Into<String>) -> Self {
        Self::new(name, label, Input::Number(value.into()))
    }

    pub(crate) fn password(name: &str, label: &str) -> Self {
        Self::new(name, label, Input::Password)
    }

    pub(crate) fn lines(name: &str, label: &str, value: impl Into<String>) -> Self {
        Self::new(name, label, Input::Lines(value.into()))
    }

    pub(crate) fn hidden(name: &str, value: impl Into<String>) -> Self {
        Self::new(name, "", Input::Hidden(value.into()))
    }

    /// What follows belongs together.
    pub(crate) fn heading(label: &str) -> Self {
        Self::new("", label, Input::Heading)
    }

    pub(crate) fn check(name: &str, label: &str, is_checked: bool) -> Self {
        Self::new(name, label, Input::Check(is_checked))
    }

    /// Any of these: value, label, what it means, whether it is chosen.
    pub(crate) fn checks(name: &str, label: &str, checks: Vec<Check>) -> Self {
        Self::new(name, label, Input::Checks(checks))
    }

    pub(crate) fn file(name: &str, label: &str) -> Self {
        Self::new(name, label, Input::File)
    }

    pub(crate) fn choice<V: Into<String>, L: Into<String>>(
        name: &str,
        label: &str,
        options: impl IntoIterator<Item = (V, L)>,
        chosen: impl Into<String>,
    ) -> Self {
        let options = options.into_iter().map(|(value, label)| (value.into(), label.into()));
        Self::new(name, label, Input::Choice { options: options.collect(), chosen: chosen.into() })
    }

    pub(crate) fn proposals<V: Into<String>>(
        name: &str,
        label: &str,
        options: impl IntoIterator<Item = V>,
        value: impl Into<String>,
    ) -> Self {
        let options = options.into_iter().map(Into::into).collect();
        Self::new(name, label, Input::Proposals { value: value.into(), options })
    }

    /// Names with typed values, some known ones of which are proposed, with what they mean.
    pub(crate) fn rows(
        name: &str,
        label: &str,
        mut rows: Vec<TypedRow>,
        known: &[(&str, &str)],
    ) -> Self {
        rows.extend(vec![TypedRow::default(); SPARE_ROWS]);
        let known = known.iter().map(|(name, help)| ((*name).to_owned(), (*help).to_owned()));
        Self::new(name, label, Input::Rows { rows, known: known.collect() })
    }

    /// Whether something is filled in.
    pub(crate) fn is_filled(&self) -> bool {
        match &self.input {
            Input::Text(value) | Input::Number(value) | Input::Lines(value) => !value.is_empty(),
            Input::Proposals { value, .. } => !value.is_empty(),
            Input::Check(is_checked) => *is_checked,
            Input::Checks(checks) => checks.iter().any(|check| check.is_checked),
            Input::Rows { rows, .. } => rows.iter().any(|row| !row.name.is_empty()),
            Input::Password
            | Input::File
            | Input::Choice { .. }
            | Input::Hidden(_)
            | Input::Heading => false,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub(crate) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

impl TypedRow {
    /// The rows that a form was sent with: `NAME_name`, `NAME_kind`, `NAME_value` for each.
    pub(crate) fn read(form: &Pairs, name: &str) -> Vec<Self> {
        let keys = ["name", "kind", "value"].map(|part| format!("{name}_{part}"));
        let (names, kinds) = (form.all(&keys[0]), form.all(&keys[1]));
        let rows = names.zip(kinds).zip(form.all(&keys[2])).map(|((name, kind), value)| Self {
            name: name.trim().to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
        });
        rows.filter(|row| !row.name.is_empty()).collect()
    }

    /// The rows of an object, to be changed.
    pub(crate) fn of(object: &Value) -> Vec<Self> {
        let members = object.as_object().into_iter().flatten();
        let row = |(name, value): (&String, &Value)| {
            let (kind, text) = match value {
                Value::String(text) => ("string", text.clone()),
                Value::Number(number) => ("number", number.to_string()),
                Value::Bool(value) => ("boolean", value.to_string()),
                other => ("json", other.to_string()),
            };
            Self { name: name.clone(), kind: kind.to_owned(), value: text }
        };
        members.map(row).collect()
    }

    /// The object that rows make.
    ///
    /// # Errors
    ///
    /// A value is not what its kind says.
    pub(crate) fn object(rows: &[Self]) -> Result<Value, Error> {
        let mut object = Map::new();
        for row in rows {
            object.insert(row.name.clone(), row.read_value()?);
        }
        Ok(Value::Object(object))
    }

    fn read_value(&self) -> Result<Value, Error> {
        let text = self.value.trim();
        let wrong = |what: &str| Error::wrong(format!("{}: {text:?} is not {what}.", self.name));
        match self.kind.as_str() {
            "number" => {
                let whole = text.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
                number.map(Value::Number).ok_or_else(|| wrong("a number"))
            }
            "boolean" => match text.to_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err(wrong("true or false")),
            },
            "json" => serde_json::from_str(text).map_err(|_| wrong("JSON")),
            _ => Ok(Value::String(self.value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn typed_rows_are_an_object_and_back() {
        let object = json!({"a": "x", "b": 5, "c": true, "d": [1, {"e": null}], "f": 1.5});
        assert_eq!(TypedRow::object(&TypedRow::of(&object)).unwrap(), object);
    }

    #[test]
    fn a_value_of_another_kind_is_told_by_its_name() {
        for (kind, value) in [("number", "x"), ("boolean", "maybe"), ("json", "{")] {
            let row = TypedRow { name: "n".into(), kind: kind.into(), value: value.into() };
            let error = TypedRow::object(&[row]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("n: {value:?} is not ")), "{error}");
        }
    }

    #[test]
    fn rows_without_a_name_are_not_filled_in() {
        let pairs = [("h_name", "a"), ("h_kind", "number"), ("h_value", "1"), ("h_name", " ")];
        let pairs = pairs.into_iter().chain([("h_kind", "string"), ("h_value", "x")]);
        let form = Pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        assert_eq!(TypedRow::object(&TypedRow::read(&form, "h")).unwrap(), json!({"a": 1}));
    }
}

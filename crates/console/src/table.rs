//! Tables: what their columns are, and objects of the API as rows.

use serde_json::Value;

use crate::cell::Cell;

/// A column of a table of objects of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its name in addresses and cookies.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) title: &'static str,
    /// What its heading means, if that needs words; may be empty.
    pub(crate) help: &'static str,
    /// The member of the object, by which the list is sorted and which files of values hold.
    pub(crate) path: &'static str,
    /// Other members that the cell needs.
    pub(crate) also: &'static [&'static str],
    /// The list can be sorted by it.
    pub(crate) sorts: bool,
    /// It is shown where nobody chose otherwise.
    pub(crate) usual: bool,
    /// It stands at the right.
    pub(crate) is_number: bool,
    /// The value of an object.
    pub(crate) cell: fn(&Value) -> Cell,
}

impl Column {
    /// A column that can be sorted by and is shown.
    pub(crate) const fn new(
        name: &'static str,
        title: &'static str,
        path: &'static str,
        cell: fn(&Value) -> Cell,
    ) -> Self {
        let (help, also) = ("", &[] as &[&str]);
        Self { name, title, help, path, also, sorts: true, usual: true, is_number: false, cell }
    }

    /// With an explanation.
    pub(crate) const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// Of numbers.
    pub(crate) const fn number(mut self) -> Self {
        self.is_number = true;
        self
    }

    /// Shown only where somebody wants it.
    pub(crate) const fn on_wish(mut self) -> Self {
        self.usual = false;
        self
    }

    /// Not to be sorted by.
    pub(crate) const fn unsorted(mut self) -> Self {
        self.sorts = false;
        self
    }

    /// With other members that it needs.
    pub(crate) const fn also(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }
}

/// A table as it is shown.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// What it is, for those who do not see it.
    pub(crate) caption: String,
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<Row>,
    /// What stands there instead if there are no rows.
    pub(crate) empty: String,
    /// Rows can be chosen.
    pub(crate) is_choice: bool,
}

/// The head of a column.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) title: String,
    pub(crate) help: String,
    pub(crate) is_number: bool,
    /// Where the table is sorted by it; may be empty.
    pub(crate) href: String,
    /// `ascending`, `descending`, or empty.
    pub(crate) sorted: &'static str,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// What the row is about, as a form sends it and as updates find it again.
    pub(crate) key: String,
    /// What the row is called where it is to be chosen.
    pub(crate) name: String,
    pub(crate) cells: Vec<Cell>,
    /// Something to do with the row alone.
    pub(crate) buttons: Vec<Button>,
}

/// A button in a row: a form of its own.
#[derive(Debug, Clone)]
pub(crate) struct Button {
    pub(crate) label: String,
    /// What it does to what, for those who hear it alone.
    pub(crate) title: String,
    /// Where the form goes.
    pub(crate) action: String,
    /// Fields of the form.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) is_dangerous: bool,
}

impl Table {
    /// A table of these columns, unsorted, of objects.
    pub(crate) fn of(
        caption: &str,
        columns: &[Column],
        objects: &[Value],
        key: fn(&Value) -> String,
        empty: &str,
    ) -> Self {
        let columns: Vec<&Column> = columns.iter().collect();
        let rows = objects.iter().map(|object| Row::of(&columns, object, key)).collect();
        let heads = columns.iter().map(|column| Head::of(column)).collect();
        Self { caption: caption.to_owned(), heads, rows, empty: empty.to_owned(), is_choice: false }
    }

    /// Whether rows have buttons.
    pub(crate) fn has_buttons(&self) -> bool {
        self.rows.iter().any(|row| !row.buttons.is_empty())
    }
}

impl Head {
    pub(crate) fn of(column: &Column) -> Self {
        Self {
            title: column.title.to_owned(),
            help: column.help.to_owned(),
            is_number: column.is_number,
            ..Self::default()
        }
    }
}

impl Row {
    pub(crate) fn of(columns: &[&Column], object: &Value, key: fn(&Value) -> String) -> Self {
        let key = key(object);
        let cells: Vec<_> = columns.iter().map(|column| (column.cell)(object)).collect();
        let name = cells.first().map_or_else(String::new, Cell::as_text);
        Self { key, name, cells, buttons: vec![] }
    }

    pub(crate) fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }

    /// A name for the row's element that is no other row's.
    pub(crate) fn id(&self) -> String {
        crate::links::encode(&self.key)
    }
}

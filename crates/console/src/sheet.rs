//! Pages made of sections: facts, tables, charts, forms and words. What is about one thing looks the
//! same wherever it is shown.

use askama::Template;
use axum::http::StatusCode;

use crate::cell::{Cell, Tone};
use crate::chart::{Chart, RANGES, range_links};
use crate::form::Form;
use crate::frame::Frame;
use crate::reply::{Reply, page_with};
use crate::tab::Tab;
use crate::table::Table;
use crate::visit::Visit;

/// A page of sections.
#[derive(Template)]
#[template(path = "console/sheet.html")]
pub(crate) struct Sheet {
    frame: Frame,
    heading: Heading,
    /// What stands above that, such as what it is chosen by.
    first: Vec<Section>,
    /// What stays up to date.
    live: Vec<Section>,
    /// What stands below it and stays as it is.
    still: Vec<Section>,
}

/// What stands at the top.
#[derive(Debug, Default)]
struct Heading {
    title: String,
    intro: String,
    actions: Vec<Action>,
    ranges: Vec<(&'static str, String, bool)>,
    tabs: Vec<Tab>,
}

/// A link that looks like a button.
#[derive(Debug)]
struct Action {
    label: String,
    href: String,
    is_dangerous: bool,
}

/// Things that stand together below a heading.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Empty: they stand on the page's ground, without a heading.
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
}

/// Something in a section.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    /// A sentence that is worth a look.
    Hint(Tone, String),
    Facts(Vec<(&'static str, Cell)>),
    /// Numbers that are looked at first.
    Figures(Vec<(&'static str, Cell)>),
    Table(Table),
    Charts(Vec<Chart>),
    Form(Form),
    /// Links that stand side by side: label, address, whether it is a file.
    Links(Vec<(String, String, bool)>),
}

impl Sheet {
    pub(crate) fn new(frame: Frame) -> Self {
        let heading = Heading { title: frame.title.clone(), ..Heading::default() };
        Self { frame, heading, first: vec![], live: vec![], still: vec![] }
    }

    /// With a sentence below the heading.
    pub(crate) fn intro(mut self, text: impl Into<String>) -> Self {
        self.heading.intro = text.into();
        self
    }

    /// With something that can be done and destroys.
    pub(crate) fn danger(mut self, label: &str, href: impl Into<String>) -> Self {
        let (label, href) = (label.to_owned(), href.into());
        self.heading.actions.push(Action { label, href, is_dangerous: true });
        self
    }

    /// With a choice of the time that charts are about.
    pub(crate) fn ranges(mut self, visit: &Visit, count: usize) -> Self {
        self.heading.ranges = range_links(visit, &RANGES[..count.min(RANGES.len())]);
        self
    }

    /// With a section above what stays up to date.
    pub(crate) fn first(mut self, section: Section) -> Self {
        self.first.push(section);
        self
    }

    /// With a section that stays up to date.
    pub(crate) fn live(mut self, section: Section) -> Self {
        self.live.push(section);
        self
    }

    /// With a section that stays as it is.
    pub(crate) fn with(mut self, section: Section) -> Self {
        self.still.push(section);
        self
    }

    pub(crate) fn answer(&self) -> Reply {
        self.answer_with(StatusCode::OK)
    }

    pub(crate) fn answer_with(&self, status: StatusCode) -> Reply {
        page_with(status, self)
    }

    /// The sections in the order in which they stand, and whether they stay up to date.
    fn groups(&self) -> Vec<(bool, &[Section])> {
        let groups: [(bool, &[Section]); 3] =
            [(false, &self.first), (true, &self.live), (false, &self.still)];
        groups.into_iter().filter(|(_, sections)| !sections.is_empty()).collect()
    }

    fn has_charts(&self) -> bool {
        let groups = self.groups();
        let mut parts =
            groups.iter().flat_map(|(_, sections)| *sections).flat_map(|section| &section.parts);
        parts.any(|part| matches!(part, Part::Charts(_)))
    }
}

impl Section {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), parts: vec![] }
    }

    /// One without a heading and a ground of its own.
    pub(crate) fn bare() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.with(Part::Text(text.into()))
    }

    pub(crate) fn hint(self, tone: Tone, text: impl Into<String>) -> Self {
        self.with(Part::Hint(tone, text.into()))
    }

    pub(crate) fn hints(mut self, hints: Vec<(Tone, String)>) -> Self {
        self.parts.extend(hints.into_iter().map(|(tone, text)| Part::Hint(tone, text)));
        self
    }

    pub(crate) fn facts(self, facts: Vec<(&'static str, Cell)>) -> Self {
        self.with(Part::Facts(facts))
    }

    pub(crate) fn table(self, table: Table) -> Self {
        self.with(Part::Table(table))
    }

    pub(crate) fn form(self, form: Form) -> Self {
        self.with(Part::Form(form))
    }

    pub(crate) fn charts(self, charts: Vec<Chart>) -> Self {
        self.with(Part::Charts(charts))
    }
}

//! Tabs: the pages of one object, side by side.

/// A page of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tab {
    pub(crate) title: &'static str,
    pub(crate) href: String,
    /// It is the one that is shown.
    pub(crate) is_here: bool,
    /// How much there is on it, where that is worth saying; else empty.
    pub(crate) count: String,
}

impl Tab {
    /// The pages of an object: titles, and the last parts of their paths below the object's own. The
    /// one with the part `here` is shown.
    pub(crate) fn all(path: &str, here: &str, pages: &[(&'static str, &str)]) -> Vec<Self> {
        let tab = |(title, part): &(&'static str, &str)| {
            let href = if part.is_empty() { path.to_owned() } else { format!("{path}/{part}") };
            Self { title, href, is_here: *part == here, count: String::new() }
        };
        pages.iter().map(tab).collect()
    }

    /// With a count on the page of this title.
    pub(crate) fn count(tabs: &mut [Self], title: &str, count: String) {
        if let Some(tab) = tabs.iter_mut().find(|tab| tab.title == title) {
            tab.count = count;
        }
    }
}

//! Tags of users: those that mean something, and the fields by which they are chosen.

use crate::form::{Check, Field, Form};
use crate::visit::Pairs;

/// Tags that mean something, with what they mean.
const KNOWN: [(&str, &str); 5] = [
    ("administrator", "May see and change everything, users and permissions too"),
    ("monitoring", "May see all that runs, in all virtual hosts, and the node"),
    ("policymaker", "May make policies and parameters in the virtual hosts of its permissions"),
    ("management", "May use this console for what its permissions allow"),
    ("impersonator", "May publish messages in the name of other users"),
];

/// What a tag means, if it does.
pub(super) fn meaning(tag: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == tag).map(|(_, meaning)| *meaning)
}

/// With the fields of tags.
pub(super) fn with_fields(form: Form, set: &[String]) -> Form {
    let checks = KNOWN.iter().map(|(tag, meaning)| Check {
        value: (*tag).to_owned(),
        label: (*tag).to_owned(),
        help: (*meaning).to_owned(),
        is_checked: set.iter().any(|it| it == tag),
    });
    let others: Vec<_> = set.iter().filter(|tag| meaning(tag).is_none()).cloned().collect();
    let help = "Tags of your own, with commas between them. They mean nothing to the broker.";
    form.with(
        Field::checks("tag", "Tags", checks.collect())
            .help("What the user may see and do in this console and the API. Clients need none."),
    )
    .with(Field::text("other_tags", "Other tags", others.join(", ")).help(help))
}

/// The tags that were filled in.
pub(super) fn read(form: &Pairs) -> Vec<String> {
    let chosen = form.all("tag").map(str::to_owned);
    let others = form.get("other_tags").split(',').map(|tag| tag.trim().to_owned());
    let mut tags: Vec<String> = chosen.chain(others.filter(|tag| !tag.is_empty())).collect();
    tags.dedup();
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_tags_and_those_of_ones_own_come_together() {
        let pairs = [("tag", "monitoring"), ("tag", "management"), ("other_tags", " a, ,b ")];
        let form = Pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(read(&form), ["monitoring", "management", "a", "b"]);
        assert!(meaning("administrator").is_some() && meaning("a").is_none());
    }
}

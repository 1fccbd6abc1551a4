//! The way of a message as it is shown: what it reaches in words, then exchange by exchange which
//! bindings lead on and which do not.

use serde_json::Value;

use crate::cell::{Cell, Tag, Tone};
use crate::format::grouped;
use crate::links;
use crate::pages::binding_form::{DESTINATION, KEY};
use crate::table::{Head as TableHead, Row, Table};
use crate::value::{at, is_true, items, number, plain, text};

use super::super::head::{Head, shown};
use super::super::kinds;

/// Bindings that do not lead on and are shown without being asked for.
const NEAR: usize = 10;

/// How far a binding may be from leading on to be marked as near: less than a whole word or header.
const NEAR_DISTANCE: u64 = 75;

/// How far it may be to be told of, if none is nearer: a word or a header and a half.
const TOLD_DISTANCE: u64 = 150;

/// The way.
#[derive(Debug)]
pub(super) struct Way {
    /// What it comes to, in a sentence.
    pub(super) verdict: String,
    /// Why, where it goes nowhere.
    pub(super) why: String,
    pub(super) is_good: bool,
    /// Queues that it reaches: names and pages.
    pub(super) queues: Vec<(String, String)>,
    /// The exchanges that it comes to.
    pub(super) steps: Vec<Step>,
}

/// What happens at an exchange.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) kind: Tag,
    /// How the message came here; empty at the first one.
    pub(super) from: String,
    /// What happens here, in sentences.
    pub(super) text: Vec<String>,
    pub(super) leads: Table,
    pub(super) near: Table,
    /// Those that are farther.
    pub(super) far: Table,
    /// The alternate exchange that gets it: name and page.
    pub(super) alternate: Option<(String, String)>,
}

impl Way {
    /// Of an answer of the API; `similar` are names that the default exchange may have been meant
    /// to lead to.
    pub(super) fn of(answer: &Value, head: &Head, routing_key: &str, similar: &[String]) -> Self {
        let host = &head.virtual_host;
        let queues = items(answer, "queues").iter().map(plain);
        let queues: Vec<_> = queues.map(|name| (name.clone(), links::queue(host, &name))).collect();
        let steps = items(answer, "steps");
        let is_good = !queues.is_empty();
        let why = if is_good { String::new() } else { why_nowhere(steps, routing_key, similar) };
        let step = |step| Step::of(step, host, steps, routing_key);
        Self {
            verdict: verdict(queues.len()),
            why,
            is_good,
            queues,
            steps: steps.iter().map(step).collect(),
        }
    }
}

fn verdict(queues: usize) -> String {
    match queues {
        0 => "It would go nowhere.".to_owned(),
        1 => "It would reach 1 queue.".to_owned(),
        count => format!("It would reach {} queues.", grouped(count as u64)),
    }
}

/// Why no queue gets the message: what is so at the last exchange that it comes to.
fn why_nowhere(steps: &[Value], routing_key: &str, similar: &[String]) -> String {
    let Some(last) = steps.last() else { return String::new() };
    let name = text(last, "exchange");
    if name.is_empty() {
        let mut why = match routing_key {
            "" => {
                "The default exchange leads to the queue that the routing key names, and there is \
                   no routing key."
                    .to_owned()
            }
            key => format!("There is no queue called {key}."),
        };
        if !similar.is_empty() {
            why = format!("{why} There is {}.", similar.join(", "));
        }
        return why;
    }
    let bindings = items(last, "bindings");
    if bindings.is_empty() {
        return format!(
            "Nothing is bound to the exchange {name}, and it has no alternate exchange."
        );
    }
    let mut why =
        format!("No binding of the exchange {name} leads it on, and it has no alternate exchange.");
    if let Some(nearest) = bindings.iter().find(|binding| is_within(binding, TOLD_DISTANCE)) {
        let what = match text(nearest, "routing_key") {
            "" => "The nearest binding".to_owned(),
            key => format!("The nearest binding, '{key}',"),
        };
        let (to, reason) = (text(nearest, "destination"), text(nearest, "reason"));
        why = format!("{why} {what} leads to {to}: {reason}.");
    }
    why
}

fn is_near(binding: &Value) -> bool {
    is_within(binding, NEAR_DISTANCE)
}

fn is_within(binding: &Value, most: u64) -> bool {
    number(binding, "distance").is_some_and(|distance| distance <= most)
}

impl Step {
    fn of(step: &Value, host: &str, steps: &[Value], routing_key: &str) -> Self {
        let (name, kind) = (text(step, "exchange"), text(step, "type"));
        let leads_on = |binding: &&&Value| is_true(binding, "matched");
        let bindings: Vec<&Value> = items(step, "bindings").iter().collect();
        let leads: Vec<_> = bindings.iter().filter(leads_on).copied().collect();
        let others: Vec<_> = bindings.iter().filter(|it| !leads_on(it)).copied().collect();
        let (near, far) = others.split_at(others.len().min(NEAR));
        let mut text_lines = vec![];
        if name.is_empty() {
            text_lines.push(format!(
                "The default exchange leads to the queue that the routing key names{}.",
                if routing_key.is_empty() { String::new() } else { format!(": {routing_key}") }
            ));
        } else {
            text_lines.extend(Some(kinds::sentence(kind).to_owned()).filter(|it| !it.is_empty()));
        }
        if kinds::is_by_chance(kind) {
            text_lines.push("This is what it would choose for the next message.".to_owned());
        }
        if let Some(unlisted @ 1..) = number(step, "unlisted") {
            text_lines.push(format!("{} more bindings are not listed.", grouped(unlisted)));
        }
        let of = shown(name);
        let alternate = Some(text(step, "alternate")).filter(|it| !it.is_empty());
        Self {
            name: shown(name).to_owned(),
            href: links::exchange(host, name),
            kind: Tag::plain(kind, kinds::sentence(kind)),
            from: from(name, steps),
            text: text_lines,
            leads: table(format!("Bindings of {of} that lead on"), &leads, host),
            near: table(format!("Bindings of {of} that do not, the nearest first"), near, host),
            far: table(format!("Bindings of {of} that are farther from it"), far, host),
            alternate: alternate.map(|it| (it.to_owned(), links::exchange(host, it))),
        }
    }

    /// Whether there is anything to look at.
    pub(super) fn leads_on(&self) -> bool {
        !self.leads.rows.is_empty()
    }
}

/// How a message came to an exchange.
fn from(name: &str, steps: &[Value]) -> String {
    let leads_here = |step: &&Value| {
        let is_way = |binding: &Value| {
            is_true(binding, "matched")
                && text(binding, "destination_type") == "exchange"
                && text(binding, "destination") == name
        };
        items(step, "bindings").iter().any(is_way)
    };
    if name.is_empty() {
        return String::new();
    }
    if let Some(step) = steps.iter().find(leads_here) {
        return format!("from {} by a binding", shown(text(step, "exchange")));
    }
    match steps.iter().find(|step| text(step, "alternate") == name) {
        Some(step) => {
            format!("from {}, whose alternate exchange it is", shown(text(step, "exchange")))
        }
        None => String::new(),
    }
}

fn table(caption: String, bindings: &[&Value], host: &str) -> Table {
    let has_arguments = |binding: &&Value| {
        at(binding, "arguments").as_object().is_some_and(|arguments| !arguments.is_empty())
    };
    let has_arguments = bindings.iter().any(has_arguments);
    let titles =
        ["To", "Why", "Binding key"].into_iter().chain(has_arguments.then_some("Arguments"));
    let head = |title: &str| TableHead { title: title.to_owned(), ..TableHead::default() };
    let row = |(place, binding): (usize, &&Value)| {
        let mut binding = (*binding).clone();
        binding["vhost"] = host.into();
        let mut why = text(&binding, "reason").to_owned();
        if !is_true(&binding, "matched") && is_near(&binding) {
            why = format!("Near: {why}");
        }
        let why = Cell::Tags(vec![tone(&binding, why)]);
        let mut cells = vec![(DESTINATION.cell)(&binding), why, (KEY.cell)(&binding)];
        if has_arguments {
            cells.push(Cell::pairs(at(&binding, "arguments")));
        }
        let name = text(&binding, "destination").to_owned();
        Row { key: format!("{caption} {place}"), name, cells, buttons: vec![] }
    };
    Table {
        heads: titles.map(head).collect(),
        rows: bindings.iter().enumerate().map(row).collect(),
        caption,
        empty: String::new(),
        is_choice: false,
    }
}

fn tone(binding: &Value, why: String) -> Tag {
    let tone = if is_true(binding, "matched") {
        Tone::Good
    } else if is_near(binding) {
        Tone::Warning
    } else {
        Tone::Plain
    };
    Tag::new(why, "", tone)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(exchange: &str, bindings: &Value) -> Value {
        json!({"exchange": exchange, "type": "topic", "bindings": bindings, "unlisted": 0, "alternate": null})
    }

    #[test]
    fn a_message_that_goes_nowhere_tells_why() {
        let near = json!({"destination": "q", "destination_type": "queue", "routing_key": "order.failed",
            "matched": false, "distance": 33, "reason": "word 2 is 'failde', not 'failed'", "arguments": {}});
        let steps = [step("shop", &json!([near]))];
        assert_eq!(
            why_nowhere(&steps, "order.failde", &[]),
            "No binding of the exchange shop leads it on, and it has no alternate exchange. The \
             nearest binding, 'order.failed', leads to q: word 2 is 'failde', not 'failed'."
        );
        let empty = [step("shop", &json!([]))];
        assert!(why_nowhere(&empty, "x", &[]).starts_with("Nothing is bound to the exchange shop"));
        let default = [step("", &json!([]))];
        assert_eq!(
            why_nowhere(&default, "ordres", &["orders".to_owned()]),
            "There is no queue called ordres. There is orders."
        );
    }

    #[test]
    fn each_exchange_tells_how_the_message_came_there() {
        let mut first = step(
            "a",
            &json!([
                {"destination": "b", "destination_type": "exchange", "matched": true},
                {"destination": "c", "destination_type": "exchange", "matched": false},
            ]),
        );
        first["alternate"] = json!("d");
        let steps = [first];
        assert_eq!(from("b", &steps), "from a by a binding");
        assert_eq!(from("d", &steps), "from a, whose alternate exchange it is");
        assert_eq!(from("a", &steps), "");
    }
}

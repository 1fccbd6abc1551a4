//! Why a queue is as it is, and what to do about it: what people would find out by looking at its
//! numbers and settings side by side.

use serde_json::Value;

use crate::cell::Tone;
use crate::format::{bytes, count, duration, rate};
use crate::value::{at, float, is_true, items, number, text};

/// Something to know about a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) tone: Tone,
    /// One or two sentences.
    pub(super) text: String,
    /// A label and the page that helps; none if there is nothing to do.
    pub(super) next: Option<(&'static str, String)>,
}

impl Hint {
    /// The word that stands for the tone.
    pub(super) fn word(&self) -> &'static str {
        match self.tone {
            Tone::Bad => "Urgent",
            Tone::Warning => "Look",
            Tone::Good | Tone::Plain => "Note",
        }
    }
}

/// The numbers that hints are about.
struct Numbers<'a> {
    queue: &'a Value,
    /// The path of its page.
    path: &'a str,
    ready: u64,
    unacknowledged: u64,
    consumers: u64,
    /// A second.
    comes: f64,
    /// A second, to consumers and to those who fetch.
    goes: f64,
}

/// All that is worth saying, the worst first. `lost_letters` is the name of a dead letter exchange
/// that there is not.
pub(super) fn of(queue: &Value, path: &str, lost_letters: Option<&str>) -> Vec<Hint> {
    let per_second =
        |member: &str| float(queue, &format!("message_stats.{member}_details.rate")).unwrap_or(0.0);
    let numbers = Numbers {
        queue,
        path,
        ready: number(queue, "messages_ready").unwrap_or(0),
        unacknowledged: number(queue, "messages_unacknowledged").unwrap_or(0),
        consumers: number(queue, "consumers").unwrap_or(0),
        comes: per_second("publish"),
        goes: per_second("deliver_get"),
    };
    let mut hints = vec![];
    hints.extend(numbers.unreadable());
    hints.extend(numbers.without_letters(lost_letters));
    if text(queue, "type") != "stream" {
        hints.extend(numbers.flow());
        hints.extend(numbers.fullness());
    }
    hints.extend(numbers.endings());
    hints.sort_by_key(|hint| match hint.tone {
        Tone::Bad => 0,
        Tone::Warning => 1,
        Tone::Good | Tone::Plain => 2,
    });
    hints
}

/// A setting that holds: its value, and who says so.
fn setting<'a>(queue: &'a Value, key: &str) -> Option<(&'a Value, String)> {
    let held = at(queue, "effective_policy_sources").get(key)?;
    let source = match text(held, "source") {
        "policy" => format!("by the policy {}", text(queue, "policy")),
        "operator_policy" => format!("by the operator policy {}", text(queue, "operator_policy")),
        _ => "by its arguments".to_owned(),
    };
    Some((at(held, "value"), source))
}

fn number_of(queue: &Value, key: &str) -> Option<(u64, String)> {
    let (value, source) = setting(queue, key)?;
    Some((value.as_u64()?, source))
}

/// Milliseconds, in words.
pub(super) fn milliseconds(number: u64) -> String {
    duration(number as f64 / 1000.0)
}

/// That so many wait.
fn waiting(number: u64) -> String {
    if number == 1 {
        "1 message waits".to_owned()
    } else {
        format!("{} messages wait", count(number))
    }
}

fn messages(number: u64) -> String {
    if number == 1 { "1 message".to_owned() } else { format!("{} messages", count(number)) }
}

impl Numbers<'_> {
    fn hint(&self, tone: Tone, text: String, label: &'static str, page: &str) -> Hint {
        Hint { tone, text, next: Some((label, format!("{}/{page}", self.path))) }
    }

    fn unreadable(&self) -> Option<Hint> {
        let lost = number(self.queue, "losses.lost").filter(|lost| *lost > 0)?;
        let text = format!(
            "{} could not be read back from disk since the start. The log tells which.",
            messages(lost)
        );
        Some(Hint { tone: Tone::Bad, text, next: Some(("Logs", "/logs".to_owned())) })
    }

    fn without_letters(&self, exchange: Option<&str>) -> Option<Hint> {
        let text = format!(
            "Its dead letter exchange {} does not exist: what the queue gives up is lost.",
            exchange?
        );
        Some(self.hint(Tone::Bad, text, "Settings", "settings"))
    }

    /// Whether what comes also goes.
    fn flow(&self) -> Option<Hint> {
        let Self { ready, unacknowledged, consumers, comes, goes, .. } = *self;
        if is_true(self.queue, "paused") {
            let waiting = if ready > 0 { format!(" {}.", waiting(ready)) } else { String::new() };
            let text =
                format!("It is paused: its consumers get nothing until it is resumed.{waiting}");
            return Some(Hint { tone: Tone::Warning, text, next: None });
        }
        if ready == 0 {
            return None;
        }
        let grows = comes >= 0.5 && comes > goes * 1.05;
        if consumers == 0 {
            return Some(match grows {
                true => {
                    let text = format!(
                        "Nobody consumes from it, and {} come in: it grows until a consumer comes \
                         or a limit is reached.",
                        rate(comes)
                    );
                    self.hint(Tone::Warning, text, "Set a limit", "settings")
                }
                false => {
                    let text = format!("{}, and nobody consumes from it.", waiting(ready));
                    self.hint(Tone::Plain, text, "See the messages", "messages")
                }
            });
        }
        if self.all_have_enough() {
            let text = format!(
                "Its consumers have {} and may have no more before they acknowledge some: they are \
                 slow, or they hang. {}.",
                messages(unacknowledged),
                waiting(ready)
            );
            let tone = if goes > 0.0 { Tone::Warning } else { Tone::Bad };
            return Some(self.hint(tone, text, "Who has them", "unacked"));
        }
        if grows {
            let text = format!(
                "More comes in ({}) than its consumers take ({}): it grows. More consumers, or \
                 faster ones, would help.",
                rate(comes),
                rate(goes)
            );
            return Some(self.hint(Tone::Warning, text, "Consumers", "consumers"));
        }
        None
    }

    /// All consumers have as many messages as their prefetch allows.
    fn all_have_enough(&self) -> bool {
        let consumers = items(self.queue, "consumer_details");
        let has_enough = |consumer: &Value| {
            let most = number(consumer, "prefetch_count").unwrap_or(0);
            most > 0 && number(consumer, "messages_unacknowledged").unwrap_or(0) >= most
        };
        !consumers.is_empty() && consumers.iter().all(has_enough)
    }

    /// How near it is to what it may have.
    fn fullness(&self) -> Option<Hint> {
        let counted = number_of(self.queue, "max-length")
            .map(|(most, by)| (self.ready, most, messages(most), by));
        let size = number(self.queue, "message_bytes_ready").unwrap_or(0);
        let weighed = number_of(self.queue, "max-length-bytes")
            .map(|(most, by)| (size, most, bytes(most), by));
        let limits = [counted, weighed].into_iter().flatten().filter(|(_, most, ..)| *most > 0);
        let nearest = limits.max_by_key(|(has, most, ..)| has.saturating_mul(100) / most);
        let (has, most, limit, by) = nearest?;
        let overflow = setting(self.queue, "overflow").and_then(|(value, _)| value.as_str());
        let keeps_letters = setting(self.queue, "dead-letter-exchange").is_some();
        let then = match (overflow, keeps_letters) {
            (Some("reject-publish"), _) => "new messages are refused",
            (Some("reject-publish-dlx"), _) => "new messages are refused, and dead-lettered",
            (_, true) => "for each new message the oldest one is dead-lettered",
            (_, false) => "for each new message the oldest one is dropped",
        };
        if has >= most {
            let text = format!("It is full ({limit}, {by}): {then}.");
            return Some(self.hint(Tone::Warning, text, "Settings", "settings"));
        }
        if has.saturating_mul(10) >= most.saturating_mul(9) {
            let text = format!("It is nearly full ({limit}, {by}). When it is, {then}.");
            return Some(self.hint(Tone::Plain, text, "Settings", "settings"));
        }
        None
    }

    /// What goes by itself: the queue, its messages.
    fn endings(&self) -> Vec<Hint> {
        let mut hints = vec![];
        if let Some((after, by)) = number_of(self.queue, "expires") {
            let after = milliseconds(after);
            let text = match self.consumers {
                0 => format!("The queue is deleted when nobody has used it for {after} ({by})."),
                _ => format!("The queue is deleted {after} after its last consumer left ({by})."),
            };
            hints.push(self.hint(Tone::Plain, text, "Settings", "settings"));
        }
        let expired = number(self.queue, "losses.expired").unwrap_or(0);
        if let Some((after, by)) = number_of(self.queue, "message-ttl").filter(|_| expired > 0) {
            let text = format!(
                "{} were not consumed within {} ({by}) and expired, since the start.",
                messages(expired),
                milliseconds(after)
            );
            hints.push(self.hint(Tone::Plain, text, "Settings", "settings"));
        }
        hints
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn first(queue: &Value) -> (Tone, String) {
        let hints = of(queue, "/queues/%2F/q", None);
        hints.into_iter().next().map_or((Tone::Good, String::new()), |it| (it.tone, it.text))
    }

    fn stats(comes: f64, goes: f64) -> Value {
        json!({"publish_details": {"rate": comes}, "deliver_get_details": {"rate": goes}})
    }

    #[test]
    fn a_queue_that_is_well_needs_no_words() {
        let consumer = json!({"prefetch_count": 20, "messages_unacknowledged": 3});
        let queue = json!({"messages_ready": 5, "consumers": 1, "consumer_details": [consumer],
                           "message_stats": stats(100.0, 100.0)});
        assert_eq!(of(&queue, "", None), []);
        assert_eq!(of(&json!({"messages_ready": 0}), "", None), []);
    }

    #[test]
    fn a_queue_that_grows_says_why() {
        let mut queue = json!({"messages_ready": 5, "message_stats": stats(20.0, 0.0)});
        let (tone, text) = first(&queue);
        assert_eq!(tone, Tone::Warning);
        assert!(text.starts_with("Nobody consumes from it, and 20/s come in"), "{text}");
        queue["paused"] = json!(true);
        assert!(first(&queue).1.starts_with("It is paused"), "{:?}", first(&queue));
        let hangs = json!({"prefetch_count": 20, "messages_unacknowledged": 20});
        let mut queue = json!({"messages_ready": 1, "messages_unacknowledged": 20, "consumers": 1,
                               "consumer_details": [hangs], "message_stats": stats(5.0, 0.0)});
        let (tone, text) = first(&queue);
        assert_eq!(tone, Tone::Bad);
        assert!(text.starts_with("Its consumers have 20 messages and may have no more"), "{text}");
        queue["consumer_details"][0]["prefetch_count"] = json!(0);
        assert!(first(&queue).1.starts_with("More comes in (5.0/s)"), "{:?}", first(&queue));
    }

    #[test]
    fn a_full_queue_says_what_becomes_of_new_messages_and_who_wants_it_so() {
        let mut queue = json!({
            "messages_ready": 10, "policy": "small",
            "effective_policy_sources": {"max-length": {"value": 10, "source": "policy"}},
        });
        let full = |queue: &Value| {
            of(queue, "", None).into_iter().any(|it| {
                it.text
                    == "It is full (10 messages, by the policy small): for each new message the \
                        oldest one is dropped."
            })
        };
        assert!(full(&queue));
        queue["messages_ready"] = json!(9);
        assert!(of(&queue, "", None).iter().any(|it| it.text.starts_with("It is nearly full")));
        queue["messages_ready"] = json!(8);
        assert!(!of(&queue, "", None).iter().any(|it| it.text.contains("full")));
    }

    #[test]
    fn dead_letters_that_go_nowhere_come_first() {
        let queue = json!({"messages_ready": 5, "message_stats": stats(20.0, 0.0)});
        let hints = of(&queue, "", Some("dlx"));
        assert_eq!((hints.len(), hints[0].tone), (2, Tone::Bad));
        assert!(hints[0].text.contains("dlx does not exist"));
    }
}

//! What a dead letter has been through: its header `x-death`, in words and in the order of time.

use serde_json::Value;

use crate::cell::Cell;
use crate::format::grouped;
use crate::links;
use crate::value::{items, number, plain, text};

/// A time that a queue gave the message up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Death {
    /// Where it was.
    pub(super) queue: Cell,
    /// What became of it there.
    pub(super) text: String,
    /// When that was first so.
    pub(super) time: Cell,
}

/// All of them, the first one in front.
pub(super) fn of(message: &Value, virtual_host: &str) -> Vec<Death> {
    let deaths = items(message, "properties.headers.x-death").iter().rev();
    deaths.filter(|death| death.is_object()).map(|it| death(it, virtual_host)).collect()
}

fn death(death: &Value, virtual_host: &str) -> Death {
    let queue = text(death, "queue");
    let keys = items(death, "routing-keys").iter().map(plain).collect::<Vec<_>>().join(", ");
    let came = match (text(death, "exchange"), keys.as_str()) {
        ("", _) => "It came straight to the queue".to_owned(),
        (exchange, "") => format!("It came from the exchange {exchange}"),
        (exchange, keys) => format!("It came from the exchange {exchange} with the key {keys}"),
    };
    let why = match text(death, "reason") {
        "rejected" => "a consumer rejected it".to_owned(),
        "expired" => match text(death, "original-expiration") {
            "" => "it waited too long and expired".to_owned(),
            time => format!("it expired, as its publisher wanted after {time} ms"),
        },
        "maxlen" => "the queue was full and it was the oldest".to_owned(),
        "delivery_limit" => "it came back from consumers too often".to_owned(),
        other => format!("it was given up ({other})"),
    };
    let count = match number(death, "count") {
        None | Some(0 | 1) => String::new(),
        Some(2) => " Twice.".to_owned(),
        Some(count) => format!(" {} times.", grouped(count)),
    };
    Death {
        queue: Cell::link(queue, links::queue(virtual_host, queue)),
        text: format!("{came}, and {why}.{count}"),
        time: Cell::time(number(death, "time").map(|seconds| seconds * 1000)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_way_of_a_dead_letter_is_told_from_its_beginning_on() {
        let message = json!({"properties": {"headers": {"x-death": [
            {"queue": "retry", "reason": "expired", "exchange": "", "routing-keys": ["retry"],
             "count": 3, "time": 1_700_000_100, "original-expiration": "5000"},
            {"queue": "orders", "reason": "rejected", "exchange": "shop",
             "routing-keys": ["order.new"], "count": 1, "time": 1_700_000_000},
            "nonsense",
        ]}}});
        let deaths = of(&message, "/");
        assert_eq!(deaths.len(), 2);
        assert_eq!(deaths[0].queue, Cell::link("orders", "/queues/%2F/orders"));
        assert_eq!(
            deaths[0].text,
            "It came from the exchange shop with the key order.new, and a consumer rejected it."
        );
        assert_eq!(deaths[0].time, Cell::Time(1_700_000_000_000));
        assert_eq!(
            deaths[1].text,
            "It came straight to the queue, and it expired, as its publisher wanted after 5000 ms. \
             3 times."
        );
    }

    #[test]
    fn a_message_without_that_header_has_no_such_past() {
        assert_eq!(of(&json!({"properties": {"headers": {"x-death": "x"}}}), "/"), []);
    }
}

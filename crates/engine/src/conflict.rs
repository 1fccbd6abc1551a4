//! How a declaration differs from what is there, for those who only want to know.

use warren_amqp::{FieldTable, FieldValue};

use crate::arguments::{Difference, exchange_difference, queue_difference};
use crate::command::Declaration;
use crate::record::{ExchangeRecord, QueueRecord};

/// Why a declaration of a queue would be refused, as one of this name is there. `has_type` says that
/// the virtual host gives queues a type: then a declaration without one is for the type that is there.
#[must_use]
pub fn queue_conflict(
    declaration: &Declaration,
    arguments: &FieldTable,
    current: &QueueRecord,
    has_type: bool,
) -> Option<String> {
    const TYPE: &str = "x-queue-type";
    let mut arguments = arguments.clone();
    if has_type && !arguments.inner().contains_key(TYPE) {
        let kind = match current.arguments.inner().get(TYPE) {
            Some(kind) => kind.clone(),
            None => FieldValue::LongString("classic".into()),
        };
        arguments.insert(TYPE.into(), kind);
    }
    let difference = flag("durable", declaration.durable, current.durable)
        .or_else(|| flag("auto_delete", declaration.auto_delete, current.auto_delete))
        .or_else(|| queue_difference(&arguments, &current.arguments));
    difference.map(words)
}

/// The same of an exchange.
#[must_use]
pub fn exchange_conflict(
    kind: &str,
    declaration: &Declaration,
    arguments: &FieldTable,
    current: &ExchangeRecord,
) -> Option<String> {
    let there = current.kind.name();
    let of_kind = (kind != there).then(|| ("type", format!("'{kind}'"), format!("'{there}'")));
    let difference = of_kind
        .or_else(|| flag("durable", declaration.durable, current.durable))
        .or_else(|| flag("auto_delete", declaration.auto_delete, current.auto_delete))
        .or_else(|| flag("internal", declaration.internal, current.internal))
        .or_else(|| exchange_difference(arguments, &current.arguments));
    difference.map(words)
}

fn flag(name: &'static str, received: bool, current: bool) -> Option<Difference> {
    (received != current).then(|| (name, format!("'{received}'"), format!("'{current}'")))
}

fn words((name, received, current): Difference) -> String {
    format!("inequivalent arg '{name}': received {received} but current is {current}")
}

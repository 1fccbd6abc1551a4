//! Effects as lines of text.

use warren_amqp::properties;
use warren_amqp::table::{self, Value};
use warren_engine::{
    BindingRecord, BrowsePage, Browsed, Destination, Event, ExchangeRecord, Load, Message,
    Outgoing, Outstanding, QueueRecord, Reply, Sequence, SessionId, Taken, Write,
};

use crate::durable::Durable;

/// The body, or its length where nobody wants to read it.
pub(crate) fn body(message: &Message) -> String {
    let body = message.body();
    if body.len() > 100 {
        return format!("*{}{}", body.len(), told(message));
    }
    format!("{}{}", String::from_utf8_lossy(body), told(message))
}

/// What the broker told in headers: `{q rejected 2, r expired 1}` for deaths, `{came back 3}`.
fn told(message: &Message) -> String {
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let mut told = vec![];
    if let Some(Value::Array(deaths)) = table::get(headers, "x-death") {
        for death in table::elements(deaths) {
            let Value::Table(death) = death else { continue };
            let value = |key| match table::get(death, key) {
                Some(Value::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
                Some(Value::Int(number)) => number.to_string(),
                other => format!("{other:?}"),
            };
            told.push(format!("{} {} {}", value("queue"), value("reason"), value("count")));
        }
    }
    if let Some(Value::Int(count)) = table::get(headers, "x-delivery-count") {
        told.push(format!("came back {count}"));
    }
    if told.is_empty() { String::new() } else { format!(" {{{}}}", told.join(", ")) }
}

/// `5`, or `5..7`.
pub(crate) fn range(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first}..{last}") }
}

/// `5,9`
pub(crate) fn list(places: &[Sequence]) -> String {
    places.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

fn again(redelivered: bool) -> &'static str {
    if redelivered { " again" } else { "" }
}

/// `tag_of` knows a consumer's tag by its channel and number.
pub(crate) fn outgoing(
    outgoing: &Outgoing,
    tag_of: impl Fn((SessionId, u16), u32) -> String,
) -> String {
    let Outgoing { session, event, after_commit } = outgoing;
    let waits = if *after_commit { "once written: " } else { "" };
    let channel = event.channel().map_or_else(String::new, |channel| format!(".{channel}"));
    let text = match event {
        Event::Deliver { channel, consumer, delivery_tag, redelivered, message } => {
            let tag = tag_of((*session, *channel), *consumer);
            format!("deliver {tag} {delivery_tag} {}{}", body(message), again(*redelivered))
        }
        Event::DeliverFromStream { channel, consumer, delivery_tag, offset, message } => {
            let tag = tag_of((*session, *channel), *consumer);
            format!("deliver {tag} {delivery_tag} {} at {offset}", body(message))
        }
        Event::GetOk { delivery_tag, redelivered, message_count, message, .. } => {
            let again = again(*redelivered);
            format!("get-ok {delivery_tag} {}{again}, {message_count} left", body(message))
        }
        Event::Taken { taken, done, .. } => {
            let one = |taken: &Taken| {
                let Taken { delivery_tag, place, redelivered, message } = taken;
                format!("{delivery_tag} {}{} from {place}", body(message), again(*redelivered))
            };
            let taken: Vec<_> = taken.iter().map(one).collect();
            let more = if *done { "" } else { ", more to come" };
            format!("taken {}{more}", taken.join(", ")).trim_end().to_owned()
        }
        Event::Return { message, .. } => format!("return {}", body(message)),
        Event::Confirm { first, last, .. } => format!("confirm {}", range(*first, *last)),
        Event::Refused { first, last, .. } => format!("refuse {}", range(*first, *last)),
        Event::Reply { reply: what, .. } => reply(what),
        Event::ConsumerCancelled { channel, consumer } => {
            format!("cancelled {}", tag_of((*session, *channel), *consumer))
        }
        Event::ChannelError { error, origin, .. } => {
            format!("channel error {}.{}: {error}", origin.class_id, origin.method_id)
        }
        Event::SessionError { error, origin } => {
            format!("connection error {}.{}: {error}", origin.class_id, origin.method_id)
        }
        Event::SessionClosed => "closed".to_owned(),
    };
    format!("{waits}s{}{channel} {text}", session.0)
}

pub(crate) fn page(page: &BrowsePage) -> Vec<String> {
    let shown = |found: &Browsed| {
        let expires = found.expires.map_or_else(String::new, |at| format!(", until {at}"));
        let again = again(found.redelivered);
        format!("{} {}{again}{expires}", found.place, body(&found.message))
    };
    let mut lines: Vec<String> = page.messages.iter().map(shown).collect();
    if let Some(Load { first, last, messages_max, only, .. }) = &page.load {
        let only = only.as_ref().map_or_else(String::new, |only| format!(" only {}", list(only)));
        lines.push(format!("{messages_max} of {}{only}", range(*first, *last)));
    }
    lines.extend(page.next.map(|next| format!("next {next}")));
    lines
}

pub(crate) fn outstanding(found: &Outstanding) -> String {
    let Outstanding { place, session, channel, delivery_tag, since, .. } = found;
    let holder = found.consumer_tag.as_deref().unwrap_or("nobody");
    format!("{place} tag {delivery_tag} with {holder} on s{}.{channel} since {since}", session.0)
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::QueueDeclareOk { queue, message_count, consumer_count } => {
            format!("declare-ok {queue}, {message_count} ready, {consumer_count} consumers")
        }
        Reply::QueueDeleteOk { message_count } => format!("delete-ok {message_count}"),
        Reply::QueuePurgeOk { message_count } => format!("purge-ok {message_count}"),
        Reply::ConsumeOk { consumer_tag, no_wait, .. } => {
            format!("consume-ok {consumer_tag}{}", silent(*no_wait))
        }
        Reply::CancelOk { consumer_tag, no_wait, .. } => {
            format!("cancel-ok {consumer_tag}{}", silent(*no_wait))
        }
        Reply::ChannelCloseOk => "close-ok".to_owned(),
        Reply::ExchangeDeclareOk => "exchange declare-ok".to_owned(),
        Reply::ExchangeDeleteOk => "exchange delete-ok".to_owned(),
        Reply::ExchangeBindOk => "exchange bind-ok".to_owned(),
        Reply::ExchangeUnbindOk => "exchange unbind-ok".to_owned(),
        Reply::QueueBindOk => "bind-ok".to_owned(),
        Reply::QueueUnbindOk => "unbind-ok".to_owned(),
        Reply::QueuePauseOk => "pause-ok".to_owned(),
        Reply::QosOk => "qos-ok".to_owned(),
        Reply::GetEmpty => "get-empty".to_owned(),
        Reply::RecoverOk => "recover-ok".to_owned(),
        Reply::ConfirmSelectOk => "select-ok".to_owned(),
        Reply::TxSelectOk => "tx select-ok".to_owned(),
        Reply::TxCommitOk => "commit-ok".to_owned(),
        Reply::TxRollbackOk => "rollback-ok".to_owned(),
    }
}

/// The session must know, the client does not want to.
pub(crate) fn silent(no_wait: bool) -> &'static str {
    if no_wait { " (silent)" } else { "" }
}

pub(crate) fn write(written: &Write, durable: &Durable) -> String {
    match written {
        Write::ExchangeDeclared(_, ExchangeRecord { name, kind, .. }) => {
            format!("write exchange {name} {}", kind.name())
        }
        Write::ExchangeDeleted(_, name) => format!("write no exchange {name}"),
        Write::QueueDeclared(QueueRecord { name, .. }) => format!("write queue {name}"),
        Write::QueueDeleted(id) => format!("write no queue {}", durable.name(*id)),
        Write::Bound(_, record) => format!("write {}", binding(record)),
        Write::Unbound(_, record) => format!("write no {}", binding(record)),
        Write::Enqueued { message, queues } => {
            let places: Vec<_> =
                queues.iter().map(|(id, place)| format!("{}:{place}", durable.name(*id))).collect();
            format!("write {} -> {}", body(message), places.join(" "))
        }
        Write::Settled { queue, first, last } => {
            format!("write settled {}:{}", durable.name(*queue), range(*first, *last))
        }
        Write::Returned { queue, first, last, count } => {
            format!("write returned {}:{} {count}", durable.name(*queue), range(*first, *last))
        }
        Write::Delivered { queue, through } => {
            format!("write delivered {}:{through}", durable.name(*queue))
        }
        Write::DefinitionSet { key, .. } => format!("write definition {key}"),
        Write::DefinitionDeleted { key } => format!("write no definition {key}"),
        Write::Together(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| write(part, durable)).collect();
            format!("together: {}", parts.join(", "))
        }
    }
}

fn binding(record: &BindingRecord) -> String {
    let destination = match &record.destination {
        Destination::Queue(name) => name.clone(),
        Destination::Exchange(name) => format!("exchange:{name}"),
    };
    let arguments: Vec<_> =
        record.arguments.into_iter().map(|(name, _)| format!(" {}=", name.as_str())).collect();
    let key = &record.routing_key;
    format!("binding {} '{key}' -> {destination}{}", record.source, arguments.concat())
}

pub(crate) fn places(what: &str, queue: &str, first: Sequence, last: Sequence) -> String {
    format!("{what} {queue}:{}", range(first, last))
}

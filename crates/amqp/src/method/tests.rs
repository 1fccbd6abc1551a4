//! Every method of AMQP 0-9-1 and RabbitMQ's additions against bytes that were packed by hand
//! from the fields in the specification, and what happens to methods that are malformed.

use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::*;
use crate::{access, basic, channel, confirm, connection, exchange, queue, tx};

/// Bytes from hex digits; spaces are for reading, and `'text'` stands for its own bytes.
fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        if let Some(plain) = word.strip_prefix('\'') {
            bytes.extend_from_slice(plain.trim_end_matches('\'').as_bytes());
            continue;
        }
        for at in (0..word.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&word[at..at + 2], 16).unwrap());
        }
    }
    bytes
}

fn short(text: &str) -> ShortString {
    ShortString::from(text)
}

/// `{"x-max-length": 5}`, and its bytes with the length in front.
fn arguments() -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(short("x-max-length"), AMQPValue::LongInt(5));
    table
}
const ARGUMENTS: &str = "00000012 0c 'x-max-length' 49 00000005";

/// Encodes to these bytes, and a server reads it back from them.
#[track_caller]
fn client_sends(method: impl Into<Method>, bytes: &str) {
    let method = method.into();
    assert_eq!(encode(&method), hex(bytes), "{method:?}");
    assert_eq!(decode(&hex(bytes)), Ok(method));
}

/// Encodes to these bytes, a client reads it back from them, and a server refuses it.
#[track_caller]
fn server_sends(method: impl Into<Method>, bytes: &str) {
    let method = method.into();
    let (class_id, method_id) = (method.get_amqp_class_id(), method.get_amqp_method_id());
    assert_eq!(encode(&method), hex(bytes), "{method:?}");
    assert_eq!(protocol::parse_class(hex(bytes).as_slice()), Ok((&[][..], method)));
    assert_eq!(decode(&hex(bytes)), Err(Error::Method { class_id, method_id }));
}

#[test]
fn connection_start_to_tune() {
    use connection::AMQPMethod as M;
    let mut capabilities = FieldTable::default();
    capabilities.insert(short("basic.nack"), AMQPValue::Boolean(true));
    let mut properties = FieldTable::default();
    properties.insert(short("capabilities"), AMQPValue::FieldTable(capabilities));
    let table = "0000001f 0c 'capabilities' 46 0000000d 0a 'basic.nack' 74 01";
    server_sends(
        Method::Connection(M::Start(connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: properties.clone(),
            mechanisms: LongString::from("PLAIN"),
            locales: LongString::from("en_US"),
        })),
        &format!("000a 000a 00 09 {table} 00000005 'PLAIN' 00000005 'en_US'"),
    );
    client_sends(
        Method::Connection(M::StartOk(connection::StartOk {
            client_properties: properties,
            mechanism: short("PLAIN"),
            response: LongString::from("\0a\0b"),
            locale: short("en_US"),
        })),
        &format!("000a 000b {table} 05 'PLAIN' 00000004 00 'a' 00 'b' 05 'en_US'"),
    );
    let challenge = LongString::from("what?");
    server_sends(
        Method::Connection(M::Secure(connection::Secure { challenge })),
        "000a 0014 00000005 'what?'",
    );
    let response = LongString::from("that");
    client_sends(
        Method::Connection(M::SecureOk(connection::SecureOk { response })),
        "000a 0015 00000004 'that'",
    );
    let (channel_max, frame_max, heartbeat) = (2047, 131_072, 60);
    server_sends(
        Method::Connection(M::Tune(connection::Tune { channel_max, frame_max, heartbeat })),
        "000a 001e 07ff 00020000 003c",
    );
    client_sends(
        Method::Connection(M::TuneOk(connection::TuneOk { channel_max, frame_max, heartbeat })),
        "000a 001f 07ff 00020000 003c",
    );
}

#[test]
fn connection_open_to_close() {
    use connection::AMQPMethod as M;
    client_sends(
        Method::Connection(M::Open(connection::Open { virtual_host: short("/prod") })),
        "000a 0028 05 '/prod' 00 00",
    );
    server_sends(Method::Connection(M::OpenOk(connection::OpenOk {})), "000a 0029 00");
    client_sends(
        Method::Connection(M::Close(connection::Close {
            reply_code: 320,
            reply_text: short("bye"),
            class_id: 60,
            method_id: 40,
        })),
        "000a 0032 0140 03 'bye' 003c 0028",
    );
    client_sends(Method::Connection(M::CloseOk(connection::CloseOk {})), "000a 0033");
    let reason = short("low");
    server_sends(
        Method::Connection(M::Blocked(connection::Blocked { reason })),
        "000a 003c 03 'low'",
    );
    server_sends(Method::Connection(M::Unblocked(connection::Unblocked {})), "000a 003d");
    let (new_secret, reason) = (LongString::from("token"), short("old"));
    client_sends(
        Method::Connection(M::UpdateSecret(connection::UpdateSecret { new_secret, reason })),
        "000a 0046 00000005 'token' 03 'old'",
    );
    server_sends(Method::Connection(M::UpdateSecretOk(connection::UpdateSecretOk {})), "000a 0047");
}

#[test]
fn channel_methods() {
    use channel::AMQPMethod as M;
    client_sends(Method::Channel(M::Open(channel::Open {})), "0014 000a 00");
    server_sends(Method::Channel(M::OpenOk(channel::OpenOk {})), "0014 000b 00000000");
    client_sends(Method::Channel(M::Flow(channel::Flow { active: true })), "0014 0014 01");
    client_sends(Method::Channel(M::FlowOk(channel::FlowOk { active: false })), "0014 0015 00");
    client_sends(
        Method::Channel(M::Close(channel::Close {
            reply_code: 404,
            reply_text: short("gone"),
            class_id: 50,
            method_id: 10,
        })),
        "0014 0028 0194 04 'gone' 0032 000a",
    );
    client_sends(Method::Channel(M::CloseOk(channel::CloseOk {})), "0014 0029");
}

#[test]
fn access_methods() {
    let request = access::Request {
        realm: short("/data"),
        exclusive: true,
        passive: false,
        active: true,
        write: true,
        read: false,
    };
    client_sends(Method::Access(access::AMQPMethod::Request(request)), "001e 000a 05 '/data' 0d");
    server_sends(
        Method::Access(access::AMQPMethod::RequestOk(access::RequestOk {})),
        "001e 000b 0001",
    );
}

#[test]
fn exchange_methods() {
    use exchange::AMQPMethod as M;
    client_sends(
        Method::Exchange(M::Declare(exchange::Declare {
            exchange: short("logs"),
            kind: short("topic"),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: true,
            nowait: false,
            arguments: arguments(),
        })),
        &format!("0028 000a 0000 04 'logs' 05 'topic' 0a {ARGUMENTS}"),
    );
    server_sends(Method::Exchange(M::DeclareOk(exchange::DeclareOk {})), "0028 000b");
    client_sends(
        Method::Exchange(M::Delete(exchange::Delete {
            exchange: short("logs"),
            if_unused: true,
            nowait: false,
        })),
        "0028 0014 0000 04 'logs' 01",
    );
    server_sends(Method::Exchange(M::DeleteOk(exchange::DeleteOk {})), "0028 0015");
    client_sends(
        Method::Exchange(M::Bind(exchange::Bind {
            destination: short("to"),
            source: short("from"),
            routing_key: short("a.b"),
            nowait: true,
            arguments: arguments(),
        })),
        &format!("0028 001e 0000 02 'to' 04 'from' 03 'a.b' 01 {ARGUMENTS}"),
    );
    server_sends(Method::Exchange(M::BindOk(exchange::BindOk {})), "0028 001f");
    client_sends(
        Method::Exchange(M::Unbind(exchange::Unbind {
            destination: short("to"),
            source: short("from"),
            routing_key: short("a.b"),
            nowait: false,
            arguments: FieldTable::default(),
        })),
        "0028 0028 0000 02 'to' 04 'from' 03 'a.b' 00 00000000",
    );
    // 51 and not 41: a slip in RabbitMQ that all clients share.
    server_sends(Method::Exchange(M::UnbindOk(exchange::UnbindOk {})), "0028 0033");
}

#[test]
fn queue_methods() {
    use queue::AMQPMethod as M;
    client_sends(
        Method::Queue(M::Declare(queue::Declare {
            queue: short("jobs"),
            passive: true,
            durable: false,
            exclusive: true,
            auto_delete: false,
            nowait: true,
            arguments: arguments(),
        })),
        &format!("0032 000a 0000 04 'jobs' 15 {ARGUMENTS}"),
    );
    server_sends(
        Method::Queue(M::DeclareOk(queue::DeclareOk {
            queue: short("jobs"),
            message_count: 258,
            consumer_count: 3,
        })),
        "0032 000b 04 'jobs' 00000102 00000003",
    );
    client_sends(
        Method::Queue(M::Bind(queue::Bind {
            queue: short("jobs"),
            exchange: short("logs"),
            routing_key: short("a.#"),
            nowait: false,
            arguments: arguments(),
        })),
        &format!("0032 0014 0000 04 'jobs' 04 'logs' 03 'a.#' 00 {ARGUMENTS}"),
    );
    server_sends(Method::Queue(M::BindOk(queue::BindOk {})), "0032 0015");
    client_sends(
        Method::Queue(M::Unbind(queue::Unbind {
            queue: short("jobs"),
            exchange: short("logs"),
            routing_key: short("a.#"),
            arguments: arguments(),
        })),
        &format!("0032 0032 0000 04 'jobs' 04 'logs' 03 'a.#' {ARGUMENTS}"),
    );
    server_sends(Method::Queue(M::UnbindOk(queue::UnbindOk {})), "0032 0033");
}

#[test]
fn queue_purge_and_delete() {
    use queue::AMQPMethod as M;
    client_sends(
        Method::Queue(M::Purge(queue::Purge { queue: short("jobs"), nowait: true })),
        "0032 001e 0000 04 'jobs' 01",
    );
    server_sends(
        Method::Queue(M::PurgeOk(queue::PurgeOk { message_count: 7 })),
        "0032 001f 00000007",
    );
    client_sends(
        Method::Queue(M::Delete(queue::Delete {
            queue: short("jobs"),
            if_unused: false,
            if_empty: true,
            nowait: true,
        })),
        "0032 0028 0000 04 'jobs' 06",
    );
    server_sends(
        Method::Queue(M::DeleteOk(queue::DeleteOk { message_count: 7 })),
        "0032 0029 00000007",
    );
}

#[test]
fn basic_consuming() {
    use basic::AMQPMethod as M;
    client_sends(
        Method::Basic(M::Qos(basic::Qos { prefetch_count: 300, global: true })),
        "003c 000a 00000000 012c 01",
    );
    server_sends(Method::Basic(M::QosOk(basic::QosOk {})), "003c 000b");
    client_sends(
        Method::Basic(M::Consume(basic::Consume {
            queue: short("jobs"),
            consumer_tag: short("c1"),
            no_local: true,
            no_ack: false,
            exclusive: true,
            nowait: false,
            arguments: arguments(),
        })),
        &format!("003c 0014 0000 04 'jobs' 02 'c1' 05 {ARGUMENTS}"),
    );
    let consumer_tag = short("c1");
    server_sends(
        Method::Basic(M::ConsumeOk(basic::ConsumeOk { consumer_tag: consumer_tag.clone() })),
        "003c 0015 02 'c1'",
    );
    client_sends(
        Method::Basic(M::Cancel(basic::Cancel {
            consumer_tag: consumer_tag.clone(),
            nowait: true,
        })),
        "003c 001e 02 'c1' 01",
    );
    client_sends(Method::Basic(M::CancelOk(basic::CancelOk { consumer_tag })), "003c 001f 02 'c1'");
    client_sends(
        Method::Basic(M::Get(basic::Get { queue: short("jobs"), no_ack: true })),
        "003c 0046 0000 04 'jobs' 01",
    );
    server_sends(Method::Basic(M::GetEmpty(basic::GetEmpty {})), "003c 0048 00");
}

#[test]
fn basic_acknowledging() {
    use basic::AMQPMethod as M;
    client_sends(
        Method::Basic(M::Ack(basic::Ack { delivery_tag: 258, multiple: true })),
        "003c 0050 0000000000000102 01",
    );
    client_sends(
        Method::Basic(M::Reject(basic::Reject { delivery_tag: 258, requeue: true })),
        "003c 005a 0000000000000102 01",
    );
    client_sends(
        Method::Basic(M::Nack(basic::Nack { delivery_tag: 258, multiple: false, requeue: true })),
        "003c 0078 0000000000000102 02",
    );
    client_sends(
        Method::Basic(M::RecoverAsync(basic::RecoverAsync { requeue: true })),
        "003c 0064 01",
    );
    client_sends(Method::Basic(M::Recover(basic::Recover { requeue: true })), "003c 006e 01");
    server_sends(Method::Basic(M::RecoverOk(basic::RecoverOk {})), "003c 006f");
}

#[test]
fn basic_methods_with_content() {
    use basic::AMQPMethod as M;
    let (exchange, routing_key) = (short("logs"), short("a.b"));
    client_sends(
        Method::Basic(M::Publish(basic::Publish {
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            mandatory: true,
            immediate: true,
        })),
        "003c 0028 0000 04 'logs' 03 'a.b' 03",
    );
    server_sends(
        Method::Basic(M::Return(basic::Return {
            reply_code: 312,
            reply_text: short("NO_ROUTE"),
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
        })),
        "003c 0032 0138 08 'NO_ROUTE' 04 'logs' 03 'a.b'",
    );
    server_sends(
        Method::Basic(M::Deliver(basic::Deliver {
            consumer_tag: short("c1"),
            delivery_tag: 258,
            redelivered: true,
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
        })),
        "003c 003c 02 'c1' 0000000000000102 01 04 'logs' 03 'a.b'",
    );
    server_sends(
        Method::Basic(M::GetOk(basic::GetOk {
            delivery_tag: 258,
            redelivered: false,
            exchange,
            routing_key,
            message_count: 9,
        })),
        "003c 0047 0000000000000102 00 04 'logs' 03 'a.b' 00000009",
    );
}

#[test]
fn confirm_and_tx_methods() {
    use tx::AMQPMethod as M;
    let select = confirm::Select { nowait: true };
    client_sends(Method::Confirm(confirm::AMQPMethod::Select(select)), "0055 000a 01");
    let select_ok = confirm::SelectOk {};
    server_sends(Method::Confirm(confirm::AMQPMethod::SelectOk(select_ok)), "0055 000b");
    client_sends(Method::Tx(M::Select(tx::Select {})), "005a 000a");
    server_sends(Method::Tx(M::SelectOk(tx::SelectOk {})), "005a 000b");
    client_sends(Method::Tx(M::Commit(tx::Commit {})), "005a 0014");
    server_sends(Method::Tx(M::CommitOk(tx::CommitOk {})), "005a 0015");
    client_sends(Method::Tx(M::Rollback(tx::Rollback {})), "005a 001e");
    server_sends(Method::Tx(M::RollbackOk(tx::RollbackOk {})), "005a 001f");
}

#[test]
fn truncated_methods_and_trailing_bytes_are_refused() {
    let whole = hex(&format!("0032 0014 0000 04 'jobs' 04 'logs' 03 'a.#' 00 {ARGUMENTS}"));
    for length in 0..whole.len() {
        let result = decode(&whole[..length]);
        assert!(matches!(result, Err(Error::Truncated { .. })), "{length}: {result:?}");
    }
    let longer = [whole, vec![0]].concat();
    assert_eq!(decode(&longer), Err(Error::TrailingBytes(1)));
}

#[test]
fn unknown_classes_and_methods_are_refused() {
    for (class_id, method_id) in [(0, 0), (61, 10), (60, 41), (90, 31), (10, 12), (20, 42)] {
        let payload = [u16::to_be_bytes(class_id), u16::to_be_bytes(method_id)].concat();
        assert_eq!(decode(&payload), Err(Error::Method { class_id, method_id }));
    }
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    assert_eq!(decode(&hex("0032 001e 0000 02 c328 00")), Err(Error::NotUtf8));
}

/// `queue.declare` with these raw arguments.
fn declare(raw: &[u8]) -> Vec<u8> {
    let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
    [&hex("0032 000a 0000 01 'q' 00")[..], &length, raw].concat()
}

/// A table that holds so many tables, one in the other.
fn nested(tables: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    for _ in 1..tables {
        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        raw = [&b"\x01kF"[..], &length, &raw].concat();
    }
    raw
}

#[test]
fn tables_nested_too_deep_are_refused_before_they_are_parsed() {
    assert!(decode(&declare(&nested(limits::TABLE_DEPTH))).is_ok());
    for tables in [limits::TABLE_DEPTH + 1, 10_000] {
        let result = decode(&declare(&nested(tables)));
        assert_eq!(result, Err(Error::TableDepth(limits::TABLE_DEPTH)));
    }
}

#[test]
fn tables_with_too_many_values_are_refused() {
    let array = |values: u32| {
        let voids = vec![b'V'; values as usize];
        declare(&[&b"\x01kA"[..], &values.to_be_bytes(), &voids].concat())
    };
    // The array is a value as well.
    let most = u32::try_from(limits::TABLE_VALUES).unwrap() - 1;
    assert!(decode(&array(most)).is_ok());
    assert_eq!(decode(&array(most + 1)), Err(Error::TableValues(limits::TABLE_VALUES)));
}

#[test]
fn client_properties_have_tighter_limits() {
    let start_ok = |raw: &[u8]| {
        let length = u32::try_from(raw.len()).unwrap().to_be_bytes();
        [&hex("000a 000b")[..], &length, raw, &hex("05 'PLAIN' 00000000 05 'en_US'")].concat()
    };
    assert!(decode(&start_ok(&nested(4))).is_ok());
    assert_eq!(decode(&start_ok(&nested(5))), Err(Error::TableDepth(4)));
    assert!(decode(&start_ok(&b"\x01kV".repeat(64))).is_ok());
    assert_eq!(decode(&start_ok(&b"\x01kV".repeat(65))), Err(Error::TableValues(64)));
}

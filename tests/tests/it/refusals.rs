//! Every error that a client can cause on an open connection: code, text, and whether the channel
//! or the connection ends, with the method that is blamed. The table holds what RabbitMQ 3.10.8
//! answers, but for the rows that say otherwise, which docs/compatibility.md explains.
//!
//! With `WARREN_TEST_AMQP` it can be held against a RabbitMQ itself; then rows that say otherwise
//! are left out.

use warren_tests::Broker;
use warren_tests::wire::{
    BODY, Close, HEADER, HEARTBEAT, Wire, content_header, long_string, publish_arguments,
    short_string,
};

/// What the client does wrong on channel 1, and what it is told.
struct Row {
    name: &'static str,
    act: fn(&mut Wire),
    close: Close,
    /// RabbitMQ 3.10.8 answers otherwise.
    ours: bool,
}

type Ids = (u16, u16);

const DECLARE: Ids = (50, 10);
const BIND: Ids = (50, 20);
const DELETE: Ids = (50, 40);
const EXCHANGE_DECLARE: Ids = (40, 10);
const PUBLISH: Ids = (60, 40);
const CONSUME: Ids = (60, 20);

const PASSIVE: u8 = 1;
const DURABLE: u8 = 2;
const EXCLUSIVE: u8 = 4;
const AUTO_DELETE: u8 = 8;
/// `internal` of `exchange.declare`.
const INTERNAL: u8 = 8;

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue \
    'refusal-own' in vhost '/'. It could be originally declared on another connection or the \
    exclusive property value does not match that of the original declaration.";

fn close(whole_connection: bool, code: u16, text: &str, blamed: Ids) -> Close {
    Close { whole_connection, code, text: text.to_owned(), blamed }
}

fn channel(name: &'static str, code: u16, text: &str, blamed: Ids, act: fn(&mut Wire)) -> Row {
    Row { name, act, close: close(false, code, text, blamed), ours: false }
}

fn connection(name: &'static str, code: u16, text: &str, blamed: Ids, act: fn(&mut Wire)) -> Row {
    Row { name, act, close: close(true, code, text, blamed), ours: false }
}

impl Row {
    fn ours(self) -> Self {
        Self { ours: true, ..self }
    }
}

fn send(wire: &mut Wire, method: Ids, parts: &[&[u8]]) {
    wire.send_method(1, method, &parts.concat());
}

/// `queue.declare` with raw entries of a table.
fn declare(wire: &mut Wire, queue: &str, flags: u8, arguments: &[u8]) {
    let parts: [&[u8]; 4] = [&[0, 0], &short_string(queue), &[flags], &long_string(arguments)];
    send(wire, DECLARE, &parts);
}

fn declare_exchange(wire: &mut Wire, exchange: &str, kind: &str, flags: u8) {
    let parts: [&[u8]; 5] =
        [&[0, 0], &short_string(exchange), &short_string(kind), &[flags], &[0; 4]];
    send(wire, EXCHANGE_DECLARE, &parts);
}

/// `queue.bind` and `exchange.bind`.
fn bind(wire: &mut Wire, method: Ids, to: &str, from: &str, arguments: &[u8]) {
    let (to, from, key) = (short_string(to), short_string(from), short_string("key"));
    send(wire, method, &[&[0, 0], &to, &from, &key, &[0], &long_string(arguments)]);
}

fn consume(wire: &mut Wire, queue: &str, tag: &str, flags: u8) {
    let (queue, tag) = (short_string(queue), short_string(tag));
    send(wire, CONSUME, &[&[0, 0], &queue, &tag, &[flags], &[0; 4]]);
}

/// A method whose fields are a ticket, a name and bits.
fn named(wire: &mut Wire, method: Ids, name: &str, bits: u8) {
    send(wire, method, &[&[0, 0], &short_string(name), &[bits]]);
}

/// A message with raw properties.
fn publish(wire: &mut Wire, exchange: &str, bits: u8, properties: &[u8]) {
    send(wire, PUBLISH, &[&publish_arguments(exchange, "refusal-nowhere", bits)]);
    let mut header = content_header(1);
    header.truncate(12);
    header.extend_from_slice(properties);
    wire.send_frame(HEADER, 1, &header);
    wire.send_frame(BODY, 1, b"x");
}

/// A text property, alone.
fn text_property(bit: u8, text: &str) -> Vec<u8> {
    [&(1_u16 << bit).to_be_bytes()[..], &short_string(text)].concat()
}

/// Headers, alone.
fn headers(entries: &[u8]) -> Vec<u8> {
    [&(1_u16 << 13).to_be_bytes()[..], &long_string(entries)].concat()
}

fn settle(wire: &mut Wire, method: Ids) {
    send(wire, method, &[&99_u64.to_be_bytes(), &[0]]);
}

fn text_argument(name: &str, text: &str) -> Vec<u8> {
    [&short_string(name)[..], b"S", &long_string(text.as_bytes())].concat()
}

fn number_argument(name: &str, number: i32) -> Vec<u8> {
    [&short_string(name)[..], b"I", &number.to_be_bytes()].concat()
}

fn passive() -> Vec<Row> {
    vec![
        channel(
            "passive declaration of a queue that is not there",
            404,
            "NOT_FOUND - no queue 'refusal-nope' in vhost '/'",
            DECLARE,
            |wire| declare(wire, "refusal-nope", PASSIVE, &[]),
        ),
        channel(
            "passive declaration without a name",
            404,
            "NOT_FOUND - no previously declared queue",
            DECLARE,
            |wire| declare(wire, "", PASSIVE, &[]),
        )
        .ours(),
        channel(
            "passive declaration of an exchange that is not there",
            404,
            "NOT_FOUND - no exchange 'refusal-nope' in vhost '/'",
            EXCHANGE_DECLARE,
            |wire| declare_exchange(wire, "refusal-nope", "direct", PASSIVE),
        ),
    ]
}

fn inequivalent() -> Vec<Row> {
    let queue = |argument: &str, rest: &str| {
        format!(
            "PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'refusal-q' in vhost \
             '/': {rest}"
        )
    };
    let exchange = |argument: &str, rest: &str| {
        format!(
            "PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange 'refusal-x' in \
             vhost '/': {rest}"
        )
    };
    vec![
        channel(
            "a queue is durable",
            406,
            &queue("durable", "received 'true' but current is 'false'"),
            DECLARE,
            |wire| declare(wire, "refusal-q", DURABLE, &[]),
        ),
        channel(
            "a queue is auto-delete",
            406,
            &queue("auto_delete", "received 'true' but current is 'false'"),
            DECLARE,
            |wire| declare(wire, "refusal-q", AUTO_DELETE, &[]),
        ),
        channel(
            "a queue gets an argument",
            406,
            &queue(
                "x-max-length",
                "received the value '1' of type 'signedint' but current is none",
            ),
            DECLARE,
            |wire| declare(wire, "refusal-q", 0, &number_argument("x-max-length", 1)),
        ),
        channel(
            "a queue has another argument",
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'refusal-ttl' in \
             vhost '/': received '2000' but current is '1000'",
            DECLARE,
            |wire| {
                declare(wire, "refusal-ttl", EXCLUSIVE, &number_argument("x-message-ttl", 1000));
                wire.expect_method(1, (50, 11));
                declare(wire, "refusal-ttl", EXCLUSIVE, &number_argument("x-message-ttl", 2000));
            },
        ),
        channel(
            "an exchange has another type",
            406,
            &exchange("type", "received 'fanout' but current is 'direct'"),
            EXCHANGE_DECLARE,
            |wire| declare_exchange(wire, "refusal-x", "fanout", 0),
        ),
        channel(
            "an exchange is durable",
            406,
            &exchange("durable", "received 'true' but current is 'false'"),
            EXCHANGE_DECLARE,
            |wire| declare_exchange(wire, "refusal-x", "direct", DURABLE),
        ),
    ]
}

/// A queue argument with a value that cannot be.
fn argument(name: &'static str, argument: &str, problem: &str, act: fn(&mut Wire)) -> Row {
    let text = format!(
        "PRECONDITION_FAILED - invalid arg '{argument}' for queue 'refusal-b' in vhost '/': \
         {problem}"
    );
    channel(name, 406, &text, DECLARE, act)
}

fn arguments() -> Vec<Row> {
    vec![
        argument("text as a time", "x-message-ttl", "\"expected integer, got longstr\"", |wire| {
            declare(wire, "refusal-b", EXCLUSIVE, &text_argument("x-message-ttl", "abc"));
        }),
        argument("a negative time", "x-message-ttl", "{value_negative,-1}", |wire| {
            declare(wire, "refusal-b", EXCLUSIVE, &number_argument("x-message-ttl", -1));
        }),
        argument("an expiry of zero", "x-expires", "{value_zero,0}", |wire| {
            declare(wire, "refusal-b", EXCLUSIVE, &number_argument("x-expires", 0));
        }),
        argument("too high a priority", "x-max-priority", "{max_value_exceeded,256}", |wire| {
            declare(wire, "refusal-b", EXCLUSIVE, &number_argument("x-max-priority", 256));
        }),
        argument("an unknown overflow", "x-overflow", "invalid_overflow", |wire| {
            declare(wire, "refusal-b", EXCLUSIVE, &text_argument("x-overflow", "zz"));
        }),
        argument(
            "a dead letter key without an exchange",
            "x-dead-letter-routing-key",
            "routing_key_but_no_dlx_defined",
            |wire| {
                let key = text_argument("x-dead-letter-routing-key", "a");
                declare(wire, "refusal-b", EXCLUSIVE, &key);
            },
        ),
        argument(
            "an unknown queue type",
            "x-queue-type",
            "\"unsupported queue type 'zz'\"",
            |wire| declare(wire, "refusal-b", DURABLE, &text_argument("x-queue-type", "zz")),
        ),
        channel(
            "a quorum queue that is not durable",
            406,
            "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'refusal-b' in vhost \
             '/'",
            DECLARE,
            |wire| declare(wire, "refusal-b", 0, &text_argument("x-queue-type", "quorum")),
        ),
        channel(
            "a headers binding that matches in an unknown way",
            406,
            "PRECONDITION_FAILED - Invalid x-match field value <<\"zz\">>; expected all, any, \
             all-with-x, or any-with-x",
            BIND,
            |wire| {
                let arguments = text_argument("x-match", "zz");
                bind(wire, BIND, "refusal-q", "amq.headers", &arguments);
            },
        ),
    ]
}

fn names() -> Vec<Row> {
    let default = "ACCESS_REFUSED - operation not permitted on the default exchange";
    vec![
        channel(
            "a reserved queue name",
            403,
            "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'",
            DECLARE,
            |wire| declare(wire, "amq.foo", 0, &[]),
        ),
        channel(
            "a reserved exchange name",
            403,
            "ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'",
            EXCHANGE_DECLARE,
            |wire| declare_exchange(wire, "amq.foo", "direct", 0),
        ),
        channel("declares the default exchange", 403, default, EXCHANGE_DECLARE, |wire| {
            declare_exchange(wire, "", "direct", 0);
        }),
        channel("deletes the default exchange", 403, default, (40, 20), |wire| {
            named(wire, (40, 20), "", 0);
        }),
        channel("binds the default exchange", 403, default, BIND, |wire| {
            bind(wire, BIND, "refusal-q", "", &[]);
        }),
        channel(
            "deletes a predeclared exchange",
            403,
            "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
            (40, 20),
            |wire| named(wire, (40, 20), "amq.direct", 0),
        ),
        channel(
            "an unknown exchange type",
            406,
            "PRECONDITION_FAILED - unknown exchange type 'zz'",
            EXCHANGE_DECLARE,
            |wire| declare_exchange(wire, "refusal-zz", "zz", 0),
        )
        .ours(),
    ]
}

fn missing() -> Vec<Row> {
    let queue = "NOT_FOUND - no queue 'refusal-nope' in vhost '/'";
    let exchange = "NOT_FOUND - no exchange 'refusal-nope' in vhost '/'";
    let last = "NOT_FOUND - no previously declared queue";
    vec![
        channel("purges no queue", 404, queue, (50, 30), |wire| {
            named(wire, (50, 30), "refusal-nope", 0);
        }),
        channel("binds to no exchange", 404, exchange, BIND, |wire| {
            bind(wire, BIND, "refusal-q", "refusal-nope", &[]);
        }),
        channel("binds no queue", 404, queue, BIND, |wire| {
            bind(wire, BIND, "refusal-nope", "refusal-x", &[]);
        }),
        channel("binds no exchange", 404, exchange, (40, 30), |wire| {
            bind(wire, (40, 30), "refusal-nope", "refusal-x", &[]);
        }),
        channel("publishes to no exchange", 404, exchange, PUBLISH, |wire| {
            publish(wire, "refusal-nope", 0, &[0, 0]);
        }),
        channel("consumes from no queue", 404, queue, CONSUME, |wire| {
            consume(wire, "refusal-nope", "", 0);
        }),
        channel("gets from no queue", 404, queue, (60, 70), |wire| {
            named(wire, (60, 70), "refusal-nope", 0);
        }),
        channel("deletes the last queue, of which there is none", 404, last, DELETE, |wire| {
            named(wire, DELETE, "", 0);
        }),
        channel("consumes from the last queue", 404, last, CONSUME, |wire| {
            consume(wire, "", "", 0);
        }),
        channel("gets from the last queue", 404, last, (60, 70), |wire| {
            named(wire, (60, 70), "", 0);
        }),
    ]
}

fn in_use() -> Vec<Row> {
    vec![
        channel(
            "deletes a queue that is not empty",
            406,
            "PRECONDITION_FAILED - queue 'refusal-full' in vhost '/' not empty",
            DELETE,
            |wire| {
                wire.declare_queue(1, "refusal-full", EXCLUSIVE);
                wire.publish(1, "", "refusal-full", 0, b"x");
                named(wire, DELETE, "refusal-full", 2);
            },
        ),
        channel(
            "deletes a queue with a consumer",
            406,
            "PRECONDITION_FAILED - queue 'refusal-used' in vhost '/' in use",
            DELETE,
            |wire| {
                wire.declare_queue(1, "refusal-used", EXCLUSIVE);
                wire.consume(1, "refusal-used", "c", 0);
                named(wire, DELETE, "refusal-used", 1);
            },
        ),
        channel(
            "deletes an exchange with a binding",
            406,
            "PRECONDITION_FAILED - exchange 'refusal-x' in vhost '/' in use",
            (40, 20),
            |wire| named(wire, (40, 20), "refusal-x", 1),
        ),
        channel(
            "consumes alone from a queue with a consumer",
            403,
            "ACCESS_REFUSED - queue 'refusal-mine' in vhost '/' in exclusive use",
            CONSUME,
            |wire| {
                wire.declare_queue(1, "refusal-mine", EXCLUSIVE);
                wire.consume(1, "refusal-mine", "a", 0);
                consume(wire, "refusal-mine", "b", 4);
            },
        ),
        channel(
            "consumes beside somebody who is alone",
            403,
            "ACCESS_REFUSED - queue 'refusal-alone' in vhost '/' in exclusive use",
            CONSUME,
            |wire| consume(wire, "refusal-alone", "", 0),
        ),
        connection(
            "a consumer tag twice",
            530,
            "NOT_ALLOWED - attempt to reuse consumer tag 't'",
            CONSUME,
            |wire| {
                wire.declare_queue(1, "refusal-tags", EXCLUSIVE);
                wire.consume(1, "refusal-tags", "t", 0);
                consume(wire, "refusal-tags", "t", 0);
            },
        ),
    ]
}

fn locked() -> Vec<Row> {
    vec![
        channel("declares another's queue", 405, LOCKED, DECLARE, |wire| {
            declare(wire, "refusal-own", EXCLUSIVE, &[]);
        }),
        channel("asks for another's queue", 405, LOCKED, DECLARE, |wire| {
            declare(wire, "refusal-own", PASSIVE, &[]);
        }),
        channel("consumes from another's queue", 405, LOCKED, CONSUME, |wire| {
            consume(wire, "refusal-own", "", 0);
        }),
        channel("gets from another's queue", 405, LOCKED, (60, 70), |wire| {
            named(wire, (60, 70), "refusal-own", 0);
        }),
        channel("purges another's queue", 405, LOCKED, (50, 30), |wire| {
            named(wire, (50, 30), "refusal-own", 0);
        }),
        channel("deletes another's queue", 405, LOCKED, DELETE, |wire| {
            named(wire, DELETE, "refusal-own", 0);
        }),
        channel("binds another's queue", 405, LOCKED, BIND, |wire| {
            bind(wire, BIND, "refusal-own", "refusal-x", &[]);
        }),
        channel(
            "makes a queue its own",
            405,
            &LOCKED.replace("refusal-own", "refusal-q"),
            DECLARE,
            |wire| declare(wire, "refusal-q", EXCLUSIVE, &[]),
        ),
    ]
}

fn messages() -> Vec<Row> {
    vec![
        connection(
            "an immediate message",
            540,
            "NOT_IMPLEMENTED - immediate=true",
            PUBLISH,
            |wire| {
                publish(wire, "", 2, &[0, 0]);
            },
        ),
        channel(
            "publishes to an internal exchange",
            403,
            "ACCESS_REFUSED - cannot publish to internal exchange 'refusal-internal' in vhost '/'",
            PUBLISH,
            |wire| publish(wire, "refusal-internal", 0, &[0, 0]),
        ),
    ]
}

fn properties() -> Vec<Row> {
    vec![
        channel(
            "an expiration that is no number",
            406,
            "PRECONDITION_FAILED - invalid expiration 'abc': no_integer",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(8, "abc")),
        ),
        channel(
            "an expiration below zero",
            406,
            "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(8, "-1")),
        ),
        channel(
            "an expiration with a unit",
            406,
            "PRECONDITION_FAILED - invalid expiration '10s': {leftover_string,\"s\"}",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(8, "10s")),
        ),
        channel(
            "an expiration of ages",
            406,
            "PRECONDITION_FAILED - invalid expiration '999999999999999': \
             {value_too_large,999999999999999}",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(8, "999999999999999")),
        ),
        channel(
            "another's name",
            406,
            "PRECONDITION_FAILED - user_id property set to 'joe' but authenticated user was 'guest'",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(4, "joe")),
        ),
        channel(
            "more keys that are a text",
            406,
            "PRECONDITION_FAILED - invalid message: \
             {unacceptable_type_in_header,\"CC\",longstr}",
            PUBLISH,
            |wire| publish(wire, "", 0, &headers(&text_argument("CC", "key"))),
        ),
        channel(
            "hidden keys that are a number",
            406,
            "PRECONDITION_FAILED - invalid message: \
             {unacceptable_type_in_header,\"BCC\",signedint}",
            PUBLISH,
            |wire| publish(wire, "", 0, &headers(&number_argument("BCC", 5))),
        ),
        channel(
            "a missing exchange comes before another's name",
            404,
            "NOT_FOUND - no exchange 'refusal-nope' in vhost '/'",
            PUBLISH,
            |wire| publish(wire, "refusal-nope", 0, &text_property(4, "joe")),
        ),
    ]
}

fn replies() -> Vec<Row> {
    vec![
        channel(
            "wants replies without a consumer",
            406,
            "PRECONDITION_FAILED - fast reply consumer does not exist",
            PUBLISH,
            |wire| publish(wire, "", 0, &text_property(9, "amq.rabbitmq.reply-to")),
        ),
        channel(
            "wants to acknowledge replies",
            406,
            "PRECONDITION_FAILED - reply consumer cannot acknowledge",
            CONSUME,
            |wire| consume(wire, "amq.rabbitmq.reply-to", "r", 0),
        ),
        channel(
            "two consumers of replies",
            406,
            "PRECONDITION_FAILED - reply consumer already set",
            CONSUME,
            |wire| {
                wire.consume(1, "amq.rabbitmq.reply-to", "a", 2);
                consume(wire, "amq.rabbitmq.reply-to", "b", 2);
            },
        ),
        channel(
            "gets from the queue of replies",
            404,
            "NOT_FOUND - no queue 'amq.rabbitmq.reply-to' in vhost '/'",
            (60, 70),
            |wire| named(wire, (60, 70), "amq.rabbitmq.reply-to", 0),
        ),
    ]
}

fn channel_state() -> Vec<Row> {
    let unknown = "PRECONDITION_FAILED - unknown delivery tag 99";
    let no_transaction = "PRECONDITION_FAILED - channel is not transactional";
    vec![
        channel("acknowledges what never came", 406, unknown, (60, 80), |wire| {
            settle(wire, (60, 80));
        }),
        channel("refuses what never came", 406, unknown, (60, 120), |wire| {
            settle(wire, (60, 120));
        }),
        channel("rejects what never came", 406, unknown, (60, 90), |wire| {
            settle(wire, (60, 90));
        }),
        channel("acknowledges it in a transaction", 406, unknown, (60, 80), |wire| {
            wire.send_method(1, (90, 10), &[]);
            wire.expect_method(1, (90, 11));
            settle(wire, (60, 80));
        }),
        channel("commits without a transaction", 406, no_transaction, (90, 20), |wire| {
            wire.send_method(1, (90, 20), &[]);
        }),
        channel("rolls back without a transaction", 406, no_transaction, (90, 30), |wire| {
            wire.send_method(1, (90, 30), &[]);
        }),
        channel(
            "transactions after confirms",
            406,
            "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
            (90, 10),
            |wire| {
                wire.send_method(1, (85, 10), &[1]);
                wire.send_method(1, (90, 10), &[]);
            },
        ),
        channel(
            "confirms after transactions",
            406,
            "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
            (85, 10),
            |wire| {
                wire.send_method(1, (90, 10), &[]);
                wire.expect_method(1, (90, 11));
                wire.send_method(1, (85, 10), &[0]);
            },
        ),
        connection(
            "a prefetch in bytes",
            540,
            "NOT_IMPLEMENTED - prefetch_size!=0 (10)",
            (60, 10),
            |wire| send(wire, (60, 10), &[&10_u32.to_be_bytes(), &[0, 0, 0]]),
        ),
        connection("stops the flow", 540, "NOT_IMPLEMENTED - active=false", (20, 20), |wire| {
            wire.send_method(1, (20, 20), &[0]);
        }),
        connection(
            "recovers to the same consumer",
            540,
            "NOT_IMPLEMENTED - requeue=false",
            (60, 110),
            |wire| wire.send_method(1, (60, 110), &[0]),
        ),
        connection(
            "recovers to the same consumer without an answer",
            540,
            "NOT_IMPLEMENTED - requeue=false",
            (60, 100),
            |wire| wire.send_method(1, (60, 100), &[0]),
        ),
    ]
}

fn methods() -> Vec<Row> {
    let unimplemented = "COMMAND_INVALID - unimplemented method";
    vec![
        connection(
            "opens a channel twice",
            504,
            "CHANNEL_ERROR - second 'channel.open' seen",
            (20, 10),
            |wire| {
                wire.send_method(1, (20, 10), &[0]);
            },
        ),
        connection(
            "a queue on channel 0",
            504,
            "CHANNEL_ERROR - unexpected method in connection state running",
            DECLARE,
            |wire| wire.send_method(0, DECLARE, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        connection("answers like a broker", 503, unimplemented, (20, 11), |wire| {
            wire.send_method(1, (20, 11), &[0; 4]);
        }),
        connection("confirms a close that was not sent", 503, unimplemented, (20, 41), |wire| {
            wire.send_method(1, (20, 41), &[]);
        }),
        connection("closes the connection on a channel", 503, unimplemented, (10, 50), |wire| {
            wire.send_method(1, (10, 50), &[0; 7]);
        }),
        connection("an unknown class", 503, unimplemented, (99, 10), |wire| {
            wire.send_method(1, (99, 10), &[]);
        })
        .ours(),
    ]
}

fn frames() -> Vec<Row> {
    let no_header = "UNEXPECTED_FRAME - expected content header for class 60, got non content \
                     header frame instead";
    vec![
        connection(
            "a body without a message",
            505,
            "UNEXPECTED_FRAME - expected method frame, got non method frame instead",
            (0, 0),
            |wire| wire.send_frame(BODY, 1, b"body"),
        ),
        connection("a method in place of a header", 505, no_header, PUBLISH, |wire| {
            send(wire, PUBLISH, &[&publish_arguments("", "q", 0)]);
            settle(wire, (60, 80));
        }),
        connection(
            "a method in place of a body",
            505,
            "UNEXPECTED_FRAME - expected content body, got non content body frame instead",
            PUBLISH,
            |wire| {
                send(wire, PUBLISH, &[&publish_arguments("", "q", 0)]);
                wire.send_frame(HEADER, 1, &content_header(1));
                settle(wire, (60, 80));
            },
        ),
        connection(
            "a heartbeat on a channel",
            505,
            "UNEXPECTED_FRAME - type 8, all octets = <<>>",
            (0, 0),
            |wire| wire.send_frame(HEARTBEAT, 1, &[]),
        ),
        connection(
            "a frame of an unknown type",
            501,
            "FRAME_ERROR - type 7, all octets = <<\"abc\">>: unknown_frame",
            (0, 0),
            |wire| wire.send_frame(7, 0, b"abc"),
        ),
        connection(
            "a frame without its end",
            501,
            "FRAME_ERROR - type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,0}",
            (0, 0),
            |wire| wire.send(&[1, 0, 1, 0, 0, 0, 5, 0, 20, 0, 10, 0, 0]),
        ),
        connection(
            "a frame that is too large",
            501,
            "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}",
            (0, 0),
            |wire| wire.send(&[3, 0, 1, 0, 2, 0, 1]),
        ),
    ]
}

#[test]
fn every_refusal_has_the_words_of_rabbitmq() {
    let broker = Broker::start();
    let is_rabbitmq = std::env::var("WARREN_TEST_AMQP").is_ok();
    let mut owner = Wire::open_channel_1(broker.amqp_address());
    owner.declare_queue(1, "refusal-q", 0);
    owner.declare_queue(1, "refusal-own", EXCLUSIVE);
    owner.declare_queue(1, "refusal-alone", AUTO_DELETE);
    owner.consume(1, "refusal-alone", "alone", 4);
    declare_exchange(&mut owner, "refusal-x", "direct", 0);
    owner.expect_method(1, (40, 11));
    bind(&mut owner, BIND, "refusal-q", "refusal-x", &[]);
    owner.expect_method(1, (50, 21));
    declare_exchange(&mut owner, "refusal-internal", "direct", INTERNAL);
    owner.expect_method(1, (40, 11));
    let groups = [
        passive(),
        arguments(),
        names(),
        missing(),
        in_use(),
        locked(),
        messages(),
        properties(),
        replies(),
        channel_state(),
        methods(),
        frames(),
    ];
    let mut rows: Vec<Row> = groups.into_iter().flatten().collect();
    rows.extend(inequivalent());
    assert!(rows.len() > 80, "only {} rows", rows.len());
    let mut wrong = vec![];
    for Row { name, act, close, ours } in rows {
        if ours && is_rabbitmq {
            continue;
        }
        let mut wire = Wire::open_channel_1(broker.amqp_address());
        act(&mut wire);
        let found = loop {
            // Deliveries and answers to what came before are not what this is about.
            let frame = wire.read_frame();
            let frame = frame.unwrap_or_else(|| panic!("{name}: the broker hung up"));
            if let Some(found) = warren_tests::wire::close_of(&frame) {
                break found;
            }
        };
        if found != close {
            wrong.push(format!("{name}:\n  expected {close:?}\n  found    {found:?}"));
        }
    }
    for (method, name) in
        [(DELETE, "refusal-q"), ((40, 20), "refusal-internal"), ((40, 20), "refusal-x")]
    {
        named(&mut owner, method, name, 0);
        owner.expect_method(1, (method.0, method.1 + 1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

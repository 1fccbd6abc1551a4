//! What queues, exchanges, bindings and consumers refuse.

use super::*;

pub(super) fn passive() -> Vec<Row> {
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

pub(super) fn inequivalent() -> Vec<Row> {
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

pub(super) fn arguments() -> Vec<Row> {
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

pub(super) fn names() -> Vec<Row> {
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

pub(super) fn missing() -> Vec<Row> {
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

pub(super) fn in_use() -> Vec<Row> {
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

pub(super) fn locked() -> Vec<Row> {
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

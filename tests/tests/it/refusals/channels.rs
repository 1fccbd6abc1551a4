//! What messages, channels and the protocol refuse.

use super::*;

pub(super) fn messages() -> Vec<Row> {
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

pub(super) fn properties() -> Vec<Row> {
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

pub(super) fn replies() -> Vec<Row> {
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

pub(super) fn channel_state() -> Vec<Row> {
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
        channel(
            "commits more than a queue takes",
            406,
            "PRECONDITION_FAILED - partial tx completion",
            (90, 20),
            |wire| {
                let arguments = [
                    number_argument("x-max-length", 0),
                    text_argument("x-overflow", "reject-publish"),
                ];
                declare(wire, "refusal-nowhere", EXCLUSIVE, &arguments.concat());
                wire.expect_method(1, (50, 11));
                wire.send_method(1, (90, 10), &[]);
                wire.expect_method(1, (90, 11));
                publish(wire, "", 0, &[0, 0]);
                wire.send_method(1, (90, 20), &[]);
            },
        ),
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
    ]
}

pub(super) fn flow() -> Vec<Row> {
    vec![
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

pub(super) fn methods() -> Vec<Row> {
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

pub(super) fn frames() -> Vec<Row> {
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

"""Compares a broker's replies to mistakes with a table, code and text: python replies.py HOST PORT

Each case does something that is not allowed (or just is) on a fresh connection and expects one
outcome: "ok", or where the broker closes (channel or connection), the code, and the whole text.
Clients match on these texts. Prints what differs and ends with status 1 if anything does.
"""

import logging
import re
import socket
import struct
import sys

import pika
from pika import spec
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker

LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{own}' in vhost '/'. "
    "It could be originally declared on another connection or the exclusive property value does "
    "not match that of the original declaration."
)
NOT_EQUAL = (
    "PRECONDITION_FAILED - inequivalent arg '{}' for {} in vhost '/': "
    "received '{}' but current is '{}'"
)
LOGIN = (
    "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
    "For details see the broker logfile."
)
OK = ("ok",)
NO_QUEUE = ("channel", 404, "NOT_FOUND - no queue 'nope' in vhost '/'")
NO_EXCHANGE = ("channel", 404, "NOT_FOUND - no exchange 'nope' in vhost '/'")
DEFAULT = ("channel", 403, "ACCESS_REFUSED - operation not permitted on the default exchange")
IN_USE = ("channel", 403, "ACCESS_REFUSED - queue '{q}' in vhost '/' in exclusive use")
LOCKED_REPLY = ("channel", 405, LOCKED)


def inequivalent(argument, thing, received, current):
    text = NOT_EQUAL.format(argument, thing, received, current)
    return ("channel", 406, text)


def ignore(*_):
    """A consumer's callback that needs no messages."""


def send(channel, method, content=None):
    """Sends a method without waiting, as pika's own functions would not let us."""
    channel._impl._send_method(method, content)


def consume_twice(ch):
    for _ in range(2):
        send(ch, spec.Basic.Consume(queue=N["q"], consumer_tag="t"))


def publish_immediate(ch):
    method = spec.Basic.Publish(exchange="", routing_key=N["q"], immediate=True)
    send(ch, method, (pika.BasicProperties(), b"x"))


def publish_internal(ch):
    ch.exchange_declare(N["internal"], internal=True, auto_delete=True)
    ch.basic_publish(N["internal"], "k", b"x")


def delete_non_empty(ch):
    ch.queue_declare(N["mine"], exclusive=True)
    ch.basic_publish("", N["mine"], b"x")
    ch.queue_delete(N["mine"], if_empty=True)


def delete_used(ch):
    ch.queue_declare(N["mine"], exclusive=True)
    ch.basic_consume(N["mine"], ignore)
    ch.queue_delete(N["mine"], if_unused=True)


def delete_bound(ch):
    ch.queue_bind(N["q"], N["x"], "k")
    ch.exchange_delete(N["x"], if_unused=True)


def consume_exclusively_second(ch):
    ch.basic_consume(N["q"], ignore, consumer_tag="a1")
    ch.basic_consume(N["q"], ignore, exclusive=True, consumer_tag="a2")


# Names, filled in by `prepare`. `q` is durable, `x` is a durable direct exchange; `own` is an
# exclusive queue of another connection, `watched` has an exclusive consumer there.
N = {}

CASES = [
    ("passive declare of a missing queue", lambda ch: ch.queue_declare("nope", passive=True), NO_QUEUE),
    ("passive declare of a missing exchange", lambda ch: ch.exchange_declare("nope", passive=True), NO_EXCHANGE),
    ("passive declare of a queue with other properties", lambda ch: ch.queue_declare(N["q"], passive=True, durable=False, arguments={"x-max-length": 1}), OK),
    ("passive declare of an exchange of another type", lambda ch: ch.exchange_declare(N["x"], "fanout", passive=True), OK),
    ("queue, other durable", lambda ch: ch.queue_declare(N["q"], durable=False), inequivalent("durable", "queue '{q}'", "false", "true")),
    ("queue, other auto_delete", lambda ch: ch.queue_declare(N["q"], durable=True, auto_delete=True), inequivalent("auto_delete", "queue '{q}'", "true", "false")),
    ("queue, other exclusive", lambda ch: ch.queue_declare(N["q"], durable=True, exclusive=True), ("channel", 405, LOCKED.replace("{own}", "{q}"))),
    ("queue with an unknown argument", lambda ch: ch.queue_declare(N["mine"], exclusive=True, arguments={"x-unknown": "a"}), OK),
    ("queue with a reserved name", lambda ch: ch.queue_declare("amq.foo"), ("channel", 403, "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'")),
    ("exchange with a reserved name", lambda ch: ch.exchange_declare("amq.foo"), ("channel", 403, "ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'")),
    ("declare of the default exchange", lambda ch: ch.exchange_declare("", "direct"), DEFAULT),
    ("exchange, other type", lambda ch: ch.exchange_declare(N["x"], "fanout", durable=True), inequivalent("type", "exchange '{x}'", "fanout", "direct")),
    ("exchange, other durable", lambda ch: ch.exchange_declare(N["x"], "direct", durable=False), inequivalent("durable", "exchange '{x}'", "false", "true")),
    ("exchange, other auto_delete", lambda ch: ch.exchange_declare(N["x"], "direct", durable=True, auto_delete=True), inequivalent("auto_delete", "exchange '{x}'", "true", "false")),
    ("exchange, other internal", lambda ch: ch.exchange_declare(N["x"], "direct", durable=True, internal=True), inequivalent("internal", "exchange '{x}'", "true", "false")),
    ("exchange of an unknown type", lambda ch: ch.exchange_declare("any", "zz"), ("channel", 406, "PRECONDITION_FAILED - unknown exchange type 'zz'")),
    ("delete of a missing queue", lambda ch: ch.queue_delete("nope"), OK),
    ("delete of a missing exchange", lambda ch: ch.exchange_delete("nope"), OK),
    ("delete of the default exchange", lambda ch: ch.exchange_delete(""), DEFAULT),
    ("delete of amq.direct", lambda ch: ch.exchange_delete("amq.direct"), ("channel", 403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed")),
    ("purge of a missing queue", lambda ch: ch.queue_purge("nope"), NO_QUEUE),
    ("bind to a missing exchange", lambda ch: ch.queue_bind(N["q"], "nope", "k"), NO_EXCHANGE),
    ("bind of a missing queue", lambda ch: ch.queue_bind("nope", N["x"], "k"), NO_QUEUE),
    ("unbind of a missing binding", lambda ch: ch.queue_unbind(N["q"], N["x"], "zz"), OK),
    ("unbind from a missing exchange", lambda ch: ch.queue_unbind(N["q"], "nope", "zz"), OK),
    ("bind to the default exchange", lambda ch: ch.queue_bind(N["q"], "", "k"), DEFAULT),
    ("bind of a missing exchange", lambda ch: ch.exchange_bind("nope", N["x"], "k"), NO_EXCHANGE),
    ("bind with a wrong x-match", lambda ch: ch.queue_bind(N["q"], "amq.headers", "", {"x-match": "zz"}), ("channel", 406, 'PRECONDITION_FAILED - Invalid x-match field value <<"zz">>; expected all, any, all-with-x, or any-with-x')),
    ("publish to a missing exchange", lambda ch: ch.basic_publish("nope", "k", b"x"), NO_EXCHANGE),
    ("publish with immediate", publish_immediate, ("connection", 540, "NOT_IMPLEMENTED - immediate=true")),
    ("publish to an internal exchange", publish_internal, ("channel", 403, "ACCESS_REFUSED - cannot publish to internal exchange '{internal}' in vhost '/'")),
    ("consume from a missing queue", lambda ch: ch.basic_consume("nope", ignore), NO_QUEUE),
    ("get from a missing queue", lambda ch: ch.basic_get("nope"), NO_QUEUE),
    ("a consumer tag twice", consume_twice, ("connection", 530, "NOT_ALLOWED - attempt to reuse consumer tag 't'")),
    ("cancel of an unknown tag", lambda ch: send(ch, spec.Basic.Cancel(consumer_tag="zz", nowait=True)), OK),
    ("exclusive consume of a consumed queue", consume_exclusively_second, IN_USE),
    ("consume beside an exclusive consumer", lambda ch: ch.basic_consume(N["watched"], ignore), ("channel", 403, IN_USE[2].replace("{q}", "{watched}"))),
    ("ack of an unknown tag", lambda ch: ch.basic_ack(99), ("channel", 406, "PRECONDITION_FAILED - unknown delivery tag 99")),
    ("nack of an unknown tag", lambda ch: ch.basic_nack(98), ("channel", 406, "PRECONDITION_FAILED - unknown delivery tag 98")),
    ("reject of an unknown tag", lambda ch: ch.basic_reject(97), ("channel", 406, "PRECONDITION_FAILED - unknown delivery tag 97")),
    ("ack of everything with nothing outstanding", lambda ch: ch.basic_ack(0, multiple=True), OK),
    ("prefetch size", lambda ch: ch.basic_qos(prefetch_size=10), ("connection", 540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)")),
    ("flow off", lambda ch: ch.flow(False), ("connection", 540, "NOT_IMPLEMENTED - active=false")),
    ("flow on", lambda ch: ch.flow(True), OK),
    ("recover with requeue", lambda ch: ch.basic_recover(requeue=True), OK),
    ("recover without requeue", lambda ch: ch.basic_recover(requeue=False), ("connection", 540, "NOT_IMPLEMENTED - requeue=false")),
    ("delete if-empty of a queue with messages", delete_non_empty, ("channel", 406, "PRECONDITION_FAILED - queue '{mine}' in vhost '/' not empty")),
    ("delete if-unused of a consumed queue", delete_used, ("channel", 406, "PRECONDITION_FAILED - queue '{mine}' in vhost '/' in use")),
    ("delete if-unused of a bound exchange", delete_bound, ("channel", 406, "PRECONDITION_FAILED - exchange '{x}' in vhost '/' in use")),
    ("declare of another's exclusive queue", lambda ch: ch.queue_declare(N["own"], exclusive=True), LOCKED_REPLY),
    ("passive declare of another's exclusive queue", lambda ch: ch.queue_declare(N["own"], passive=True), LOCKED_REPLY),
    ("consume from another's exclusive queue", lambda ch: ch.basic_consume(N["own"], ignore), LOCKED_REPLY),
    ("get from another's exclusive queue", lambda ch: ch.basic_get(N["own"]), LOCKED_REPLY),
    ("purge of another's exclusive queue", lambda ch: ch.queue_purge(N["own"]), LOCKED_REPLY),
    ("delete of another's exclusive queue", lambda ch: ch.queue_delete(N["own"]), LOCKED_REPLY),
    ("bind of another's exclusive queue", lambda ch: ch.queue_bind(N["own"], N["x"], "k"), LOCKED_REPLY),
    ("publish to another's exclusive queue", lambda ch: ch.basic_publish("", N["own"], b"x"), OK),
]


def short(text):
    return bytes([len(text)]) + text.encode()


def method(class_id, method_id, arguments=b""):
    return struct.pack(">HH", class_id, method_id) + arguments


PUBLISH = method(60, 40, b"\0\0" + short("") + short("q") + b"\0")
DECLARE = method(50, 10, b"\0\0" + short("q") + bytes(5))

# Frames (type, channel, payload) that are sent after channel 1 was opened.
FRAMES = [
    ("a second channel.open", [(1, 1, method(20, 10, b"\0"))], 504, "CHANNEL_ERROR - second 'channel.open' seen"),
    ("a body without a publish", [(3, 1, b"body")], 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"),
    ("a method in place of a header", [(1, 1, PUBLISH), (1, 1, PUBLISH)], 505, "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead"),
    ("a channel's method on channel 0", [(1, 0, DECLARE)], 504, "CHANNEL_ERROR - unexpected method in connection state running"),
]


def outcome(parameters, case):
    """Runs a case on a connection of its own; a last round trip brings late errors."""
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    try:
        case(channel)
        channel.basic_qos(prefetch_count=0)
        found = OK
    except ChannelClosedByBroker as error:
        found = ("channel", error.reply_code, error.reply_text)
    except ConnectionClosedByBroker as error:
        found = ("connection", error.reply_code, error.reply_text)
    if connection.is_open:
        connection.close()
    return found


def refused_connection(parameters):
    try:
        pika.BlockingConnection(parameters).close()
        return OK
    except AMQPConnectionError as error:
        # pika wraps the broker's close into an error about its probable cause, as text.
        closed = re.search(r"ConnectionClosedByBroker: \((\d+)\) '(.*)'", str(error))
        if not closed:
            return ("none", 0, str(error))
        return ("connection", int(closed[1]), closed[2])


class Wire:
    """A connection by hand, with channel 1 open."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=20)
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.read()
        login = b"\0guest\0guest"
        start_ok = bytes(4) + short("PLAIN") + struct.pack(">I", len(login)) + login + short("en_US")
        self.write(1, 0, method(10, 11, start_ok))
        self.read()
        self.write(1, 0, method(10, 31, struct.pack(">HIH", 2047, 131072, 0)))
        self.write(1, 0, method(10, 40, short("/") + b"\0\0"))
        self.read()
        self.write(1, 1, method(20, 10, b"\0"))
        self.read()

    def exactly(self, count):
        received = b""
        while len(received) < count:
            piece = self.socket.recv(count - len(received))
            if not piece:
                raise EOFError("the broker hung up")
            received += piece
        return received

    def read(self):
        kind, channel, size = struct.unpack(">BHI", self.exactly(7))
        payload = self.exactly(size + 1)[:-1]
        return kind, channel, payload

    def write(self, kind, channel, payload):
        self.socket.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")

    def close_that_comes(self):
        _, _, payload = self.read()
        where = {(10, 50): "connection", (20, 40): "channel"}[struct.unpack(">HH", payload[:4])]
        code, size = struct.unpack(">HB", payload[4:7])
        return (where, code, payload[7 : 7 + size].decode())


def prepare(parameters):
    """Makes what the cases need; the connection holds the exclusive things while they run."""
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    stem = channel.queue_declare("", exclusive=True).method.queue.replace("amq.gen-", "")
    for name in ("q", "x", "own", "watched", "mine", "internal"):
        N[name] = f"{name}-{stem}"
    channel.queue_declare(N["q"], durable=True)
    channel.exchange_declare(N["x"], "direct", durable=True)
    channel.queue_declare(N["own"], exclusive=True)
    channel.queue_declare(N["watched"])
    channel.basic_consume(N["watched"], ignore, exclusive=True)
    return connection, channel


def main():
    logging.disable(logging.CRITICAL)
    host, port = sys.argv[1], int(sys.argv[2])
    parameters = pika.ConnectionParameters(host, port)
    connection, channel = prepare(parameters)
    wrong = 0

    def compare(name, found, expected):
        nonlocal wrong
        if expected != OK:
            expected = (*expected[:2], expected[2].format(**N))
        if found == expected:
            print("ok:", name, flush=True)
        else:
            wrong += 1
            print(f"DIFFERS: {name}\n  expected {expected}\n  found    {found}", flush=True)

    for name, case, expected in CASES:
        compare(name, outcome(parameters, case), expected)
    for name, frames, code, text in FRAMES:
        wire = Wire(host, port)
        for frame in frames:
            wire.write(*frame)
        compare(name, wire.close_that_comes(), ("connection", code, text))
    vhost = pika.ConnectionParameters(host, port, virtual_host="nope")
    compare("a missing virtual host", refused_connection(vhost), ("connection", 530, "NOT_ALLOWED - vhost nope not found"))
    credentials = pika.PlainCredentials("guest", "wrong")
    password = pika.ConnectionParameters(host, port, credentials=credentials)
    compare("a wrong password", refused_connection(password), ("connection", 403, LOGIN))

    channel.queue_delete(N["q"])
    channel.queue_delete(N["watched"])
    channel.exchange_delete(N["x"])
    connection.close()
    total = len(CASES) + len(FRAMES) + 2
    print(f"{total - wrong} of {total} replies as expected")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Checks with pika what a Python service does all day: python interop.py HOST PORT

Prints a line for each thing that works and ends with a traceback and status 1 at the first that
does not.
"""

import sys
import time

import pika
from pika.exceptions import ChannelClosedByBroker, UnroutableError

PATIENCE_SECONDS = 20
PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="text/plain", headers={"n": 1})


def connect(host, port):
    parameters = pika.ConnectionParameters(host, port, socket_timeout=PATIENCE_SECONDS)
    return pika.BlockingConnection(parameters)


def checked(what):
    print("ok:", what, flush=True)


def declare_and_bind(channel, names):
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange_declare(names["exchange"] + "." + kind, kind, auto_delete=True)
    declared = channel.queue_declare(names["queue"], durable=True)
    assert declared.method.queue == names["queue"]
    assert (declared.method.message_count, declared.method.consumer_count) == (0, 0)
    channel.queue_bind(names["queue"], names["exchange"] + ".topic", "news.#")
    own = channel.queue_declare("", exclusive=True).method.queue
    assert own.startswith("amq.gen-"), own
    checked("declare exchanges and queues, bind")


def publish_with_confirms(channel, names):
    channel.confirm_delivery()
    for number in range(10):
        body = b"message %d" % number
        channel.basic_publish(names["exchange"] + ".topic", "news.today", body, PERSISTENT)
    found = channel.queue_declare(names["queue"], passive=True).method.message_count
    assert found == 10, found
    checked("publish with confirms")


def get_reject_requeue(channel, names):
    method, properties, body = channel.basic_get(names["queue"])
    assert (body, method.redelivered, method.message_count) == (b"message 0", False, 9)
    assert (properties.content_type, properties.headers) == ("text/plain", {"n": 1})
    channel.basic_reject(method.delivery_tag, requeue=True)
    method, _, body = channel.basic_get(names["queue"])
    assert (body, method.redelivered) == (b"message 0", True)
    channel.basic_nack(method.delivery_tag, requeue=True)
    method, _, body = channel.basic_get(names["queue"])
    assert body == b"message 0"
    channel.basic_reject(method.delivery_tag, requeue=False)
    checked("get, reject, requeue to the same place, drop")


def consume(channel, names):
    channel.basic_qos(prefetch_count=3)
    bodies = []
    for method, _, body in channel.consume(names["queue"], inactivity_timeout=PATIENCE_SECONDS):
        assert method is not None, "no delivery came"
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == 9:
            break
    assert bodies == [b"message %d" % number for number in range(1, 10)], bodies
    channel.cancel()
    assert channel.basic_get(names["queue"]) == (None, None, None)
    checked("consume with prefetch and acknowledgements")


def returned(channel):
    try:
        channel.basic_publish("amq.direct", "nobody", b"back", mandatory=True)
    except UnroutableError as error:
        message = error.messages[0]
        assert (message.method.reply_code, message.method.reply_text) == (312, "NO_ROUTE")
        assert message.body == b"back"
    else:
        raise AssertionError("an unroutable mandatory message did not come back")
    checked("return of an unroutable message")


def callback_consumer(connection, channel, names):
    seen = []

    def on_message(its_channel, method, properties, body):
        seen.append((body, properties.correlation_id))
        its_channel.basic_ack(method.delivery_tag)

    tag = channel.basic_consume(names["queue"], on_message)
    properties = pika.BasicProperties(correlation_id="42")
    channel.basic_publish("", names["queue"], b"x" * 300_000, properties)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.1)
    assert seen == [(b"x" * 300_000, "42")]
    channel.basic_cancel(tag)
    checked("callback consumer and a body of several frames")


def errors(connection):
    channel = connection.channel()
    try:
        channel.queue_declare("no such queue", passive=True)
    except ChannelClosedByBroker as error:
        expected = (404, "NOT_FOUND - no queue 'no such queue' in vhost '/'")
        assert (error.reply_code, error.reply_text) == expected, error
    else:
        raise AssertionError("a missing queue was found")
    assert connection.channel().is_open
    checked("a channel error leaves the connection open")


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    suffix = str(time.time_ns())
    names = {"queue": "pika-queue-" + suffix, "exchange": "pika-exchange-" + suffix}
    connection = connect(host, port)
    channel = connection.channel()
    declare_and_bind(channel, names)
    publish_with_confirms(channel, names)
    get_reject_requeue(channel, names)
    consume(channel, names)
    returned(channel)
    callback_consumer(connection, channel, names)
    errors(connection)
    channel.queue_delete(names["queue"])
    connection.close()
    assert connection.is_closed
    checked("close")


if __name__ == "__main__":
    main()

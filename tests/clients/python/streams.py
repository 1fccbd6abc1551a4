"""A stream with pika: python streams.py HOST PORT"""

import sys

import pika

STREAM = "events"


def read(connection, arguments, count):
    """The offsets and bodies of the next messages."""
    found = []

    def take(channel, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        found.append((int(properties.headers["x-stream-offset"]), body.decode()))

    channel = connection.channel()
    # A consumer of a stream has to say how much it takes at a time, and to acknowledge.
    channel.basic_qos(prefetch_count=100)
    channel.basic_consume(STREAM, take, arguments=arguments)
    while len(found) < count:
        connection.process_data_events(time_limit=1)
    channel.close()
    return found[:count]


connection = pika.BlockingConnection(pika.ConnectionParameters(sys.argv[1], sys.argv[2]))
channel = connection.channel()
channel.queue_declare(
    STREAM,
    durable=True,
    arguments={"x-queue-type": "stream", "x-max-age": "7D", "x-max-length-bytes": 20_000_000_000},
)
channel.confirm_delivery()
for number in range(10):
    color = "red" if number % 2 else "blue"
    properties = pika.BasicProperties(headers={"x-stream-filter-value": color})
    channel.basic_publish("", STREAM, f"event {number}", properties)

print("first:", read(connection, {"x-stream-offset": "first"}, 2))
print("again:", read(connection, {"x-stream-offset": "first"}, 2))
print("offset 7:", read(connection, {"x-stream-offset": 7}, 3))
print("an hour ago:", read(connection, {"x-stream-offset": "1h"}, 1))
red = {"x-stream-offset": "first", "x-stream-filter": "red"}
print("red ones:", read(connection, red, 3))
connection.close()

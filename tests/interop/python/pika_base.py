"""What the checks with pika share: connections, queues, messages and expected errors."""

import contextlib

import pika
from check import HOST, PORT, Checks, equal, eventually, unique
from pika.exceptions import ChannelClosedByBroker

checks = Checks()
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def connect(**more):
    return pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT, **more))


@contextlib.contextmanager
def channel():
    connection = connect()
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def queue(channel, **arguments):
    """A queue for this check alone, with arguments as x_max_length=3."""
    arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
    name = unique("pika")
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    return name


def durable(channel, **arguments):
    arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
    name = unique("pika-durable")
    channel.queue_declare(name, durable=True, arguments=arguments)
    return name


def publish(channel, name, *bodies, exchange="", **properties):
    for body in bodies:
        body = body if isinstance(body, bytes) else str(body).encode()
        channel.basic_publish(exchange, name, body, pika.BasicProperties(**properties))


def get(channel, name):
    """The next message, waited for: (method, properties, body)."""
    return eventually(f"a message is in {name}", lambda: present(channel.basic_get(name)))


def present(message):
    return message if message[0] else None


def bodies(channel, name, count):
    found = []
    for _ in range(count):
        method, _, body = get(channel, name)
        channel.basic_ack(method.delivery_tag)
        found.append(body.decode())
    equal(channel.basic_get(name), (None, None, None))
    return found


def ready(channel, name):
    return channel.queue_declare(name, passive=True).method.message_count


def closes(code, start, function, *arguments, **more):
    """The function is answered with the end of its channel."""
    try:
        function(*arguments, **more)
    except ChannelClosedByBroker as error:
        equal(error.reply_code, code)
        assert error.reply_text.startswith(start), error.reply_text
    else:
        raise AssertionError(f"no {code} came")


def collect(channel, name, **more):
    """A consumer that notes what comes and leaves it unacknowledged."""
    seen = []
    tag = channel.basic_consume(name, lambda *message: seen.append(message[1:]), **more)
    return tag, seen


def wait(channel, what, probe):
    return eventually(what, probe, lambda: channel.connection.process_data_events(time_limit=0.05))

"""Checks a broker with kombu and the client py-amqp below it; see check.py for the arguments."""

import contextlib
import socket
import time

import amqp
import kombu
from check import HOST, PATIENCE, PORT, Checks, control, equal, eventually, unique
from kombu.mixins import ConsumerMixin
from kombu.pools import producers
from kombu.simple import SimpleQueue

checks = Checks()


def connect(**more):
    return kombu.Connection(f"amqp://guest:guest@{HOST}:{PORT}//", **more)


@contextlib.contextmanager
def connection():
    with connect(transport_options={"confirm_publish": True}) as given:
        yield given


def drained(connection, queue, count, **consumer):
    """The bodies of so many messages."""
    found = []

    def note(body, message):
        found.append(body)
        message.ack()

    with connection.Consumer(queue, callbacks=[note], **consumer):
        deadline = time.monotonic() + PATIENCE
        while len(found) < count and time.monotonic() < deadline:
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=1)
    return found


@checks("exchanges of all kinds with serialised bodies")
def kinds(connection):
    for kind in "direct", "fanout", "topic", "headers":
        exchange = kombu.Exchange(unique(kind), kind, auto_delete=True)
        queue = kombu.Queue(unique("kombu"), exchange, "a.b", exclusive=True,
                            binding_arguments={"x-match": "all", "n": 1})
        producer = connection.Producer()
        given = {"text": "grüße", "list": [1, 2.5, None]}
        producer.publish(given, exchange=exchange, routing_key="a.b", declare=[queue],
                         headers={"n": 1}, serializer="json", compression="zlib")
        equal(drained(connection, queue(connection.default_channel), 1), [given])


@checks("a simple queue puts and gets")
def simple(connection):
    queue = SimpleQueue(connection, unique("simple"))
    for number in range(10):
        queue.put({"n": number})
    equal([queue.get(timeout=PATIENCE).payload["n"] for _ in range(10)], list(range(10)))
    queue.close()
    connection.default_channel.queue_delete(queue.queue.name)


@checks("priorities order a queue")
def priorities(connection):
    queue = kombu.Queue(unique("priorities"), exclusive=True, max_priority=9)
    bound = queue(connection.default_channel)
    bound.declare()
    producer = connection.Producer()
    for priority in 1, 9, 4:
        producer.publish(priority, routing_key=bound.name, priority=priority)
    equal(drained(connection, bound, 3), [9, 4, 1])


@checks("times to live, lengths and dead letters by the queue's options")
def options(connection):
    dead = kombu.Queue(unique("dead"), exclusive=True)(connection.default_channel)
    dead.declare()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
    queue = kombu.Queue(unique("options"), exclusive=True, message_ttl=0.05, max_length=2,
                        expires=60, queue_arguments=arguments)(connection.default_channel)
    queue.declare()
    producer = connection.Producer()
    for number in range(3):
        producer.publish(number, routing_key=queue.name)
    reasons = []

    def note(body, message):
        reasons.append((body, message.headers["x-death"][0]["reason"]))
        message.ack()

    with connection.Consumer(dead, callbacks=[note]):
        for _ in range(3):
            connection.drain_events(timeout=PATIENCE)
    equal(sorted(reasons), [(0, "maxlen"), (1, "expired"), (2, "expired")])


@checks("confirmed publishes, and a full queue's rejection")
def confirms(connection):
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = kombu.Queue(unique("full"), exclusive=True, queue_arguments=arguments)
    bound = queue(connection.default_channel)
    bound.declare()
    producer = connection.Producer()
    producer.publish("first", routing_key=bound.name)
    try:
        producer.publish("second", routing_key=bound.name)
    except amqp.exceptions.MessageNacked:
        pass
    else:
        raise AssertionError("the second was confirmed")


@checks("a mandatory message comes back")
def returned(connection):
    notes = []
    producer = connection.Producer(on_return=lambda error, *its: notes.append(error.reply_code))
    producer.publish("x", routing_key=unique("nobody"), mandatory=True)
    while not notes:
        connection.drain_events(timeout=PATIENCE)
    equal(notes, [312])


@checks("py-amqp: transactions, immediate, errors")
def below(connection):
    client = amqp.Connection(f"{HOST}:{PORT}", login_method="AMQPLAIN")
    client.connect()
    channel = client.channel()
    name = channel.queue_declare("", exclusive=True).queue
    channel.tx_select()
    channel.basic_publish(amqp.Message("lost"), routing_key=name)
    channel.tx_rollback()
    channel.basic_publish(amqp.Message("kept"), routing_key=name)
    channel.tx_commit()
    message = eventually("a message is there", lambda: channel.basic_get(name))
    equal(message.body, "kept")
    equal(channel.basic_get(name), None)
    try:
        client.channel().queue_declare(unique("none"), passive=True)
    except amqp.NotFound as error:
        assert error.reply_text.startswith("NOT_FOUND - no queue"), error.reply_text
    else:
        raise AssertionError("a missing queue was found")
    its = client.channel()
    its.basic_publish(amqp.Message("now"), routing_key=name, immediate=True)
    try:
        while True:
            client.drain_events(timeout=PATIENCE)
    except amqp.AMQPNotImplementedError as error:
        equal((error.reply_code, error.reply_text), (540, "NOT_IMPLEMENTED - immediate=true"))


@checks("prefetch is raised while a consumer is there, by kombu's own rule")
def raised_prefetch(connection):
    queue = kombu.Queue(unique("raised"), exclusive=True)(connection.default_channel)
    queue.declare()
    producer = connection.Producer()
    for number in range(10):
        producer.publish(number, routing_key=queue.name)
    found = []
    consumer = connection.Consumer(queue, callbacks=[lambda body, message: found.append(message)])
    matches = connection.qos_semantics_matches_spec
    consumer.qos(prefetch_count=2, apply_global=not matches)
    with consumer:
        quiet(connection)
        equal(len(found), 2)
        consumer.qos(prefetch_count=5, apply_global=not matches)
        eventually("three more come", lambda: len(found) == 5, lambda: quiet(connection))


def quiet(connection):
    """Reads until nothing comes for a while."""
    with contextlib.suppress(socket.timeout):
        while True:
            connection.drain_events(timeout=0.5)


class Worker(ConsumerMixin):
    """Consumes until all came, over as many connections as it takes."""

    def __init__(self, connection, queue, wanted):
        self.connection, self.queue, self.wanted = connection, queue, wanted
        self.seen, self.command = set(), None

    def get_consumers(self, consumer, channel):
        return [consumer(self.queue, callbacks=[self.on_message], prefetch_count=1)]

    def on_message(self, body, message):
        self.seen.add(body)
        message.ack()
        if len(self.seen) == 5 and self.command:
            command, self.command = self.command, None
            control(command)
        self.should_stop = len(self.seen) == self.wanted


def recover(connection, command):
    """A consumer and a producer with retries both outlive the broker's end."""
    queue = kombu.Queue(unique("recover"), durable=True)
    with producers[connection].acquire(block=True) as producer:
        policy = {"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1, "max_retries": 60}
        for number in range(20):
            producer.publish(number, routing_key=queue.name, delivery_mode=2, declare=[queue],
                             retry=True, retry_policy=policy)
        worker = Worker(connect(), queue, 21)
        worker.command = command
        control("restart")
        producer.publish(20, routing_key=queue.name, delivery_mode=2, retry=True,
                         retry_policy=policy)
    worker.run()
    equal(worker.seen, set(range(21)))
    with connect() as other:
        queue(other.default_channel).delete()


@checks("a consumer mixin and a retrying producer outlive a restart")
def restart(connection):
    recover(connection, "restart")


@checks("a consumer mixin and a retrying producer outlive kill -9")
def kill(connection):
    recover(connection, "kill")


checks.run(connection)

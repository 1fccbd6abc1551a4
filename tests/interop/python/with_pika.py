"""Checks a broker with pika's blocking connection; see check.py for the arguments."""

import datetime
import decimal

import pika
from check import BROKER, control, equal, eventually, unique
from pika.exceptions import (AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker,
                             NackError, UnroutableError)
from pika_base import (PERSISTENT, bodies, channel, checks, closes, collect, connect, durable, get,
                       publish, queue, ready, wait)


@checks("the server tells its product and capabilities")
def server(channel):
    properties = channel.connection._impl.server_properties
    equal(properties["product"], b"RabbitMQ" if isinstance(properties["product"], bytes)
          else "RabbitMQ")
    equal(set(properties["capabilities"]), {
        "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "consumer_priorities", "authentication_failure_close",
        "per_consumer_qos", "direct_reply_to"})
    assert all(value is True for value in properties["capabilities"].values())


@checks("a wrong password and a missing virtual host are told")
def refused(channel):
    wrong = pika.PlainCredentials("guest", "wrong")
    for more, kind in ({"credentials": wrong}, AMQPConnectionError), (
            {"virtual_host": "missing"}, AMQPConnectionError):
        try:
            connect(**more)
        except kind as error:
            assert "403" in repr(error) or "530" in repr(error), repr(error)
        else:
            raise AssertionError(f"{more} was let in")


@checks("exchanges of all kinds route")
def kinds(channel):
    found = {}
    for kind, key, arguments in (
            ("direct", "a.b", {}), ("fanout", "", {}), ("topic", "*.b.#", {}),
            ("headers", "", {"x-match": "all", "n": 1, "s": "x"})):
        name, target = unique(kind), queue(channel)
        channel.exchange_declare(name, kind, auto_delete=True)
        channel.queue_bind(target, name, key, arguments)
        channel.confirm_delivery()
        properties = pika.BasicProperties(headers={"n": 1, "s": "x"})
        channel.basic_publish(name, "a.b", kind.encode(), properties)
        found[kind] = ready(channel, target)
        channel.queue_unbind(target, name, key, arguments)
        closes(404, "NOT_FOUND - no exchange", channel.connection.channel().exchange_declare,
               name, passive=True)
    equal(found, {"direct": 1, "fanout": 1, "topic": 1, "headers": 1})


@checks("exchanges bind to exchanges")
def exchange_to_exchange(channel):
    source, middle, target = unique("source"), unique("middle"), queue(channel)
    channel.exchange_declare(source, "topic", auto_delete=True)
    channel.exchange_declare(middle, "fanout", auto_delete=True)
    channel.queue_bind(target, middle)
    channel.exchange_bind(middle, source, "news.#")
    publish(channel, "news.a", "one", exchange=source)
    publish(channel, "other", "two", exchange=source)
    equal(bodies(channel, target, 1), ["one"])
    channel.exchange_unbind(middle, source, "news.#")


@checks("properties and headers of all types come back")
def properties(channel):
    name = queue(channel)
    headers = {
        "bool": True, "int": -7, "long": 1 << 40, "text": "grüße", "bytes": b"\xff\x00",
        "decimal": decimal.Decimal("3.14"), "time": datetime.datetime(2020, 1, 2, 3, 4, 5),
        "none": None, "list": [1, "two", [3]], "table": {"deep": {"er": 1}}}
    given = dict(
        content_type="text/plain", content_encoding="utf-8", headers=headers, delivery_mode=2,
        priority=3, correlation_id="c", reply_to="r", expiration="60000", message_id="m",
        timestamp=1234567890, type="t", user_id="guest", app_id="a")
    channel.basic_publish("", name, b"body", pika.BasicProperties(**given))
    _, found, body = get(channel, name)
    equal(body, b"body")
    for key, value in given.items():
        found_value = getattr(found, key)
        if key == "headers":
            found_value["time"] = found_value["time"].replace(tzinfo=None)
        equal(found_value, value)


@checks("a wrong user id and a wrong expiration are refused")
def validated(channel):
    for properties in {"user_id": "somebody"}, {"expiration": "soon"}, {"expiration": "-1"}:
        own = channel.connection.channel()
        publish(own, "nowhere", "x", **properties)
        closes(406, "PRECONDITION_FAILED - ", own.queue_declare, "", exclusive=True)


@checks("large and empty bodies come back")
def sizes(channel):
    name = queue(channel)
    for size in 0, 1, 131_064, 131_065, 1_000_000:
        publish(channel, name, b"x" * size)
        equal(len(get(channel, name)[2]), size)


@checks("errors have RabbitMQ's codes and texts")
def errors(channel):
    open_channel = channel.connection.channel
    name = durable(channel)
    closes(404, "NOT_FOUND - no queue 'no-such' in vhost '/'",
           open_channel().queue_declare, "no-such", passive=True)
    closes(406, f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{name}' in vhost '/'"
           ": received 'false' but current is 'true'", open_channel().queue_declare, name)
    closes(406, f"PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{name}' in "
           "vhost '/': received the value '5' of type 'signedint' but current is none",
           open_channel().queue_declare, name, durable=True, arguments={"x-max-length": 5})
    closes(403, "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'",
           open_channel().queue_declare, "amq.x")
    closes(403, "ACCESS_REFUSED - operation not permitted on the default exchange",
           open_channel().queue_bind, name, "", "x")
    publish(channel, name, "x")
    closes(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty",
           open_channel().queue_delete, name, if_empty=True)
    bad = open_channel()
    bad.basic_ack(82)
    closes(406, "PRECONDITION_FAILED - unknown delivery tag 82", bad.queue_declare, name, True)
    with_negative = {"x-message-ttl": -1}
    closes(406, "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'n'",
           open_channel().queue_declare, "n", arguments=with_negative)
    channel.queue_delete(name)
    channel.queue_delete(name)


@checks("an exclusive queue is locked for others")
def exclusive(channel):
    name = queue(channel)
    other = connect()
    closes(405, f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in "
           "vhost '/'", other.channel().queue_declare, name, passive=True)
    publish(other.channel(), name, "x")
    get(channel, name)
    other.close()


@checks("a duplicate consumer tag ends the connection with 530")
def duplicate_tag(channel):
    name = queue(channel)
    channel.basic_consume(name, print, consumer_tag="same")
    again = channel.connection.channel()
    again.basic_consume(name, print, consumer_tag="same")
    # The same tag on another channel is right; on the same channel it is not.
    impl = channel._impl
    impl._send_method(pika.spec.Basic.Consume(queue=name, consumer_tag="same"))
    try:
        wait(channel, "the connection ends", lambda: False)
    except ConnectionClosedByBroker as error:
        equal((error.reply_code, error.reply_text),
              (530, "NOT_ALLOWED - attempt to reuse consumer tag 'same'"))
    else:
        raise AssertionError("the connection goes on")


@checks("confirms, and returns before their confirms")
def confirms(channel):
    name = durable(channel)
    channel.confirm_delivery()
    for number in range(50):
        channel.basic_publish("", name, str(number).encode(), PERSISTENT, mandatory=True)
    equal(ready(channel, name), 50)
    try:
        channel.basic_publish("amq.direct", "nobody", b"back", mandatory=True)
    except UnroutableError as error:
        method = error.messages[0].method
        equal((method.reply_code, method.reply_text, method.exchange, method.routing_key),
              (312, "NO_ROUTE", "amq.direct", "nobody"))
    else:
        raise AssertionError("nothing came back")
    channel.queue_delete(name)


@checks("get, reject, nack, requeue to the same place")
def settle(channel):
    name = queue(channel)
    publish(channel, name, 0, 1, 2, 3)
    first, second = get(channel, name), get(channel, name)
    equal((first[0].redelivered, second[0].message_count), (False, 2))
    channel.basic_nack(second[0].delivery_tag, multiple=True, requeue=True)
    again = get(channel, name)
    equal((again[2], again[0].redelivered), (b"0", True))
    channel.basic_reject(again[0].delivery_tag, requeue=False)
    equal(bodies(channel, name, 3), ["1", "2", "3"])
    publish(channel, name, 4)
    get(channel, name)
    channel.basic_recover(requeue=True)
    equal(bodies(channel, name, 1), ["4"])


@checks("prefetch of a consumer and of a channel")
def prefetch(channel):
    name = queue(channel)
    publish(channel, name, *range(20))
    channel.basic_qos(prefetch_count=3)
    _, seen = collect(channel, name)
    wait(channel, "three come", lambda: len(seen) == 3)
    channel.basic_qos(prefetch_count=5, global_qos=True)
    _, more = collect(channel, name)
    wait(channel, "five are out", lambda: len(seen) + len(more) == 5)
    equal(ready(channel, name), 15)
    channel.basic_ack(seen[-1][0].delivery_tag, multiple=True)
    wait(channel, "five are out again", lambda: len(seen) + len(more) == 8)


@checks("no-ack consumers get everything at once")
def no_ack(channel):
    name = queue(channel)
    _, seen = collect(channel, name, auto_ack=True)
    publish(channel, name, *range(100))
    wait(channel, "all came", lambda: len(seen) == 100)
    equal([int(body) for _, _, body in seen], list(range(100)))


@checks("transactions commit and roll back")
def transactions(channel):
    name, other = queue(channel), queue(channel)
    publish(channel, name, "first")
    tx = channel.connection.channel()
    tx.tx_select()
    publish(tx, name, "lost")
    tx.tx_rollback()
    publish(tx, name, "second")
    publish(tx, other, "other")
    tag = get(tx, name)[0].delivery_tag
    tx.basic_ack(tag)
    equal((ready(channel, name), ready(channel, other)), (0, 0))
    tx.tx_commit()
    equal(bodies(channel, other, 1), ["other"])
    equal(bodies(channel, name, 1), ["second"])
    closes(406, "PRECONDITION_FAILED - ", tx.confirm_delivery)
    closes(406, "PRECONDITION_FAILED - channel is not transactional",
           channel.connection.channel().tx_commit)


@checks("messages expire by the queue's and by their own time, and are dead-lettered")
def expiry(channel):
    dead = queue(channel)
    more = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": dead}
    by_queue = queue(channel, x_message_ttl=50, **more)
    publish(channel, by_queue, "by queue")
    _, properties, body = get(channel, dead)
    equal(body, b"by queue")
    death = properties.headers["x-death"][0]
    equal((death["queue"], death["reason"], death["count"], death["exchange"],
           death["routing-keys"]), (by_queue, "expired", 1, "", [by_queue]))
    equal(properties.headers["x-first-death-reason"], "expired")
    own = queue(channel, **more)
    publish(channel, own, "own", expiration="50")
    _, properties, body = get(channel, dead)
    equal((body, properties.expiration), (b"own", None))
    equal(properties.headers["x-death"][0]["original-expiration"], "50")


@checks("rejected messages are dead-lettered, and their cycles counted")
def dead_letters(channel):
    target, name = unique("dead"), unique("work")
    channel.exchange_declare(target, "fanout", auto_delete=True)
    channel.queue_declare(name, exclusive=True, arguments={"x-dead-letter-exchange": target})
    channel.queue_bind(name, target)
    publish(channel, name, "x", headers={"CC": ["second-key"]})
    for count in 0, 1, 2:
        method, properties, _ = get(channel, name)
        deaths = (properties.headers or {}).get("x-death", [])
        equal(sum(death["count"] for death in deaths), count)
        channel.basic_reject(method.delivery_tag, requeue=False)
    _, properties, _ = get(channel, name)
    headers = properties.headers
    equal([(d["queue"], d["reason"], d["count"], d["exchange"]) for d in headers["x-death"]],
          [(name, "rejected", 3, "")])
    equal(sorted(headers["x-death"][0]["routing-keys"]), sorted([name, "second-key"]))
    equal((headers["x-first-death-queue"], headers["x-first-death-reason"],
           headers["x-first-death-exchange"]), (name, "rejected", ""))


@checks("a full queue drops its head")
def drop_head(channel):
    dead = queue(channel)
    name = queue(channel, x_max_length=3, x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    publish(channel, name, *range(5))
    equal(bodies(channel, name, 3), ["2", "3", "4"])
    _, properties, body = get(channel, dead)
    equal((body, properties.headers["x-death"][0]["reason"]), (b"0", "maxlen"))
    by_bytes = queue(channel, x_max_length_bytes=10)
    publish(channel, by_bytes, "12345", "67890", "abc")
    equal(bodies(channel, by_bytes, 2), ["67890", "abc"])


@checks("a full queue rejects publishes with nacks")
def reject_publish(channel):
    name = queue(channel, x_max_length=2, x_overflow="reject-publish")
    channel.confirm_delivery()
    publish(channel, name, 0, 1)
    try:
        publish(channel, name, 2)
    except NackError:
        pass
    else:
        raise AssertionError("the third was confirmed")
    equal(bodies(channel, name, 2), ["0", "1"])


@checks("priorities order a queue")
def priorities(channel):
    name = queue(channel, x_max_priority=10)
    channel.confirm_delivery()
    for priority in 1, 5, None, 10, 5, 200:
        publish(channel, name, priority, priority=priority)
    equal(bodies(channel, name, 6), ["10", "200", "5", "5", "1", "None"])


@checks("a single active consumer, and the next when it goes")
def single_active(channel):
    name = queue(channel, x_single_active_consumer=True)
    first_tag, first = collect(channel, name, auto_ack=True)
    _, second = collect(channel, name, auto_ack=True)
    publish(channel, name, *range(10))
    wait(channel, "the first has all", lambda: len(first) == 10)
    equal(len(second), 0)
    channel.basic_cancel(first_tag)
    publish(channel, name, *range(10))
    wait(channel, "the second has all", lambda: len(second) == 10)
    equal(len(first), 10)


@checks("consumers of a higher priority come first")
def consumer_priorities(channel):
    name = queue(channel)
    channel.basic_qos(prefetch_count=2)
    _, low = collect(channel, name)
    _, high = collect(channel, name, arguments={"x-priority": 5})
    publish(channel, name, 0, 1, 2)
    wait(channel, "all came", lambda: len(low) + len(high) == 3)
    equal(([body for _, _, body in high], [body for _, _, body in low]), ([b"0", b"1"], [b"2"]))


@checks("an exclusive consumer keeps others out")
def exclusive_consumer(channel):
    name = queue(channel)
    channel.basic_consume(name, print, exclusive=True)
    closes(403, f"ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use",
           channel.connection.channel().basic_consume, name, print)


@checks("the server cancels the consumers of a deleted queue")
def cancelled(channel):
    name, notes = queue(channel), []
    channel.add_on_cancel_callback(notes.append)
    tag, _ = collect(channel, name)
    channel.connection.channel().queue_delete(name)
    wait(channel, "the consumer is cancelled", lambda: notes)
    equal(notes[0].method.consumer_tag, tag)


@checks("requests and replies over amq.rabbitmq.reply-to")
def direct_reply(channel):
    name = queue(channel)
    _, replies = collect(channel, "amq.rabbitmq.reply-to", auto_ack=True)
    publish(channel, name, "ask", reply_to="amq.rabbitmq.reply-to", correlation_id="7")
    other = channel.connection.channel()
    _, asked, _ = get(channel, name)
    assert asked.reply_to.startswith("amq.rabbitmq.reply-to."), asked.reply_to
    publish(other, asked.reply_to, "answer", correlation_id=asked.correlation_id)
    wait(channel, "the answer came", lambda: replies)
    equal((replies[0][2], replies[0][1].correlation_id), (b"answer", "7"))
    without = channel.connection.channel()
    publish(without, name, "ask", reply_to="amq.rabbitmq.reply-to")
    closes(406, "PRECONDITION_FAILED - fast reply consumer does not exist",
           without.queue_declare, name, passive=True)


@checks("an alternate exchange takes what is not routed")
def alternate(channel):
    spare, name, target = unique("spare"), unique("main"), queue(channel)
    channel.exchange_declare(spare, "fanout", auto_delete=True)
    channel.queue_bind(target, spare)
    channel.exchange_declare(name, "direct", auto_delete=True,
                             arguments={"alternate-exchange": spare})
    channel.confirm_delivery()
    channel.basic_publish(name, "nobody", b"spare", mandatory=True)
    equal(bodies(channel, target, 1), ["spare"])
    channel.exchange_delete(name)


@checks("CC and BCC are further routing keys, and BCC is not shown")
def carbon_copies(channel):
    first, second, third = queue(channel), queue(channel), queue(channel)
    publish(channel, first, "x", headers={"CC": [second], "BCC": [third]})
    for name in first, second, third:
        equal(get(channel, name)[1].headers, {"CC": [second]})


@checks("an unused queue expires")
def queue_expiry(channel):
    name = unique("expires")
    channel.queue_declare(name, arguments={"x-expires": 200})

    def gone():
        try:
            channel.connection.channel().queue_declare(name, passive=True)
        except ChannelClosedByBroker as error:
            return error.reply_code == 404
        # Asking for it is no use of it, but asking too often would be no help either.
        channel.connection.sleep(0.3)
        return False

    eventually("the queue goes", gone)


@checks("a quorum queue counts deliveries up to its limit")
def delivery_limit(channel):
    dead = durable(channel)
    name = durable(channel, x_queue_type="quorum", x_delivery_limit=2, x_dead_letter_exchange="",
                   x_dead_letter_routing_key=dead)
    publish(channel, name, "poison", delivery_mode=2)
    for count in 0, 1, 2:
        method, properties, _ = get(channel, name)
        # RabbitMQ 4 sends none with the first delivery.
        equal((properties.headers or {}).get("x-delivery-count", 0), count)
        channel.basic_reject(method.delivery_tag, requeue=True)
    _, properties, body = get(channel, dead)
    equal((body, properties.headers["x-death"][0]["reason"]), (b"poison", "delivery_limit"))
    channel.queue_delete(name)
    channel.queue_delete(dead)


@checks("exchanges that hash, choose at random and remember")
def further_kinds(channel):
    channel.confirm_delivery()
    for kind, key in ("x-consistent-hash", "10"), ("x-random", ""):
        name, targets = unique(kind), [queue(channel) for _ in range(3)]
        channel.exchange_declare(name, kind, auto_delete=True)
        for target in targets:
            channel.queue_bind(target, name, key)
        for number in range(60):
            publish(channel, str(number), number, exchange=name)
        counts = [ready(channel, target) for target in targets]
        equal(sum(counts), 60)
        assert all(counts), (kind, counts)
    name, target = unique("history"), queue(channel)
    channel.exchange_declare(name, "x-recent-history", arguments={"x-recent-history-length": 2})
    publish(channel, "", 1, 2, 3, exchange=name)
    channel.queue_bind(target, name)
    equal(sorted(bodies(channel, target, 2)), ["2", "3"])
    channel.exchange_delete(name)


@checks("a stream is read by many, each from where it wants")
def stream(channel):
    name = durable(channel, x_queue_type="stream")
    channel.confirm_delivery()
    for number in range(10):
        publish(channel, name, number, delivery_mode=2)
    # Confirms come before readers see it, on RabbitMQ.
    for offset, expected in ("first", list(range(10))), (4, [4, 5, 6, 7, 8, 9]):
        reader = channel.connection.channel()
        reader.basic_qos(prefetch_count=100)
        _, seen = collect(reader, name, arguments={"x-stream-offset": offset})
        wait(reader, "the last came", lambda: seen and seen[-1][2] == b"9")
        equal([int(body) for _, _, body in seen], expected)
        equal([it.headers["x-stream-offset"] for _, it, _ in seen], expected)
        reader.close()
    closes(406, "PRECONDITION_FAILED - ", channel.connection.channel().basic_consume, name, print)
    channel.queue_delete(name)


@checks("virtual topics: a queue subscribes by its name", only="warren")
def virtual_topics(channel):
    first, second = "Consumer.A.VirtualTopic.Orders", "Consumer.B.VirtualTopic.>"
    for name in first, second:
        channel.queue_declare(name, auto_delete=True)
    publish(channel, "VirtualTopic.Orders", "order", exchange="amq.virtual-topic")
    publish(channel, "VirtualTopic.Other", "other", exchange="amq.virtual-topic")
    equal(bodies(channel, first, 1), ["order"])
    equal(bodies(channel, second, 2), ["order", "other"])
    for name in first, second:
        channel.queue_delete(name)


@checks("what is not implemented is answered with 540")
def not_implemented(channel):
    for method in (pika.spec.Basic.Qos(prefetch_size=1), pika.spec.Channel.Flow(active=False),
                   pika.spec.Basic.Recover(requeue=False)):
        connection = connect()
        its_channel = connection.channel()
        its_channel._impl._send_method(method)
        try:
            wait(its_channel, "the connection ends", lambda: False)
        except ConnectionClosedByBroker as error:
            equal(error.reply_code, 540)
        else:
            raise AssertionError(f"{method} was taken")


@checks("the secret of a connection is renewed")
def update_secret(channel):
    channel.connection.update_secret("guest", "it is time")
    equal(ready(channel, queue(channel)), 0)


@checks("a low disk blocks publishers and lets consumers go on")
def blocked(channel):
    name, notes = queue(channel), []
    publishing = connect()
    publishing.add_on_connection_blocked_callback(lambda *its: notes.append("blocked"))
    publishing.add_on_connection_unblocked_callback(lambda *its: notes.append("unblocked"))
    its_channel = publishing.channel()
    publish(channel, name, "before")
    control("block")
    try:

        def publish_again():
            if not notes:
                publish(its_channel, name, "x")
            return notes

        eventually("publishers are blocked", publish_again, lambda: publishing.sleep(0.2))
        assert get(channel, name)
    finally:
        control("unblock")
    eventually("publishers go on", lambda: notes[1:], lambda: publishing.sleep(0.1))
    equal(notes, ["blocked", "unblocked"])
    publishing.close()


def survive(channel, command):
    """What must outlive the broker's end: durable things and confirmed messages, and nothing
    twice."""
    name, exchange = durable(channel), unique("durable")
    transient, fleeting = unique("transient"), unique("fleeting")
    channel.queue_declare(transient)
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.exchange_declare(fleeting, "topic")
    channel.queue_bind(name, exchange, "a.*")
    channel.confirm_delivery()
    for number in range(20):
        channel.basic_publish(exchange, "a.b", str(number).encode(), PERSISTENT, mandatory=True)
    channel.basic_publish(exchange, "a.b", b"transient")
    tx = channel.connection.channel()
    tx.tx_select()
    for number in 20, 21:
        tx.basic_publish(exchange, "a.b", str(number).encode(), PERSISTENT)
    tx.tx_commit()
    tx.basic_publish(exchange, "a.b", b"not committed", PERSISTENT)
    for _ in range(5):
        tag = get(channel, name)[0].delivery_tag
    channel.basic_ack(tag, multiple=True)
    channel.close()
    held = channel.connection.channel()
    get(held, name)
    control(command)
    try:
        wait(held, "the connection breaks", lambda: False)
    except (AMQPConnectionError, pika.exceptions.StreamLostError) as error:
        if command == "restart":
            assert isinstance(error, ConnectionClosedByBroker), repr(error)
            equal(error.reply_code, 320)
    again = connect()
    channel = again.channel()
    method, _, body = get(channel, name)
    # RabbitMQ forgets acknowledgements of the last moments before it is killed. Neither broker
    # syncs a delivery before it leaves.
    while command == "kill" and BROKER == "rabbitmq" and int(body) < 5:
        method, _, body = get(channel, name)
    equal((body, method.redelivered or command == "kill"), (b"5", True))
    channel.basic_ack(method.delivery_tag, multiple=True)
    equal(bodies(channel, name, 16), [str(number) for number in range(6, 22)])
    for declare, missing in ((channel.queue_declare, transient),
                             (channel.exchange_declare, fleeting)):
        its = again.channel()
        closes(404, "NOT_FOUND", getattr(its, declare.__name__), missing, passive=True)
    channel = again.channel()
    channel.basic_publish(exchange, "a.b", b"after", mandatory=True)
    equal(bodies(channel, name, 1), ["after"])
    channel.queue_delete(name)
    channel.exchange_delete(exchange)
    again.close()


@checks("durable things outlive a restart")
def restart(channel):
    survive(channel, "restart")


@checks("durable things outlive kill -9")
def kill(channel):
    survive(channel, "kill")


checks.run(channel)

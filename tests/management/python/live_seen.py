"""What the HTTP API tells of a broker at work: connections, channels, consumers, counts, rates,
samples."""

import time

import pika
from api_base import (
    NOT_FOUND,
    Has,
    api,
    case,
    done,
    equal,
    eventually,
    fits,
    get,
    has,
    step,
    unique,
)
from check import PORT
from live_base import STARTED, connected, one, segment, waiting

# Nobody is there.

for path in ("connections", "channels", "consumers"):
    case(f"at first there are no {path}", f"GET /{path}", None, (200, []))
case("a connection that is not there", "GET /connections/none", None, NOT_FOUND)
case("closing a connection that is not there", "DELETE /connections/none", None, NOT_FOUND)
case("a channel that is not there", "GET /channels/none", None, NOT_FOUND)
case("connections of nobody", "GET /connections/username/nobody", None, (200, []), NOT_FOUND)


def filled(path, members, of=lambda it: it):
    """What is there, when it is all there: some of it comes a moment after the start."""
    last = {}

    def told():
        last["found"] = get(path)
        return fits(of(last["found"]), members)

    try:
        eventually("it is all there", told)
    except AssertionError as error:
        found = of(last["found"])
        raise AssertionError(
            {
                key: found.get(key)
                for key, value in members.members.items()
                if key not in found or not fits(found[key], value)
            }
        ) from error
    return last["found"]


@step("the node is healthy")
def node():
    members = has(
        name=str,
        type="disc",
        running=True,
        os_pid=lambda it: isinstance(it, str) and it.isdigit(),
        fd_used=int,
        fd_total=int,
        sockets_used=int,
        sockets_total=int,
        mem_used=int,
        mem_limit=int,
        mem_alarm=False,
        disk_free=int,
        disk_free_limit=int,
        disk_free_alarm=False,
        proc_used=int,
        proc_total=int,
        run_queue=int,
        processors=int,
        uptime=int,
        rates_mode=str,
        enabled_plugins=list,
        exchange_types=list,
        auth_mechanisms=lambda it: {"PLAIN", "AMQPLAIN"} <= {each["name"] for each in it},
        applications=list,
        contexts=list,
        partitions=[],
    )
    (found,) = filled("/nodes", members, lambda it: it[0])
    equal(get(f"/nodes/{segment(found['name'])}")["name"], found["name"])
    # RabbitMQ 3.10.8 stumbles over it.
    assert api("GET /nodes/none@nowhere").status in (404, 500)


@step("the overview has what dashboards read")
def overview():
    members = has(
        management_version=str,
        rabbitmq_version=lambda it: tuple(map(int, it.split(".")[:3])) >= (3, 8, 10),
        product_name=str,
        product_version=str,
        cluster_name=str,
        erlang_version=str,
        rates_mode=str,
        sample_retention_policies=has(**{"global": list, "basic": list, "detailed": list}),
        exchange_types=lambda it: (
            {"direct", "fanout", "topic", "headers"} <= {e["name"] for e in it}
        ),
        message_stats=dict,
        churn_rates=has(connection_created=int, channel_closed=int, queue_declared=int),
        queue_totals=dict,
        object_totals=has(channels=int, connections=int, consumers=int, exchanges=int, queues=int),
        listeners=list,
        contexts=list,
        node=str,
    )
    found = filled("/overview", members)
    listener = next(it for it in found["listeners"] if it["protocol"] == "amqp")
    equal((int(listener["port"]), listener["node"]), (PORT, found["node"]))
    assert listener["ip_address"], listener


# A connection, its channel, its consumer.


@step("a connection has these members")
def connection():
    with connected(heartbeat=30) as connection:
        channel = connection.channel()
        found = waiting(connection, "it is told", lambda: one("/connections"))
        members = has(
            name=str,
            node=str,
            type="network",
            state="running",
            protocol="AMQP 0-9-1",
            user="guest",
            vhost="/",
            host=str,
            port=PORT,
            peer_host=str,
            peer_port=int,
            ssl=False,
            auth_mechanism="PLAIN",
            timeout=30,
            frame_max=131072,
            channel_max=int,
            channels=int,
            connected_at=lambda it: STARTED - 10_000 < it < time.time() * 1000 + 10_000,
            client_properties=has(
                connection_name="the worker", product="checks", capabilities=dict
            ),
            recv_oct=int,
            recv_cnt=int,
            send_oct=int,
            send_cnt=int,
            send_pend=int,
        )
        assert fits(found, members), {key: found.get(key) for key in members.members}
        name = found["name"]
        ends = f"{found['peer_host']}:{found['peer_port']} -> {found['host']}:{found['port']}"
        equal(name, ends)
        equal(get(f"/connections/{segment(name)}")["name"], name)
        equal([it["name"] for it in get("/vhosts/%2F/connections")], [name])
        equal([it["name"] for it in get("/connections/username/guest")], [name])
        page = get("/connections?page=1&page_size=10&name=" + segment(name))
        equal((page["total_count"], page["filtered_count"]), (1, 1))
        path = f"/connections/{segment(name)}/channels"
        channels = waiting(connection, "its channel is told", lambda: get(path))
        equal([it["number"] for it in channels], [channel.channel_number])
        totals = lambda: get("/overview")["object_totals"]  # noqa: E731
        waiting(connection, "it is counted", lambda: totals()["connections"] == 1)
    eventually("it is gone", lambda: get("/connections") == [])


@step("a channel has these members")
def channel():
    with connected() as connection:
        channel = connection.channel(7)
        channel.basic_qos(prefetch_count=25)
        channel.confirm_delivery()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for _ in range(3):
            channel.basic_publish("", queue, b"x")
        channel.basic_consume(queue, lambda *_: None, consumer_tag="the tag")

        def told():
            found = one("/channels")
            return found if found and found.get("messages_unacknowledged") == 3 else None

        found = waiting(connection, "it is told", told)
        members = has(
            name=str,
            number=7,
            node=str,
            user="guest",
            vhost="/",
            state=lambda it: it in ("running", "idle", "flow"),
            connection_details=has(name=str, peer_host=str, peer_port=int),
            consumer_count=1,
            prefetch_count=int,
            global_prefetch_count=int,
            confirm=True,
            transactional=False,
            messages_unacknowledged=3,
            messages_unconfirmed=0,
            messages_uncommitted=0,
            acks_uncommitted=0,
        )
        assert fits(found, members), {key: found.get(key) for key in members.members}
        equal(found["name"], f"{found['connection_details']['name']} (7)")
        # Prefetch by consumer is told as the channel's too.
        assert 25 in (found["prefetch_count"], found["global_prefetch_count"]), found
        single = get(f"/channels/{segment(found['name'])}")
        equal([it["consumer_tag"] for it in single["consumer_details"]], ["the tag"])
        for key in ("publishes", "deliveries"):
            assert isinstance(single[key], list), key
        equal([it["name"] for it in get("/vhosts/%2F/channels")], [found["name"]])
        # A queue of its own is nobody else's business.
        equal(api(f"DELETE /queues/%2F/{queue}").status, 400)
        equal(api(f"DELETE /queues/%2F/{queue}/contents").status, 400)
        assert get(f"/queues/%2F/{queue}")["exclusive"] is True
    eventually("it is gone", lambda: get("/channels") == [])


@step("a consumer has these members")
def consumer():
    name = unique("live")
    done(f"PUT /queues/%2F/{name}", {})
    with connected() as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=5)
        arguments = {"x-priority": 2}
        channel.basic_consume(name, lambda *_: None, consumer_tag="tag", arguments=arguments)

        def told():
            found = get("/consumers/%2F")
            return found if found and found[0]["channel_details"] else None

        found = waiting(connection, "it is told", told)
        expected = Has(
            [
                has(
                    consumer_tag="tag",
                    active=True,
                    activity_status=lambda it: it in ("up", "single_active"),
                    ack_required=True,
                    exclusive=False,
                    prefetch_count=5,
                    arguments=arguments,
                    queue={"name": name, "vhost": "/"},
                    channel_details=has(
                        name=str,
                        number=1,
                        connection_name=str,
                        peer_host=str,
                        peer_port=int,
                        user="guest",
                    ),
                )
            ]
        )
        assert fits(found, expected), found
        equal(get("/consumers"), found)

        def counted():
            queue = get(f"/queues/%2F/{name}")
            return queue if queue.get("consumers") == 1 and queue["consumer_details"] else None

        queue = waiting(connection, "the queue tells it", counted)
        equal([it["consumer_tag"] for it in queue["consumer_details"]], ["tag"])
        equal(
            api(f"DELETE /queues/%2F/{name}?if-unused=true").json["reason"],
            f"queue '{name}' in vhost '/' in use",
        )
    eventually("it is gone", lambda: get("/consumers") == [])
    done(f"DELETE /queues/%2F/{name}")


# Counts.


@step("messages are counted by where they are, and by size")
def counted():
    name = unique("live")
    done(f"PUT /queues/%2F/{name}", {"durable": True})
    with connected() as connection:
        channel = connection.channel()
        for number in range(10):
            mode = 2 if number < 4 else 1
            channel.basic_publish("", name, b"x" * 100, pika.BasicProperties(delivery_mode=mode))
        for _ in range(3):
            channel.basic_get(name)

        def told():
            queue = get(f"/queues/%2F/{name}")
            return queue if queue.get("messages_unacknowledged") == 3 else None

        queue = waiting(connection, "they are counted", told)
        members = has(
            state="running",
            messages=10,
            messages_ready=7,
            messages_unacknowledged=3,
            messages_persistent=4,
            message_bytes=1000,
            message_bytes_ready=700,
            message_bytes_unacknowledged=300,
            message_bytes_persistent=400,
            messages_details=has(rate=lambda it: isinstance(it, (int, float))),
            memory=int,
            consumers=0,
            consumer_utilisation=lambda it: isinstance(it, (int, float)),
        )
        assert fits(queue, members), {key: queue.get(key) for key in members.members}
        (listed,) = [it for it in get("/queues/%2F") if it["name"] == name]
        equal((listed["messages"], listed["messages_ready"]), (10, 7))
        assert get("/overview")["queue_totals"]["messages"] >= 10
        vhost = waiting(
            connection, "the vhost counts", lambda: get("/vhosts/%2F").get("messages", 0) >= 10
        )
        assert vhost
    eventually("all are ready", lambda: get(f"/queues/%2F/{name}")["messages_ready"] == 10)
    done(f"DELETE /queues/%2F/{name}/contents")
    eventually("none is left", lambda: get(f"/queues/%2F/{name}")["messages"] == 0)
    done(f"DELETE /queues/%2F/{name}")


@step("what happened to messages is counted, with a rate")
def happened():
    name = unique("live")
    done(f"PUT /queues/%2F/{name}", {})
    before = get("/overview")["message_stats"]
    with connected() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(20):
            channel.basic_publish("", name, b"x")
        for _ in range(5):
            channel.basic_ack(channel.basic_get(name)[0].delivery_tag)
        channel.basic_get(name, auto_ack=True)
        channel.basic_get(name)
        channel.basic_recover(requeue=True)
        channel.basic_ack(channel.basic_get(name)[0].delivery_tag)

        def told():
            stats = get(f"/queues/%2F/{name}").get("message_stats", {})
            whole = stats.get("publish") == 20 and stats.get("deliver_get") == 8
            return stats if whole and stats.get("ack") == 6 else None

        stats = waiting(connection, "they are counted", told)
        equal((stats["get"], stats["get_no_ack"], stats["redeliver"]), (7, 1, 1))
        for key in ("publish", "deliver_get", "ack"):
            assert isinstance(stats[f"{key}_details"]["rate"], (int, float)), stats

        def summed():
            now = get("/overview")["message_stats"]
            grown = {
                key: now.get(key, 0) - before.get(key, 0) for key in ("publish", "confirm", "ack")
            }
            return grown["publish"] >= 20 and grown["confirm"] >= 20 and grown["ack"] >= 6

        waiting(connection, "the overview counts them", summed)
    done(f"DELETE /queues/%2F/{name}")


@step("an exchange counts what comes in and goes out")
def exchanged():
    exchange, name = unique("live-x"), unique("live")
    done(f"PUT /exchanges/%2F/{exchange}", {"type": "fanout"})
    done(f"PUT /queues/%2F/{name}", {})
    done(f"POST /bindings/%2F/e/{exchange}/q/{name}", {})
    with connected() as connection:
        channel = connection.channel()
        for _ in range(9):
            channel.basic_publish(exchange, "", b"x")

        def told():
            stats = get(f"/exchanges/%2F/{exchange}").get("message_stats", {})
            return stats.get("publish_in") == 9 and stats.get("publish_out") == 9

        waiting(connection, "it is counted", told)
    done(f"DELETE /exchanges/%2F/{exchange}")
    done(f"DELETE /queues/%2F/{name}")


@step("samples of a queue's length go back in time")
def sampled():
    name = unique("live")
    done(f"PUT /queues/%2F/{name}", {})
    body = {"properties": {}, "routing_key": name, "payload": "x", "payload_encoding": "string"}
    done("POST /exchanges/%2F/amq.default/publish", body)

    def told():
        path = f"/queues/%2F/{name}?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5"
        details = get(path).get("messages_details", {})
        return details if details.get("samples", [{}])[0].get("sample") == 1 else None

    details = eventually("a sample has it", told)
    times = [it["timestamp"] for it in details["samples"]]
    equal({first - second for first, second in zip(times, times[1:])}, {5000})
    assert isinstance(details["avg"], (int, float)), details
    done(f"DELETE /queues/%2F/{name}")

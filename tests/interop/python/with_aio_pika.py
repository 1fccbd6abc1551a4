"""Checks a broker with aio-pika, also its robust connections; see check.py for the arguments."""

import asyncio
import contextlib

import aio_pika
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError
from aio_pika.patterns import RPC
from check import PATIENCE, URI, Checks, control, equal, unique

checks = Checks()


@contextlib.asynccontextmanager
async def channel():
    connection = await aio_pika.connect(URI)
    async with connection:
        yield await connection.channel()


async def soon(what, probe):
    """The first value of `probe` that is true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            value = await probe() if asyncio.iscoroutinefunction(probe) else probe()
            if value:
                return value
            await asyncio.sleep(0.02)


async def queue(channel, **arguments):
    arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
    return await channel.declare_queue(unique("aio"), exclusive=True, arguments=arguments)


async def publish(channel, name, body, mandatory=True, **properties):
    message = Message(body.encode(), **properties)
    return await channel.default_exchange.publish(message, name, mandatory=mandatory)


async def get(queue):
    return await soon("a message is there", lambda_get(queue))


def lambda_get(queue):
    async def probe():
        return await queue.get(fail=False)

    return probe


async def bodies(queue, count):
    found = []
    for _ in range(count):
        message = await get(queue)
        await message.ack()
        found.append(message.body.decode())
    return found


@checks("exchanges of all kinds, bindings, unbinding")
async def kinds(channel):
    for kind in ExchangeType.DIRECT, ExchangeType.FANOUT, ExchangeType.TOPIC, ExchangeType.HEADERS:
        exchange = await channel.declare_exchange(unique("aio"), kind, auto_delete=True)
        target = await queue(channel)
        await target.bind(exchange, "a.b", arguments={"x-match": "any", "n": 1})
        sent = await exchange.publish(Message(b"x", headers={"n": 1}), "a.b")
        assert "Ack" in str(sent), sent
        equal(await bodies(target, 1), ["x"])
        await target.unbind(exchange, "a.b", arguments={"x-match": "any", "n": 1})


@checks("confirms, returned messages and nacks")
async def confirms(channel):
    name = await queue(channel, x_max_length=1, x_overflow="reject-publish")
    await publish(channel, name.name, "first")
    for target in name.name, unique("nobody"):
        try:
            found = await publish(channel, target, "second")
        except DeliveryError as error:
            found = error
        assert isinstance(found, DeliveryError) or "Return" in str(found), (target, found)


@checks("many publishes at once are all confirmed")
async def many(channel):
    name = await queue(channel)
    sent = [publish(channel, name.name, str(n)) for n in range(500)]
    await asyncio.gather(*sent)
    again = await channel.declare_queue(name.name, passive=True)
    equal(again.declaration_result.message_count, 500)


@checks("an iterator consumes with prefetch, a message is processed or requeued")
async def iterate(channel):
    name = await queue(channel)
    for number in range(10):
        await publish(channel, name.name, str(number))
    await channel.set_qos(prefetch_count=2)
    seen = []
    async with name.iterator() as messages:
        async for message in messages:
            if message.body == b"3" and not message.redelivered:
                await message.reject(requeue=True)
                continue
            async with message.process():
                seen.append(message.body.decode())
            if len(seen) == 10:
                break
    equal(sorted(seen), [str(number) for number in range(10)])


@checks("expired and rejected messages are dead-lettered")
async def dead_letters(channel):
    dead = await queue(channel)
    name = await queue(channel, x_dead_letter_exchange="", x_dead_letter_routing_key=dead.name)
    await publish(channel, name.name, "expired", expiration=0.05)
    message = await get(dead)
    await message.ack()
    equal(message.headers["x-death"][0]["reason"], "expired")
    await publish(channel, name.name, "rejected")
    await (await get(name)).reject(requeue=False)
    message = await get(dead)
    equal(message.headers["x-first-death-reason"], "rejected")


@checks("priorities order a queue")
async def priorities(channel):
    name = await queue(channel, x_max_priority=5)
    for priority in 1, 5, 3:
        await publish(channel, name.name, str(priority), priority=priority)
    equal(await bodies(name, 3), ["5", "3", "1"])


@checks("transactions commit and roll back")
async def transactions(channel):
    name = await queue(channel)
    connection = await aio_pika.connect(URI)
    async with connection, connection.channel(publisher_confirms=False) as tx:
        async with tx.transaction():
            await publish(tx, name.name, "kept", mandatory=False)
        with contextlib.suppress(KeyError):
            async with tx.transaction():
                await publish(tx, name.name, "lost", mandatory=False)
                raise KeyError
    equal(await bodies(name, 1), ["kept"])
    equal(await name.get(fail=False), None)


@checks("remote procedure calls, also at once")
async def remote(channel):
    async def multiply(*, x, y):
        return x * y

    rpc = await RPC.create(channel)
    name = unique("multiply")
    await rpc.register(name, multiply, auto_delete=True)
    found = await asyncio.gather(*(rpc.call(name, {"x": n, "y": 2}) for n in range(50)))
    equal(found, [2 * n for n in range(50)])
    await rpc.close()


@checks("a channel's error is told, and the connection goes on")
async def errors(channel):
    connection = await aio_pika.connect(URI)
    async with connection:
        broken = await connection.channel()
        try:
            await broken.get_queue(unique("none"), ensure=True)
        except ChannelNotFoundEntity:
            pass
        else:
            raise AssertionError("a missing queue was found")
        name = await queue(await connection.channel())
        try:
            its = await connection.channel()
            await its.declare_queue(name.name, exclusive=True, auto_delete=True)
        except ChannelPreconditionFailed as error:
            assert "inequivalent arg 'auto_delete'" in str(error), error
        else:
            raise AssertionError("the other queue was taken for the same")


async def recover(command):
    """A robust connection comes back with its queue, binding, consumer and prefetch."""
    robust = await aio_pika.connect_robust(URI, reconnect_interval=0.3)
    publisher = await aio_pika.connect_robust(URI, reconnect_interval=0.3)
    async with robust, publisher:
        channel = await robust.channel()
        await channel.set_qos(prefetch_count=5)
        exchange = await channel.declare_exchange(unique("robust"), ExchangeType.FANOUT)
        durable = await channel.declare_queue(unique("robust"), durable=True)
        fleeting = await channel.declare_queue(unique("fleeting"), auto_delete=True)
        await durable.bind(exchange)
        await fleeting.bind(exchange)
        seen = {durable.name: set(), fleeting.name: set()}

        def note(name):
            async def on_message(message):
                async with message.process(ignore_processed=True):
                    seen[name].add(message.body.decode())

            return on_message

        await durable.consume(note(durable.name))
        await fleeting.consume(note(fleeting.name))
        sending = await publisher.channel()
        confirmed = set()

        async def send(text, key=durable.name):
            message = Message(text.encode(), delivery_mode=DeliveryMode.PERSISTENT)
            await sending.default_exchange.publish(message, key, timeout=5)
            confirmed.add(text)

        for number in range(20):
            await send(f"before {number}")
        await asyncio.to_thread(control, command)

        async def both_again():
            with contextlib.suppress(Exception):
                target = await sending.get_exchange(exchange.name)
                message = Message(b"fanned out")
                await asyncio.wait_for(target.publish(message, "", mandatory=False), 3)
            return all("fanned out" in its for its in seen.values())

        await soon("queues, bindings and consumers are there again", both_again)
        for number in range(20):
            await send(f"after {number}")
        await soon("all came", lambda: confirmed <= seen[durable.name])
        await durable.delete(if_unused=False, if_empty=False)


@checks("a robust connection recovers from a restart")
async def restart(_):
    await recover("restart")


@checks("a robust connection recovers from kill -9")
async def kill(_):
    await recover("kill")


checks.run(channel)

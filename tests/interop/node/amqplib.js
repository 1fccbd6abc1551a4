// Checks a broker with amqplib; see check.js for the arguments.
"use strict";

const amqp = require("amqplib");
const {
  assert, broker, check, control, eventually, host, port, refused, run, unique,
} = require("./check.js");

const QUIET = () => {};

async function connect(more = {}) {
  const connection = await amqp.connect({ hostname: host, port, ...more });
  connection.on("error", QUIET);
  return connection;
}

// Runs `body` with a channel of a connection of its own.
function withChannel(body, kind = "createChannel") {
  return async () => {
    const connection = await connect();
    try {
      await body(await open(connection, kind), connection);
    } finally {
      await connection.close().catch(QUIET);
    }
  };
}

async function open(connection, kind = "createChannel") {
  const channel = await connection[kind]();
  channel.on("error", QUIET);
  return channel;
}

async function queue(channel, more = {}) {
  const { queue: name } = await channel.assertQueue(unique("amqplib"), {
    exclusive: true, ...more,
  });
  return name;
}

const get = (channel, name, options) =>
  eventually(`a message is in ${name}`, () => channel.get(name, options));

async function bodies(channel, name, count) {
  const found = [];
  for (let number = 0; number < count; number += 1) {
    found.push((await get(channel, name, { noAck: true })).content.toString());
  }
  assert.equal(await channel.get(name), false);
  return found;
}

function send(channel, name, ...texts) {
  for (const text of texts) channel.sendToQueue(name, Buffer.from(String(text)));
}

async function consume(channel, name, options) {
  const seen = [];
  const { consumerTag } = await channel.consume(name, (message) => seen.push(message), options);
  return { seen, consumerTag };
}

check("a wrong password and a missing virtual host are told", async () => {
  assert.match((await refused(connect({ password: "wrong" }))).message, /403|ACCESS[-_]REFUSED/);
  assert.match((await refused(connect({ vhost: "missing" }))).message, /530|ConnectionClose/);
});

check("AMQPLAIN is a way to log in, and small frames are a way to talk", async () => {
  const credentials = amqp.credentials;
  const amqplain = credentials.amqplain("guest", "guest");
  const url = `amqp://${host}:${port}?frameMax=8192&channelMax=10&heartbeat=5`;
  const connection = await amqp.connect(url, { credentials: amqplain });
  const channel = await open(connection);
  const name = await queue(channel);
  send(channel, name, "x".repeat(100_000));
  assert.equal((await bodies(channel, name, 1))[0].length, 100_000);
  await connection.close();
});

check("exchanges of all kinds route, also to exchanges", withChannel(async (channel) => {
  for (const kind of ["direct", "fanout", "topic", "headers"]) {
    const [source, target] = [unique(kind), unique("inner")];
    await channel.assertExchange(source, kind, { autoDelete: true });
    await channel.assertExchange(target, "fanout", { autoDelete: true });
    const name = await queue(channel);
    await channel.bindQueue(name, target, "");
    await channel.bindExchange(target, source, "a.b", { "x-match": "any", n: 1 });
    channel.publish(source, "a.b", Buffer.from(kind), { headers: { n: 1 } });
    assert.deepEqual(await bodies(channel, name, 1), [kind]);
    await channel.unbindExchange(target, source, "a.b", { "x-match": "any", n: 1 });
  }
}));

check("properties and headers come back", withChannel(async (channel) => {
  const name = await queue(channel);
  const given = {
    contentType: "text/plain", contentEncoding: "utf-8", deliveryMode: 2, priority: 3,
    correlationId: "c", replyTo: "r", expiration: "60000", messageId: "m", timestamp: 12345,
    type: "t", userId: "guest", appId: "a",
    headers: {
      text: "grüße", int: -1, large: 2 ** 40, double: 2.5, yes: true, none: null,
      list: [1, "two", { three: 3 }], table: { deep: { er: 1 } }, bytes: Buffer.from([255, 0]),
    },
  };
  channel.sendToQueue(name, Buffer.alloc(0), given);
  const { properties } = await get(channel, name);
  for (const key of Object.keys(given)) assert.deepEqual(properties[key], given[key], key);
}));

check("confirms in any number, returns, and nacks of a full queue", withChannel(
  async (channel) => {
    const name = await queue(channel);
    for (let number = 0; number < 500; number += 1) send(channel, name, number);
    await channel.waitForConfirms();
    assert.equal((await channel.checkQueue(name)).messageCount, 500);
    const events = [];
    channel.on("return", (message) => events.push(message.fields.replyText));
    const sent = new Promise((done, fail) => {
      const content = Buffer.from("back");
      channel.publish("", unique("nobody"), content, { mandatory: true }, (error) => {
        events.push("confirmed");
        if (error) fail(error);
        else done();
      });
    });
    await sent;
    assert.deepEqual(events, ["NO_ROUTE", "confirmed"]);
    const full = await queue(channel, { maxLength: 1, overflow: "reject-publish" });
    send(channel, full, "first");
    await channel.waitForConfirms();
    send(channel, full, "second");
    assert.match((await refused(channel.waitForConfirms())).message, /nacked/);
  }, "createConfirmChannel"));

check("acknowledge, nack, reject, recover", withChannel(async (channel) => {
  const name = await queue(channel);
  send(channel, name, 0, 1, 2);
  const first = await get(channel, name);
  const second = await get(channel, name);
  channel.nack(second, true, true);
  const again = await get(channel, name);
  assert.deepEqual([again.content.toString(), again.fields.redelivered], ["0", true]);
  channel.reject(again, false);
  await get(channel, name);
  await channel.recover();
  assert.deepEqual(await bodies(channel, name, 2), ["1", "2"]);
  assert.equal(first.fields.redelivered, false);
}));

check("prefetch of consumers and of a channel", withChannel(async (channel) => {
  const name = await queue(channel);
  send(channel, name, ...Array(20).keys());
  await channel.prefetch(3);
  const one = await consume(channel, name);
  await eventually("three come", () => one.seen.length === 3);
  await channel.prefetch(4, true);
  const two = await consume(channel, name);
  await eventually("a fourth comes", () => one.seen.length + two.seen.length === 4);
  assert.equal((await channel.checkQueue(name)).messageCount, 16);
  channel.ackAll();
  await eventually("four more come", () => one.seen.length + two.seen.length === 8);
}));

check("messages expire and are dead-lettered", withChannel(async (channel) => {
  const dead = await queue(channel);
  const name = await queue(channel, { deadLetterExchange: "", deadLetterRoutingKey: dead });
  channel.sendToQueue(name, Buffer.from("x"), { expiration: 50 });
  const message = await get(channel, dead);
  const [death] = message.properties.headers["x-death"];
  assert.deepEqual(
    [death.queue, death.reason, death.count, death["original-expiration"]],
    [name, "expired", 1, "50"]);
  assert.equal(message.properties.expiration, undefined);
}));

check("cycles of dead letters are counted", withChannel(async (channel) => {
  const wait = unique("wait");
  const work = await queue(channel, { deadLetterExchange: "", deadLetterRoutingKey: wait });
  await channel.assertQueue(wait, {
    exclusive: true, messageTtl: 20, deadLetterExchange: "", deadLetterRoutingKey: work,
  });
  send(channel, work, "x");
  for (let turn = 0; turn < 3; turn += 1) channel.reject(await get(channel, work), false);
  const { properties } = await get(channel, work);
  const deaths = properties.headers["x-death"];
  const found = deaths.map(({ queue: its, reason, count }) => [its, reason, count]);
  assert.deepEqual(found, [[wait, "expired", 3], [work, "rejected", 3]]);
}));

check("priorities order a queue", withChannel(async (channel) => {
  const name = await queue(channel, { maxPriority: 5 });
  for (const priority of [1, 5, 3, 5]) {
    channel.sendToQueue(name, Buffer.from(String(priority)), { priority });
  }
  assert.deepEqual(await bodies(channel, name, 4), ["5", "5", "3", "1"]);
}));

check("a single active consumer, and the next when it goes", withChannel(async (channel) => {
  const name = await queue(channel, { arguments: { "x-single-active-consumer": true } });
  const one = await consume(channel, name, { noAck: true });
  const two = await consume(channel, name, { noAck: true });
  send(channel, name, 0, 1, 2);
  await eventually("the first has all", () => one.seen.length === 3);
  await channel.cancel(one.consumerTag);
  send(channel, name, 3);
  await eventually("the second has the next", () => two.seen.length === 1);
}));

check("consumers of a higher priority come first, exclusive ones alone", withChannel(
  async (channel, connection) => {
    const name = await queue(channel);
    const low = await consume(channel, name, { priority: 1, noAck: true });
    const high = await consume(channel, name, { priority: 9, noAck: true });
    send(channel, name, 0, 1, 2);
    await eventually("all came", () => low.seen.length + high.seen.length === 3);
    assert.equal(high.seen.length, 3);
    const other = await open(connection);
    const error = await refused(consume(other, name, { exclusive: true }));
    assert.match(error.message, /403 .*in exclusive use/);
  }));

check("the server cancels the consumers of a deleted queue", withChannel(async (channel) => {
  const name = await queue(channel);
  const { seen } = await consume(channel, name);
  await channel.deleteQueue(name);
  await eventually("the cancellation came", () => seen.length === 1);
  assert.equal(seen[0], null);
}));

check("requests and replies over amq.rabbitmq.reply-to", withChannel(async (channel) => {
  const name = await queue(channel);
  const replyTo = "amq.rabbitmq.reply-to";
  const replies = await consume(channel, replyTo, { noAck: true });
  await channel.consume(name, ({ properties, content }) => {
    const answer = Buffer.from(`${content}!`);
    channel.sendToQueue(properties.replyTo, answer, { correlationId: properties.correlationId });
  }, { noAck: true });
  for (let number = 0; number < 20; number += 1) {
    channel.sendToQueue(name, Buffer.from("ask"), { replyTo, correlationId: String(number) });
  }
  await eventually("all answers came", () => replies.seen.length === 20);
  assert.deepEqual(
    replies.seen.map((it) => it.properties.correlationId), [...Array(20).keys()].map(String));
}));

check("an alternate exchange, CC and BCC", withChannel(async (channel) => {
  const [spare, main] = [unique("spare"), unique("main")];
  const [name, other, third] = [await queue(channel), await queue(channel), await queue(channel)];
  await channel.assertExchange(spare, "fanout", { autoDelete: true });
  await channel.assertExchange(main, "direct", { alternateExchange: spare, durable: false });
  await channel.bindQueue(name, spare, "");
  channel.publish(main, "nobody", Buffer.from("spare"));
  assert.deepEqual(await bodies(channel, name, 1), ["spare"]);
  channel.publish("", name, Buffer.from("copy"), { CC: other, BCC: [third] });
  for (const each of [name, other, third]) {
    const { properties } = await get(channel, each);
    assert.deepEqual(properties.headers, { CC: [other] });
  }
  await channel.deleteExchange(main);
}));

check("an unused queue expires", withChannel(async (channel, connection) => {
  const name = unique("expires");
  await channel.assertQueue(name, { expires: 200, durable: false });
  await eventually("it is gone", async () => {
    await new Promise((done) => setTimeout(done, 300));
    const its = await open(connection);
    return its.checkQueue(name).then(() => its.close().then(() => false), () => true);
  });
}));

check("errors have RabbitMQ's codes and texts", withChannel(async (channel, connection) => {
  const name = await queue(channel);
  const cases = [
    [(its) => its.checkQueue("none"), /404 \(NOT-FOUND\) with message "NOT_FOUND - no queue 'none' in vhost '\/'"/],
    [(its) => its.bindQueue(name, "none"), /NOT_FOUND - no exchange 'none' in vhost '\/'/],
    [(its) => its.assertExchange("amq.mine", "direct"), /403.*reserved prefix 'amq\.\*'/],
    [(its) => its.assertExchange("amq.direct", "topic"), /406.*inequivalent arg 'type' for exchange 'amq.direct' in vhost '\/': received 'topic' but current is 'direct'/],
    [(its) => its.assertQueue("x", { arguments: { "x-max-priority": 300 } }), /406.*invalid arg 'x-max-priority'/],
    [(its) => its.assertQueue("x", { arguments: { "x-overflow": "no" } }), /406.*invalid arg 'x-overflow'/],
    [(its) => its.deleteQueue(name, { ifUnused: true }), /406.*in use/],
  ];
  await consume(channel, name);
  for (const [act, pattern] of cases) {
    assert.match((await refused(act(await open(connection)))).message, pattern);
  }
}));

check("the secret of a connection is renewed", withChannel(async (channel, connection) => {
  await connection.updateSecret(Buffer.from("guest"), "it is time");
  await queue(channel);
}));

check("a stream is read from its first message and from an offset", withChannel(
  async (channel, connection) => {
    const name = unique("stream");
    await channel.assertQueue(name, { arguments: { "x-queue-type": "stream" } });
    send(channel, name, ...Array(10).keys());
    await channel.waitForConfirms();
    for (const [offset, first] of [["first", 0], [6, 6]]) {
      const reader = await open(connection);
      await reader.prefetch(50);
      const { seen } = await consume(reader, name, { arguments: { "x-stream-offset": offset } });
      await eventually("the last came", () => seen.at(-1)?.content.toString() === "9");
      assert.equal(seen[0].properties.headers["x-stream-offset"], first);
      assert.equal(seen.length, 10 - first);
    }
    await channel.deleteQueue(name);
  }, "createConfirmChannel"));

check("a virtual topic gives each group one copy", withChannel(async (channel) => {
  const names = ["Consumer.A.VirtualTopic.Orders", "Consumer.B.VirtualTopic.*"];
  for (const name of names) await channel.assertQueue(name, { durable: false });
  channel.publish("amq.virtual-topic", "VirtualTopic.Orders", Buffer.from("order"));
  for (const name of names) assert.deepEqual(await bodies(channel, name, 1), ["order"]);
  for (const name of names) await channel.deleteQueue(name);
}), "warren");

check("a low disk blocks publishers", async () => {
  const connection = await connect();
  const channel = await open(connection);
  const name = await queue(channel);
  const notes = [];
  connection.on("blocked", (reason) => notes.push(reason));
  connection.on("unblocked", () => notes.push("unblocked"));
  await control("block");
  try {
    await eventually("publishers are blocked", () => {
      if (!notes.length) send(channel, name, "x");
      return notes.length;
    });
    assert.match(notes[0], /low on disk/);
  } finally {
    await control("unblock");
  }
  await eventually("publishers go on", () => notes[1] === "unblocked");
  await connection.close();
});

// Durable things and confirmed messages are there when the broker has gone and come.
function survives(command) {
  return async () => {
    const connection = await connect();
    const ended = new Promise((done) => connection.on("close", done));
    const channel = await open(connection, "createConfirmChannel");
    const [name, exchange] = [unique("durable"), unique("exchange")];
    await channel.assertQueue(name, { durable: true });
    await channel.assertExchange(exchange, "topic", { durable: true });
    await channel.bindQueue(name, exchange, "#");
    for (let number = 0; number < 50; number += 1) {
      channel.publish(exchange, "k", Buffer.from(String(number)), { persistent: true });
    }
    await channel.waitForConfirms();
    await channel.get(name);
    await control(command);
    const reason = await ended;
    if (command === "restart") assert.match(String(reason), /320|CONNECTION[-_]FORCED/);
    const again = await connect();
    const its = await open(again);
    const first = await get(its, name);
    assert.equal(first.content.toString(), "0");
    // A delivery leaves before it is synced, so that a kill may come between.
    assert(first.fields.redelivered || command === "kill", "it is not marked");
    its.ack(first);
    const rest = await bodies(its, name, 49);
    assert.deepEqual(rest, [...Array(49).keys()].map((number) => String(number + 1)));
    its.publish(exchange, "k", Buffer.from("after"));
    assert.deepEqual(await bodies(its, name, 1), ["after"]);
    await its.deleteQueue(name);
    await its.deleteExchange(exchange);
    await again.close();
  };
}

check("confirmed messages outlive a restart", survives("restart"));
check("confirmed messages outlive kill -9", survives("kill"));

void broker;
run();

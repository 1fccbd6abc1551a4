// Checks a broker with @cloudamqp/amqp-client; see check.js for the arguments.
"use strict";

const { AMQPClient } = require("@cloudamqp/amqp-client");
const { assert, check, control, eventually, host, port, refused, run, unique } =
  require("./check.js");

async function connect() {
  const client = new AMQPClient(`amqp://guest:guest@${host}:${port}`);
  const connection = await client.connect();
  connection.onerror = () => {};
  return connection;
}

function withChannel(body) {
  return async () => {
    const connection = await connect();
    try {
      await body(await connection.channel(), connection);
    } finally {
      await connection.close().catch(() => {});
    }
  };
}

async function queue(channel, args = {}) {
  const name = unique("acp");
  await channel.queueDeclare(name, { exclusive: true, durable: false }, args);
  return name;
}

const get = (channel, name) =>
  eventually("a message is there", () => channel.basicGet(name, { noAck: true }));

check("exchanges of all kinds and between them", withChannel(async (channel) => {
  for (const kind of ["direct", "fanout", "topic", "headers"]) {
    const [source, inner, name] = [unique(kind), unique("inner"), await queue(channel)];
    await channel.exchangeDeclare(source, kind, { autoDelete: true });
    await channel.exchangeDeclare(inner, "fanout", { autoDelete: true });
    await channel.exchangeBind(inner, source, "a.b", { "x-match": "all", n: 1 });
    await channel.queueBind(name, inner, "");
    await channel.basicPublish(source, "a.b", kind, { headers: { n: 1 } });
    assert.equal((await get(channel, name)).bodyString(), kind);
    await channel.exchangeUnbind(inner, source, "a.b", { "x-match": "all", n: 1 });
  }
}));

check("properties come back", withChannel(async (channel) => {
  const name = await queue(channel);
  const given = {
    contentType: "text/plain", deliveryMode: 2, priority: 1, correlationId: "c", replyTo: "r",
    messageId: "m", type: "t", appId: "a", userId: "guest", timestamp: new Date(1_000_000_000),
    headers: { text: "grüße", int: 1, list: [1, "two"], table: { deep: true }, none: null },
  };
  await channel.basicPublish("", name, "x", given);
  const { properties } = await get(channel, name);
  for (const key of Object.keys(given)) assert.deepEqual(properties[key], given[key], key);
}));

check("confirms, returns and nacks", withChannel(async (channel) => {
  const name = await queue(channel, { "x-max-length": 1, "x-overflow": "reject-publish" });
  await channel.confirmSelect();
  const sent = [];
  const free = await queue(channel);
  for (let number = 0; number < 200; number += 1) {
    sent.push(channel.basicPublish("", free, String(number)));
  }
  assert.deepEqual((await Promise.all(sent)).at(-1), 200);
  const returned = [];
  channel.onReturn = (message) => returned.push(message.replyText);
  await channel.basicPublish("", unique("nobody"), "x", {}, true);
  assert.deepEqual(returned, ["NO_ROUTE"]);
  await channel.basicPublish("", name, "first");
  assert.match((await refused(channel.basicPublish("", name, "second"))).message, /reject|nack/i);
}));

check("consume with prefetch, nack, dead letters", withChannel(async (channel) => {
  const dead = await queue(channel);
  const name = await queue(channel, {
    "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
  });
  for (let number = 0; number < 5; number += 1) {
    await channel.basicPublish("", name, String(number));
  }
  await channel.basicQos(2);
  const seen = [];
  const consumer = await channel.basicConsume(name, { noAck: false }, async (message) => {
    seen.push(message.bodyString());
    await message.nack(message.bodyString() === "0" && !message.redelivered);
  });
  const letter = await get(channel, dead);
  assert.equal(letter.properties.headers["x-death"][0].reason, "rejected");
  await eventually("all came", () => seen.length === 6);
  await consumer.cancel();
}));

check("priorities, lengths, expiry", withChannel(async (channel) => {
  const first = await queue(channel, { "x-max-priority": 5 });
  for (const priority of [1, 5]) {
    await channel.basicPublish("", first, String(priority), { priority });
  }
  assert.equal((await get(channel, first)).bodyString(), "5");
  const short = await queue(channel, { "x-max-length": 2, "x-message-ttl": 60_000 });
  for (const text of ["1", "2", "3"]) await channel.basicPublish("", short, text);
  assert.equal((await get(channel, short)).bodyString(), "2");
  const brief = await queue(channel);
  await channel.basicPublish("", brief, "x", { expiration: "1" });
  await eventually("it is gone", async () =>
    (await channel.queueDeclare(brief, { passive: true })).messageCount === 0);
}));

check("transactions", withChannel(async (channel, connection) => {
  const name = await queue(channel);
  const tx = await connection.channel();
  await tx.txSelect();
  await tx.basicPublish("", name, "lost");
  await tx.txRollback();
  await tx.basicPublish("", name, "kept");
  await tx.txCommit();
  assert.equal((await get(channel, name)).bodyString(), "kept");
}));

check("errors are told, and a deleted queue cancels its consumer", withChannel(
  async (channel, connection) => {
    const bad = await connection.channel();
    const error = await refused(bad.queueDeclare(unique("none"), { passive: true }));
    assert.match(error.message, /404|NOT_FOUND/);
    const name = await queue(channel);
    const consumer = await channel.basicConsume(name, { noAck: true }, () => {});
    await (await connection.channel()).queueDelete(name);
    assert.match((await refused(consumer.wait())).message, /cancel/i);
  }));

check("requests and replies over amq.rabbitmq.reply-to", withChannel(async (channel) => {
  const name = await queue(channel);
  const replies = [];
  await channel.basicConsume("amq.rabbitmq.reply-to", { noAck: true }, (message) => {
    replies.push(message.bodyString());
  });
  await channel.basicPublish("", name, "ask", { replyTo: "amq.rabbitmq.reply-to" });
  const asked = await get(channel, name);
  await channel.basicPublish("", asked.properties.replyTo, "answer");
  await eventually("the answer came", () => replies[0] === "answer");
}));

check("the secret is renewed", withChannel(async (channel, connection) => {
  await connection.updateSecret("guest", "it is time");
  await queue(channel);
}));

check("a low disk blocks publishers", async () => {
  const connection = await connect();
  const channel = await connection.channel();
  const name = await queue(channel);
  const notes = [];
  connection.onblocked = (reason) => notes.push(reason);
  connection.onunblocked = () => notes.push("unblocked");
  await control("block");
  try {
    await eventually("publishers are blocked", async () => {
      // This client refuses to publish as soon as it knows.
      if (!notes.length) await channel.basicPublish("", name, "x").catch(() => {});
      return notes.length;
    });
  } finally {
    await control("unblock");
  }
  await eventually("publishers go on", () => notes.at(-1) === "unblocked");
  await connection.close();
});

function survives(command) {
  return async () => {
    const connection = await connect();
    let ended;
    connection.onerror = (error) => (ended = error);
    const channel = await connection.channel();
    const name = unique("durable");
    await channel.queueDeclare(name, { durable: true });
    await channel.confirmSelect();
    for (let number = 0; number < 20; number += 1) {
      await channel.basicPublish("", name, String(number), { deliveryMode: 2 });
    }
    await control(command);
    await eventually("the connection ends", () => connection.closed || ended);
    const again = await connect();
    const its = await again.channel();
    for (let number = 0; number < 20; number += 1) {
      assert.equal((await get(its, name)).bodyString(), String(number));
    }
    await its.queueDelete(name);
    await again.close();
  };
}

check("confirmed messages outlive a restart", survives("restart"));
check("confirmed messages outlive kill -9", survives("kill"));

run();

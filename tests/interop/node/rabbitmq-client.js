// Checks a broker with rabbitmq-client, which reconnects by itself; see check.js.
"use strict";

const { Connection } = require("rabbitmq-client");
const { assert, check, control, eventually, host, port, refused, run, unique } =
  require("./check.js");

function connect() {
  const connection = new Connection({
    hostname: host, port, username: "guest", password: "guest", retryLow: 200, retryHigh: 1000,
  });
  connection.on("error", () => {});
  return connection;
}

function using(body) {
  return async () => {
    const connection = connect();
    try {
      await body(connection);
      await connection.close();
    } finally {
      // After a failure something is still open, for which an orderly close would wait.
      connection.unsafeDestroy();
    }
  };
}

async function queue(connection, args = {}) {
  const name = unique("rmqc");
  await connection.queueDeclare({ queue: name, autoDelete: false, arguments: args });
  return name;
}

const get = (connection, name) =>
  eventually("a message is there", () => connection.basicGet({ queue: name, noAck: true }));

check("declare, publish, get, delete over the connection", using(async (connection) => {
  const exchange = unique("exchange");
  const name = await queue(connection);
  await connection.exchangeDeclare({ exchange, type: "topic", autoDelete: true });
  await connection.queueBind({ queue: name, exchange, routingKey: "a.#" });
  const publisher = connection.createPublisher({ confirm: true });
  await publisher.send({ exchange, routingKey: "a.b" }, { some: "json" });
  const message = await get(connection, name);
  assert.deepEqual([message.body, message.contentType], [{ some: "json" }, "application/json"]);
  await publisher.close();
  await connection.queueDelete({ queue: name });
}));

check("an unroutable message comes back, a full queue's is refused", using(async (connection) => {
  const returned = [];
  const publisher = connection.createPublisher({ confirm: true });
  publisher.on("basic.return", (message) => returned.push(message.replyText));
  await publisher.send({ routingKey: unique("nobody"), mandatory: true }, "x");
  await eventually("it came back", () => returned[0] === "NO_ROUTE");
  const full = await queue(connection, { "x-max-length": 1, "x-overflow": "reject-publish" });
  await publisher.send(full, "first");
  assert.equal((await refused(publisher.send(full, "second"))).code, "NACK");
  await publisher.close();
  await connection.queueDelete({ queue: full });
}));

check("a consumer acknowledges, requeues and drops", using(async (connection) => {
  const dead = await queue(connection);
  const name = await queue(connection, {
    "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
  });
  const seen = [];
  const consumer = connection.createConsumer(
    { queue: name, queueOptions: { passive: true }, qos: { prefetchCount: 2 }, concurrency: 1 },
    async (message) => {
      seen.push([message.body, message.redelivered]);
      if (message.body === "again" && !message.redelivered) return 1;
      if (message.body === "drop") return 2;
      return 0;
    });
  consumer.on("error", () => {});
  const publisher = connection.createPublisher({ confirm: true });
  for (const text of ["plain", "again", "drop"]) await publisher.send(name, text);
  const message = await get(connection, dead);
  assert.equal(message.headers["x-death"][0].reason, "rejected");
  await eventually("all came", () => seen.length === 4);
  assert(seen.some(([text, redelivered]) => text === "again" && redelivered));
  await consumer.close();
  await publisher.close();
  for (const each of [dead, name]) await connection.queueDelete({ queue: each });
}));

check("remote procedure calls over direct reply-to", using(async (connection) => {
  const server = connection.createConsumer(
    { queue: unique("rpc"), queueOptions: { exclusive: true } },
    async (message, reply) => reply(message.body * 2));
  await new Promise((done) => server.once("ready", done));
  const client = connection.createRPCClient({ confirm: true });
  const answers = await Promise.all(
    [1, 2, 3].map((number) => client.send(server.queue, number)));
  assert.deepEqual(answers.map((it) => it.body), [2, 4, 6]);
  await client.close();
  await server.close();
}));

check("priorities, expiry and lengths by arguments", using(async (connection) => {
  const publisher = connection.createPublisher({ confirm: true });
  const first = await queue(connection, { "x-max-priority": 5 });
  for (const priority of [1, 5]) await publisher.send({ routingKey: first, priority }, priority);
  assert.equal((await get(connection, first)).body, 5);
  const short = await queue(connection, { "x-max-length": 2 });
  for (const number of [1, 2, 3]) await publisher.send(short, number);
  assert.equal((await get(connection, short)).body, 2);
  const brief = await queue(connection);
  await publisher.send({ routingKey: brief, expiration: "1" }, "x");
  await eventually("it is gone", async () =>
    (await connection.queueDeclare({ queue: brief, passive: true })).messageCount === 0);
  await publisher.close();
  for (const each of [first, short, brief]) await connection.queueDelete({ queue: each });
}));

check("transactions", using(async (connection) => {
  const name = await queue(connection);
  const channel = await connection.acquire();
  await channel.txSelect();
  await channel.basicPublish(name, "lost");
  await channel.txRollback();
  await channel.basicPublish(name, "kept");
  await channel.txCommit();
  assert.equal((await get(connection, name)).body, "kept");
  await channel.close();
  await connection.queueDelete({ queue: name });
}));

check("a consumer comes back when its queue was deleted", using(async (connection) => {
  const name = unique("deleted");
  const seen = [];
  const consumer = connection.createConsumer(
    { queue: name, queueOptions: { durable: false } },
    async (message) => { seen.push(message.body); });
  consumer.on("error", () => {});
  await new Promise((done) => consumer.once("ready", done));
  const again = new Promise((done) => consumer.once("ready", done));
  await connection.queueDelete({ queue: name });
  await again;
  const publisher = connection.createPublisher({ confirm: true });
  await publisher.send(name, "after");
  await eventually("it came", () => seen.includes("after"));
  await publisher.close();
  await consumer.close();
  await connection.queueDelete({ queue: name });
}));

// A consumer and a publisher come back by themselves, and nothing confirmed is lost.
function recovers(command) {
  return using(async (connection) => {
    const name = unique("recover");
    const seen = new Set();
    const consumer = connection.createConsumer(
      { queue: name, queueOptions: { durable: true }, qos: { prefetchCount: 5 } },
      async (message) => { seen.add(message.body); });
    consumer.on("error", () => {});
    await new Promise((done) => consumer.once("ready", done));
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 3 });
    for (let number = 0; number < 20; number += 1) {
      await publisher.send({ routingKey: name, durable: true }, number);
    }
    await control(command);
    for (let number = 20; number < 40; number += 1) {
      await eventually("it is confirmed", () =>
        publisher.send({ routingKey: name, durable: true }, number).then(() => true, () => false));
    }
    await eventually("all came", () => seen.size === 40);
    await consumer.close();
    await publisher.close();
    await connection.queueDelete({ queue: name });
  });
}

check("consumers and publishers recover from a restart", recovers("restart"));
check("consumers and publishers recover from kill -9", recovers("kill"));

run();

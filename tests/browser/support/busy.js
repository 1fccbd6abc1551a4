// Makes a broker busy: objects of all kinds under all kinds of names, clients that publish,
// consume and hold messages, dead letters, messages that nobody took.
"use strict";

const { Api, segment } = require("./api.js");
const { connect } = require("./client.js");
const names = require("./names.js");
const { eventually } = require("./wait.js");

// More than one page of a list.
const PLAIN_QUEUES = 120;
const BACKLOG = 60;
const PUBLISH_EVERY_MILLISECONDS = 250;
const MESSAGES_AT_ONCE = 5;

const TYPES = ["direct", "fanout", "topic", "headers", "x-consistent-hash", "x-random"];

// What pages are shown of: names that tests and screenshots reach.
const KNOWN = {
  vhost: "shop",
  exchange: "orders",
  queue: "orders",
  stream: "events",
  deadLetters: "dead-letters",
  user: "clerk",
  policy: "keep-short",
};

class Busy {
  static async make(broker) {
    const busy = new Busy(broker);
    await busy.#access();
    await busy.#topology();
    await busy.#hostile();
    await busy.#rules();
    await busy.#clients();
    await busy.#messages();
    return busy;
  }

  constructor(broker) {
    this.broker = broker;
    this.api = new Api(broker.url);
    this.connections = [];
  }

  async stop() {
    clearInterval(this.traffic);
    await Promise.allSettled(this.connections.map((connection) => connection.close()));
  }

  // Virtual hosts, users and what they may.
  async #access() {
    const { api } = this;
    for (const vhost of [KNOWN.vhost, names.HOSTILE, names.SLASHES]) {
      const body = { description: `of ${vhost}`, tags: "test" };
      await api.put(`/vhosts/${segment(vhost)}`, body);
      await this.#grant(vhost, "guest");
    }
    const tags = { [KNOWN.user]: "management", [names.HOSTILE]: "monitoring", anna: "policymaker" };
    for (const [user, tag] of Object.entries({ ...tags, [names.UNICODE]: "administrator" })) {
      await api.put(`/users/${segment(user)}`, { password: "secret", tags: tag });
      await this.#grant("/", user);
    }
    await this.#grant(names.HOSTILE, names.HOSTILE);
    const topic = { exchange: "amq.topic", write: "^news", read: ".*" };
    await api.put(`/topic-permissions/%2F/${segment(KNOWN.user)}`, topic);
    await api.put("/vhost-limits/shop/max-queues", { value: 1000 });
    await api.put(`/user-limits/${segment(KNOWN.user)}/max-connections`, { value: 50 });
  }

  #grant(vhost, user) {
    const all = { configure: ".*", write: ".*", read: ".*" };
    return this.api.put(`/permissions/${segment(vhost)}/${segment(user)}`, all);
  }

  // What a shop may have.
  async #topology() {
    const { api } = this;
    await api.exchange("unrouted", "fanout");
    for (const type of TYPES) await api.exchange(`of type ${type}`, type);
    const alternate = { "alternate-exchange": "unrouted" };
    await api.exchange(KNOWN.exchange, "topic", { arguments: alternate });
    await api.exchange("dead", "direct");
    await api.exchange("internal", "fanout", { internal: true });
    const dead = { "x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "dead" };
    const kinds = {
      [KNOWN.queue]: dead,
      [KNOWN.deadLetters]: {},
      retry: { ...dead, "x-message-ttl": 1 },
      short: { ...dead, "x-max-length": 2 },
      priorities: { "x-max-priority": 5 },
      quorum: { "x-queue-type": "quorum", "x-delivery-limit": 3 },
      [KNOWN.stream]: { "x-queue-type": "stream", "x-max-length-bytes": 20_000_000 },
      single: { "x-single-active-consumer": true },
      expiring: { "x-expires": 3_600_000, "x-message-ttl": 3_600_000 },
      "nobody reads this": {},
    };
    for (const [name, table] of Object.entries(kinds)) await api.queue(name, { arguments: table });
    for (const [key, queue] of [["order.#", KNOWN.queue], ["order.*.eu", "quorum"]]) {
      await api.bind(KNOWN.exchange, queue, key);
    }
    await api.bind("dead", KNOWN.deadLetters, "dead");
    await api.bind(KNOWN.exchange, "internal", "#", { kind: "e" });
    await api.bind("internal", KNOWN.stream);
    const table = { "x-match": "all", region: "eu", rush: true };
    await api.bind("of type headers", "priorities", "", { arguments: table });
    for (let number = 0; number < PLAIN_QUEUES; number += 1) {
      const name = `worker.${String(number).padStart(3, "0")}`;
      await api.queue(name, { vhost: KNOWN.vhost, durable: number % 2 === 0 });
      if (number < 10) await api.bind("amq.topic", name, `job.${number}.#`, { vhost: KNOWN.vhost });
    }
    await api.put("/queues/%2F/single/pause");
  }

  // Objects under names that a console gets wrong if it can.
  async #hostile() {
    const { api } = this;
    const table = { [names.HOSTILE]: names.HOSTILE };
    for (const vhost of ["/", names.HOSTILE]) {
      for (const name of names.ALL) {
        await api.exchange(name, "topic", { vhost, arguments: table });
        await api.queue(name, { vhost });
        await api.bind(name, name, name, { vhost, arguments: table });
        const headers = { [names.HOSTILE]: name, text: names.HOSTILE };
        const properties = { headers, type: name, app_id: names.HOSTILE, correlation_id: name };
        await api.publish(name, name, `${names.HOSTILE} in ${name}`, { vhost, properties });
      }
    }
  }

  // Policies, limits, parameters.
  async #rules() {
    const { api } = this;
    const rules = [KNOWN.policy, names.HOSTILE];
    for (const name of rules) {
      const definition = { "max-length": 100_000, "message-ttl": 86_400_000 };
      const body = { pattern: `^${name}$`, definition, priority: 3, "apply-to": "queues" };
      await api.put(`/policies/%2F/${segment(name)}`, body);
      const own = { pattern: ".*", definition: { "max-length": 1_000_000 }, "apply-to": "queues" };
      await api.put(`/operator-policies/%2F/${segment(name)}`, own);
      await api.put(`/global-parameters/${segment(name)}`, { value: { [name]: names.HOSTILE } });
    }
  }

  async #connect(name, login = {}) {
    const connection = await connect(this.broker, name, login);
    this.connections.push(connection);
    return connection;
  }

  // Connections, channels, consumers; one that holds what it got; a steady flow.
  async #clients() {
    const worker = await this.#connect("shop worker");
    const consuming = await worker.createChannel();
    quiet(consuming);
    await consuming.prefetch(20);
    await consuming.consume("quorum", (message) => message && consuming.ack(message));
    for (const tag of ["first", "second"]) {
      await consuming.consume("single", () => {}, { consumerTag: tag });
    }
    this.holder = await (await this.#connect("the holder")).createChannel();
    quiet(this.holder);
    await this.holder.prefetch(7);
    await this.holder.consume("nobody reads this", () => {}, { consumerTag: "holds" });
    const login = { vhost: names.HOSTILE, user: names.HOSTILE, password: "secret" };
    const hostile = await this.#connect(names.HOSTILE, login);
    const channel = await hostile.createChannel();
    quiet(channel);
    const table = { [names.HOSTILE]: names.HOSTILE };
    const options = { consumerTag: names.HOSTILE, arguments: table };
    await channel.consume(names.UNICODE, () => {}, options);
    await channel.assertQueue("own", { exclusive: true, durable: false });
    const publisher = await (await this.#connect("shop front")).createConfirmChannel();
    quiet(publisher);
    let number = 0;
    this.traffic = setInterval(() => {
      for (let count = 0; count < MESSAGES_AT_ONCE; count += 1) {
        number += 1;
        const body = Buffer.from(JSON.stringify({ order: number, total: 12.5 }));
        try {
          const options = { contentType: "application/json", messageId: String(number) };
          publisher.publish(KNOWN.exchange, "order.new.eu", body, { persistent: true, ...options });
        } catch {
          clearInterval(this.traffic);
        }
      }
    }, PUBLISH_EVERY_MILLISECONDS);
    this.traffic.unref();
  }

  // Backlogs, deliveries in hand, dead letters of all causes, messages that nobody took.
  async #messages() {
    const { api } = this;
    const channel = await (await this.#connect("preparation")).createConfirmChannel();
    const send = (queue, body, options = {}) => {
      channel.sendToQueue(queue, Buffer.from(body), { persistent: true, ...options });
    };
    for (let number = 0; number < BACKLOG; number += 1) {
      const headers = { attempt: number % 5, region: number % 2 ? "eu" : "us", nested: { a: [1] } };
      send("nobody reads this", `message ${number}`, { headers, contentType: "text/plain" });
      send("priorities", JSON.stringify({ number }), { priority: number % 6 });
      send("retry", `expires ${number}`);
      send("short", `pushed out ${number}`);
    }
    send("expiring", "\u0000\u0001\u00ff binary", { contentType: "application/octet-stream" });
    send("expiring", "x".repeat(100_000));
    await channel.waitForConfirms();
    await channel.assertQueue("refuses", { arguments: {
      "x-dead-letter-exchange": "dead", "x-dead-letter-routing-key": "dead",
    } });
    send("refuses", names.HOSTILE, { headers: { [names.HOSTILE]: names.HOSTILE } });
    await channel.waitForConfirms();
    const refused = await channel.get("refuses");
    channel.nack(refused, false, false);
    for (let number = 0; number < 5; number += 1) {
      channel.publish("of type direct", names.HOSTILE, Buffer.from(names.HOSTILE));
      channel.publish(KNOWN.exchange, "nobody.wants", Buffer.from("unroutable"));
    }
    await channel.waitForConfirms();
    const body = { action: "copy", max: 3, to: { queue: "short" } };
    await api.post(`/queues/%2F/${segment("nobody reads this")}/jobs`, body);
    await eventually("there are dead letters and deliveries in hand", async () => {
      const letters = await api.get(`/queues/%2F/${KNOWN.deadLetters}`);
      const held = await api.get(`/queues/%2F/${segment("nobody reads this")}`);
      return letters.messages >= 2 * BACKLOG - 2 && held.messages_unacknowledged === 7;
    });
  }
}

// A channel that the console closes is no fault of the test.
function quiet(channel) {
  channel.on("error", () => {});
}

module.exports = { Busy, KNOWN };

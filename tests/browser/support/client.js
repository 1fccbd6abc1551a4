// AMQP clients.
"use strict";

const amqplib = require("amqplib");

// A connection under a name. That it is closed by the broker is what some tests want.
async function connect(broker, name, { user, password, vhost } = {}) {
  const clientProperties = { connection_name: name, product: "tests", version: "1.0" };
  const connection = await amqplib.connect(broker.amqp(user, password, vhost), { clientProperties });
  connection.on("error", () => {});
  return connection;
}

module.exports = { connect };

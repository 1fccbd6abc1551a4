// Checks with amqplib what a Node service does all day: node interop.js HOST PORT
//
// Prints a line for each thing that works and ends with a stack trace and status 1 at the first
// that does not.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const amqplib = require('amqplib');

const PATIENCE_MILLISECONDS = 20_000;

function checked(what) {
  console.log('ok:', what);
}

/** Rejects when `promise` takes too long, so that the program always ends. */
function soon(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE_MILLISECONDS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function declareAndBind(channel, names) {
  for (const kind of ['direct', 'fanout', 'topic', 'headers']) {
    await channel.assertExchange(`${names.exchange}.${kind}`, kind, { autoDelete: true });
  }
  const declared = await channel.assertQueue(names.queue, { durable: true });
  assert.deepEqual(declared, { queue: names.queue, messageCount: 0, consumerCount: 0 });
  await channel.bindQueue(names.queue, `${names.exchange}.topic`, 'news.#');
  const own = await channel.assertQueue('', { exclusive: true });
  assert.match(own.queue, /^amq\.gen-/);
  checked('declare exchanges and queues, bind');
}

async function publishWithConfirms(channel, names) {
  const options = { persistent: true, contentType: 'text/plain', headers: { n: 1 } };
  for (let number = 0; number < 10; number += 1) {
    const body = Buffer.from(`message ${number}`);
    channel.publish(`${names.exchange}.topic`, 'news.today', body, options);
  }
  await soon('confirms', channel.waitForConfirms());
  const { messageCount } = await channel.checkQueue(names.queue);
  assert.equal(messageCount, 10);
  checked('publish with confirms');
}

async function getRejectRequeue(channel, names) {
  let message = await channel.get(names.queue);
  assert.equal(message.content.toString(), 'message 0');
  assert.equal(message.fields.redelivered, false);
  assert.equal(message.fields.messageCount, 9);
  assert.equal(message.properties.contentType, 'text/plain');
  assert.deepEqual({ ...message.properties.headers }, { n: 1 });
  channel.reject(message, true);
  message = await channel.get(names.queue);
  assert.equal(message.content.toString(), 'message 0');
  assert.equal(message.fields.redelivered, true);
  channel.nack(message, false, true);
  message = await channel.get(names.queue);
  assert.equal(message.content.toString(), 'message 0');
  channel.reject(message, false);
  checked('get, reject, requeue to the same place, drop');
}

async function consume(channel, names) {
  await channel.prefetch(3);
  const bodies = [];
  let consumerTag;
  await soon('nine deliveries', new Promise((resolve, reject) => {
    channel
      .consume(names.queue, (message) => {
        bodies.push(message.content.toString());
        channel.ack(message);
        if (bodies.length === 9) resolve();
      })
      .then((started) => { consumerTag = started.consumerTag; }, reject);
  }));
  const expected = Array.from({ length: 9 }, (_, number) => `message ${number + 1}`);
  assert.deepEqual(bodies, expected);
  await channel.cancel(consumerTag);
  assert.equal(await channel.get(names.queue), false);
  checked('consume with prefetch and acknowledgements');
}

async function returned(channel) {
  const order = [];
  let message;
  channel.once('return', (returnedMessage) => {
    order.push('return');
    message = returnedMessage;
  });
  await soon('a confirm', new Promise((resolve, reject) => {
    const body = Buffer.from('back');
    channel.publish('amq.direct', 'nobody', body, { mandatory: true }, (error) => {
      order.push('confirm');
      if (error) reject(error); else resolve();
    });
  }));
  assert.deepEqual(order, ['return', 'confirm']);
  assert.equal(message.fields.replyCode, 312);
  assert.equal(message.fields.replyText, 'NO_ROUTE');
  assert.equal(message.content.toString(), 'back');
  checked('return of an unroutable message, before its confirm');
}

async function largeBody(channel, names) {
  const body = Buffer.alloc(300_000, 'x');
  channel.sendToQueue(names.queue, body, { correlationId: '42' });
  await soon('confirms', channel.waitForConfirms());
  const message = await channel.get(names.queue, { noAck: true });
  assert.ok(message.content.equals(body));
  assert.equal(message.properties.correlationId, '42');
  checked('a body of several frames');
}

async function errors(connection) {
  const channel = await connection.createChannel();
  const failed = once(channel, 'error');
  await assert.rejects(channel.checkQueue('no such queue'), (error) => {
    assert.equal(error.code, 404);
    assert.match(error.message, /NOT_FOUND - no queue 'no such queue' in vhost '\/'/);
    return true;
  });
  await soon('the error event', failed);
  const another = await connection.createChannel();
  await another.close();
  checked('a channel error leaves the connection open');
}

async function main() {
  const [host, port] = process.argv.slice(2);
  const suffix = `${Date.now()}-${process.pid}`;
  const names = { queue: `node-queue-${suffix}`, exchange: `node-exchange-${suffix}` };
  const connection = await soon('a connection', amqplib.connect(`amqp://${host}:${port}`));
  const channel = await connection.createConfirmChannel();
  await declareAndBind(channel, names);
  await publishWithConfirms(channel, names);
  await getRejectRequeue(channel, names);
  await consume(channel, names);
  await returned(channel);
  await largeBody(channel, names);
  await errors(connection);
  await channel.deleteQueue(names.queue);
  await channel.close();
  const closed = once(connection, 'close');
  await connection.close();
  await soon('the close event', closed);
  checked('close');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

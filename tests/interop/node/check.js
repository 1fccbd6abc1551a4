// What all programs in this folder share: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq
//
// A program names its checks with `check("name", async function)` and ends with `run()`. Each check
// prints a line, and the last line sums up.
"use strict";

const assert = require("node:assert/strict");
const net = require("node:net");

const [host, port, controlPort, broker] = process.argv.slice(2);
const PATIENCE = 30_000;
const GIVE_UP = 4 * PATIENCE;
const checks = [];
let names = 0;

function check(name, body, only) {
  checks.push({ name, body, only });
}

function unique(stem) {
  names += 1;
  return `${stem}-${Date.now().toString(36)}-${process.pid}-${names}`;
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// The first value of `probe` that is true.
async function eventually(what, probe) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert(Date.now() < deadline, `it did not come about that ${what}`);
    await sleep(20);
  }
}

// The error that a promise is refused with.
async function refused(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`no error came, but ${JSON.stringify(value)}`);
}

class Skip extends Error {}

// Asks the harness for `restart`, `kill`, `block` or `unblock` of the broker.
function control(command) {
  return new Promise((done, fail) => {
    let answer = "";
    const socket = net.connect(Number(controlPort), host, () => socket.write(`${command}\n`));
    socket.on("data", (bytes) => (answer += bytes));
    socket.on("error", fail);
    socket.on("close", () => {
      if (answer.trim() === "ok") done();
      else if (answer.trim() === "unavailable") fail(new Skip("the harness cannot do it here"));
      else fail(new Error(answer));
    });
  });
}

function limited(promise) {
  let timer;
  const limit = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error("no end")), GIVE_UP);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

async function one({ body, only }) {
  if (only && only !== broker) return ["skipped", `: only ${only} has it`];
  try {
    await limited(body());
    return ["ok", ""];
  } catch (error) {
    if (error instanceof Skip) return ["skipped", `: ${error.message}`];
    console.log(error);
    return ["FAILED", `: ${String(error.message).replaceAll("\n", " ").slice(0, 300)}`];
  }
}

async function run() {
  const results = { ok: 0, FAILED: 0, skipped: 0 };
  for (const each of checks) {
    const [result, text] = await one(each);
    results[result] += 1;
    console.log(`${result}: ${each.name}${text}`);
  }
  const { ok, FAILED, skipped } = results;
  console.log(`${ok} passed, ${FAILED} failed, ${skipped} skipped`);
  process.exit(FAILED || !ok ? 1 : 0);
}

module.exports = {
  PATIENCE, assert, broker, check, control, eventually, host, port: Number(port), refused, run,
  sleep, unique,
};

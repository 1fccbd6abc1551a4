// Waiting for things to come about, and never for a fixed time.
"use strict";

const PATIENCE_MILLISECONDS = 60_000;
const GLANCE_MILLISECONDS = 50;

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// The first value of `probe` that is true.
async function eventually(what, probe) {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`it did not come about that ${what}`);
    await sleep(GLANCE_MILLISECONDS);
  }
}

module.exports = { eventually, sleep };

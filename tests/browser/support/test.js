// The test runner with what all tests of the console need: brokers, and a page that fails the test
// on whatever no page may do.
"use strict";

const { test: base, expect } = require("@playwright/test");

const { Api, session } = require("./api.js");
const { Broker } = require("./broker.js");
const { Busy } = require("./busy.js");
const { Faults } = require("./faults.js");

// The brokers of a worker, which start when a test first wants one.
class Brokers {
  constructor() {
    this.started = new Map();
    this.sessions = new Map();
  }

  // `state`: "own" for a broker that tests change, each with names of its own; "empty" and "busy"
  // for those that are only looked at.
  get(state) {
    if (!this.started.has(state)) this.started.set(state, this.#start(state));
    return this.started.get(state);
  }

  // The cookies of a browser that has signed in.
  async session(state) {
    const { broker } = await this.get(state);
    if (!this.sessions.has(state)) this.sessions.set(state, session(broker.url));
    return this.sessions.get(state);
  }

  async stop() {
    for (const state of this.started.values()) {
      const { broker, busy } = await state.catch(() => ({}));
      await busy?.stop();
      await broker?.stop();
    }
  }

  async #start(state) {
    const broker = await Broker.start();
    if (state !== "busy") return { broker };
    try {
      return { broker, busy: await Busy.make(broker) };
    } catch (error) {
      const log = await broker.log();
      await broker.stop();
      throw new Error(`${error.stack}\n${log}`);
    }
  }
}

const test = base.extend({
  brokers: [async ({}, use) => {
    const brokers = new Brokers();
    await use(brokers);
    await brokers.stop();
  }, { scope: "worker", timeout: 120_000 }],

  state: ["own", { option: true }],
  signedIn: [true, { option: true }],

  broker: async ({ brokers, state }, use) => use((await brokers.get(state)).broker),
  busy: async ({ brokers }, use) => use((await brokers.get("busy")).busy),
  api: async ({ broker }, use) => use(new Api(broker.url)),
  baseURL: async ({ broker }, use) => use(broker.url),

  storageState: async ({ brokers, state, signedIn }, use) => {
    const cookies = signedIn ? await brokers.session(state) : [];
    await use({ cookies, origins: [] });
  },

  faults: [async ({ context, broker }, use, testInfo) => {
    const faults = new Faults(context, broker.url);
    await use(faults);
    if (testInfo.status !== testInfo.expectedStatus) {
      console.log(`--- the broker's log ---\n${await broker.log()}\n---`);
    }
    expect(faults.found, "what no page may do").toEqual([]);
  }, { auto: true }],
});

module.exports = { expect, test };

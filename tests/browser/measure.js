// What the console costs: node measure.js [QUEUES]
//
// Bytes and time of the first page with very many queues, and the broker's processor time while
// pages are in view.
"use strict";

const { chromium } = require("@playwright/test");

const { Api, session } = require("./support/api.js");
const { Broker } = require("./support/broker.js");
const { Busy } = require("./support/busy.js");
const { chromiumOptions } = require("./support/chromium.js");
const { PAGES, pathOf } = require("./support/pages.js");
const { load, median } = require("./support/transfer.js");
const { eventually, sleep } = require("./support/wait.js");

const QUEUES = 100_000;
// As many in each import: a body may have 20 MiB.
const BATCH = 20_000;
const LOADS = 11;
const VIEW_MILLISECONDS = 10_000;
// Until what follows from opening a page is over.
const SETTLE_MILLISECONDS = 3_000;

async function declare(api, count) {
  for (let from = 0; from < count; from += BATCH) {
    const queues = [];
    for (let number = from; number < Math.min(from + BATCH, count); number += 1) {
      const name = `measured.${String(number).padStart(6, "0")}`;
      queues.push({ name, vhost: "/", durable: true, auto_delete: false, arguments: {} });
    }
    await api.post("/definitions", { queues });
  }
  await eventually("all queues are there", async () => {
    const overview = await api.get("/overview");
    return overview.object_totals.queues >= count;
  });
}

async function first(browser, broker, cookies) {
  for (const path of ["/", "/queues"]) {
    const runs = [];
    for (let number = 0; number < LOADS; number += 1) {
      runs.push(await load(browser, `${broker.url}${path}`, { cookies }));
    }
    const of = (key) => median(runs.map((run) => run[key])).toFixed(0);
    console.log(`${path}: ${of("bytes")} bytes on the wire, whole after ${of("answered")} ms, ` +
      `painted after ${of("painted")} ms, loaded after ${of("loaded")} ms (median of ${LOADS})`);
    for (const part of runs[0].parts) console.log(`  ${part.bytes} ${part.url}`);
  }
}

// Pages that somebody leaves open.
const VIEWED = ["overview", "queues", "queue", "exchanges", "exchange", "connections"];

// Percent of a core.
async function cost(broker, milliseconds) {
  const [begun, before] = [performance.now(), await broker.processorSeconds()];
  await sleep(milliseconds);
  const used = (await broker.processorSeconds()) - before;
  return (100_000 * used) / (performance.now() - begun);
}

async function inView(browser, broker, cookies, title) {
  const idle = await cost(broker, VIEW_MILLISECONDS);
  console.log(`${title}: ${idle.toFixed(2)} % of a core with no page in view`);
  const context = await browser.newContext({ baseURL: broker.url });
  await context.addCookies(cookies);
  const page = await context.newPage();
  const api = new Api(broker.url);
  for (const entry of PAGES.filter(({ name }) => VIEWED.includes(name))) {
    // An empty broker lacks what this page is about.
    const path = await Promise.resolve().then(() => pathOf(entry, api)).catch(() => null);
    const response = path && await page.goto(path);
    if (response?.status() !== 200) continue;
    await sleep(SETTLE_MILLISECONDS);
    const more = (await cost(broker, VIEW_MILLISECONDS)) - idle;
    console.log(`  ${entry.name}: ${more.toFixed(2)} % more`);
  }
  await context.close();
}

async function main() {
  const count = Number(process.argv[2] ?? QUEUES);
  const browser = await chromium.launch(chromiumOptions);
  const broker = await Broker.start();
  try {
    await declare(new Api(broker.url), count);
    console.log(`${count} queues`);
    const cookies = await session(broker.url);
    await first(browser, broker, cookies);
    await inView(browser, broker, cookies, `${count} queues`);
    const busy = await Busy.make(broker);
    await inView(browser, broker, cookies, `${count} queues and a busy broker`);
    await busy.stop();
  } finally {
    await browser.close();
    await broker.stop();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

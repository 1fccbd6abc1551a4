// Pictures of all pages: node screenshots.js FOLDER [NAMES]
//
// Each at the width of a desk and of a phone, light and dark, with an empty and with a busy broker.
"use strict";

const fs = require("node:fs/promises");
const path = require("node:path");
const { chromium } = require("@playwright/test");

const { Api, session } = require("./support/api.js");
const { Broker } = require("./support/broker.js");
const { Busy } = require("./support/busy.js");
const { chromiumOptions } = require("./support/chromium.js");
const { HEIGHT, PAGES, THEMES, WIDTHS, pathOf } = require("./support/pages.js");
const { sleep } = require("./support/wait.js");

// A page with thousands of rows need not be seen to its end.
const HEIGHT_MAX = 4000;
// Rates and their past are something to see only after a while.
const PAST_MILLISECONDS = 10_000;

async function pictures(browser, state, broker, folder, entries) {
  const context = await browser.newContext({
    baseURL: broker.url,
    reducedMotion: "reduce",
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
  });
  const page = await context.newPage();
  const api = new Api(broker.url);
  // Those that are shown to anybody come first: nobody has signed in yet.
  const ordered = [...entries].sort((one, other) => Number(!one.outside) - Number(!other.outside));
  for (const entry of ordered) {
    if (!entry.outside) await context.addCookies(await session(broker.url));
    const response = await page.goto(await pathOf(entry, api));
    if (response.status() !== 200) throw new Error(`${entry.name}: ${response.status()}`);
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        await page.setViewportSize({ width, height: HEIGHT });
        await page.emulateMedia({ colorScheme: theme });
        const height = await page.evaluate(() => document.documentElement.scrollHeight);
        const file = path.join(folder, `${entry.name}-${state}-${width}-${theme}.png`);
        const clip = { x: 0, y: 0, width, height: Math.min(height, HEIGHT_MAX) };
        await page.screenshot({ path: file, fullPage: true, clip });
        console.log(path.basename(file));
      }
    }
  }
  await context.close();
}

async function main() {
  const [folder, ...words] = process.argv.slice(2);
  const wanted = ({ name }) => words.length === 0 || words.some((word) => name.includes(word));
  const entries = PAGES.filter(wanted);
  if (entries.length === 0) {
    throw new Error(`there is no such page, only ${PAGES.map(({ name }) => name).join(", ")}`);
  }
  await fs.mkdir(folder, { recursive: true });
  const browser = await chromium.launch(chromiumOptions);
  const brokers = [];
  try {
    const empty = await Broker.start();
    brokers.push(empty);
    await pictures(browser, "empty", empty, folder, entries.filter((entry) => !entry.busy));
    const broker = await Broker.start();
    brokers.push(broker);
    const busy = await Busy.make(broker);
    await sleep(PAST_MILLISECONDS);
    await pictures(browser, "busy", broker, folder, entries);
    await busy.stop();
  } finally {
    await browser.close();
    for (const broker of brokers) await broker.stop();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

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

async function picture(browser, broker, entry, look) {
  const { state, width, theme, folder } = look;
  const context = await browser.newContext({
    baseURL: broker.url,
    viewport: { width, height: HEIGHT },
    colorScheme: theme,
    reducedMotion: "reduce",
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
  });
  if (!entry.outside) await context.addCookies(look.cookies);
  const page = await context.newPage();
  const response = await page.goto(await pathOf(entry, new Api(broker.url)));
  if (response.status() !== 200) throw new Error(`${entry.name}: ${response.status()}`);
  await page.waitForLoadState("load");
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const file = path.join(folder, `${entry.name}-${state}-${width}-${theme}.png`);
  const clip = { x: 0, y: 0, width, height: Math.min(height, HEIGHT_MAX) };
  await page.screenshot({ path: file, fullPage: true, clip });
  console.log(path.basename(file));
  await context.close();
}

async function pictures(browser, state, broker, folder, entries) {
  const cookies = await session(broker.url);
  for (const entry of entries) {
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        await picture(browser, broker, entry, { state, width, theme, folder, cookies });
      }
    }
  }
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

// Pages that stay up to date by themselves.
"use strict";

const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

// What the console promises. A machine that is busy with other things may be late now and then, but
// not always.
const PROMISED_MILLISECONDS = 2_000;
const TRIES = 5;

// A mark that a page which is loaded anew does not have.
async function mark(page) {
  await page.evaluate(() => { globalThis.isTheSamePage = true; });
}

async function isTheSamePage(page) {
  expect(await page.evaluate(() => globalThis.isTheSamePage)).toBe(true);
}

test("what changes is shown within two seconds, without loading the page anew", async ({
  page, api,
}) => {
  await api.queue(names.unique("there-before"));
  await page.goto("/queues?q=live");
  await mark(page);
  const times = [];
  for (let count = 0; count < TRIES; count += 1) {
    const name = names.unique("live");
    const begun = performance.now();
    await api.queue(name);
    await expect(page.getByRole("link", { name, exact: true })).toBeVisible();
    times.push(performance.now() - begun);
  }
  expect(Math.min(...times)).toBeLessThan(PROMISED_MILLISECONDS);
  await isTheSamePage(page);
});

test("numbers on the overview follow", async ({ page, api }) => {
  const name = names.unique("counted");
  await api.queue(name);
  await page.goto("/");
  await mark(page);
  const ready = page.locator("figure", { hasText: "Messages in queues" }).getByRole("listitem")
    .filter({ hasText: "Ready" });
  await expect(ready).toBeVisible();
  const before = await ready.textContent();
  for (let count = 0; count < 3; count += 1) await api.publish("", name, "x");
  await expect(ready).not.toHaveText(before);
  await isTheSamePage(page);
});

test("a page that changes keeps what somebody types, chose and opened", async ({ page, api }) => {
  const name = names.unique("kept");
  await api.queue(name);
  await page.goto("/queues?q=kept");
  await mark(page);
  const box = page.getByRole("checkbox", { name: `Choose ${name}` });
  await box.check();
  await box.focus();
  const menu = page.locator("#columns-menu");
  await menu.locator("summary").click();
  const search = page.getByRole("searchbox", { name: "Search all names" });
  await search.fill("half a na");
  const another = names.unique("kept");
  await api.queue(another);
  await expect(page.getByRole("link", { name: another, exact: true })).toBeVisible();
  await expect(box).toBeChecked();
  await expect(menu).toHaveAttribute("open");
  await expect(search).toHaveValue("half a na");
  await expect(search).toBeFocused();
  await isTheSamePage(page);
});

test("a name that is markup comes as text", async ({ page, api }) => {
  const name = `${names.unique("late")} ${names.HOSTILE}`;
  await page.goto("/queues?q=late");
  await api.queue(name);
  await expect(page.getByRole("link", { name, exact: true })).toBeVisible();
  await expect(page.locator('img[src="x"]')).toHaveCount(0);
});

// What all lists do: search, order, pages, columns, files.
"use strict";

const fs = require("node:fs/promises");

const { KNOWN } = require("./support/busy.js");
const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

test.use({ state: "busy" });

function namesShown(page) {
  return page.getByRole("rowheader").allInnerTexts();
}

async function firstNames(page, count) {
  return (await namesShown(page)).slice(0, count).map((name) => name.trim());
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a search shows what is called so, and can be linked to", async ({ page }) => {
      await page.goto("/queues");
      await page.getByRole("searchbox", { name: "Search queues" }).fill("worker.11");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Search" }).click();
      await expect(page.getByRole("rowheader")).toHaveCount(10);
      await expect(page.getByText(/^10 of \d+ queues$/)).toBeVisible();
      await expect(page).toHaveURL(/q=worker\.11/);
      await page.reload();
      await expect(page.getByRole("rowheader")).toHaveCount(10);
    });

    test("a search for markup finds what is called so", async ({ page }) => {
      await page.goto(`/queues?q=${encodeURIComponent(names.HOSTILE)}`);
      await expect(page.getByRole("rowheader").first()).toHaveText(names.HOSTILE);
      const search = page.getByRole("searchbox", { name: "Search queues" });
      await expect(search).toHaveValue(names.HOSTILE);
    });

    test("a search without a result says so", async ({ page }) => {
      await page.goto("/queues?q=there-is-no-such-queue");
      await expect(page.getByText("Nothing matches the search.")).toBeVisible();
    });

    test("heads put the list in order, one way and the other", async ({ page }) => {
      await page.goto("/queues?q=worker");
      const head = page.getByRole("columnheader", { name: "Name" });
      await head.getByRole("link").click();
      await expect(head).toHaveAttribute("aria-sort", "ascending");
      expect(await firstNames(page, 2)).toEqual(["worker.000", "worker.001"]);
      await head.getByRole("link").click();
      await expect(head).toHaveAttribute("aria-sort", "descending");
      expect(await firstNames(page, 2)).toEqual(["worker.119", "worker.118"]);
    });

    test("pages follow one another", async ({ page }) => {
      await page.goto("/queues?q=worker&sort=name&dir=asc&size=25");
      await expect(page.getByText(/^1 to 25 of /)).toBeVisible();
      const pager = page.getByRole("navigation", { name: "Pages of the list" });
      await pager.getByRole("link", { name: "2" }).click();
      await expect(page.getByText(/^26 to 50 of /)).toBeVisible();
      expect(await firstNames(page, 1)).toEqual(["worker.025"]);
      await expect(pager.getByRole("link", { name: "2" })).toHaveAttribute("aria-current", "page");
    });

    test("columns are chosen, and stay", async ({ page }) => {
      const bytes = page.getByRole("columnheader", { name: "Bytes" });
      await page.goto("/queues");
      await expect(bytes).toHaveCount(0);
      await page.locator("#columns-menu summary").click();
      await page.getByRole("checkbox", { name: "Bytes" }).check();
      await page.getByRole("button", { name: "Show these" }).click();
      await expect(bytes).toBeVisible();
      await page.goto("/queues?q=worker");
      await expect(bytes).toBeVisible();
      await page.locator("#columns-menu summary").click();
      await page.getByRole("button", { name: "The usual ones" }).click();
      await expect(bytes).toHaveCount(0);
    });

    test("the virtual host at the top is that of all lists", async ({ page }) => {
      await page.goto("/queues");
      const host = page.getByRole("banner").getByLabel("Virtual host");
      await host.selectOption(names.HOSTILE);
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Show", exact: true }).click();
      await expect(page.getByRole("rowheader", { name: "worker" })).toHaveCount(0);
      await expect(page.getByRole("rowheader", { name: names.HOSTILE })).toBeVisible();
      await host.selectOption(KNOWN.vhost);
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Show", exact: true }).click();
      await expect(page.getByRole("rowheader", { name: "worker" }).first()).toBeVisible();
      await expect(page.getByRole("rowheader", { name: names.HOSTILE })).toHaveCount(0);
    });
  });
}

test("what is found is there as a file", async ({ page }) => {
  await page.goto("/queues?q=worker.00");
  for (const [format, count] of [["CSV", 11], ["JSON", 10]]) {
    await page.locator("#export-menu").evaluate((menu) => { menu.open = true; });
    const waiting = page.waitForEvent("download");
    await page.getByRole("link", { name: format, exact: true }).click();
    const download = await waiting;
    expect(download.suggestedFilename()).toBe(`queues.${format.toLowerCase()}`);
    const text = await fs.readFile(await download.path(), "utf8");
    const found = format === "CSV" ? text.trimEnd().split("\r\n") : JSON.parse(text);
    expect(found).toHaveLength(count);
  }
});

test("rows are gone through with keys", async ({ page }) => {
  await page.goto("/queues?q=worker.00&sort=name&dir=asc");
  for (const key of ["j", "j", "j", "k", "x"]) await page.keyboard.press(key);
  await expect(page.getByRole("checkbox", { name: "Choose worker.001" })).toBeChecked();
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

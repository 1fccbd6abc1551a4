// What holds for every page.
"use strict";

const { violations } = require("./support/axe.js");
const names = require("./support/names.js");
const { HEIGHT, PAGES, THEMES, WIDTHS, pathOf } = require("./support/pages.js");
const { expect, test } = require("./support/test.js");

async function open(page, entry, api) {
  const response = await page.goto(await pathOf(entry, api));
  expect(response.status()).toBe(200);
  const heading = page.getByRole("heading", { level: 1 });
  await expect(heading).toHaveCount(1);
  await expect(heading).toContainText(entry.heading);
}

// Nothing of what was typed in became an element.
async function showsMarkupAsText(page) {
  await expect(page.locator('img[src="x"]')).toHaveCount(0);
}

async function fitsItsWidth(page) {
  const root = page.locator("html");
  const wider = await root.evaluate((element) => element.scrollWidth - element.clientWidth);
  expect(wider, "pixels that the page is wider than the window").toBeLessThanOrEqual(0);
}

for (const state of ["empty", "busy"]) {
  test.describe(`${state} broker`, () => {
    test.use({ state });
    for (const entry of PAGES.filter((page) => state === "busy" || !page.busy)) {
      test(`${entry.name} is accessible in both themes and on a phone`, async ({ page, api }) => {
        for (const colorScheme of THEMES) {
          await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
          for (const width of WIDTHS) {
            await page.setViewportSize({ width, height: HEIGHT });
            await open(page, entry, api);
            await showsMarkupAsText(page);
            await fitsItsWidth(page);
            expect(await violations(page), `${colorScheme}, ${width} pixels`).toEqual([]);
          }
        }
      });
    }
  });
}

test.describe("names that are markup", () => {
  test.use({ state: "busy" });
  for (const entry of PAGES.filter(({ hostile }) => hostile)) {
    test(`${entry.name} shows them as text`, async ({ page, api }) => {
      await open(page, { ...entry, path: entry.hostile, heading: names.HOSTILE }, api);
      await showsMarkupAsText(page);
      await fitsItsWidth(page);
    });
  }
});

test.describe("without JavaScript", () => {
  test.use({ state: "busy", javaScriptEnabled: false });
  for (const entry of PAGES) {
    test(`${entry.name} is there without JavaScript`, async ({ page, api }) => {
      await open(page, entry, api);
      await showsMarkupAsText(page);
      if (entry.outside) return;
      // All of the frame is there, too.
      const pages = page.getByRole("navigation", { name: "Pages" });
      await pages.getByRole("link", { name: "Overview" }).click();
      await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
    });
  }
});

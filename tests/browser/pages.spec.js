// What holds for every page.
"use strict";

const { violations } = require("./support/axe.js");
const names = require("./support/names.js");
const { HEIGHT, NARROW, PAGES, WIDE, pathOf } = require("./support/pages.js");
const { expect, test } = require("./support/test.js");

// There are many of them, and none changes anything.
test.describe.configure({ mode: "parallel" });

async function open(page, entry, api) {
  // Whoever has signed in does not see how.
  if (entry.outside) await page.context().clearCookies();
  const response = await page.goto(await pathOf(entry, api));
  expect(response.status()).toBe(200);
  expect(response.headers()["content-security-policy"]).toContain("default-src 'none'");
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

// Each theme and each width once for every state: how wide a page is does not change its colours.
const LOOKS = {
  busy: [["light", WIDE], ["dark", NARROW]],
  empty: [["dark", WIDE], ["light", NARROW]],
};

for (const [state, looks] of Object.entries(LOOKS)) {
  test.describe(`${state} broker`, () => {
    test.use({ state });
    // What is shown to anybody is the same for both brokers.
    const shown = (entry) => (state === "busy" ? !entry.outside : !entry.busy);
    for (const entry of PAGES.filter(shown)) {
      test(`${entry.name} can be used by everybody`, async ({ page, api }) => {
        await open(page, entry, api);
        await showsMarkupAsText(page);
        for (const [colorScheme, width] of looks) {
          await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
          await page.setViewportSize({ width, height: HEIGHT });
          await fitsItsWidth(page);
          expect(await violations(page), `${colorScheme}, ${width} pixels`).toEqual([]);
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
      await page.setViewportSize({ width: NARROW, height: HEIGHT });
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
      const pages = page.getByRole("navigation", { name: "Pages", exact: true });
      await pages.getByRole("link", { name: "Overview" }).click();
      await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
    });
  }
});

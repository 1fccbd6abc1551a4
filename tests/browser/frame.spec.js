// What stands around every page: navigation, theme, keys.
"use strict";

const { HEIGHT, NARROW } = require("./support/pages.js");
const { expect, test } = require("./support/test.js");

test("a key leads to the content, past the navigation", async ({ page }) => {
  await page.goto("/");
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: "Skip to the content" });
  await expect(skip).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});

test("the sheet of keys opens and closes", async ({ page }) => {
  await page.goto("/");
  const sheet = page.getByRole("dialog", { name: "Keys" });
  await expect(sheet).toBeHidden();
  await page.keyboard.press("?");
  await expect(sheet).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(sheet).toBeHidden();
});

test("a slash leads to the search", async ({ page }) => {
  await page.goto("/");
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox").first()).toBeFocused();
  // In a field it is a letter.
  await page.keyboard.type("a/b?");
  await expect(page.getByRole("searchbox").first()).toHaveValue("a/b?");
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("the theme is chosen, and stays", async ({ page }) => {
      const root = page.locator("html");
      await page.goto("/settings");
      for (const [label, value] of [["Dark", "dark"], ["Light", "light"]]) {
        await page.getByLabel("Theme").selectOption(label);
        if (!javaScriptEnabled) await page.getByRole("button", { name: "Set" }).click();
        await expect(root).toHaveAttribute("data-theme", value);
        await expect(page).toHaveURL(/\/settings$/);
        await page.goto("/");
        await expect(root).toHaveAttribute("data-theme", value);
        await page.goto("/settings");
      }
      await page.getByLabel("Theme").selectOption("System");
      if (!javaScriptEnabled) await page.getByRole("button", { name: "Set" }).click();
      await expect(root).not.toHaveAttribute("data-theme");
    });

    test("on a phone the menu leads to other pages", async ({ page }) => {
      await page.setViewportSize({ width: NARROW, height: HEIGHT });
      await page.goto("/");
      const pages = page.getByRole("navigation", { name: "Pages", exact: true });
      const settings = pages.getByRole("link", { name: "Settings" });
      if (javaScriptEnabled) {
        await expect(settings).toBeHidden();
        await pages.getByText("Menu").click();
      }
      await settings.click();
      await expect(page.getByRole("heading", { level: 1, name: "Settings" })).toBeVisible();
    });
  });
}

test("an address without a page says so, and leads back", async ({ page, faults }) => {
  faults.expect(404);
  const response = await page.goto("/no-such-page");
  expect(response.status()).toBe(404);
  await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
  await page.getByRole("link", { name: "To the overview" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
});

// What pages say of what was done.
"use strict";

const { expect } = require("@playwright/test");

const heading = (page) => page.getByRole("heading", { level: 1 });

// It was done.
async function says(page, text) {
  await expect(page.getByRole("status").filter({ hasText: text })).toBeVisible();
}

// It was not done, and why.
async function refuses(page, text) {
  await expect(page.getByRole("alert")).toContainText(text);
}

// Tests of what people do, each with and without JavaScript.
function bothWays(test, tests) {
  for (const javaScriptEnabled of [true, false]) {
    test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
      test.use({ javaScriptEnabled });
      tests(javaScriptEnabled);
    });
  }
}

module.exports = { bothWays, heading, refuses, says };

// How the tests of the console run; `cargo xtask browser` starts them.
"use strict";

const { chromiumOptions } = require("./support/chromium.js");

module.exports = {
  testDir: __dirname,
  testMatch: "*.spec.js",
  // The machine has few cores, and the brokers want some of them.
  workers: 2,
  // A test that fails now and then has a fault.
  retries: 0,
  forbidOnly: true,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["./support/reporter.js"]],
  use: {
    browserName: "chromium",
    launchOptions: chromiumOptions,
    actionTimeout: 30_000,
    navigationTimeout: 30_000,
    // No pictures of every step, which would take longer than the steps.
    trace: { mode: "retain-on-failure", screenshots: false, sources: false },
    screenshot: "only-on-failure",
    viewport: { width: 1440, height: 900 },
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
  },
};

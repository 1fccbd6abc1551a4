// Debian's Chromium: Playwright brings none of its own.
"use strict";

const chromiumOptions = {
  executablePath: process.env.WARREN_CHROMIUM ?? "/usr/bin/chromium",
  // Its sandbox does not work for root, and not in most containers.
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  chromiumSandbox: false,
};

module.exports = { chromiumOptions };

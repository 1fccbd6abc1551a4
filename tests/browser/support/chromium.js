// Debian's Chromium: Playwright brings none of its own.
"use strict";

const chromiumOptions = {
  executablePath: process.env.WARREN_CHROMIUM ?? "/usr/bin/chromium",
  // Its sandbox does not work for root, and not in most containers; there is no graphics card.
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  chromiumSandbox: false,
};

module.exports = { chromiumOptions };

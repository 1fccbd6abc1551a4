// Accessibility, as axe-core sees it.
"use strict";

const fs = require("node:fs");

const SOURCE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// What is wrong with the page as it is now: a line for each element.
async function violations(page) {
  // Evaluated and not added as a script, which the page's policy would not let run.
  await page.evaluate(SOURCE);
  const found = await page.evaluate(async () => {
    const results = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return results.violations.map(({ id, help, nodes }) => ({
      id,
      help,
      nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
    }));
  });
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html}: ${failureSummary}`));
}

module.exports = { violations };

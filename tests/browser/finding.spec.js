// Finding one's way: the navigation, the search in all names, the picture of a virtual host.
"use strict";

const names = require("./support/names.js");
const { PAGES } = require("./support/pages.js");
const { bothWays, heading } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

test("each page of the navigation is there, and is tested", async ({ page }) => {
  await page.goto("/");
  const links = page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link");
  const paths = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  expect(paths.length).toBeGreaterThan(20);
  const tested = PAGES.map(({ path }) => path);
  for (const path of paths) {
    expect(tested, "pages in support/pages.js").toContain(path);
    const response = await page.goto(path);
    expect(response.status(), path).toBe(200);
  }
});

bothWays(test, () => {
  test("a search in all names leads to what is called so", async ({ page, api }) => {
    const stem = names.unique("searched");
    await api.queue(`${stem}.${names.HOSTILE}`);
    await api.exchange(`${stem}.exchange`, "fanout");
    await page.goto("/");
    const search = page.getByRole("search").getByRole("searchbox");
    await search.fill(stem.toUpperCase());
    await search.press("Enter");
    await expect(heading(page)).toHaveText(`What is called “${stem.toUpperCase()}”`);
    await page.getByRole("link", { name: `${stem}.${names.HOSTILE}` }).click();
    await expect(heading(page)).toHaveText(`${stem}.${names.HOSTILE}`);
    // Where there is one alone, that is what is meant.
    await search.fill(`${stem}.exch`);
    await search.press("Enter");
    await expect(heading(page)).toHaveText(`${stem}.exchange`);
    await search.fill(names.HOSTILE.repeat(2));
    await search.press("Enter");
    await expect(page.getByText("Nothing is called so.")).toBeVisible();
  });

  test("the picture of a virtual host shows what leads where, and so does its table", async ({
    page, api,
  }) => {
    const [queue, exchange] = [`${names.unique("to")} ${names.HOSTILE}`, names.unique("from")];
    await api.queue(queue);
    await api.exchange(exchange, "topic");
    await api.bind(exchange, queue, "a.key");
    await api.queue(names.unique("elsewhere"));
    await page.goto(`/topology?q=${exchange}`);
    const picture = page.locator("#picture");
    await expect(picture.locator("a").filter({ hasText: exchange })).toBeVisible();
    await expect(picture).toContainText("a.key");
    await page.getByText("The same as a table").click();
    const row = page.getByRole("row").filter({ hasText: exchange });
    await expect(row).toContainText(queue);
    await expect(row).toContainText("a.key");
    await expect(page.locator("main")).not.toContainText("elsewhere");
    await row.getByRole("link", { name: queue }).click();
    await expect(heading(page)).toHaveText(queue);
  });
});

test("the picture of a virtual host shows messages that come in", async ({ page, api }) => {
  const [queue, exchange] = [names.unique("filling"), names.unique("fills")];
  await api.queue(queue);
  await api.exchange(exchange, "fanout");
  await api.bind(exchange, queue);
  await page.goto(`/topology?q=${queue}`);
  const node = page.locator("#picture a").filter({ hasText: queue });
  await expect(node).toBeVisible();
  for (let number = 0; number < 3; number += 1) await api.publish(exchange, "", "text");
  await expect(node).toContainText("3 waiting", { timeout: 2_000 });
});

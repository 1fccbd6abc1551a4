// Connections of clients: seen, and closed.
"use strict";

const { once } = require("node:events");

const { connect } = require("./support/client.js");
const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a connection is closed, and its client is told why", async ({ page, broker }) => {
      const name = `${names.unique("closed")} ${names.HOSTILE}`;
      const client = await connect(broker, name);
      const ended = once(client, "close");
      await page.goto("/connections");
      // The list shows what statistics have seen.
      const row = page.getByRole("row").filter({ hasText: name });
      await expect(async () => {
        await page.reload();
        await expect(row).toBeVisible({ timeout: 1_000 });
      }).toPass();
      await row.getByRole("link").first().click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(name);
      await page.getByRole("main").getByRole("link", { name: "Close" }).click();
      await page.getByLabel("Reason").fill("The test wants it so");
      await page.getByRole("button", { name: "Close the connection" }).click();
      // What it says depends on how long the client takes to confirm it.
      await expect(page.getByRole("status")).toContainText(/is closed\.|is being closed/);
      const [reason] = await ended;
      expect(reason.message).toContain("The test wants it so");
      await expect(async () => {
        await page.reload();
        await expect(row).toHaveCount(0, { timeout: 1_000 });
      }).toPass();
    });

    test("several connections are closed at once", async ({ page, broker }) => {
      const stem = names.unique("several");
      const clients = [await connect(broker, `${stem}-a`), await connect(broker, `${stem}-b`)];
      const ended = Promise.all(clients.map((client) => once(client, "close")));
      const rows = page.getByRole("row").filter({ hasText: stem });
      await expect(async () => {
        await page.goto("/connections?size=200");
        await expect(rows).toHaveCount(2, { timeout: 1_000 });
      }).toPass();
      for (const row of await rows.all()) await row.getByRole("checkbox").check();
      await page.getByRole("button", { name: "Go on" }).click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Close 2 connections?");
      await page.getByRole("button", { name: "Close 2 connections" }).click();
      await expect(page.getByRole("status")).toContainText("2 connections closed.");
      await ended;
    });

    test("nothing is closed if nothing was chosen", async ({ page, broker }) => {
      const name = names.unique("stays");
      const client = await connect(broker, name);
      const row = page.getByRole("row").filter({ hasText: name });
      await expect(async () => {
        await page.goto("/connections");
        await expect(row).toBeVisible({ timeout: 1_000 });
      }).toPass();
      await page.getByRole("button", { name: "Go on" }).click();
      await expect(page.getByRole("alert")).toContainText("No connection was chosen.");
      await client.close();
    });
  });
}

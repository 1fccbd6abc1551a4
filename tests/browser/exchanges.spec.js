// Exchanges: added, looked at, deleted; why messages go where they go.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

const heading = (page) => page.getByRole("heading", { level: 1 });

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    for (const stem of ["shop", names.HOSTILE]) {
      test(`an exchange called ${stem} is added and deleted`, async ({ page, api }) => {
        const name = `${names.unique("x")} ${stem}`;
        await page.goto("/exchanges");
        await page.getByRole("link", { name: "Add an exchange" }).click();
        await page.getByLabel(/^Name/).fill(name);
        await page.getByLabel("Type", { exact: true }).selectOption("topic");
        await page.getByLabel("Alternate exchange").fill("amq.fanout");
        await page.getByLabel("More arguments: name 1").fill("x-note");
        await page.getByLabel("More arguments: value 1").fill(stem);
        await page.getByRole("button", { name: "Add the exchange" }).click();
        await expect(page.getByRole("status")).toContainText(`The exchange ${name} is there.`);
        await expect(heading(page)).toHaveText(name);
        expect(await api.get(`/exchanges/%2F/${segment(name)}`)).toMatchObject({
          type: "topic",
          durable: true,
          arguments: { "alternate-exchange": "amq.fanout", "x-note": stem },
        });

        await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
        await expect(heading(page)).toHaveText(`Delete the exchange ${name}?`);
        await page.getByRole("button", { name: "Delete the exchange" }).click();
        await expect(page.getByRole("status")).toContainText(`The exchange ${name} is deleted.`);
        expect(await api.find(`/exchanges/%2F/${segment(name)}`)).toBeNull();
      });
    }

    test("what is wrong with an exchange is told, and nothing is typed twice", async ({
      page, faults,
    }) => {
      faults.expect(400);
      await page.goto("/exchanges/new");
      const add = page.getByRole("button", { name: "Add the exchange" });
      const alert = page.getByRole("alert");
      await page.getByLabel(/^Name/).fill("amq.direct");
      await add.click();
      await expect(alert).toContainText("There is an exchange called amq.direct already.");
      const reserved = names.unique("amq.own");
      await page.getByLabel(/^Name/).fill(reserved);
      await add.click();
      await expect(alert).toContainText("Names that begin with amq.");
      await expect(page.getByLabel(/^Name/)).toHaveValue(reserved);
      await page.getByLabel(/^Name/).fill(names.unique("wrong"));
      await page.getByLabel("More arguments: name 1").fill("x-number");
      await page.getByLabel("More arguments: kind 1").selectOption("Number");
      await page.getByLabel("More arguments: value 1").fill("many");
      await add.click();
      await expect(alert).toContainText('x-number: "many" is not a number.');
      await expect(page.getByLabel("More arguments: value 1")).toHaveValue("many");
    });

    test("where a message would go is explained", async ({ page, api }) => {
      const stem = names.unique("explained");
      const [exchange, queue] = [`${stem} exchange`, `${stem} queue`];
      await api.exchange(exchange, "topic");
      await api.queue(queue);
      await api.bind(exchange, queue, "order.*.eu");
      await page.goto(`/exchanges/%2F/${segment(exchange)}`);
      await page.getByRole("link", { name: "Explain a route" }).click();
      await page.getByLabel("Routing key").fill("order.new.eu");
      await page.getByRole("button", { name: "Explain" }).click();
      const main = page.getByRole("main");
      await expect(main.getByRole("status").getByRole("link", { name: queue })).toBeVisible();
      await page.getByLabel("Routing key").fill("order.new.us");
      await page.getByRole("button", { name: "Explain" }).click();
      await expect(main).toContainText("us");
      await expect(main.getByRole("status").getByRole("link", { name: queue })).toHaveCount(0);
    });

    test("messages that went nowhere are shown", async ({ page, api }) => {
      const exchange = names.unique("lost");
      await api.exchange(exchange, "direct");
      const payload = `${names.HOSTILE} went nowhere`;
      await api.publish(exchange, names.HOSTILE, payload);
      await page.goto(`/exchanges/%2F/${exchange}/unroutable`);
      await expect(page.getByText(payload)).toBeVisible();
      await expect(page.getByRole("heading", { name: names.HOSTILE })).toBeVisible();
    });
  });
}

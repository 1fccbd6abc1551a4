// Bindings: listed, added, removed and put back.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

// An exchange and a queue in a virtual host of their own.
async function prepare(api, stem) {
  const vhost = names.unique("bindings");
  await api.put(`/vhosts/${vhost}`);
  const all = { configure: ".*", write: ".*", read: ".*" };
  await api.put(`/permissions/${vhost}/guest`, all);
  const [exchange, queue] = [`${stem} exchange`, `${stem} queue`];
  await api.exchange(exchange, "topic", { vhost });
  await api.queue(queue, { vhost });
  return { vhost, exchange, queue };
}

async function between(api, { vhost, exchange, queue }) {
  const ends = `${segment(exchange)}/q/${segment(queue)}`;
  return api.get(`/bindings/${vhost}/e/${ends}`);
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    for (const stem of ["orders", names.HOSTILE]) {
      test(`a binding of ${stem} is added, removed and put back`, async ({ page, api }) => {
        const { vhost, exchange, queue } = await prepare(api, stem);
        await page.goto(`/bindings/new?vhost=${vhost}`);
        await page.getByLabel("From exchange").fill(exchange);
        await page.getByLabel("To", { exact: true }).selectOption("a queue");
        await page.getByLabel("Its name").fill(queue);
        await page.getByLabel("Binding key").fill(`key.${stem}`);
        await page.getByLabel("Arguments: name 1").fill("x-note");
        await page.getByLabel("Arguments: value 1").fill(stem);
        await page.getByRole("button", { name: "Add the binding" }).click();
        const status = page.getByRole("status");
        await expect(status).toContainText(`Bound: from ${exchange} to ${queue}.`);
        const [made] = await between(api, { vhost, exchange, queue });
        expect(made).toMatchObject({ routing_key: `key.${stem}`, arguments: { "x-note": stem } });

        await page.goto(`/select-vhost?vhost=${vhost}&next=/bindings`);
        const row = page.getByRole("row").filter({ hasText: exchange });
        await row.getByRole("checkbox").check();
        await page.getByRole("button", { name: "Go on" }).click();
        const question = page.getByRole("heading", { level: 1, name: "Remove this binding?" });
        await expect(question).toBeVisible();
        await page.getByRole("button", { name: "Remove them" }).click();
        await expect(status).toContainText("Removed the binding");
        expect(await between(api, { vhost, exchange, queue })).toEqual([]);

        await page.getByRole("button", { name: "Put it back" }).click();
        await expect(status).toContainText(`Bound: from ${exchange} to ${queue}.`);
        expect(await between(api, { vhost, exchange, queue })).toEqual([made]);
        await page.goto("/select-vhost?vhost=&next=/bindings");
      });
    }

    test("what is wrong with a binding is told, and nothing is typed twice", async ({
      page, api, faults,
    }) => {
      faults.expect(400, 404);
      const { vhost, exchange, queue } = await prepare(api, names.HOSTILE);
      await page.goto(`/bindings/new?vhost=${vhost}`);
      const source = page.getByLabel("From exchange");
      const add = page.getByRole("button", { name: "Add the binding" });
      await source.fill(`no ${exchange}`);
      await page.getByLabel("Its name").fill(queue);
      await add.click();
      const alert = page.getByRole("alert");
      await expect(alert).toContainText(`no ${exchange}`);
      await expect(source).toHaveValue(`no ${exchange}`);
      await expect(page.getByLabel("Its name")).toHaveValue(queue);

      await source.fill(exchange);
      await page.getByLabel("Arguments: name 1").fill("x-number");
      await page.getByLabel("Arguments: kind 1").selectOption("Number");
      await page.getByLabel("Arguments: value 1").fill("many");
      await add.click();
      await expect(alert).toContainText("x-number");
      await expect(alert).toContainText("not a number");
      await expect(page.getByLabel("Arguments: value 1")).toHaveValue("many");

      await page.getByLabel("Arguments: value 1").fill("5");
      await add.click();
      await expect(page.getByRole("status")).toContainText("Bound:");
    });
  });
}

// Queues: added, filled, looked into, emptied and filled again, deleted.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

async function payloads(api, queue) {
  const { messages } = await api.get(`/queues/%2F/${segment(queue)}/messages`);
  return messages.map(({ payload }) => payload);
}

async function filled(api, name, contents) {
  await api.queue(name);
  for (const content of contents) await api.publish("", name, content);
}

bothWays(test, () => {
  for (const stem of ["orders", names.HOSTILE]) {
    test(`a queue called ${stem} is added and deleted`, async ({ page, api }) => {
      const name = `${names.unique("q")} ${stem}`;
      await page.goto("/queues");
      await page.getByRole("link", { name: "Add a queue" }).click();
      await page.getByLabel(/^Name/).fill(name);
      await page.getByLabel("Other arguments: name 1").fill("x-max-length");
      await page.getByLabel("Other arguments: kind 1").selectOption("Number");
      await page.getByLabel("Other arguments: value 1").fill("1000");
      await page.getByRole("button", { name: "Add the queue" }).click();
      await says(page, `The queue ${name} is there.`);
      await expect(heading(page)).toHaveText(name);
      const path = `/queues/%2F/${segment(name)}`;
      expect((await api.get(path)).arguments).toMatchObject({ "x-max-length": 1000 });

      await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      await expect(heading(page)).toHaveText(`Delete ${name}?`);
      await page.getByRole("button", { name: "Delete the queue" }).click();
      await says(page, `The queue ${name} is deleted.`);
      expect(await api.find(path)).toBeNull();
    });

    test(`messages of ${stem} are seen, and stay where they are`, async ({ page, api }) => {
      const name = `${names.unique("seen")} ${stem}`;
      const headers = { [`header ${stem}`]: stem };
      await api.queue(name);
      await api.publish("", name, `payload ${stem}`, { properties: { headers, type: stem } });
      await page.goto(`/queues/%2F/${segment(name)}`);
      const tabs = page.getByRole("navigation", { name: "Pages of the queue" });
      await tabs.getByRole("link", { name: /^Messages/ }).click();
      const row = page.getByRole("row").filter({ hasText: `payload ${stem}` });
      await expect(row).toBeVisible();
      await row.getByRole("link").first().click();
      await expect(page.getByRole("main")).toContainText(`payload ${stem}`);
      await expect(page.getByRole("main")).toContainText(`header ${stem}`);
      expect(await payloads(api, name)).toEqual([`payload ${stem}`]);
    });

    test(`${stem} is purged, and what was purged is brought back`, async ({ page, api }) => {
      const name = `${names.unique("purged")} ${stem}`;
      await filled(api, name, ["one", "two", "three"]);
      await page.goto(`/queues/%2F/${segment(name)}`);
      await page.getByRole("main").getByRole("link", { name: "Purge" }).click();
      await expect(heading(page)).toHaveText(`Purge ${name}?`);
      await page.getByRole("button", { name: "Purge" }).click();
      await says(page, "Purged: 3 messages");
      expect(await payloads(api, name)).toEqual([]);
      await page.getByRole("status").getByRole("button", { name: "Undo" }).click();
      await says(page, "Undone: 3 messages");
      expect(await payloads(api, name)).toEqual(["one", "two", "three"]);
    });

    test(`chosen messages are moved from ${stem} to another queue`, async ({ page, api }) => {
      const [from, to] = [`${names.unique("from")} ${stem}`, `${names.unique("to")} ${stem}`];
      await filled(api, from, ["stays", "goes", "stays too"]);
      await api.queue(to);
      await page.goto(`/queues/%2F/${segment(from)}/messages`);
      await page.getByRole("row").filter({ hasText: "goes" }).getByRole("checkbox").check();
      await page.getByLabel("What to do").selectOption("Move");
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByLabel("Queue", { exact: true }).fill(to);
      await page.getByRole("button", { name: "Move", exact: true }).click();
      await says(page, "The job has begun.");
      await expect.poll(() => payloads(api, to)).toEqual(["goes"]);
      expect(await payloads(api, from)).toEqual(["stays", "stays too"]);
    });
  }

  test("a queue is paused and resumed", async ({ page, api }) => {
    const name = names.unique("paused");
    await api.queue(name);
    await page.goto(`/queues/%2F/${name}`);
    await page.getByRole("button", { name: "Pause" }).click();
    await expect(page.getByRole("button", { name: "Resume" })).toBeVisible();
    await page.getByRole("button", { name: "Resume" }).click();
    await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  });

  test("what is wrong with a queue is told, and nothing is typed twice", async ({
    page, api, faults,
  }) => {
    faults.expect(400);
    const name = names.unique("there");
    await api.queue(name);
    await page.goto("/queues/new");
    const add = page.getByRole("button", { name: "Add the queue" });
    await page.getByLabel(/^Name/).fill(name);
    await add.click();
    await refuses(page, `There is a queue ${name} already.`);
    await expect(page.getByLabel(/^Name/)).toHaveValue(name);
    await page.getByLabel(/^Name/).fill(names.unique("wrong"));
    await page.getByLabel("Other arguments: name 1").fill("x-max-length");
    await page.getByLabel("Other arguments: kind 1").selectOption("Number");
    await page.getByLabel("Other arguments: value 1").fill("many");
    await add.click();
    await refuses(page, '"many" is not a number');
    await expect(page.getByLabel("Other arguments: value 1")).toHaveValue("many");
  });

  test("messages cannot be moved to a queue that is not named", async ({ page, api, faults }) => {
    faults.expect(400);
    const name = names.unique("unmoved");
    await filled(api, name, ["stays"]);
    await page.goto(`/queues/%2F/${name}/move`);
    await page.getByRole("button", { name: "Go on" }).click();
    await refuses(page, "Please name the queue that they are to go to.");
    expect(await payloads(api, name)).toEqual(["stays"]);
  });
});

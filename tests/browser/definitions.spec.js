// Definitions: saved as a file, looked at before they are read, read.
"use strict";

const { readFile } = require("node:fs/promises");

const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

bothWays(test, () => {
  test("a file tells what it would do before it does it", async ({ page, api }) => {
    const [kept, made] = [names.unique("kept"), names.unique("made")];
    await api.queue(kept);
    const rest = { vhost: "/", durable: true, auto_delete: false, arguments: {} };
    const queue = (name) => ({ name, ...rest });
    const text = JSON.stringify({ queues: [queue(kept), queue(made)] });
    await page.goto("/definitions");
    await page.getByLabel("File").setInputFiles({
      name: "definitions.json", mimeType: "application/json", buffer: Buffer.from(text),
    });
    await page.getByRole("button", { name: "Look at what it would do" }).click();
    await expect(heading(page)).toHaveText("What it would do");
    await expect(page.getByRole("row").filter({ hasText: made })).toContainText("create");
    await expect(page.getByRole("row").filter({ hasText: kept })).toContainText("same");
    expect(await api.find(`/queues/%2F/${made}`)).toBeNull();
    await page.getByRole("button", { name: "Do it" }).click();
    await says(page, "The definitions are read: 1 created");
    expect(await api.find(`/queues/%2F/${made}`)).not.toBeNull();
  });

  test("what is in conflict is told, and the rest is done", async ({ page, api }) => {
    const [other, made] = [names.unique("other"), names.unique("made")];
    await api.queue(other);
    const definitions = { queues: [
      { name: other, vhost: "/", durable: true, auto_delete: false,
        arguments: { "x-max-length": 5 } },
      { name: made, vhost: "/", durable: true, auto_delete: false, arguments: {} },
    ] };
    await page.goto("/definitions");
    await page.getByLabel("Or its text").fill(JSON.stringify(definitions));
    await page.getByRole("button", { name: "Look at what it would do" }).click();
    const row = page.getByRole("row").filter({ hasText: other });
    await expect(row).toContainText("conflict");
    await page.getByRole("button", { name: "Do it" }).click();
    await expect(async () => {
      expect(await api.find(`/queues/%2F/${made}`)).not.toBeNull();
    }).toPass();
    expect((await api.get(`/queues/%2F/${other}`)).arguments).toEqual({});
  });

  test("what is no file of definitions is told, with what was typed", async ({ page, faults }) => {
    faults.expect(400);
    await page.goto("/definitions");
    const look = page.getByRole("button", { name: "Look at what it would do" });
    await look.click();
    await refuses(page, "Please choose a file");
    await page.getByLabel("Or its text").fill(`{"queues": ${names.HOSTILE}`);
    await look.click();
    await refuses(page, "The file is no JSON");
    await expect(page.getByLabel("Or its text")).toHaveValue(`{"queues": ${names.HOSTILE}`);
    await page.getByLabel("Or its text").fill("[]");
    await look.click();
    await refuses(page, "no definitions");
  });

  test("everything is saved as a file that can be read again", async ({ page, api }) => {
    const queue = names.unique("saved");
    await api.queue(queue);
    await page.goto("/definitions");
    const downloaded = page.waitForEvent("download");
    await page.getByRole("link", { name: "All definitions" }).click();
    const download = await downloaded;
    expect(download.suggestedFilename()).toBe("definitions.json");
    const definitions = JSON.parse(await readFile(await download.path(), "utf8"));
    expect(definitions.queues.map(({ name }) => name)).toContain(queue);
  });
});

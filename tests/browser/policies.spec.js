// Policies: added after a look at what they hold for, changed, deleted.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

async function fill(page, name, pattern, value) {
  await page.getByLabel(/^Name/).fill(name);
  await page.getByLabel("Pattern").fill(pattern);
  await page.getByLabel("For", { exact: true }).selectOption("queues");
  await page.getByLabel("What it sets: name 1").fill("max-length");
  await page.getByLabel("What it sets: kind 1").selectOption("Number");
  await page.getByLabel("What it sets: value 1").fill(value);
}

bothWays(test, () => {
  for (const stem of ["short", names.HOSTILE]) {
    test(`a policy called ${stem} is added, holds, and is deleted`, async ({ page, api }) => {
      const name = `${names.unique("p")} ${stem}`;
      const queue = names.unique("held");
      await api.queue(queue);
      await page.goto("/policies");
      await page.getByRole("link", { name: "Add a policy" }).click();
      await fill(page, name, `^${queue}$`, "7");
      await page.getByRole("button", { name: "Add the policy" }).click();
      await says(page, `The policy ${name} is added.`);
      await expect(heading(page)).toHaveText(name);
      expect(await api.get(`/policies/%2F/${segment(name)}`)).toMatchObject({
        pattern: `^${queue}$`, definition: { "max-length": 7 },
      });
      expect((await api.get(`/queues/%2F/${queue}`)).policy).toBe(name);

      await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      await page.getByRole("button", { name: "Delete the policy" }).click();
      await says(page, `The policy ${name} is deleted.`);
      expect(await api.find(`/policies/%2F/${segment(name)}`)).toBeNull();
    });
  }

  test("what is wrong with a policy is told, and nothing is typed twice", async ({
    page, faults,
  }) => {
    faults.expect(400);
    const name = names.unique("wrong");
    const add = page.getByRole("button", { name: "Add the policy" });
    await page.goto("/policies/new");
    await fill(page, name, "(", "7");
    await add.click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel("Pattern")).toHaveValue("(");
    await fill(page, name, ".*", "many");
    await add.click();
    await refuses(page, "many");
    await expect(page.getByLabel("What it sets: value 1")).toHaveValue("many");
    await fill(page, name, ".*", "7");
    await page.getByLabel("Priority").fill("high");
    await add.click();
    await refuses(page, "The priority must be a whole number");
  });
});

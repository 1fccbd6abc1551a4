// Virtual hosts: added, changed, deleted.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

bothWays(test, () => {
  for (const stem of ["shop", names.HOSTILE]) {
    test(`a virtual host called ${stem} is added, changed and deleted`, async (
      { page, api, faults },
    ) => {
      const name = `${names.unique("v")} ${stem}`;
      const path = `/vhosts/${segment(name)}`;
      await page.goto("/vhosts");
      await page.getByRole("link", { name: "Add a virtual host" }).click();
      await page.getByLabel(/^Name/).fill(name);
      await page.getByLabel("Description").fill(`for ${stem}`);
      await page.getByRole("button", { name: "Add the virtual host" }).click();
      await says(page, `The virtual host ${name} is added.`);
      await expect(heading(page)).toHaveText(name);
      expect(await api.get(path)).toMatchObject({ description: `for ${stem}` });

      await page.getByLabel("Description").fill("another");
      await page.getByRole("button", { name: "Save", exact: true }).first().click();
      await says(page, `The settings of ${name} are saved.`);
      expect(await api.get(path)).toMatchObject({ description: "another" });

      faults.expect(400);
      await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      await page.getByLabel("Its name, to be sure").fill(`not ${name}`);
      await page.getByRole("button", { name: "Delete the virtual host" }).click();
      await refuses(page, "Nothing is deleted.");
      expect(await api.find(path)).not.toBeNull();
      if (await page.getByLabel("Its name, to be sure").count() === 0) {
        await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      }
      await page.getByLabel("Its name, to be sure").fill(name);
      await page.getByRole("button", { name: "Delete the virtual host" }).click();
      await says(page, `The virtual host ${name} is deleted.`);
      expect(await api.find(path)).toBeNull();
    });
  }

  test("a virtual host that there is already is not added", async ({ page, faults }) => {
    faults.expect(400);
    await page.goto("/vhosts/new");
    await page.getByLabel(/^Name/).fill("/");
    await page.getByRole("button", { name: "Add the virtual host" }).click();
    await refuses(page, "There is a virtual host / already.");
    await expect(page.getByLabel(/^Name/)).toHaveValue("/");
  });
});

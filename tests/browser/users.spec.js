// Users: added, given rights and tags, deleted.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

bothWays(test, () => {
  for (const stem of ["clerk", names.HOSTILE]) {
    test(`a user called ${stem} is added, changed and deleted`, async ({ page, api, broker }) => {
      const name = `${names.unique("u")} ${stem}`;
      await page.goto("/users");
      await page.getByRole("link", { name: "Add a user" }).click();
      await page.getByLabel(/^Name/).fill(name);
      await page.getByLabel("Password").fill("first secret");
      await page.getByLabel("All permissions in").selectOption("/");
      await page.getByRole("checkbox", { name: "monitoring" }).check();
      await page.getByLabel("Other tags").fill(stem);
      await page.getByRole("button", { name: "Add the user" }).click();
      await says(page, `The user ${name} is added.`);
      await expect(heading(page)).toHaveText(name);
      const path = `/users/${segment(name)}`;
      expect((await api.get(path)).tags).toEqual(["monitoring", stem]);
      expect(await api.get(`/permissions/%2F/${segment(name)}`)).toMatchObject({ read: ".*" });

      await page.getByLabel("New password").fill("second secret");
      await page.getByRole("button", { name: "Save the password" }).click();
      await says(page, `${name} has the new password.`);
      const login = new URLSearchParams({ username: name, password: "second secret" });
      const response = await fetch(`${broker.url}/api/login`, { method: "POST", body: login });
      expect(response.status).toBe(200);

      await page.getByRole("checkbox", { name: "policymaker" }).check();
      await page.getByRole("button", { name: "Save the tags" }).click();
      await says(page, `The tags of ${name} are saved.`);
      expect((await api.get(path)).tags).toContain("policymaker");

      await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      await expect(heading(page)).toHaveText(`Delete the user ${name}?`);
      await page.getByRole("button", { name: "Delete the user" }).click();
      await says(page, `The user ${name} is deleted.`);
      expect(await api.find(path)).toBeNull();
    });
  }

  test("what is wrong with a user is told, and nothing is typed twice", async ({
    page, api, faults,
  }) => {
    faults.expect(400);
    await page.goto("/users/new");
    await page.getByLabel(/^Name/).fill("guest");
    await page.getByRole("checkbox", { name: "management" }).check();
    await page.getByRole("button", { name: "Add the user" }).click();
    await refuses(page, "There is a user guest already.");
    await expect(page.getByLabel(/^Name/)).toHaveValue("guest");
    await expect(page.getByRole("checkbox", { name: "management" })).toBeChecked();

    const name = names.unique("changed");
    await api.put(`/users/${name}`, { password: "secret", tags: "" });
    await page.goto(`/users/${name}`);
    await page.getByRole("button", { name: "Save the password" }).click();
    await refuses(page, "Please type a password, or say that there is to be none.");
  });
});

test.describe("with other rights", () => {
  test.use({ signedIn: false });

  test("who may not see users is told so", async ({ page, api, faults }) => {
    faults.expect(403);
    const name = names.unique("looks-on");
    await api.put(`/users/${name}`, { password: "secret", tags: "management" });
    await page.goto("/users");
    await page.getByLabel("User").fill(name);
    await page.getByLabel("Password").fill("secret");
    await page.getByRole("button", { name: "Sign in" }).click();
    await refuses(page, "Your user may not do this");
    await expect(page.getByRole("navigation", { name: "Pages", exact: true })).toBeVisible();
    await expect(page.getByRole("link", { name: "Users" })).toHaveCount(0);
  });
});

// Limits, parameters and permissions: set, refused, taken back.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, heading, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

// A section of a page, by its heading.
function section(page, title) {
  return page.locator("section").filter({ has: page.getByRole("heading", { name: title }) });
}

bothWays(test, () => {
  test("a limit is set, told where it is wrong, and lifted", async ({ page, api, faults }) => {
    faults.expect(400);
    const host = names.unique("limited");
    await api.put(`/vhosts/${host}`);
    await page.goto("/limits");
    const form = section(page, "Of virtual hosts");
    await form.getByLabel("Virtual host").selectOption(host);
    await form.getByLabel("Most queues").fill("3");
    await form.getByRole("button", { name: "Set the limits" }).click();
    await says(page, `The limits of ${host} are saved.`);
    expect((await api.get(`/vhost-limits/${host}`))[0].value).toEqual({ "max-queues": 3 });
    const row = page.getByRole("row").filter({ hasText: host });
    await expect(row).toContainText("Most queues");

    await row.getByRole("button", { name: "Lift" }).click();
    await says(page, `${host} has no limit max-queues any more.`);
    await expect(row).toHaveCount(0);

    // Where the browser does not see by itself that it is no number.
    const number = form.getByLabel("Most connections");
    await number.evaluate((input) => { input.type = "text"; });
    await number.fill("-4");
    await form.getByLabel("Virtual host").selectOption(host);
    await form.getByRole("button", { name: "Set the limits" }).click();
    await refuses(page, "is no whole number from 0 on");
    await expect(heading(page)).toHaveText(`Limits of ${host}`);
    expect((await api.get(`/vhost-limits/${host}`))).toEqual([]);
  });

  for (const stem of ["operators", names.HOSTILE]) {
    test(`a global parameter called ${stem} is added, saved and deleted`, async ({
      page, api, faults,
    }) => {
      faults.expect(400);
      const name = `${names.unique("g")} ${stem}`;
      const path = `/global-parameters/${segment(name)}`;
      await page.goto("/global-parameters");
      await page.getByRole("link", { name: "Add a global parameter" }).click();
      await page.getByLabel(/^Name/).fill(name);
      await page.getByLabel("Value").fill("nobody");
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await refuses(page, "The value is no JSON");
      await expect(page.getByLabel("Value")).toHaveValue("nobody");
      await page.getByLabel("Value").fill(`"${stem}"`);
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await says(page, `The global parameter ${name} is added.`);
      expect(await api.get(path)).toMatchObject({ value: stem });

      await page.getByRole("link", { name, exact: true }).click();
      await page.getByLabel("Value").fill('{"are": ["two", "more"]}');
      await page.getByRole("button", { name: "Save" }).click();
      await says(page, `The global parameter ${name} is saved.`);
      expect(await api.get(path)).toMatchObject({ value: { are: ["two", "more"] } });

      await page.getByRole("main").getByRole("link", { name: "Delete" }).click();
      await expect(heading(page)).toHaveText(`Delete the global parameter ${name}?`);
      await page.getByRole("button", { name: "Delete" }).click();
      await says(page, `The global parameter ${name} is deleted.`);
      expect(await api.find(path)).toBeNull();
    });
  }

  test("permissions are granted, changed, asked for and taken away", async ({
    page, api, faults,
  }) => {
    faults.expect(400);
    const user = names.unique("granted");
    await api.put(`/users/${user}`, { password: "secret", tags: "" });
    const path = `/permissions/%2F/${user}`;
    await page.goto(`/permissions/edit?user=${user}&vhost=%2F`);
    await page.getByLabel(/^Configure/).fill("(");
    await page.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expect(page.getByLabel(/^Configure/)).toHaveValue("(");
    await page.getByLabel(/^Configure/).fill("");
    await page.getByLabel(/^Write/).fill("^orders");
    await page.getByLabel(/^Read/).fill(".*");
    await page.getByRole("button", { name: "Save" }).click();
    await says(page, `The permissions of ${user} in / are set.`);
    expect(await api.get(path)).toMatchObject({ configure: "", write: "^orders", read: ".*" });

    await page.goto("/permissions");
    const ask = section(page, "May a user do something?");
    await ask.getByLabel("User").selectOption(user);
    await ask.getByLabel("Virtual host").selectOption("/");
    await ask.getByLabel("Queue or exchange").fill("orders.eu");
    await ask.getByRole("button", { name: "Find out" }).click();
    const answer = (what) => ask.locator("dt").filter({ hasText: what }).locator("+ dd");
    await expect(answer("Put messages in")).toHaveText("yes");
    await expect(answer("Declare and delete")).toHaveText("no");

    await page.goto(`/users/${user}`);
    await page.getByRole("button", { name: `Take the permissions of ${user} in /` }).click();
    await says(page, `${user} may not do anything in / any more.`);
    expect(await api.find(path)).toBeNull();
    await page.getByRole("status").getByRole("button", { name: "Undo" }).click();
    await expect(async () => expect(await api.find(path)).not.toBeNull()).toPass();
    expect(await api.get(path)).toMatchObject({ write: "^orders" });
  });

  test("an operator policy is added, and a key that it may not have is told", async ({
    page, api, faults,
  }) => {
    faults.expect(400);
    const name = names.unique("bound");
    await page.goto("/operator-policies");
    await page.getByRole("link", { name: "Add an operator policy" }).click();
    await page.getByLabel(/^Name/).fill(name);
    await page.getByLabel("Pattern").fill(`^${name}$`);
    await page.getByLabel("What it sets: name 1").fill("alternate-exchange");
    await page.getByLabel("What it sets: value 1").fill("other");
    await page.getByRole("button", { name: "Add the policy" }).click();
    await refuses(page, "alternate-exchange");
    await page.getByLabel("What it sets: name 1").fill("max-length");
    await page.getByLabel("What it sets: kind 1").selectOption("Number");
    await page.getByLabel("What it sets: value 1").fill("9");
    await page.getByRole("button", { name: "Add the policy" }).click();
    await says(page, `The operator policy ${name} is added.`);
    expect(await api.get(`/operator-policies/%2F/${name}`)).toMatchObject({
      definition: { "max-length": 9 },
    });
  });
});

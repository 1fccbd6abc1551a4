// Signing in and out.
"use strict";

const { session } = require("./support/api.js");
const names = require("./support/names.js");
const { expect, test } = require("./support/test.js");

test.use({ signedIn: false });

async function fill(page, user, password) {
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function isOverview(page) {
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
}

async function isForm(page) {
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("name and password lead to the overview, and signing out back", async ({ page }) => {
      await page.goto("/");
      await isForm(page);
      await fill(page, "guest", "guest");
      await isOverview(page);
      await expect(page).toHaveURL(/\/$/);
      await page.getByRole("button", { name: /^Sign out/ }).click();
      await isForm(page);
      await page.goto("/");
      await isForm(page);
    });

    test("a wrong password is told, and the name need not be typed again", async ({
      page, faults,
    }) => {
      faults.expect(401);
      await page.goto("/sign-in");
      await fill(page, "guest", "wrong");
      await expect(page.getByRole("alert")).toHaveText("User or password is wrong.");
      await expect(page.getByLabel("User")).toHaveValue("guest");
      await expect(page.getByLabel("Password")).toHaveValue("");
      await fill(page, "guest", "guest");
      await isOverview(page);
    });
  });
}

test("a name that is markup is shown as text", async ({ page, faults }) => {
  faults.expect(401);
  await page.goto("/sign-in");
  await fill(page, names.HOSTILE, names.HOSTILE);
  await expect(page.getByRole("alert")).toHaveText("User or password is wrong.");
  await expect(page.getByLabel("User")).toHaveValue(names.HOSTILE);
});

test("the page that was wanted is shown after signing in", async ({ page }) => {
  await page.goto("/settings?a=b%20c");
  await isForm(page);
  await fill(page, "guest", "guest");
  await expect(page).toHaveURL(/\/settings\?a=b%20c$/);
});

test("no address leads to another site after signing in", async ({ page, baseURL }) => {
  for (const next of ["//other.example/", "https://other.example/", "/\\other.example"]) {
    await page.context().clearCookies();
    await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
    await fill(page, "guest", "guest");
    await isOverview(page);
    expect(new URL(page.url()).origin).toBe(baseURL);
  }
});

test("a user without a tag is told why there is nothing to see", async ({ page, api, faults }) => {
  faults.expect(401);
  const user = names.unique("untagged");
  await api.put(`/users/${user}`, { password: "secret", tags: "" });
  await page.goto("/sign-in");
  await fill(page, user, "secret");
  await expect(page.getByRole("alert")).toContainText("has none of the tags");
});

test("a session that is over leads to the form, also from a page that is open", async ({
  page, api, faults,
}) => {
  const user = names.unique("leaves");
  await api.put(`/users/${user}`, { password: "secret", tags: "monitoring" });
  await page.goto("/sign-in");
  await fill(page, user, "secret");
  await isOverview(page);
  // Whoever changes a password ends the sessions that began with it.
  await api.put(`/users/${user}`, { password: "another", tags: "monitoring" });
  faults.expect(401);
  await isForm(page);
  await fill(page, user, "another");
  await isOverview(page);
});

test("after signing out the session is over everywhere", async ({ page, broker }) => {
  const cookies = await session(broker.url);
  await page.context().addCookies(cookies);
  await page.goto("/");
  await isOverview(page);
  await page.getByRole("button", { name: /^Sign out/ }).click();
  await isForm(page);
  await page.context().addCookies(cookies);
  await page.goto("/");
  await isForm(page);
});

test("a form of another session changes nothing", async ({ page, broker, faults }) => {
  faults.expect(403);
  await page.context().addCookies(await session(broker.url));
  await page.goto("/");
  await page.locator("input[name=csrf_token]").evaluateAll((fields) => {
    for (const field of fields) field.value = "of another session";
  });
  await page.getByRole("button", { name: /^Sign out/ }).click();
  await expect(page.getByText("The form is out of date.")).toBeVisible();
  await page.goto("/");
  await isOverview(page);
});

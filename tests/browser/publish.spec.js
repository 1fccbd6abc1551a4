// Publishing messages by hand.
"use strict";

const { segment } = require("./support/api.js");
const names = require("./support/names.js");
const { bothWays, refuses, says } = require("./support/says.js");
const { expect, test } = require("./support/test.js");

async function waiting(api, queue) {
  const { messages } = await api.get(`/queues/%2F/${segment(queue)}/messages`);
  return messages;
}

bothWays(test, () => {
  for (const stem of ["plain", names.HOSTILE]) {
    test(`a message with ${stem} in every field arrives as it was typed`, async ({ page, api }) => {
      const queue = `${names.unique("q")} ${stem}`;
      await api.queue(queue);
      await page.goto("/publish");
      await page.getByLabel("Exchange").fill("amq.default");
      await page.getByLabel("Routing key").fill(queue);
      await page.getByLabel("Payload", { exact: true }).fill(`payload ${stem}`);
      await page.getByLabel("Content type").fill(`type/${stem}`);
      await page.getByLabel("Headers: name 1").fill(`header ${stem}`);
      await page.getByLabel("Headers: value 1").fill(stem);
      await page.getByRole("button", { name: "Publish", exact: true }).click();
      await says(page, "Published.");
      await expect(page.getByRole("status").getByRole("link", { name: queue })).toBeVisible();
      const [message] = await waiting(api, queue);
      expect(message).toMatchObject({
        payload: `payload ${stem}`,
        properties: { content_type: `type/${stem}`, headers: { [`header ${stem}`]: stem } },
      });
    });
  }

  test("a message that goes nowhere is told so", async ({ page }) => {
    await page.goto("/publish?exchange=amq.direct&routing_key=nobody");
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    await refuses(page, "went nowhere");
  });

  test("what is wrong with a message is told, and nothing is typed twice", async ({
    page, faults,
  }) => {
    faults.expect(400, 404);
    const publish = page.getByRole("button", { name: "Publish", exact: true });
    const payload = page.getByLabel("Payload", { exact: true });
    await page.goto("/publish");
    const exchange = `no such ${names.HOSTILE}`;
    await page.getByLabel("Exchange").fill(exchange);
    await payload.fill("kept");
    await publish.click();
    await refuses(page, exchange);
    await expect(payload).toHaveValue("kept");
    await expect(page.getByLabel("Exchange")).toHaveValue(exchange);
    await page.getByLabel("Exchange").fill("amq.direct");
    await payload.fill("not base64!");
    await page.getByLabel("The payload is", { exact: true }).selectOption({ index: 1 });
    await publish.click();
    await refuses(page, "The payload is no base64");
    await expect(payload).toHaveValue("not base64!");
  });
});

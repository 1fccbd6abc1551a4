// What docs/ui.md walks through: a stuck queue is found on the overview, seen why, and emptied.
// With WARREN_PICTURES, a folder, the pictures of that page are taken on the way.
"use strict";

const path = require("node:path");

const { connect } = require("./support/client.js");
const { expect, test } = require("./support/test.js");

const WAITING = 40;
const PREFETCH = 20;

async function picture(page, name) {
  const folder = process.env.WARREN_PICTURES;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

test.use({ state: "stuck", viewport: { width: 1200, height: 760 } });

test("a stuck queue is found on the overview, seen why, and its messages are moved", async ({
  page, api, broker,
}) => {
  test.slow();
  await api.queue("emails");
  await api.queue("emails.retry");
  const connection = await connect(broker, "mail sender 3");
  try {
    const channel = await connection.createChannel();
    await channel.prefetch(PREFETCH);
    for (let number = 0; number < WAITING + PREFETCH; number += 1) {
      const mail = { to: `customer${number}@example.com`, subject: "Your order has been sent" };
      channel.sendToQueue("emails", Buffer.from(JSON.stringify(mail)), {
        contentType: "application/json", headers: { tenant: number % 2 ? "north" : "south" },
      });
    }
    await channel.consume("emails", () => {}, { consumerTag: "mailer" });

    await page.goto("/");
    const finding = page.getByRole("listitem").filter({ hasText: "acknowledge none of them" });
    await expect(finding).toContainText("Urgent", { timeout: 60_000 });
    await expect(finding).toContainText("emails");
    await picture(page, "stuck-overview");

    await finding.getByRole("link", { name: /Who holds them/ }).click();
    await expect(page.getByRole("row").filter({ hasText: "mailer" })).toHaveCount(PREFETCH);
    await picture(page, "stuck-unacked");

    const tabs = page.getByRole("navigation", { name: "Pages of the queue" });
    await tabs.getByRole("link", { name: /^Messages/ }).click();
    await expect(page.getByText("customer20@example.com")).toBeVisible();
    await picture(page, "stuck-messages");

    await page.getByLabel("What to do").selectOption("Move");
    await page.getByLabel("With which messages").selectOption({ index: 1 });
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByLabel("Queue", { exact: true }).fill("emails.retry");
    await page.getByRole("button", { name: "Move", exact: true }).click();
    await expect(page.getByRole("main")).toContainText("done");
    await picture(page, "stuck-job");
    const moved = async () => (await api.get("/queues/%2F/emails.retry")).messages;
    await expect.poll(moved).toBe(WAITING);
    expect((await api.get("/queues/%2F/emails")).messages_ready).toBe(0);
  } finally {
    await connection.close();
  }
});

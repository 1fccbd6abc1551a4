// What a page must never do, whatever is tested: errors on the console, scripts that fail, requests
// that fail, are refused or go elsewhere, dialogs.
"use strict";

const REFUSED = /^Failed to load resource: the server responded with a status of (\d+)/;

class Faults {
  constructor(context, origin) {
    this.origin = origin;
    this.found = [];
    this.expected = new Set();
    context.on("console", (message) => this.#console(message));
    context.on("weberror", (error) => this.#add(`script: ${error.error()}`));
    context.on("request", (request) => this.#request(request));
    context.on("requestfailed", (request) => this.#failed(request));
    context.on("response", (response) => this.#response(response));
    context.on("dialog", (dialog) => {
      this.#add(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
  }

  // Answers that this test is about, such as 400 to a form that is not filled in well.
  expect(...statuses) {
    for (const status of statuses) this.expected.add(status);
  }

  #add(text) {
    this.found.push(text);
  }

  #console(message) {
    const type = message.type();
    if (type !== "error" && type !== "warning") return;
    const refused = REFUSED.exec(message.text());
    if (refused && this.expected.has(Number(refused[1]))) return;
    this.#add(`console: ${message.text()} (${message.location().url})`);
  }

  // Nothing is fetched from anywhere else, and nobody else is told anything.
  #request(request) {
    const { origin, protocol } = new URL(request.url());
    if (origin !== this.origin && protocol !== "data:" && protocol !== "blob:") {
      this.#add(`elsewhere: ${request.url()}`);
    }
  }

  #failed(request) {
    const why = request.failure()?.errorText;
    // Who leaves a page ends what it was fetching.
    if (why === "net::ERR_ABORTED") return;
    this.#add(`request: ${request.method()} ${request.url()}: ${why}`);
  }

  #response(response) {
    const status = response.status();
    if (status < 400 || this.expected.has(status)) return;
    this.#add(`response: ${status} ${response.request().method()} ${response.url()}`);
  }
}

module.exports = { Faults };

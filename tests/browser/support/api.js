// The management API, as the tests prepare a broker with it and see what became of it.
"use strict";

const segment = encodeURIComponent;

class Api {
  constructor(url, user = "guest", password = "guest") {
    this.url = url;
    const login = Buffer.from(`${user}:${password}`).toString("base64");
    this.authorization = `Basic ${login}`;
  }

  get(path) {
    return this.#ask("GET", path);
  }

  put(path, body = {}) {
    return this.#ask("PUT", path, body);
  }

  post(path, body = {}) {
    return this.#ask("POST", path, body);
  }

  delete(path) {
    return this.#ask("DELETE", path);
  }

  // What is there, or null.
  async find(path) {
    const response = await this.#send("GET", path);
    if (response.status === 404) return null;
    return this.#read(response, `GET ${path}`);
  }

  queue(name, { vhost = "/", ...more } = {}) {
    return this.put(`/queues/${segment(vhost)}/${segment(name)}`, { durable: true, ...more });
  }

  exchange(name, type, { vhost = "/", ...more } = {}) {
    const path = `/exchanges/${segment(vhost)}/${segment(name)}`;
    return this.put(path, { type, durable: true, ...more });
  }

  // `kind`: q for a queue, e for an exchange.
  bind(source, destination, key = "", { vhost = "/", kind = "q", arguments: table = {} } = {}) {
    const ends = `${segment(source)}/${kind}/${segment(destination)}`;
    const body = { routing_key: key, arguments: table };
    return this.post(`/bindings/${segment(vhost)}/e/${ends}`, body);
  }

  publish(exchange, key, payload, { vhost = "/", properties = {}, encoding = "string" } = {}) {
    const name = exchange === "" ? "amq.default" : exchange;
    const body = { properties, routing_key: key, payload, payload_encoding: encoding };
    return this.post(`/exchanges/${segment(vhost)}/${segment(name)}/publish`, body);
  }

  async #ask(method, path, body) {
    return this.#read(await this.#send(method, path, body), `${method} ${path}`);
  }

  #send(method, path, body) {
    const headers = { authorization: this.authorization };
    if (body !== undefined) headers["content-type"] = "application/json";
    const text = body === undefined ? undefined : JSON.stringify(body);
    return fetch(`${this.url}/api${path}`, { method, headers, body: text });
  }

  async #read(response, request) {
    const text = await response.text();
    if (!response.ok) throw new Error(`${request}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }
}

// The cookies of a browser that has signed in.
async function session(url, user = "guest", password = "guest") {
  const form = new URLSearchParams({ username: user, password });
  const response = await fetch(`${url}/api/login`, { method: "POST", body: form });
  if (!response.ok) throw new Error(`login: ${response.status} ${await response.text()}`);
  const { hostname } = new URL(url);
  return response.headers.getSetCookie().map((line) => {
    const [pair] = line.split(";");
    const at = pair.indexOf("=");
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
    return { name, value, domain: hostname, path: "/", httpOnly: true, sameSite: "Strict" };
  });
}

module.exports = { Api, segment, session };

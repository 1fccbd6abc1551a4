// All pages: how they are reached, and what they are headed. Whoever adds a page adds a line here,
// and all that holds for every page is tested for it, and pictures are taken of it.
"use strict";

const { segment } = require("./api.js");
const { KNOWN } = require("./busy.js");
const names = require("./names.js");

// The page of the connection that a client gave this name.
function connection(name) {
  return async (api) => `/connections/${segment((await connectionOf(api, name)).name)}`;
}

async function connectionOf(api, name) {
  const all = await api.get("/connections");
  return all.find(({ user_provided_name: given }) => given === name);
}

// The page of the channel of such a connection.
function channel(name) {
  return async (api) => `/channels/${segment(`${(await connectionOf(api, name)).name} (1)`)}`;
}

// A page of a queue.
function queue(name, ...parts) {
  return ["/queues/%2F", segment(name), ...parts].join("/");
}

// A page of an exchange.
function exchange(name, ...parts) {
  return ["/exchanges/%2F", segment(name), ...parts].join("/");
}

// `busy` pages are about something that an empty broker does not have; `hostile` is the path of such
// a page about something whose name is markup; `outside` pages need no signing in and have no frame.
const PAGES = [
  { name: "sign-in", path: "/sign-in", heading: "Sign in", outside: true },
  { name: "overview", path: "/", heading: "Overview" },
  { name: "queues", path: "/queues", heading: "Queues" },
  { name: "queue", path: queue("nobody reads this"), heading: "nobody reads this", busy: true,
    hostile: queue(names.HOSTILE) },
  { name: "queue-stream", path: queue(KNOWN.stream), heading: KNOWN.stream, busy: true },
  { name: "queue-paused", path: queue("single"), heading: "single", busy: true },
  { name: "exchanges", path: "/exchanges", heading: "Exchanges" },
  { name: "exchange-new", path: "/exchanges/new", heading: "Add an exchange" },
  { name: "exchange", path: exchange(KNOWN.exchange), heading: KNOWN.exchange, busy: true,
    hostile: exchange(names.HOSTILE) },
  { name: "exchange-default", path: "/exchanges/%2F/amq.default", heading: "(default)" },
  { name: "exchange-bindings", path: exchange(KNOWN.exchange, "bindings"), busy: true,
    heading: KNOWN.exchange, hostile: exchange(names.HOSTILE, "bindings") },
  { name: "exchange-explain", path: exchange(KNOWN.exchange, "explain?routing_key=order.new.us"),
    heading: KNOWN.exchange, busy: true,
    hostile: exchange(names.HOSTILE, `explain?routing_key=${segment(names.HOSTILE)}`) },
  { name: "exchange-unroutable", path: exchange("of type direct", "unroutable"), busy: true,
    heading: "of type direct", hostile: exchange(names.HOSTILE, "unroutable") },
  { name: "exchange-delete", path: exchange(KNOWN.exchange, "delete"), heading: "Delete", busy: true,
    hostile: exchange(names.HOSTILE, "delete") },
  { name: "bindings", path: "/bindings", heading: "Bindings" },
  { name: "binding-new", path: "/bindings/new", heading: "Add a binding" },
  { name: "connections", path: "/connections", heading: "Connections" },
  { name: "connection", path: connection("shop front"), heading: "shop front", busy: true,
    hostile: connection(names.HOSTILE) },
  { name: "connection-close", path: async (api) => `${await connection("shop front")(api)}/close`,
    heading: "Close", busy: true },
  { name: "channels", path: "/channels", heading: "Channels" },
  { name: "channel", path: channel("the holder"), heading: "Channel 1", busy: true },
  { name: "consumers", path: "/consumers", heading: "Consumers" },
  { name: "settings", path: "/settings", heading: "Settings" },
  { name: "api-reference", path: "/api/index.html", heading: "Management API", outside: true },
];

const THEMES = ["light", "dark"];
const [WIDE, NARROW] = [1440, 390];
const WIDTHS = [WIDE, NARROW];
const HEIGHT = 900;

// The path of a page, which may depend on what the broker has.
function pathOf(page, api) {
  return typeof page.path === "function" ? page.path(api) : page.path;
}

module.exports = { HEIGHT, NARROW, PAGES, THEMES, WIDE, WIDTHS, pathOf };

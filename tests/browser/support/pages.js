// All pages: how they are reached, and what they are headed. Whoever adds a page adds a line here,
// and all that holds for every page is tested for it, and pictures are taken of it.
"use strict";

const { segment } = require("./api.js");
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

// `busy` pages are about something that an empty broker does not have; `hostile` is the path of such
// a page about something whose name is markup; `outside` pages need no signing in and have no frame.
const PAGES = [
  { name: "sign-in", path: "/sign-in", heading: "Sign in", outside: true },
  { name: "overview", path: "/", heading: "Overview" },
  { name: "queues", path: "/queues", heading: "Queues" },
  { name: "bindings", path: "/bindings", heading: "Bindings" },
  { name: "binding-new", path: "/bindings/new", heading: "Add a binding" },
  { name: "connections", path: "/connections", heading: "Connections" },
  { name: "connection", path: connection("shop front"), heading: "shop front", busy: true,
    hostile: connection(names.HOSTILE) },
  { name: "connection-close", path: async (api) => `${await connection("shop front")(api)}/close`,
    heading: "Close", busy: true },
  { name: "channels", path: "/channels", heading: "Channels" },
  { name: "channel", path: channel("the holder"), heading: "(1)", busy: true },
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

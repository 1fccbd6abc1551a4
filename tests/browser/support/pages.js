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

// The page of the first message of a queue.
function message(name) {
  return async (api) => {
    const found = await api.get(`/queues/%2F/${segment(name)}/messages?count=1`);
    return queue(name, "messages", found.messages[0].place);
  };
}

function policy(name) {
  return `/policies/%2F/${segment(name)}`;
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
  ...["messages", "unacked", "consumers", "bindings", "settings"].map((part) => (
    { name: `queue-${part}`, path: queue("nobody reads this", part), heading: "nobody reads this",
      busy: true, hostile: queue(names.HOSTILE, part) })),
  { name: "queue-dead-letters", path: queue(KNOWN.deadLetters, "messages"), busy: true,
    heading: KNOWN.deadLetters },
  { name: "queue-message", path: message(KNOWN.deadLetters), heading: "Message", busy: true },
  { name: "queue-message-hostile", path: message(names.HOSTILE), heading: "Message", busy: true },
  ...["purge", "delete", "move"].map((part) => (
    { name: `queue-${part}`, path: queue("nobody reads this", part), heading: "nobody reads this",
      busy: true, hostile: queue(names.HOSTILE, part) })),
  { name: "queue-new", path: "/queues/new", heading: "Add a queue" },
  { name: "publish", path: "/publish", heading: "Publish" },
  { name: "publish-filled", heading: "Publish", busy: true,
    path: `/publish?exchange=orders&routing_key=order.new.eu&payload=${segment(names.HOSTILE)}` },
  { name: "jobs", path: "/jobs", heading: "Jobs" },
  { name: "job", path: async (api) => `/jobs/${(await api.get("/jobs"))[0].id}`, heading: "Job",
    busy: true },
  { name: "policies", path: "/policies", heading: "Policies" },
  { name: "policy-new", path: "/policies/new", heading: "Add a policy" },
  { name: "policy", path: policy(KNOWN.policy), heading: KNOWN.policy, busy: true,
    hostile: policy(names.HOSTILE) },
  { name: "policy-delete", path: `${policy(KNOWN.policy)}/delete`, heading: "Delete", busy: true,
    hostile: `${policy(names.HOSTILE)}/delete` },
  { name: "operator-policies", path: "/operator-policies", heading: "Operator policies" },
  { name: "operator-policy-new", path: "/operator-policies/new",
    heading: "Add an operator policy" },
  { name: "operator-policy", path: `/operator-policies/%2F/${segment(KNOWN.policy)}`, busy: true,
    heading: KNOWN.policy },
  { name: "vhosts", path: "/vhosts", heading: "Virtual hosts" },
  { name: "vhost-new", path: "/vhosts/new", heading: "Add a virtual host" },
  { name: "vhost", path: "/vhosts/%2F", heading: "/", hostile: `/vhosts/${segment(names.HOSTILE)}` },
  { name: "vhost-delete", path: "/vhosts/%2F/delete", heading: "Delete",
    hostile: `/vhosts/${segment(names.HOSTILE)}/delete` },
  { name: "users", path: "/users", heading: "Users" },
  { name: "user-new", path: "/users/new", heading: "Add a user" },
  { name: "user", path: "/users/guest", heading: "guest",
    hostile: `/users/${segment(names.HOSTILE)}` },
  { name: "user-delete", path: "/users/guest/delete", heading: "Delete",
    hostile: `/users/${segment(names.HOSTILE)}/delete` },
  { name: "permissions", path: "/permissions", heading: "Permissions" },
  { name: "permissions-edit", path: "/permissions/edit?user=guest&vhost=%2F",
    heading: "Permissions",
    hostile: `/permissions/edit?user=${segment(names.HOSTILE)}&vhost=${segment(names.HOSTILE)}` },
  { name: "permissions-answer", heading: "Permissions",
    path: "/permissions?user=guest&vhost=%2F&name=orders" },
  { name: "limits", path: "/limits", heading: "Limits" },
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
  { name: "topology", path: "/topology", heading: "Topology" },
  { name: "search-nothing", path: "/search?q=zzzz", heading: "What is called" },
  { name: "search", path: "/search?q=e", heading: "What is called" },
  { name: "parameters", path: "/parameters", heading: "Parameters" },
  { name: "parameter-new", path: "/parameters/new", heading: "Add a parameter" },
  { name: "global-parameters", path: "/global-parameters", heading: "Global parameters" },
  { name: "global-parameter-new", path: "/global-parameters/new",
    heading: "Add a global parameter" },
  { name: "global-parameter", path: `/global-parameters/${KNOWN.policy}`, heading: KNOWN.policy,
    busy: true, hostile: `/global-parameters/${segment(names.HOSTILE)}` },
  { name: "definitions", path: "/definitions", heading: "Definitions" },
  { name: "nodes", path: "/nodes", heading: "Node" },
  { name: "logs", path: "/logs", heading: "Logs" },
  { name: "audit", path: "/audit", heading: "Audit log" },
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

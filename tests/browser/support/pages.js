// All pages: how they are reached, and what they are headed. Whoever adds a page adds a line here,
// and all that holds for every page is tested for it, and pictures are taken of it.
"use strict";

// `busy` pages are about something that an empty broker does not have; `hostile` is the path of such
// a page about something whose name is markup; `outside` pages need no signing in and have no frame.
const PAGES = [
  { name: "sign-in", path: "/sign-in", heading: "Sign in", outside: true },
  { name: "overview", path: "/", heading: "Overview" },
  { name: "queues", path: "/queues", heading: "Queues" },
  { name: "bindings", path: "/bindings", heading: "Bindings" },
  { name: "binding-new", path: "/bindings/new", heading: "Add a binding" },
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

// Names that a console gets wrong if it can.
"use strict";

// What would run if it were taken for markup.
const HOSTILE = "<img src=x onerror=alert(1)>";

const SPACES = "orders of  today";
const SLASHES = "orders/eu/2024?x=1&y=2#z";
const UNICODE = "Ελλάς Москва café";
const QUOTES = `it's "quoted" & 100 % sure`;
const LONG = `long.${"name.".repeat(49)}end`;

const ALL = [HOSTILE, SPACES, SLASHES, UNICODE, QUOTES, LONG];

let made = 0;

// A name that no other test uses.
function unique(stem) {
  made += 1;
  return `${stem}-${process.pid}-${made}`;
}

module.exports = { ALL, HOSTILE, LONG, QUOTES, SLASHES, SPACES, UNICODE, unique };

// A line for each test, the errors of those that fail, and a last line that sums up.
"use strict";

// Colours, which a log has no use for.
const COLOURS = /\u001b\[\d+m/g;

function said(error) {
  const text = error.stack ?? error.message ?? error.value ?? "";
  return text.replaceAll(COLOURS, "");
}

class Reporter {
  constructor() {
    this.counts = { passed: 0, failed: 0, skipped: 0 };
  }

  onTestEnd(test, result) {
    const [, , ...titles] = test.titlePath();
    const name = titles.join(" > ");
    const seconds = (result.duration / 1000).toFixed(1);
    if (result.status === "skipped") {
      this.counts.skipped += 1;
      console.log(`skipped: ${name}`);
    } else if (result.status === test.expectedStatus) {
      this.counts.passed += 1;
      console.log(`ok: ${name} (${seconds} s)`);
    } else {
      this.counts.failed += 1;
      console.log(`FAILED: ${name} (${result.status} after ${seconds} s)`);
      for (const error of result.errors) console.log(said(error));
      for (const { name: kind, path } of result.attachments) {
        if (path) console.log(`${kind}: ${path}`);
      }
    }
  }

  // What goes wrong outside of tests, such as a file that cannot be read.
  onError(error) {
    this.counts.failed += 1;
    console.log(`FAILED: ${said(error)}`);
  }

  onStdOut(text) {
    process.stdout.write(text);
  }

  onStdErr(text) {
    process.stderr.write(text);
  }

  onEnd() {
    const { passed, failed, skipped } = this.counts;
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  }

  printsToStdio() {
    return true;
  }
}

module.exports = Reporter;

// How much a page takes to be shown: bytes on the wire, and time.
"use strict";

// Loads a page with nothing in the browser's cache.
async function load(browser, url, { cookies = [] } = {}) {
  const context = await browser.newContext();
  if (cookies.length > 0) await context.addCookies(cookies);
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  const requests = new Map();
  await wire.send("Network.enable");
  wire.on("Network.requestWillBeSent", ({ requestId, request }) => {
    requests.set(requestId, { url: request.url, bytes: 0 });
  });
  // As they came, with their headers, before they are decompressed.
  wire.on("Network.responseReceived", ({ requestId, response }) => {
    const request = requests.get(requestId);
    if (request) request.head = response.encodedDataLength;
  });
  wire.on("Network.dataReceived", ({ requestId, encodedDataLength }) => {
    const request = requests.get(requestId);
    if (request) request.bytes += encodedDataLength;
  });
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const request = requests.get(requestId);
    if (request) request.total = encodedDataLength;
  });
  await page.goto(url, { waitUntil: "load" });
  const times = await page.evaluate(async () => {
    const painted = await new Promise((done) => {
      const look = new PerformanceObserver((list) => {
        const [paint] = list.getEntriesByName("first-contentful-paint");
        if (paint) done(paint.startTime);
      });
      look.observe({ type: "paint", buffered: true });
    });
    const [navigation] = performance.getEntriesByType("navigation");
    return { answered: navigation.responseEnd, painted, loaded: navigation.loadEventEnd };
  });
  const parts = [...requests.values()].map(({ url: address, bytes, head = 0, total }) => {
    return { url: address, bytes: total ?? head + bytes };
  });
  await context.close();
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return { bytes, parts, ...times };
}

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

module.exports = { load, median };

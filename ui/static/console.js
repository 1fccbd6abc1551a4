// What pages do besides being read: they stay up to date, draw charts, answer keys. Without this
// file everything still works, by links and forms.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  // ---- Times in the reader's zone

  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

  function showTimes(within) {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      if (Number.isNaN(date.getTime())) continue;
      time.textContent = ("clock" in time.dataset ? clock : full).format(date);
      time.title = time.dateTime;
    }
  }

  // ---- Charts

  const SUFFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

  function number(value, unit) {
    if (value === null || value === undefined) return "";
    const isBytes = unit === "bytes" || unit === "byterate";
    const [size, suffix] = (isBytes ? BYTES : SUFFIXES).find(([size]) => Math.abs(value) >= size) ?? [1, isBytes ? "B" : ""];
    const scaled = value / size;
    const digits = size === 1 ? (Number.isInteger(value) ? 0 : 1) : scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
    const text = scaled.toFixed(digits).replace(/\.0+$/, "") + (suffix ? ` ${suffix}` : "");
    return unit === "rate" || unit === "byterate" ? `${text}/s` : text;
  }

  const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);
  const charts = new Map();

  function colour(figure, at) {
    const item = figure.querySelector(`.legend li:nth-child(${at})`);
    return item ? getComputedStyle(item, "::before").color : "gray";
  }

  // As the reader writes times; seconds only where minutes would be the same.
  function ticksOfTime(_, ticks) {
    const form = ticks.at(-1) - ticks[0] > 300 ? minutes : clock;
    return ticks.map((tick) => form.format(new Date(tick * 1000)));
  }

  function drawChart(plot) {
    const values = JSON.parse(plot.dataset.values);
    const known = charts.get(plot.id);
    if (known && known.plot === plot) {
      known.chart.setData(values);
      return;
    }
    if (typeof uPlot === "undefined") return;
    const figure = plot.closest("figure");
    const unit = plot.dataset.unit;
    const styles = getComputedStyle(figure);
    const soft = getComputedStyle(figure.querySelector(".legend")).color;
    const line = styles.borderTopColor;
    const isBytes = unit === "bytes" || unit === "byterate";
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: `11px ${styles.fontFamily}` };
    const chart = new uPlot({
      width: Math.max(plot.clientWidth, 120),
      height: 170,
      cursor: { sync: { key: "charts" }, drag: { x: false, y: false }, points: { size: 6 } },
      legend: { show: false },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      series: [{}, ...JSON.parse(plot.dataset.labels).map((label, at) => ({
        label, stroke: colour(figure, at + 1), width: 2, points: { show: false },
      }))],
      axes: [
        { ...axis, space: 76, values: (_, ticks) => ticks.map((tick) => clock.format(new Date(tick * 1000))) },
        { ...axis, size: 66, space: 34, ...(isBytes ? { incrs: POWERS } : {}), values: (_, ticks) => ticks.map((tick) => number(tick, unit)) },
      ],
      hooks: { setCursor: [(chart) => tell(chart, figure, unit)] },
    }, values, plot);
    charts.set(plot.id, { plot, chart });
    new ResizeObserver(() => chart.setSize({ width: Math.max(plot.clientWidth, 120), height: 170 })).observe(plot);
  }

  // The legend tells the numbers where the pointer is; else the newest.
  function tell(chart, figure, unit) {
    const at = chart.cursor.idx ?? chart.data[0].length - 1;
    figure.querySelectorAll(".legend strong").forEach((strong, line) => {
      strong.textContent = number(chart.data[line + 1]?.[at] ?? 0, unit);
    });
  }

  function drawCharts(within) {
    within.querySelectorAll(".plot").forEach(drawChart);
  }

  function redrawCharts() {
    for (const { chart } of charts.values()) chart.destroy();
    charts.clear();
    drawCharts(document);
  }

  // ---- Pages that stay up to date

  let stream = null;

  // What somebody opened, chose or fills in stays as it is.
  const keeping = {
    beforeNodeMorphed(old, fresh) {
      if (old.nodeType !== Node.ELEMENT_NODE) return true;
      if (old.classList.contains("plot")) {
        old.dataset.values = fresh.dataset.values;
        drawChart(old);
        return false;
      }
      if (old.tagName === "TIME" && old.dateTime === fresh.dateTime) return false;
      return !old.matches("form.form, [data-keep]");
    },
    beforeAttributeUpdated(attribute, node) {
      return !(attribute === "open" && node.tagName === "DETAILS") && !(attribute === "checked") &&
        !(attribute === "class" && node.classList.contains("here"));
    },
  };

  function update(html) {
    const live = document.getElementById("live");
    if (!live) return;
    const template = document.createElement("template");
    template.innerHTML = html;
    showTimes(template.content);
    Idiomorph.morph(live, [...template.content.childNodes], { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks: keeping });
    htmx.process(live);
    drawCharts(live);
  }

  function watch() {
    stream?.close();
    stream = null;
    if (document.hidden || !document.getElementById("live")) return;
    const here = location.pathname + location.search;
    stream = new EventSource(`/live?page=${encodeURIComponent(here)}`);
    stream.addEventListener("update", (event) => update(event.data));
    stream.addEventListener("gone", () => { stream.close(); location.reload(); });
  }

  // ---- Keys

  let leader = 0;

  function rows() {
    return [...document.querySelectorAll("main table.list tbody tr")];
  }

  function step(by) {
    const all = rows();
    if (all.length === 0) return;
    const here = all.findIndex((row) => row.classList.contains("here"));
    const next = Math.min(Math.max(here + by, 0), all.length - 1);
    all.forEach((row, at) => row.classList.toggle("here", at === next));
    (all[next].querySelector("a, input, button") ?? all[next]).focus();
  }

  function press(event) {
    const field = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || field) return;
    const afterLeader = Date.now() - leader < 1500;
    leader = 0;
    if (afterLeader) {
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const here = document.querySelector("tr.here");
    switch (event.key) {
      case "g": leader = Date.now(); return;
      case "?": document.getElementById("keys")?.showModal(); break;
      case "/": (document.getElementById("q") ?? document.getElementById("search"))?.focus(); break;
      case "j": step(1); break;
      case "k": step(-1); break;
      case "x": { const box = here?.querySelector("input[type=checkbox]"); if (!box) return; box.checked = !box.checked; break; }
      default: return;
    }
    event.preventDefault();
  }

  // ---- Small helps in forms

  function help(event) {
    const button = event.target.closest?.("button");
    if (!button) return;
    if ("addsRow" in button.dataset) {
      const last = [...button.parentElement.querySelectorAll(".row")].at(-1);
      const row = last.cloneNode(true);
      const place = button.parentElement.querySelectorAll(".row").length + 1;
      row.querySelectorAll("input, select").forEach((field) => {
        if (field.tagName === "INPUT") field.value = "";
        field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+$/, place));
      });
      last.after(row);
      row.querySelector("input").focus();
    } else if ("choosesAll" in button.dataset) {
      const boxes = [...document.querySelectorAll("input[name=row]")];
      const all = boxes.every((box) => box.checked);
      boxes.forEach((box) => { box.checked = !all; });
    } else if ("tidiesJson" in button.dataset) {
      tidyJson(button.dataset.tidiesJson);
    } else if ("copies" in button.dataset) {
      const text = document.getElementById(button.dataset.copies).textContent;
      navigator.clipboard?.writeText(text).then(() => { button.textContent = "Copied"; }, () => {});
    }
  }

  // Whether what is typed is JSON, where it looks like some.
  function checkJson(says) {
    const typed = document.getElementById(says.dataset.checksJson).value.trim();
    const isNumbered = document.getElementById("f-numbers")?.checked;
    const text = isNumbered ? typed.replaceAll("{n}", "1") : typed;
    const isBase64 = document.getElementById("f-payload_encoding")?.value === "base64";
    if (isBase64 || !/^[[{"]/.test(text)) {
      says.textContent = "";
      return;
    }
    try {
      JSON.parse(text);
      says.textContent = "This is JSON.";
    } catch (error) {
      says.textContent = `This is no JSON: ${error.message}`;
    }
  }

  // JSON with each member on a line of its own. Numbers stay as they are written: a script's own
  // would lose digits.
  function tidied(text) {
    let tidy = "", depth = 0;
    const line = () => `\n${"  ".repeat(depth)}`;
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
      const isEnd = token === "}" || token === "]";
      if (isEnd) depth -= 1;
      if (isEnd ? !/[{[]$/.test(tidy) : /[{[,]$/.test(tidy)) tidy += line();
      tidy += token === ":" ? ": " : token;
      if (token === "{" || token === "[") depth += 1;
    }
    return tidy;
  }

  function tidyJson(id) {
    const field = document.getElementById(id);
    try {
      JSON.parse(field.value);
      field.value = tidied(field.value);
    } catch { /* What is wrong stands below the field already. */ }
    field.focus();
    checkAllJson();
  }

  function checkAllJson() {
    document.querySelectorAll("[data-checks-json]").forEach(checkJson);
  }

  function submitChoice(event) {
    if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
  }

  // ---- Begin

  const drawer = document.querySelector(".drawer");
  const narrow = matchMedia("(max-width: 60rem)");
  const fold = () => { if (drawer) drawer.open = !narrow.matches; };
  fold();
  narrow.addEventListener("change", fold);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
  showTimes(document);
  drawCharts(document);
  watch();
  document.addEventListener("visibilitychange", watch);
  document.addEventListener("keydown", press);
  document.addEventListener("click", help);
  document.addEventListener("change", submitChoice);
  document.addEventListener("input", checkAllJson);
  checkAllJson();
  document.body.addEventListener("htmx:afterSwap", (event) => { showTimes(event.detail.target.ownerDocument); drawCharts(document); });
  document.body.addEventListener("htmx:replacedInHistory", watch);
  document.body.addEventListener("htmx:pushedIntoHistory", watch);
})();

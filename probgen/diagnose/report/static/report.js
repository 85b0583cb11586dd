"use strict";
// Sorting and filtering of tables, the theme switch, and the viewer of one parameter.
// Text from results only ever becomes text nodes, never markup.

const byId = (id) => document.getElementById(id);

function themeSwitch() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(isDark()));
    button.setAttribute("aria-label", isDark() ? "Switch to the light page" : "Switch to the dark page");
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}

function valueOf(row, column) {
  const cell = row.cells[column];
  return "v" in cell.dataset ? Number(cell.dataset.v) : null;
}

function sortTable(table, column, ascending) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const numeric = rows.some((row) => valueOf(row, column) !== null);
  const sign = ascending ? 1 : -1;
  const words = new Intl.Collator("en", { numeric: true });
  rows.sort((a, b) => {
    if (!numeric) return sign * words.compare(a.cells[column].textContent, b.cells[column].textContent);
    const x = valueOf(a, column), y = valueOf(b, column);
    if (x === null || y === null) return (x === null) - (y === null); // nothing stays last
    return sign * (x - y);
  });
  body.append(...rows);
}

function sortable(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortTable(table, column, ascending);
    });
  });
}

function filterable(controls) {
  const rows = Array.from(byId(controls.dataset.for).tBodies[0].rows);
  const text = controls.querySelector("input[type=search]");
  const box = controls.querySelector("input[type=checkbox]");
  const output = controls.querySelector("output");
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const named = row.cells[0].textContent.toLowerCase().includes(wanted);
      const kept = named && (!box || !box.checked || row.querySelector(".bad") !== null);
      row.hidden = !kept;
      shown += kept;
    }
    output.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  };
  text.addEventListener("input", apply);
  if (box) box.addEventListener("change", apply);
  controls.hidden = false;
}

// ---- the viewer of one parameter

function unpacked(text) {
  const raw = atob(text);
  const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
}

function drawn(parent, tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

const colour = (chain) => `var(--c${chain % 8})`;
const short = (value) => Number(value.toPrecision(4)).toString();

function path(xs, ys) {
  return xs.map((x, i) => `${i ? "L" : "M"}${x.toFixed(1)} ${ys[i].toFixed(1)}`).join("");
}

function axis(svg, box, low, high, unit) {
  const y = box.bottom;
  drawn(svg, "line", { x1: box.left, x2: box.right, y1: y, y2: y, stroke: "var(--muted)" });
  for (const share of [0, 0.5, 1]) {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    const x = box.left + share * (box.right - box.left);
    drawn(svg, "text", { x, y: y + 15, "text-anchor": anchor }, short(low + share * (high - low)) + unit);
  }
}

function viewer(runs) {
  const look = { run: byId("look-run"), name: byId("look-name"), note: byId("look-note"), read: byId("look-read") };
  const svgs = { trace: byId("look-trace"), density: byId("look-density"), ranks: byId("look-ranks") };
  const hovers = {};
  runs.forEach((run, i) => look.run.add(new Option(run.label, String(i))));

  function arraysOf(run) {
    if (!run.arrays) run.arrays = { trace: unpacked(run.trace), ranks: unpacked(run.ranks), density: unpacked(run.density) };
    return run.arrays;
  }

  function part(run, kind, at, chain) {
    const array = arraysOf(run)[kind];
    const length = array.length / run.names.length / run.chains;
    const start = (at * run.chains + chain) * length;
    return Array.from(array.subarray(start, start + length));
  }

  function cursor(svg, box, count, say) {
    const line = drawn(svg, "line", { x1: 0, x2: 0, y1: box.top, y2: box.bottom, stroke: "var(--ink)", visibility: "hidden" });
    let place = 0;
    const move = (to) => {
      place = Math.max(0, Math.min(count - 1, to));
      const x = box.left + (count > 1 ? place / (count - 1) : 0.5) * (box.right - box.left);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.setAttribute("visibility", "visible");
      look.read.textContent = say(place);
    };
    hovers[svg.id] = {
      point: (event) => {
        const frame = svg.getBoundingClientRect();
        const x = ((event.clientX - frame.left) / frame.width) * svg.viewBox.baseVal.width;
        move(Math.round(((x - box.left) / (box.right - box.left)) * (count - 1)));
      },
      step: (by) => move(place + by),
      leave: () => line.setAttribute("visibility", "hidden"),
    };
  }

  function drawTrace(run, at) {
    const svg = svgs.trace, box = { left: 6, right: 614, top: 8, bottom: 196 };
    const low = run.low[at], high = run.high[at];
    const lines = Array.from({ length: run.chains }, (_, chain) => part(run, "trace", at, chain).map((v) => v / 65535));
    const count = lines[0].length;
    const x = (i) => box.left + (count > 1 ? i / (count - 1) : 0.5) * (box.right - box.left);
    const y = (v) => box.bottom - 8 - v * (box.bottom - box.top - 8);
    lines.forEach((line, chain) =>
      drawn(svg, "path", { d: path(line.map((_, i) => x(i)), line.map(y)), fill: "none", stroke: colour(chain), "stroke-width": 1, "stroke-opacity": 0.8 }));
    for (const [, draw] of run.divergent) {
      const at = x(Math.min(draw / run.step, count - 1));
      drawn(svg, "line", { x1: at, x2: at, y1: box.bottom - 7, y2: box.bottom, stroke: "var(--bad)" });
    }
    drawn(svg, "text", { x: box.left, y: 12 }, short(high));
    drawn(svg, "text", { x: box.left, y: box.bottom - 10 }, short(low));
    axis(svg, box, 0, (count - 1) * run.step, "");
    cursor(svg, box, count, (i) =>
      `draw ${i * run.step}: ` + lines.map((line, chain) => `chain ${chain} ${short(low + line[i] * (high - low))}`).join(", "));
  }

  function drawDensity(run, at) {
    const svg = svgs.density, box = { left: 6, right: 294, top: 8, bottom: 196 };
    const low = run.low[at], high = run.high[at], bins = run.density_bins;
    const lines = Array.from({ length: run.chains }, (_, chain) => part(run, "density", at, chain).map((v) => v / run.counted));
    const peaks = lines.map((line) => Math.max(...line)).sort((a, b) => a - b);
    const top = Math.min(peaks[peaks.length - 1], 3 * peaks[Math.floor((peaks.length - 1) / 2)]);
    const x = (i) => box.left + ((i + 0.5) / bins) * (box.right - box.left);
    const y = (v) => box.bottom - Math.min(v / top, 1) * (box.bottom - box.top);
    lines.forEach((line, chain) =>
      drawn(svg, "path", { d: path(line.map((_, i) => x(i)), line.map(y)), fill: "none", stroke: colour(chain), "stroke-width": 1.5 }));
    axis(svg, box, low, high, "");
    const width = (high - low) / bins;
    cursor(svg, { ...box, left: x(0), right: x(bins - 1) }, bins, (i) =>
      `${short(low + i * width)} to ${short(low + (i + 1) * width)}: ` +
      lines.map((line, chain) => `chain ${chain} ${(100 * line[i]).toFixed(1)} %`).join(", "));
  }

  function drawRanks(run, at) {
    const svg = svgs.ranks, box = { left: 6, right: 294, top: 8, bottom: 196 }, bins = run.rank_bins;
    const lines = Array.from({ length: run.chains }, (_, chain) => part(run, "ranks", at, chain).map((v) => (v * bins) / run.counted));
    const row = (box.bottom - box.top) / run.chains, wide = (box.right - box.left) / bins;
    lines.forEach((line, chain) => {
      const base = box.top + (chain + 1) * row;
      line.forEach((v, i) => {
        const height = Math.min(0.55 * v, 0.95) * row;
        drawn(svg, "rect", { x: box.left + i * wide, y: base - height, width: wide - 1, height, fill: colour(chain), "fill-opacity": 0.8 });
      });
      const level = base - 0.55 * row;
      drawn(svg, "line", { x1: box.left, x2: box.right, y1: level, y2: level, stroke: "var(--ink)", "stroke-dasharray": "4 3" });
    });
    axis(svg, box, 0, 100, " %");
    cursor(svg, { ...box, left: box.left + wide / 2, right: box.right - wide / 2 }, bins, (i) =>
      `ranks ${(100 * i) / bins} to ${(100 * (i + 1)) / bins} % (1 is level): ` +
      lines.map((line, chain) => `chain ${chain} ${line[i].toFixed(2)}`).join(", "));
  }

  function show() {
    const run = runs[look.run.value], at = Number(look.name.value), name = run.names[at];
    for (const svg of Object.values(svgs)) svg.replaceChildren();
    drawTrace(run, at);
    drawDensity(run, at);
    drawRanks(run, at);
    svgs.trace.setAttribute("aria-label", `Trace of ${name}, a line per chain; arrow keys read values`);
    svgs.density.setAttribute("aria-label", `Density of ${name} by chain; arrow keys read values`);
    svgs.ranks.setAttribute("aria-label", `Ranks of ${name} by chain; arrow keys read values`);
    const chains = run.chains < run.of_chains ? ` The first ${run.chains} of ${run.of_chains} chains.` : "";
    const rest = run.left_out ? ` ${run.left_out} better mixed parameters are not here.` : "";
    look.note.textContent = `${run.names.length} parameter${run.names.length === 1 ? "" : "s"}, ${run.step === 1 ? "every draw" : `one draw in ${run.step}`} in the trace.${chains}${rest}`;
    look.read.textContent = "";
  }

  function choose(runAt, at) {
    look.run.value = String(runAt);
    look.name.replaceChildren(...runs[runAt].names.map((name, i) => new Option(name, String(i))));
    look.name.value = String(at);
    show();
  }

  function stepBy(by) {
    const count = look.name.options.length;
    look.name.value = String((Number(look.name.value) + by + count) % count);
    show();
  }

  look.run.addEventListener("change", () => choose(Number(look.run.value), 0));
  look.name.addEventListener("change", show);
  byId("look-back").addEventListener("click", () => stepBy(-1));
  byId("look-next").addEventListener("click", () => stepBy(1));
  for (const svg of Object.values(svgs)) {
    svg.addEventListener("pointermove", (event) => hovers[svg.id].point(event));
    svg.addEventListener("pointerleave", () => hovers[svg.id].leave());
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) { event.preventDefault(); hovers[svg.id].step(by); }
    });
  }
  for (const head of document.querySelectorAll("th[data-at]")) {
    const runAt = runs.findIndex((run) => run.anchor === head.dataset.run);
    const at = runAt < 0 ? -1 : runs[runAt].positions.indexOf(Number(head.dataset.at));
    if (at < 0) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Look at its draws";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      choose(runAt, at);
      byId("look").scrollIntoView({ block: "start" });
      look.name.focus({ preventScroll: true });
    });
  }
  byId("look").hidden = false;
  choose(0, runs[0].first);
}

themeSwitch();
document.querySelectorAll("table:not(.plain)").forEach(sortable);
document.querySelectorAll(".controls[data-for]").forEach(filterable);
const runs = JSON.parse(byId("data").textContent);
if (runs.length) viewer(runs);
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));

"use strict";
// The table of all cells: filters, columns, order; what is chosen stands in the address.
const DATA = JSON.parse(document.getElementById("data").textContent);
const ROWS = DATA.why.length;
const COLUMNS = new Map(DATA.columns.map((column) => [column.name, column]));
const FACETS = ["family", "model", "quant", "export", "runtime", "verdict", "task", "toolchain", "run"];
const SHOWN_FIRST = ["cell", "verdict", "top1", "top1_drop", "agreement", "cosine", "latency_p50_ms",
  "speedup_vs_float", "size_bytes", "int8_mac_share", "float_ops", "partitions"];
const TASKS = COLUMNS.get("task")?.text.length || 0;
if (TASKS > 1) SHOWN_FIRST.splice(1, 0, "task"); // names of cells do not have it
const FRACTIONS = /^(top\d(_ci_(low|high)|_drop)?|.*agreement|.*_mac_share|clean_fraction|.*sparsity|float_top1|source_top1)$/;
const state = { search: "", chosen: {}, groups: new Set(), sort: "", down: false };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (one) => one.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
}

function value(name, row) {
  const column = COLUMNS.get(name);
  if (!column) return null;
  if (column.number) return column.number[row];
  return column.code[row] < 0 ? null : column.text[column.code[row]];
}

function reason(name, row) {
  const code = DATA.whys[DATA.why[row]][name];
  if (code !== undefined) return DATA.reasons[code];
  const stopped = !["ok", "noisy"].includes(value("status", row));
  return stopped ? value("verdict_text", row) || "" : "no reason recorded";
}

const three = (raw) => (raw >= 99.95 ? raw.toFixed(0) : raw.toPrecision(3));

function shown(name, raw) {
  if (raw === null) return "n/a";
  if (typeof raw === "string") return raw === "" ? '""' : raw;
  if (FRACTIONS.test(name)) return `${(100 * raw).toFixed(2)} %`;
  if (/_bytes$/.test(name)) return `${three(raw / 1e6)} MB`;
  if (/_ms$/.test(name)) return `${three(raw)} ms`;
  if (/^speedup_/.test(name)) return `${raw.toFixed(2)}×`;
  return Number.isInteger(raw) ? raw.toLocaleString("en") : String(Number(raw.toPrecision(4)));
}

function passing() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [];
  for (let row = 0; row < ROWS; row++) {
    const chosen = Object.entries(state.chosen).every(([name, set]) => !set.size || set.has(value(name, row)));
    if (!chosen) continue;
    const text = words.length ? ["cell", "verdict", "reason", "message", "verdict_text"]
      .map((name) => value(name, row) || "").join(" ").toLowerCase() : "";
    if (words.every((word) => text.includes(word))) rows.push(row);
  }
  if (state.sort) rows.sort((a, b) => order(value(state.sort, a), value(state.sort, b)));
  return rows;
}

function order(a, b) {
  if (a === null || b === null) return (a === null) - (b === null); // what has no value stands last either way
  const way = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  return state.down ? -way : way;
}

function columns() {
  const names = SHOWN_FIRST.filter((name) => COLUMNS.has(name));
  for (const column of DATA.columns)
    if (state.groups.has(column.group) && !names.includes(column.name)) names.push(column.name);
  return names;
}

function read() {
  const found = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  state.search = found.get("q") || "";
  state.sort = COLUMNS.has(found.get("sort")) ? found.get("sort") : "";
  state.down = found.get("down") === "1";
  state.groups = new Set(found.getAll("group").filter((name) => DATA.groups.includes(name)));
  state.chosen = {};
  for (const name of FACETS) if (found.has(name)) state.chosen[name] = new Set(found.getAll(name));
}

function write() {
  const made = new URLSearchParams();
  if (state.search) made.set("q", state.search);
  for (const name of FACETS) for (const one of state.chosen[name] || []) made.append(name, one);
  for (const name of state.groups) made.append("group", name);
  if (state.sort) made.set("sort", state.sort);
  if (state.down) made.set("down", "1");
  const text = made.toString();
  if (text) history.replaceState(null, "", `#?${text}`);
  else if (location.hash.startsWith("#?")) history.replaceState(null, "", location.pathname + location.search);
}

function facet(name) {
  const column = COLUMNS.get(name);
  if (!column || !column.text || column.text.length < 2) return null;
  const set = (state.chosen[name] ??= new Set());
  const label = element("summary", {}, `${name}: ${set.size ? [...set].join(", ") : "all"}`);
  const boxes = [...column.text].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).map((text) => element(
    "label", {}, element("input", {
      type: "checkbox", value: text, checked: set.has(text), onchange: (event) => {
        if (event.target.checked) set.add(text); else set.delete(text);
        label.textContent = `${name}: ${set.size ? [...set].join(", ") : "all"}`;
        changed();
      },
    }), text));
  return element("details", { class: "facet", "data-facet": name }, label, element("div", { class: "choices" }, ...boxes));
}

function controls() {
  const search = element("input", {
    type: "search", id: "search", placeholder: "words of a cell or a reason", value: state.search,
    "aria-label": "Search", oninput: (event) => { state.search = event.target.value; soon(); },
  });
  const reset = element("button", { type: "button", id: "reset", onclick: () => {
    Object.assign(state, { search: "", chosen: {}, groups: new Set(), sort: "", down: false });
    controls(); changed();
  } }, "Show all");
  document.getElementById("filters").replaceChildren(search, ...FACETS.map(facet).filter(Boolean), reset);
  const groups = DATA.groups.map((name) => element("label", {}, element("input", {
    type: "checkbox", value: name, checked: state.groups.has(name), onchange: (event) => {
      if (event.target.checked) state.groups.add(name); else state.groups.delete(name);
      changed();
    },
  }), name));
  const copy = element("button", { type: "button", id: "copy", onclick: copyTable }, "Copy as CSV");
  document.getElementById("columns").replaceChildren(element("span", {}, "More columns:"), ...groups, copy);
}

function head(names) {
  return element("thead", {}, element("tr", {}, ...names.map((name) => element(
    "th", { scope: "col", "aria-sort": state.sort === name ? (state.down ? "descending" : "ascending") : "none" },
    element("button", { type: "button", "data-sort": name, onclick: () => {
      if (state.sort !== name) Object.assign(state, { sort: name, down: false });
      else if (!state.down) state.down = true;
      else Object.assign(state, { sort: "", down: false });
      changed();
      document.querySelector(`#table button[data-sort="${CSS.escape(name)}"]`).focus();
    } }, name, element("span", { "aria-hidden": "true" }, state.sort !== name ? "" : state.down ? " ▼" : " ▲"))))));
}

function field(name, row) {
  const raw = value(name, row);
  if (name === "cell") return element("th", { scope: "row" }, element("button", { type: "button", "data-cells": row }, raw));
  if (name === "verdict") return element("td", { class: raw.replace("/", ""), title: value("verdict_text", row) }, raw);
  const kind = raw === null ? "absent" : typeof raw === "number" ? "number" : false;
  return element("td", { class: kind, title: raw === null ? reason(name, row) : false }, shown(name, raw));
}

const AT_ONCE = 200; // rows; the others follow, a frame each so many
let drawn = 0;

function table(rows) {
  const names = columns();
  const body = element("tbody");
  const own = ++drawn;
  const add = (from) => {
    if (own !== drawn) return; // something else was chosen meanwhile
    body.append(...rows.slice(from, from + AT_ONCE).map((row) => element("tr", {}, ...names.map((name) => field(name, row)))));
    if (from + AT_ONCE < rows.length) requestAnimationFrame(() => add(from + AT_ONCE));
  };
  add(0);
  document.getElementById("table").replaceChildren(head(names), body);
  document.getElementById("count").textContent = `${rows.length} of ${ROWS} cells`;
}

function changed() {
  const rows = passing();
  write();
  table(rows);
  document.dispatchEvent(new CustomEvent("filtered", { detail: rows }));
}

let waiting = 0;

function soon() { // while somebody types
  clearTimeout(waiting);
  waiting = setTimeout(changed, 150);
}

async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { readonly: true });
    area.value = text;
    (button.closest("dialog") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

function asCsv(rows, names) {
  const safe = (raw) => {
    if (raw === null) return "n/a";
    const text = typeof raw === "string" && /^[=+\-@\t\r]/.test(raw) ? `'${raw}` : String(raw);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => value(name, row)))]
    .map((line) => line.map(safe).join(",")).join("\n") + "\n";
}

function copyTable(event) {
  copyText(asCsv(passing(), columns()), event.currentTarget);
}

read();
controls();
addEventListener("hashchange", () => { if (location.hash.startsWith("#?")) { read(); controls(); changed(); } });
// A link within the page must not take the filters out of the address.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  const place = link && document.getElementById(link.getAttribute("href").slice(1));
  if (!place || !location.hash.startsWith("#?")) return;
  event.preventDefault();
  document.querySelector(".here")?.classList.remove("here");
  place.classList.add("here");
  place.setAttribute("tabindex", "-1");
  place.focus({ preventScroll: true });
  place.scrollIntoView();
});
// A list of choices is left by Escape, or by a click beside it.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.facet[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.facet[open]")) if (!menu.contains(event.target)) menu.open = false;
});

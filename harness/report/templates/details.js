// One field of a table opened: every number, why others are absent, and the command that makes the cell again.
const DETAILS = document.getElementById("details");
let more = null;

function moreOf(rows) {
  more ??= unpacked("cell-details").json();
  return more.then((cells) => rows.map((row) => cells[row]));
}

function numbers(row) {
  const parts = [];
  for (const group of DATA.groups) {
    const names = DATA.columns.filter((column) => column.group === group && !["cell", "message", "verdict_text"].includes(column.name));
    const pairs = names.filter((column) => value(column.name, row) !== null).map((column) => element(
      "tr", {}, element("th", { scope: "row" }, column.name), element("td", {}, shown(column.name, value(column.name, row)))));
    if (pairs.length) parts.push(element("table", { class: "pairs" }, element("caption", {}, group), element("tbody", {}, ...pairs)));
  }
  return element("div", { class: "columns" }, ...parts);
}

function absent(row) {
  const why = Object.entries(DATA.whys[DATA.why[row]]);
  if (!why.length) return null;
  const items = why.map(([name, code]) => element("li", {}, element("b", {}, name), ` ${DATA.reasons[code]}`));
  return element("details", {}, element("summary", {}, `${why.length} columns have no value, and why`), element("ul", {}, ...items));
}

function command(text) {
  const button = element("button", { type: "button", onclick: () => copyText(text, button) }, "Copy");
  return element("div", { class: "command" }, element("pre", {}, text), button);
}

function files(cell) {
  const links = Object.entries(cell.logs || {}).map(([kind, path]) => element("a", { href: path }, `log of ${kind}`));
  const logs = links.length ? links : ["The logs are not beside this page."];
  return element("p", { class: "files" }, ...logs.flatMap((one, number) => (number ? [" · ", one] : [one])));
}

function opened(row, cell) {
  const verdict = value("verdict", row);
  const picture = element("div", { class: "plot small" });
  if (cell.latency) document.dispatchEvent(new CustomEvent("latency", { detail: { processes: cell.latency, picture } }));
  return element("section", { class: "cell-details" },
    element("h3", {}, element("span", { class: `chip ${verdict.replace("/", "")}` }, verdict), ` ${fullName(row)}`),
    value("verdict_text", row) ? element("p", {}, value("verdict_text", row)) : null,
    value("message", row) ? element("pre", { class: "message" }, value("message", row)) : null,
    cell.log_tail ? element("details", {}, element("summary", {}, "end of the log"), element("pre", {}, cell.log_tail)) : null,
    element("p", { class: "unit" }, "Reproduce:"), command(cell.reproduce),
    files(cell),
    cell.drawing ? element("p", { class: "files" }, element("a", { href: cell.drawing }, "drawing of the graph")) : null,
    cell.artifact ? element("p", { class: "unit" }, "Look inside, as long as the cache holds the file:") : null,
    cell.artifact ? command(`python -m harness graph draw ${quoted(cell.artifact)}`) : null,
    cell.latency ? picture : null,
    numbers(row), absent(row));
}

function fullName(row) {
  return value("cell", row) + (TASKS > 1 ? ` · ${value("task", row)}` : "");
}

function quoted(text) {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

async function open(rows) {
  const cells = await moreOf(rows);
  const title = rows.length === 1 ? fullName(rows[0]) : `${rows.length} cells`;
  const close = element("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => DETAILS.close() }, "×");
  DETAILS.replaceChildren(element("header", {}, element("h2", { id: "details-title" }, title), close), ...rows.map((row, place) => opened(row, cells[place])));
  DETAILS.showModal();
  DETAILS.scrollTop = 0;
}

// Paper cannot be unfolded.
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details.fold")) one.open = true; });

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cells]");
  if (button) open(button.dataset.cells.split(" ").map(Number));
  if (event.target === DETAILS) DETAILS.close();
});

// The matrix by arrow keys, as a grid is.
document.querySelector(".matrix")?.addEventListener("keydown", (event) => {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const field = event.target.closest("td");
  if (!step || !field) return;
  event.preventDefault();
  const lines = [...event.currentTarget.querySelectorAll("tbody tr:not(.family)")];
  let line = lines.indexOf(field.parentElement), place = [...field.parentElement.children].indexOf(field);
  for (;;) {
    line += step[0];
    place += step[1];
    const next = lines[line]?.children[place];
    if (!next || next.tagName !== "TD") return;
    const button = next.querySelector("button");
    if (button) return button.focus();
  }
});

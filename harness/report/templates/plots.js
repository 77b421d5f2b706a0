// Pictures of the cells that pass the filters. Plotly is unpacked when they come into view.
const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6fd6", "#8c8c00", "#999999"];
const SHAPES = ["circle", "square", "diamond", "cross", "triangle-up", "star", "x", "hexagon"];
const QUALITY = [["top1", "top-1"], ["cosine", "cosine with the float model"], ["agreement", "agreement with the float model"], ["sqnr_db", "SQNR, dB"]];
const COST = [["latency_p50_ms", "latency, median, ms"], ["size_bytes", "size, MB"], ["gzip_bytes", "size after gzip, MB"]];
const BY = [["quant"], ["family"], ["runtime"], ["family", "runtime"], ["export"], ["model"]];
const APART = ["task", "toolchain"]; // never one front over them: other images, other code
const APART_IN_TIME = ["fingerprint", "threads"]; // nor, of latencies, over these: other machines
const BARS = 40; // artifacts that are shown one by one
const OLDER = new Set(DATA.older);
const LOG = { type: "log", dtick: "D2" };
const picked = { y: "", x: "latency_p50_ms", by: "family" };
let plotly = null;
let passed = [];

function loadPlotly() {
  plotly ??= (async () => {
    const source = URL.createObjectURL(new Blob([await unpacked("plotly").blob()], { type: "text/javascript" }));
    await new Promise((done, failed) => document.head.append(element("script", { src: source, onload: done, onerror: failed })));
    URL.revokeObjectURL(source);
    return window.Plotly;
  })();
  return plotly;
}

function layout(title, x, y, more = {}) {
  const ink = getComputedStyle(document.body).color;
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line").trim();
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  return {
    title: { text: title, font: { size: 15 }, x: 0, xanchor: "left" }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 }, margin: { l: 10, r: 10, t: 40, b: 10 },
    xaxis: { ...axis, title: { text: x }, ...more.xaxis }, yaxis: { ...axis, title: { text: y }, ...more.yaxis },
    legend: { orientation: "h", y: -0.3, font: { size: 11 } }, hovermode: "closest", colorway: PALETTE,
    ...Object.fromEntries(Object.entries(more).filter(([name]) => !name.endsWith("axis"))),
  };
}

function draw(id, traces, made, of = 0) {
  const place = document.getElementById(id);
  const empty = traces.every((trace) => !trace.x.length);
  const cells = new Set(traces.flatMap((trace) => trace.customdata || [])).size;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${made.title.text}: ${empty ? "no" : cells} cells. The same numbers are in the table of all cells.`);
  place.parentElement.classList.toggle("empty", empty);
  place.parentElement.querySelector(".left").textContent = of > cells && !empty ? ` ${of - cells} of the cells have no such numbers, as without labels.` : "";
  window.Plotly.react(place, empty ? [] : traces, empty ? { ...made, annotations: [{ text: "no cell has these numbers", showarrow: false }] } : made,
    { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
  if (!place.dataset.ready) {
    place.dataset.ready = "1";
    place.on("plotly_click", (event) => { const row = event.points[0].customdata; if (Number.isInteger(row)) open([row]); });
  }
}

const scaled = (name, raw) => (/_bytes$/.test(name) ? raw / 1e6 : /^(top1|agreement)$/.test(name) ? 100 * raw : raw);
Map.groupBy ??= (rows, key) => rows.reduce((found, row) => found.set(key(row), [...(found.get(key(row)) || []), row]), new Map());
const grouped = (rows, name) => Map.groupBy(rows, (row) => value(name, row));
const has = (row, ...names) => names.every((name) => typeof value(name, row) === "number");

const named = (row, by) => by.map((name) => value(name, row)).join(", ");
const split = (rows, by) => [...Map.groupBy(rows, (row) => named(row, by))].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));

function points(rows, x, y, by) {
  const runtimes = COLUMNS.get("runtime")?.text || [];
  return split(rows, by).map(([name, of], number) => ({
    type: "scatter", mode: "markers", name, legendgroup: name, customdata: of, x: of.map(x), y: of.map(y),
    text: of.map(fullName), hovertemplate: "%{text}<br>%{x:.4g}, %{y:.5g}<extra></extra>",
    marker: { size: 8, opacity: 0.85, color: PALETTE[number % PALETTE.length],
      symbol: of.map((row) => SHAPES[runtimes.indexOf(value("runtime", row)) % SHAPES.length]) },
  }));
}

function fronts(rows, x, y, by, apart = APART) {
  return split(rows, by).flatMap(([name, group], number) => split(group, apart).map(([, of]) => {
    const sorted = [...of].sort((a, b) => x(a) - x(b) || y(b) - y(a));
    let best = -Infinity;
    const kept = sorted.filter((row) => { const better = y(row) > best; best = Math.max(best, y(row)); return better; });
    return { type: "scatter", mode: "lines", name: `Pareto front: ${name}, ${named(of[0], APART)}`, legendgroup: name, showlegend: false,
      x: kept.map(x), y: kept.map(y), hoverinfo: "skip", line: { shape: "hv", dash: "dot", width: 1.5, color: PALETTE[number % PALETTE.length] } };
  }));
}

function trade(rows) {
  const [x, y] = [(row) => scaled(picked.x, value(picked.x, row)), (row) => scaled(picked.y, value(picked.y, row))];
  const own = rows.filter((row) => has(row, picked.x, picked.y));
  const unit = /^(top1|agreement)$/.test(picked.y) ? ", %" : "";
  const title = new Map([...QUALITY, ...COST]);
  const by = picked.by.split(" × ");
  const apart = /_ms$/.test(picked.x) ? [...APART, ...APART_IN_TIME] : APART;
  shapes(own);
  draw("plot-trade", [...points(own, x, y, by), ...fronts(own, x, y, by, apart)],
    layout("What accuracy costs", title.get(picked.x), title.get(picked.y) + unit, { xaxis: LOG }), rows.length);
}

function kernels(rows) {
  const key = (row) => ["run", "task", "model", "quant", "export", "threads", "toolchain"].map((name) => value(name, row)).join("\u0000");
  const cpu = new Map(rows.filter((row) => value("runtime", row) === "cpu" && has(row, "latency_p50_ms")).map((row) => [key(row), row]));
  const own = rows.filter((row) => value("runtime", row) === "xnnpack" && has(row, "latency_p50_ms") && cpu.has(key(row)));
  const x = (row) => value("latency_p50_ms", cpu.get(key(row))), y = (row) => value("latency_p50_ms", row);
  const all = own.flatMap((row) => [x(row), y(row)]);
  const ends = [Math.min(...all), Math.max(...all)];
  const same = { type: "scatter", mode: "lines", name: "equal", x: ends, y: ends, hoverinfo: "skip", line: { dash: "dot", color: "#999999" } };
  draw("plot-kernels", own.length ? [...points(own, x, y, picked.by.split(" × ")), same] : [{ x: [] }],
    layout("XNNPACK against the built-in kernels", "built-in kernels, ms", "XNNPACK, ms", { xaxis: LOG, yaxis: LOG }));
}

function drop(rows) {
  const name = rows.some((row) => has(row, "top1_drop")) ? "top1_drop" : "agreement";
  const y = (row) => 100 * (name === "agreement" ? 1 - value(name, row) : value(name, row));
  const own = rows.filter((row) => has(row, name));
  const traces = [...grouped(own, "quant")].map(([quant, of]) => ({
    type: "box", name: quant, boxpoints: "all", jitter: 0.6, pointpos: 0, y: of.map(y), x: of.map(() => quant), customdata: of,
    text: of.map(fullName), hovertemplate: "%{text}<br>%{y:.2f}<extra></extra>", marker: { size: 5, opacity: 0.7 },
  }));
  const title = name === "agreement" ? "images that change their class, %" : "top-1 lost, points";
  draw("plot-drop", traces.length ? traces : [{ x: [] }], layout("What each method costs", "", title, { showlegend: false }), rows.length);
}

// Of what is to compute in integers: an artifact each, or, of many, the lowest of each quantization and format.
function inside(rows) {
  const claims = new Set(DATA.claims);
  const own = rows.filter((row) => claims.has(row) && has(row, "int8_mac_share") && (value("runtime", row) === "xnnpack" || value("export", row) !== "tflite"));
  const share = (row) => 100 * value("int8_mac_share", row);
  const taken = (row) => 100 * (1 - value("undelegated_ops", row) / value("op_count", row));
  const form = (row) => `${value("quant", row)} ${value("export", row)}`;
  const artifact = (row) => [value("model", row), form(row), ...(TASKS > 1 ? [value("task", row)] : [])].join(" ");
  const many = own.length > BARS;
  const groups = [...Map.groupBy(own, many ? form : artifact)].map(([name, of]) => [many ? `${name} (${of.length})` : name, of]);
  const lowest = (of, size) => of.reduce((least, row) => (size(row) < size(least) ? row : least));
  const bars = (name, size, color, known) => {
    const shownGroups = groups.map(([label, of]) => [label, of.filter(known)]).filter(([, of]) => of.length);
    const least = shownGroups.map(([, of]) => lowest(of, size));
    return { type: "bar", orientation: "h", name, customdata: least, y: shownGroups.map(([label]) => label), x: least.map(size),
      text: least.map(artifact), textposition: "none", hovertemplate: "%{text}: %{x:.1f} %<extra></extra>", marker: { color } };
  };
  const made = [bars("int8 multiply-adds", share, PALETTE[0], () => true),
    bars("operators in the delegate", taken, PALETTE[4], (row) => has(row, "undelegated_ops", "op_count"))];
  draw("plot-inside", made, layout(many ? "What is really quantized: the lowest of each" : "What is really quantized", "%", "", {
    barmode: "group", height: Math.max(320, 30 * groups.length + 120), xaxis: { range: [0, 101] }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", font: { size: 11 } },
    margin: { l: 10, r: 10, t: 84, b: 10 }, yaxis: { tickfont: { size: 10 }, autorange: "reversed" } }));
}

function latency({ detail: { processes, picture } }) {
  loadPlotly().then(() => {
    const traces = processes.map((quantiles, number) => ({
      type: "scatter", mode: "lines", name: `process ${number + 1}`, x: quantiles, y: quantiles.map((_, place) => (100 * place) / Math.max(1, quantiles.length - 1)),
    }));
    window.Plotly.newPlot(picture, traces, layout("Latency of one inference, by process", "ms", "% of runs at most", { height: 280 }), { responsive: true, displaylogo: false });
  });
}

// The quality that most cells have; of equals the first.
function most(choices) {
  const count = ([name]) => DATA.why.filter((_, row) => has(row, name)).length;
  return choices.reduce((best, one) => (count(one) > count(best) ? one : best))[0];
}

// Which shape stands for which runtime, where there are several.
function shapes(rows) {
  const runtimes = COLUMNS.get("runtime")?.text || [];
  const used = new Set(rows.map((row) => value("runtime", row)));
  const told = runtimes.flatMap((name, number) => (used.has(name) ? [`${name} ${SHAPES[number % SHAPES.length]}`] : []));
  document.querySelector("#plots .shapes").textContent = used.size > 1 ? `Shapes: ${told.join(", ")}.` : "";
}

function choice(name, options, label) {
  const made = element("select", { id: `pick-${name}`, onchange: (event) => { picked[name] = event.target.value; drawAll(); } },
    ...options.map(([key, text]) => element("option", { value: key, selected: picked[name] === key }, text)));
  return element("label", {}, `${label} `, made);
}

function drawAll() {
  if (!window.Plotly) return;
  for (const one of [trade, kernels, drop, inside]) one(passed);
}

// Of a cell that several runs have the newest, unless runs are chosen.
document.addEventListener("filtered", (event) => {
  passed = state.chosen.run?.size ? event.detail : event.detail.filter((row) => !OLDER.has(row));
  drawAll();
});
document.addEventListener("latency", latency);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

const found = QUALITY.filter(([name]) => COLUMNS.has(name));
const costs = COST.filter(([name]) => COLUMNS.has(name));
if (found.length && costs.length) {
  picked.y = most(found);
  picked.x = costs[0][0];
  const section = document.getElementById("plots");
  section.hidden = false;
  document.getElementById("plot-controls").replaceChildren(choice("y", found, "quality"), choice("x", costs, "cost"),
    choice("by", BY.filter((names) => names.every((name) => COLUMNS.has(name))).map((names) => [names.join(" × "), names.join(" × ")]), "colour and front"));
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    loadPlotly().then(drawAll);
  }, { rootMargin: "400px" }).observe(section);
  addEventListener("beforeprint", () => { // what is not drawn yet is left out; it is there for the next print
    if (!window.Plotly) { section.classList.add("undrawn"); loadPlotly().then(drawAll).then(() => section.classList.remove("undrawn")); }
  });
}
changed();

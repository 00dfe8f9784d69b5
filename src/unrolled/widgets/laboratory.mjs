// The hyperparameters' laboratory: recorded trials against the noise of their centre, and the reader's own beside them.
import { button, chart, choice, field, folded, format, grouped, guarded, html, set, slider, stage, svg, voice } from "./parts.mjs";

const LABELS = { num_hiddens: "hidden units", num_steps: "steps", batch_size: "batch", lr: "learning rate", optimizer: "optimiser",
  num_layers: "layers", clip: "clipping", forget_bias: "forget bias" };
const FIELDS = { perplexity: "validation_perplexity", time: "time" };
const SAYS = {
  perplexity: { "+": "above the noise, so worse", "-": "below the noise, so better", 0: "within the noise" },
  time: { "+": "above the noise, so slower", "-": "below the noise, so faster", 0: "within the noise" },
};
const CEILING = 20;               // of the perplexities that are drawn: who knows only how frequent letters are has about 17
const TICKS = { perplexity: [2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20], time: [0.25, 0.5, 1, 2, 4, 8, 16, 32] };
const FRACTIONS = { 0.25: "¼", 0.5: "½" };
const DASHES = ["7 4", "2 4", "8 3 2 3", "12 3", "4 2"];

// ---- the record, asked as unrolled.influence asks it ----

export const shown = (name, value) => (name === "clip" && value === 0 ? "none" : String(value));
// "learning rate 16", "128 hidden units", "no clipping"
export function called(name, value) {
  if (["num_hiddens", "num_steps", "num_layers"].includes(name)) return `${value} ${value === 1 ? LABELS[name].slice(0, -1) : LABELS[name]}`;
  return name === "clip" && value === 0 ? "no clipping" : `${LABELS[name]} ${shown(name, value)}`;
}
export const named = (changes) => Object.entries(changes).map(([name, value]) => called(name, value)).join(", ") || "the centre";
const upper = (text) => text[0].toUpperCase() + text.slice(1);

export const changesOf = (row, centre) => Object.fromEntries(Object.keys(LABELS).filter((name) => row[name] !== centre[name]).map((name) => [name, row[name]]));
export const rowsAt = (rows, centre, changes) => rows.filter((row) => row.state !== "pruned"
  && Object.keys(LABELS).every((name) => row[name] === (changes[name] ?? centre[name])));

// Without clipping is the loosest clipping.
const rank = (name, value) => (name === "clip" && value === 0 ? Infinity : value);
const ordered = (name, values) => [...new Set(values)].sort((a, b) => (rank(name, a) < rank(name, b) ? -1 : 1));

// The values of a hyperparameter that were tried with all others as at the centre, but for `also`.
export function valuesOf(rows, centre, name, also = {}) {
  const held = { ...centre, ...also };
  return ordered(name, rows.filter((row) => row.state !== "pruned" && Object.keys(LABELS).every((one) => one === name || row[one] === held[one]))
    .map((row) => row[name]));
}

export function partnersOf(rows, centre, name) {
  const pairs = rows.map((row) => Object.keys(changesOf(row, centre))).filter((pair) => pair.length === 2 && pair.includes(name));
  return Object.keys(LABELS).filter((other) => other !== name && pairs.some((pair) => pair.includes(other)));
}

// The lines over `name`, one for each value of its partner that was tried with two values or more.
export function linesOf(rows, centre, name, partner) {
  if (!partner) return [{ also: {}, values: valuesOf(rows, centre, name) }];
  return ordered(partner, rows.map((row) => row[partner])).map((value) => ({ also: { [partner]: value }, values: valuesOf(rows, centre, name, { [partner]: value }) }))
    .filter(({ also, values }) => values.length > 1 || also[partner] === centre[partner]);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function band(rows, centre, quantity) {
  const values = measured(rowsAt(rows, centre, {}), quantity).filter(Number.isFinite);
  const centred = mean(values), spread = 2 * Math.sqrt(values.reduce((sum, value) => sum + (value - centred) ** 2, 0) / (values.length - 1));
  return { mean: centred, low: centred - spread, high: centred + spread, trials: values.length };
}

// What the trials of a setting gave; a training that failed has an infinite perplexity in validation, and no other number.
const numbers = (rows, field) => rows.map((row) => row[field] ?? (field === FIELDS.perplexity ? Infinity : null)).filter((value) => value !== null);
export const measured = (rows, quantity) => numbers(rows, FIELDS[quantity]);
export const sign = (values, { low, high }) => (Math.min(...values) > high ? "+" : Math.max(...values) < low ? "-" : "0");

const listed = (values) => values.map((value) => (value === Infinity ? "failed" : format(value))).join(" and ");

export function outcome(row) {
  if (row.state === "failed") return `the training failed: ${row.cause}`;
  const time = row.time === undefined || row.time === null ? "" : `, ${format(row.time)} times the time of the centre here`;
  const stopped = row.state === "stopped" ? `, stopped after ${grouped(row.windows).replaceAll("\u202f", ",")} windows` : "";
  return `perplexity ${format(row.validation_perplexity)}${time}${stopped}${row.same_text === false ? ", on another text, where perplexities do not compare" : ""}`;
}

export function words(rows, own, centre, changes) {
  const title = upper(named(changes)), noise = {}, bands = {}, there = rowsAt(rows, centre, changes);
  for (const name of Object.keys(SAYS)) {
    bands[name] = band(rows, centre, name);
    noise[name] = [format(bands[name].low), format(bands[name].high)];
  }
  let said = [];
  if (!Object.keys(changes).length) {
    said = [`${title}: perplexity ${format(bands.perplexity.mean)} on average of ${bands.perplexity.trials} trials.`,
      `With nothing changed but the seed it lies between ${noise.perplexity.join(" and ")}, and the time between ${noise.time.join(" and ")} of the average: this is the noise.`];
  } else if (!there.length) {
    said = [`${title}: the record has no such trial.`];
  } else {
    for (const [name, unit] of [["perplexity", ""], ["time", " times the centre’s"]]) {
      const values = measured(there, name);
      if (values.length) said.push(`${name} ${listed(values)}${unit} (noise: ${noise[name].join(" to ")}), ${SAYS[name][sign(values, bands[name])]}.`);
    }
    said = [`${title}: ${said[0]}`, ...said.slice(1).map(upper)];
  }
  return [...said, ...rowsAt(own, centre, changes).map((row) => `Your run: ${outcome(row)}.`)].join(" ");
}

// Nothing, or an error that says in words what is wrong with a saved record.
export function check({ rows, centre } = {}) {
  if (!Array.isArray(rows) || !centre) throw new Error("the record lacks its rows or its centre");
  rows.forEach((row, k) => {
    const missing = [...Object.keys(LABELS), "state"].filter((name) => row?.[name] === undefined);
    if (missing.length) throw new Error(`row ${k} of the record lacks ${missing.join(", ")}`);
  });
  for (const name of Object.keys(SAYS)) {
    if (!(band(rows, centre, name).trials > 1)) throw new Error(`the record has fewer than two trials of the centre with a ${name}`);
  }
}

// ---- drawn ----

// From the least to the greatest of what is drawn, the ticks in between.
export function scale(quantity, values) {
  const top = quantity === "perplexity" ? CEILING : Infinity;
  const drawn = values.filter((value) => value > 0 && value <= top), min = 0.92 * Math.min(...drawn, 1e9), max = 1.08 * Math.max(...drawn, 0);
  return { min, max, ticks: TICKS[quantity].filter((tick) => tick >= min && tick <= max).map((tick) => [tick, FRACTIONS[tick] ?? String(tick)]), log: true };
}

const DIAMOND = "M0-7L7 0L0 7L-7 0Z";

// lines: [{ points: [{ k, values }], quantity, dash, label, hollow }], over the places k of the axis.
function plot({ quantity, axis, lines, noise, y, labels, right, height, title }) {
  const frame = chart({ width: 424, height, left: 36, right, top: 10, bottom: title ? 38 : 24,
    x: { min: -0.5, max: axis.length - 0.5, ticks: labels.map((text, k) => [k, text]), label: title }, y });
  const low = frame.y(Math.max(y.min, noise.low)), high = frame.y(Math.min(y.max, noise.high));
  frame.node.prepend(svg("rect", { x: 36, y: high, width: 424 - 36 - right, height: Math.max(2, low - high), class: "u-fill u-x u-band" }));
  const cursor = svg("path", { class: "u-cursor" }), ends = [];
  frame.node.append(cursor);
  for (const { points, quantity: kind, dash, label, hollow } of lines) {
    const line = frame.line({ quantity: kind, width: hollow ? 1.6 : 2.4, dash: dash ?? "" });
    const inside = (value) => Math.min(value, y.max);
    line.set(points.map(({ k, values }) => [k, inside(mean(values))]));
    for (const { k, values } of points) {
      for (const value of values) {
        const x = frame.x(k), beyond = value > y.max;
        if (beyond) frame.node.append(svg("path", { d: `M${x - 6} ${frame.y(y.max) + 1}h12l-6-9z`, class: `u-fill ${kind === "x" ? "u-x" : "u-h"}` }));
        else if (!hollow) frame.node.append(svg("circle", { cx: x, cy: frame.y(value), r: 3.6, class: "u-fill u-h" }));
      }
    }
    const end = points.at(-1);
    if (label && end) ends.push({ label, x: frame.x(end.k) + 9, y: frame.y(inside(mean(end.values))) + 4.5 });
  }
  let lowest = -Infinity;                                  // names that would touch move down
  for (const { label, x, y: wanted } of ends.sort((a, b) => a.y - b.y)) {
    lowest = Math.max(wanted, lowest + 14);
    frame.node.append(svg("text", { x, y: lowest, class: "u-halo" }, label));
  }
  return {
    node: frame.node, quantity,
    choose(k, values) {
      set(cursor, { d: `M${frame.x(k)} 6V${height - (title ? 38 : 24)}` });
      for (const old of frame.node.querySelectorAll(".u-ring")) old.remove();
      if (values.length > 3) return;                     // the centre: its line tells where it is
      for (const value of values.filter((one) => one <= y.max)) frame.node.append(svg("circle", { cx: frame.x(k), cy: frame.y(value), r: 7, class: "u-ring" }));
    },
    mine(k, value) {
      frame.node.append(svg("path", { d: DIAMOND, class: "u-own", transform: `translate(${frame.x(k).toFixed(1)} ${frame.y(Math.min(value, y.max)).toFixed(1)})` }));
    },
    near: (event) => {
      const box = frame.node.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * 424;
      return Math.max(0, Math.min(axis.length - 1, Math.round((x - 36) / ((424 - 36 - right) / axis.length) - 0.5)));
    },
  };
}

const sample = (...parts) => svg("svg", { viewBox: "0 0 30 14", class: "u-sample", "aria-hidden": "true" }, parts);

function render({ model, el }) {
  const record = model.get("record"), { rows, centre } = record;
  check(record);
  const root = stage(el, "The hyperparameters’ laboratory", "Choose a hyperparameter, then step through its values. Which changes leave the grey band, and which are only noise?");
  root.classList.add("u-lab");
  const all = () => [...rows, ...model.get("runs")];
  const noise = { perplexity: band(rows, centre, "perplexity"), time: band(rows, centre, "time") };
  const change = (values) => { for (const [name, value] of Object.entries(values)) model.set(name, value); model.save_changes(); };

  const names = choice({ label: "hyperparameter", options: Object.entries(LABELS), value: model.get("name"),
    onChange: (name) => change({ name, partner: "", other: null, value: centre[name] }) });
  const beside = html("div"), steps = html("div"), charts = html("div", { class: "u-charts u-drag" }), said = voice(400);
  const legend = html("p", { class: "u-legend" }), writes = html("dl", { class: "u-samples" }), body = html("tbody"), caption = html("caption");
  const heads = ["value", "perplexity", "in training", "time"].map((text) => html("th", { scope: "col" }, text));
  const table = html("table", {}, caption, html("thead", {}, html("tr", {}, heads)), body);
  const budget = record.bench?.windows, about = html("p", { class: "u-note" }, [
    record.machine ? `Recorded on ${record.machine}; ${record.date}.` : "",
    budget ? ` Each trial saw ${grouped(budget)} training windows. Times are ratios to trials of the centre made just before and after.` : "",
  ].join(""));
  const mine = html("div", { class: "u-mine" }), here = html("div", { hidden: true });
  root.append(names.node, beside, steps, ...said.nodes, charts, legend, html("p", { class: "u-title" }, "What it writes"), writes,
    folded("All of these values as a table", table), mine, here, about);

  let axis = [], lines = [], plots = [], own = null;
  const chosen = () => ({ [model.get("name")]: model.get("value"), ...(model.get("partner") ? { [model.get("partner")]: model.get("other") } : {}) });
  const changes = () => Object.fromEntries(Object.entries(chosen()).filter(([name, value]) => value !== centre[name]));

  // What depends on the hyperparameters that are shown: the sliders and both charts.
  function frame() {
    const name = model.get("name"), partner = model.get("partner"), known = all();
    lines = linesOf(known, centre, name, partner);
    axis = ordered(name, lines.flatMap(({ values }) => values));
    names.set(name);
    const partners = partnersOf(rows, centre, name), options = [["", "alone"], ...partners.map((one) => [one, `together with ${LABELS[one]}`])];
    const with_ = choice({ label: "changed", options, value: partner, onChange: (one) => change({ partner: one, other: one ? centre[one] : null, value: centre[name] }) });
    beside.replaceChildren(...(partners.length ? [with_.node] : []));
    const along = slider({ label: LABELS[name], min: 0, max: axis.length - 1, step: 1, value: Math.max(0, axis.indexOf(model.get("value"))),
      show: (k) => shown(name, axis[k]), onInput: (k) => change({ value: axis[k] }) });
    const across = partner && slider({ label: LABELS[partner], min: 0, max: lines.length - 1, step: 1,
      value: Math.max(0, lines.findIndex(({ also }) => also[partner] === model.get("other"))),
      show: (k) => shown(partner, lines[k].also[partner]), onInput: (k) => change({ other: lines[k].also[partner] }) });
    steps.replaceChildren(...[along, across].filter(Boolean).map(({ node }) => node));

    const points = (field, also) => axis.map((value, k) => ({ k, values: numbers(rowsAt(rows, centre, { [name]: value, ...also }), field) }))
      .filter(({ values }) => values.length);
    const far = partner ? 58 : 12;
    const drawn = (field) => lines.map(({ also }, k) => ({ quantity: "H", points: points(field, also), label: partner && shown(partner, also[partner]),
      dash: partner && also[partner] !== centre[partner] ? DASHES[k % DASHES.length] : "" }));
    const training = partner ? [] : [{ quantity: "x", hollow: true, dash: "5 4", points: points("train_perplexity", {}) }];
    const scaled = (quantity) => scale(quantity, known.flatMap((row) => [row[FIELDS[quantity]], quantity === "perplexity" && row.train_perplexity]).filter(Number.isFinite));
    const labels = axis.map((value) => shown(name, value));
    plots = [
      plot({ quantity: "perplexity", axis, lines: [...training, ...drawn(FIELDS.perplexity)], noise: noise.perplexity, y: scaled("perplexity"), labels, right: far, height: 250 }),
      plot({ quantity: "time", axis, lines: drawn("time"), noise: noise.time, y: scaled("time"), labels, right: far, height: 150, title: LABELS[name] }),
    ];
    for (const { also } of lines) {
      axis.forEach((value, k) => {
        for (const row of rowsAt(model.get("runs"), centre, { [name]: value, ...also })) {
          for (const one of plots) for (const height of measured([row], one.quantity)) one.mine(k, height);
        }
      });
    }
    const heading = (text) => html("p", { class: "u-title" }, text);
    charts.replaceChildren(heading(`Perplexity in validation (lower is better)`), plots[0].node, heading("Time, as a multiple of the centre’s"), plots[1].node);
    const parts = [[sample(svg("rect", { width: 30, height: 14, class: "u-fill u-x u-band" })), "noise of the centre"],
      [sample(svg("path", { d: "M1 7H29", class: "u-line u-h", "stroke-width": 2.4 }), svg("circle", { cx: 15, cy: 7, r: 3.6, class: "u-fill u-h" })), "trials, and their mean"],
      !partner && [sample(svg("path", { d: "M1 7H29", class: "u-line u-x", "stroke-width": 1.6, "stroke-dasharray": "5 4" })), "in training"],
      partner && [sample(svg("text", { x: 15, y: 12, "text-anchor": "middle" }, "12")), `${LABELS[partner]}, at the end of its line`],
      model.get("runs").length && [sample(svg("path", { d: DIAMOND, class: "u-own", transform: "translate(15 7)" })), "your runs"],
      [sample(svg("path", { d: "M9 12h12l-6-9z", class: "u-fill u-h" })), "off the scale, or failed"]];
    legend.replaceChildren(...parts.filter(Boolean).map(([picture, text]) => html("span", {}, picture, text)));

    caption.textContent = `${upper(LABELS[name])}${partner ? ` and ${LABELS[partner]}` : ""}, all else as at the centre`;
    body.replaceChildren(...lines.flatMap(({ also }) => axis.map((value) => [also, value])).map(([also, value]) => {
      const there = rowsAt(rows, centre, { [name]: value, ...also });
      if (!there.length) return null;
      const perplexities = measured(there, "perplexity"), times = measured(there, "time");
      const train = numbers(there, "train_perplexity");
      const base = Object.entries({ [name]: value, ...also }).every(([one, it]) => it === centre[one]);
      const few = (values) => (base ? format(mean(values)) : listed(values));
      const verdict = (quantity, values, band) => html("small", {}, base || !values.length ? "" : SAYS[quantity][sign(values, band)].split("so ").at(-1).replace("within the noise", "noise"));
      return html("tr", {}, html("th", { scope: "row" }, partner ? `${shown(name, value)}, ${called(partner, also[partner])}` : shown(name, value), html("small", {}, base ? "the centre" : "")),
        html("td", {}, few(perplexities), verdict("perplexity", perplexities, noise.perplexity)), html("td", {}, few(train)),
        html("td", {}, few(times), verdict("time", times, noise.time)));
    }).filter(Boolean));
    if (own) own.label(name);
    draw();
  }

  function draw() {
    const name = model.get("name"), k = axis.indexOf(model.get("value")), at = changes(), runs = model.get("runs");
    if (k < 0) return;
    steps.querySelectorAll("input").forEach((input, which) => {
      const place = which ? lines.findIndex(({ also }) => also[model.get("partner")] === model.get("other")) : k;
      input.value = place;
      const text = which ? shown(model.get("partner"), model.get("other")) : shown(name, axis[k]);
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector(".u-value").textContent = text;
    });
    const there = rowsAt(rows, centre, at), yours = rowsAt(runs, centre, at);
    for (const one of plots) one.choose(k, measured(there, one.quantity));
    said.say(words(rows, runs, centre, at));
    const texts = [[named(at), there], ["your run", yours], ...(Object.keys(at).length ? [["the centre", rowsAt(rows, centre, {})]] : [])];
    writes.replaceChildren(...texts.flatMap(([title, those]) => Object.entries(those.find((row) => row.samples)?.samples ?? {})
      .flatMap(([how, text]) => [html("dt", {}, `${upper(title)}, ${how}`), html("dd", {}, text)])));
  }

  function listRuns() {
    const runs = model.get("runs"), head = ["your run", "what came of it"].map((text) => html("th", { scope: "col" }, text));
    mine.replaceChildren(...(runs.length ? [html("table", {}, html("thead", {}, html("tr", {}, head)), html("tbody", {}, runs.map((row) => html("tr", {},
      html("th", { scope: "row" }, upper(named(changesOf(row, centre)))), html("td", {}, outcome(row))))))] : []));
    frame();
  }

  // With a kernel that answers: a value of the reader's own, run and stop.
  function panel() {
    if (own) return;
    const text = field({ label: "", value: "", onInput: () => {} }), bar = html("progress", { max: 1, value: 0, "aria-label": "windows seen" });
    const status = voice();                              // what moves five times a second is spoken when it rests
    const go = () => {
      const typed = text.input.value.trim(), name = model.get("name");
      const value = name === "optimizer" ? typed : typed === "none" ? 0 : Number(typed.replace("−", "-"));
      if (typed === "" || Number.isNaN(value)) return status.say(`${LABELS[name]} is a number, not “${typed}”.`);
      model.send({ kind: "run", changes: { ...changes(), [name]: value } });
    };
    const run = button("Run it here", go), stop = button("Stop", () => model.send({ kind: "stop" }));
    own = {
      stop: status.stop,
      label(name) {
        text.node.querySelector(".u-label").textContent = `your ${LABELS[name]}`;
        text.set(shown(name, model.get("value")));
      },
      tell() {
        const { what, seen = 0, windows = 1, note = "" } = model.get("progress") ?? {};
        run.disabled = what !== undefined;
        stop.disabled = what === undefined;
        bar.value = what === undefined ? 0 : seen / windows;
        status.say(what === undefined ? note : `${upper(what)}: ${grouped(seen)} of ${grouped(windows)} windows.${note ? ` ${note}` : ""}`);
      },
    };
    here.replaceChildren(html("p", { class: "u-title" }, "On your machine"), text.node, html("div", { class: "u-buttons" }, run, stop, bar), ...status.nodes);
    here.hidden = false;
    own.label(model.get("name"));
    own.tell();
  }

  charts.addEventListener("pointerdown", (event) => {
    const hit = plots.find(({ node }) => node.contains(event.target));
    if (hit) change({ value: axis[hit.near(event)] });
  });
  const answered = (message) => { if (message.kind === "here") panel(); }, tell = () => own?.tell(), follow = () => { draw(); own?.label(model.get("name")); };
  const calls = { "msg:custom": answered, "change:name": frame, "change:partner": frame, "change:value": follow, "change:other": draw,
    "change:runs": listRuns, "change:progress": tell };
  for (const [event, call] of Object.entries(calls)) model.on(event, call);
  listRuns();
  let greetings = 0;                                     // a kernel that is just starting may miss the first
  const hello = () => { if (own || greetings++ >= 10) clearInterval(greeting); else model.send({ kind: "hello" }); };
  const greeting = setInterval(hello, 2000);
  hello();
  return () => { clearInterval(greeting); for (const [event, call] of Object.entries(calls)) model.off(event, call); said.stop(); own?.stop(); };
}

export default { render: guarded(render) };

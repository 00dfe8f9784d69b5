// A training, replayed: the perplexity, and at each snapshot what the model wrote and where its gates stood.
import { NAMES, chart, fixed, format, guarded, html, player, power, set, stage, svg, voice } from "./parts.mjs";

const GATES = {
  I: [NAMES.I, "u-i"], F: [NAMES.F, "u-f"], O: [NAMES.O, "u-o"], R: ["reset gate r", "u-f"], Z: ["update gate z", "u-i"],
};
const SHARES = [["below 0.1", 0, 0.1], ["0.4–0.6", 0.4, 0.6], ["above 0.9", 0.9, 1]];
const RECORD = `record = Snapshots(model, vocab, text)
record(trainer.history)
history = trainer.fit(50, on_epoch=record)`;

const sum = (counts) => counts.reduce((total, count) => total + count, 0);

// Which part of a histogram over [0, 1] lies between two of its edges.
export const share = (counts, low, high) =>
  sum(counts.slice(Math.round(low * counts.length), Math.round(high * counts.length))) / sum(counts);

// The value that a part q of the histogram lies below, between a bin's edges by proportion.
export function quantile(counts, q) {
  const wanted = q * sum(counts);
  let end = 0, k = -1;
  do end += counts[++k]; while (!(counts[k] && end >= wanted) && k < counts.length - 1);
  return (k + 1 - (end - wanted) / counts[k]) / counts.length;
}

// Bins twice as wide, so that one of them has 0.5 in its middle (where there are 50).
export const pairs = (counts) => (counts.length % 2 ? counts
  : counts.filter((_, k) => k % 2 === 0).map((count, k) => count + counts[2 * k + 1]));

// One decimal, a half rounded up as Python does it in describe().
export const percent = (part) => `${fixed(Math.floor(1000 * part + 0.5) / 10, 1)}\u202f%`;

// Where a text begins to repeat itself to its end, at least three laps and 15 characters: { start, lap }, or null.
export function loop(text, from = 0) {
  for (let lap = 1; 3 * lap <= text.length; lap++) {
    let start = text.length - lap;
    while (start > from && text[start - 1] === text[start - 1 + lap]) start--;
    if (text.length - start < Math.max(15, 3 * lap)) continue;
    for (let k = 1; k < lap && text[start] === " "; k++) start++;      // a lap begins with its first letter
    return { start, lap };
  }
  return null;
}

// Spaces that would not be seen, as open boxes.
export const visible = (text) => text.replace(/ {2,}| $/g, (run) => "␣".repeat(run.length));

// The sample in pieces: [kind, text], kind being prefix, text or lap.
export function pieces(text, prefix) {
  const shown = visible(text), from = text.startsWith(prefix) ? prefix.length : 0;
  const found = loop(text, from);
  const result = [["prefix", shown.slice(0, from)], ["text", shown.slice(from, found?.start)]];
  for (let k = found?.start ?? text.length; k < text.length; k += found.lap) {
    result.push(["lap", shown.slice(k, k + found.lap)]);
  }
  return result.filter(([, piece]) => piece);
}

export function ending(name, text, prefix) {
  const found = loop(text, text.startsWith(prefix) ? prefix.length : 0);
  if (!found) return `The ${name} text does not end in a loop.`;
  const lap = text.slice(found.start, found.start + found.lap);
  if (found.lap > 1) return `The ${name} text ends in a loop of ${found.lap} characters, “${visible(lap)}”.`;
  return `The ${name} text ends in nothing but ${lap === " " ? "spaces" : `“${lap}”`}.`;
}

const whole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;
const histogram = (counts) => Array.isArray(counts) && counts.every((count) => whole(count, 0, Infinity)) && sum(counts) > 0;

const keys = (object) => String(Object.keys(object ?? {}));

// Nothing, or an error that says in words what is wrong with a saved history.
export function check(history) {
  const fail = (words) => { throw new Error(words); };
  const { training, validation, snapshots } = history ?? {};
  if (![training, validation, snapshots].every(Array.isArray)) fail("the history lacks training, validation or snapshots");
  const n = training.length;
  if (!n) fail("the history is empty: train for at least one epoch first");
  if (validation.length && validation.length !== n) fail(`there are ${n} epochs of training and ${validation.length} of validation`);
  for (const [name, values] of [["training", training], ["validation", validation]]) {
    const bad = values.findIndex((value) => !Number.isFinite(value) || value <= 0);
    if (bad >= 0) fail(`the ${name} perplexity of epoch ${bad + 1} is ${values[bad]}, not a positive number`);
  }
  if (!snapshots.every((one) => one instanceof Object)) fail("a snapshot is missing");
  const [first] = snapshots;
  let before = -1;
  for (const { epoch, prefix, samples, gates } of snapshots) {
    if (!whole(epoch, 0, n)) fail(`a snapshot of epoch ${epoch} does not fit a history of ${n} epochs`);
    if (epoch <= before) fail(`the snapshot of epoch ${epoch} comes after that of epoch ${before}`);
    const texts = [prefix, ...Object.values(samples ?? { none: null })];
    if (!texts.every((text) => typeof text === "string")) fail(`the samples of epoch ${epoch} are not text`);
    if (keys(samples) !== keys(first.samples) || keys(gates) !== keys(first.gates)) {
      fail(`the snapshot of epoch ${epoch} has other samples or gates than the first`);
    }
    for (const [name, counts] of Object.entries(gates ?? {})) {
      if (!(name in GATES)) fail(`there is no gate called ${name}`);
      if (!histogram(counts) || counts.length !== first.gates[name].length) fail(`the histogram of gate ${name} at epoch ${epoch} is damaged`);
    }
    before = epoch;
  }
}

// The epochs that can be shown: those with a snapshot, or all where there is none.
export const stops = ({ training, snapshots }) =>
  (snapshots.length ? snapshots.map(({ epoch }) => epoch) : training.map((_, k) => k + 1));

// The gates in their own order, whatever that of a stored object.
export const named = (gates) => Object.keys(GATES).filter((name) => name in gates);

export function sentence({ training, validation, snapshots }, epoch) {
  const said = [`After epoch ${epoch} of ${training.length}: perplexity ${format(training[epoch - 1])} in training`];
  if (epoch === 0) said[0] = "Before the first epoch.";
  else said[0] += validation.length ? `, ${format(validation[epoch - 1])} in validation.` : ".";
  const now = snapshots.find((one) => one.epoch === epoch);
  if (now) {
    if ("greedy" in now.samples) said.push(ending("greedy", now.samples.greedy, now.prefix));
    const near = named(now.gates).map((name) => `${percent(share(now.gates[name], 0.4, 0.6))} of the ${GATES[name][0].slice(0, -2)}’s`);
    if (near.length) said.push(`Between 0.4 and 0.6 lie ${near.join(", ").replace("’s", "’s values")}.`);
  }
  return said.join(" ");
}

// Round numbers from 0, about five of them.
export function ticks(max) {
  const rough = max / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= rough * 0.999);
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, k) => Number((k * step).toPrecision(6)));
}

// The epochs stand left of SPLIT, the chosen one's gates right of SIDE.
const LEFT = 40, SPLIT = 290, SIDE = 304, WIDTH = 420;
const path = (points) => points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

// Perplexity over the epochs, with a cursor and the values under it.
function curves({ training, validation }, epochs) {
  const all = [...training, ...validation], top = Math.max(...all), log = top > 30 * Math.min(...all);
  const powers = Array.from({ length: Math.ceil(Math.log10(Math.max(top, 10))) + 1 }, (_, k) => 10 ** k);
  const y = log ? { min: powers[0], max: powers.at(-1), log, ticks: powers.map((v, k) => [v, power(k)]) }
    : { min: 0, max: 1.06 * top, ticks: ticks(1.06 * top).map((v) => [v, String(v)]) };
  const picture = chart({ width: WIDTH, height: 160, x: epochs, y, left: LEFT, right: WIDTH - SPLIT, top: 20, bottom: 24 });
  const cursor = svg("path", { class: "u-cursor" });
  picture.node.append(cursor, svg("text", { x: LEFT, y: 12 }, "perplexity"));
  const measured = [["training", training, "x", "5 4"], ["validation", validation, "H", ""]].filter(([, values]) => values.length);
  const lines = measured.map(([name, values, quantity, dash], k) => {
    const color = quantity === "x" ? "u-x" : "u-h", row = 30 + 44 * k;
    picture.line({ quantity, dash }).set(values.map((value, e) => [e + 1, value]));
    const dot = svg("circle", { r: 4, class: `u-fill ${color}` }), shown = svg("text", { x: SIDE + 28, y: row + 16 });
    const stroke = svg("path", { d: `M${SIDE} ${row - 4}h22`, class: `u-line ${color}`, "stroke-width": 2.4, "stroke-dasharray": dash || null });
    picture.node.append(stroke, svg("text", { x: SIDE + 28, y: row }, name), shown, dot);
    return (epoch) => {
      const value = values[epoch - 1];
      shown.textContent = epoch ? format(value) : "not yet";
      set(dot, { cx: picture.x(epoch), cy: epoch ? picture.y(value) : 0, visibility: epoch ? "visible" : "hidden" });
    };
  });
  return { node: picture.node, draw(epoch) {
    set(cursor, { d: `M${picture.x(epoch)} 18V136` });
    for (const line of lines) line(epoch);
  } };
}

// One gate: bands of its values over the epochs, and its histogram at the chosen one, on the same axis from 0 to 1.
function strip(name, snapshots, epochs, first, last) {
  const [title, color] = GATES[name], height = last ? 118 : 94, foot = height - (last ? 28 : 4);
  const picture = chart({ width: WIDTH, height, x: last ? epochs : { ...epochs, ticks: [] },
    y: { min: 0, max: 1, ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] }, left: LEFT, right: WIDTH - SPLIT, top: 20, bottom: height - foot });
  const place = (q) => snapshots.map(({ epoch, gates }) => [picture.x(epoch), picture.y(quantile(gates[name], q))]);
  const band = (low, high, opacity) =>
    svg("path", { class: `u-fill ${color}`, opacity, d: `${path([...place(low), ...place(high).reverse()])}Z` });
  const median = svg("path", { class: `u-line ${color}`, "stroke-width": 2, d: path(place(0.5)) });
  const cursor = svg("path", { class: "u-cursor" }), bars = svg("path", { class: `u-fill ${color}` });
  const when = svg("text", { x: SIDE, y: 12 });
  picture.node.append(band(0.05, 0.95, 0.25), band(0.25, 0.75, 0.4), median, cursor, bars,
    svg("path", { class: "u-grid", d: `M${SIDE} ${picture.y(0.5)}H${WIDTH - 6}` }), svg("path", { class: "u-zero", d: `M${SIDE} 20V${foot}` }),
    svg("text", { x: LEFT, y: 12, class: `u-name ${color}` }, title), when);
  return { node: picture.node, draw(epoch) {
    const counts = pairs(snapshots.find((one) => one.epoch === epoch).gates[name]), most = Math.max(...counts), n = counts.length;
    const steps = counts.flatMap((count, k) => [k, k + 1].map((edge) => [SIDE + (WIDTH - SIDE - 6) * count / most, picture.y(edge / n)]));
    set(bars, { d: `${path([[SIDE, picture.y(0)], ...steps, [SIDE, picture.y(1)]])}Z` });
    set(cursor, { d: `M${picture.x(epoch)} 18V${foot}` });
    when.textContent = first ? `epoch ${epoch}` : "";
  } };
}

// The samples as text, with the prefix and the laps of a loop set apart.
function writing(samples) {
  const places = Object.keys(samples).map((name) => [name, html("dd")]);
  return { node: html("dl", { class: "u-samples" }, places.flatMap(([name, node]) => [html("dt", {}, name), node])), draw(snapshot) {
    for (const [name, node] of places) {
      node.replaceChildren(...pieces(snapshot.samples[name], snapshot.prefix).map(([kind, text]) => html("span", { class: `u-${kind}` }, text)));
    }
  } };
}

function numbers(gates) {
  const rows = gates.map((name) => [name, [html("td"), ...SHARES.map(() => html("td"))]]);
  const titles = ["gate", "median", ...SHARES.map(([title]) => title)].map((title) => html("th", { scope: "col" }, title));
  const body = rows.map(([name, cells]) => html("tr", {}, html("th", { scope: "row", class: `u-key ${GATES[name][1]}` }, GATES[name][0]), cells));
  return { node: html("table", {}, html("thead", {}, html("tr", {}, titles)), html("tbody", {}, body)), draw(snapshot) {
    for (const [name, [median, ...parts]] of rows) {
      const counts = snapshot.gates[name];
      median.textContent = fixed(quantile(counts, 0.5));
      parts.forEach((cell, k) => { cell.textContent = percent(share(counts, ...SHARES[k].slice(1))); });
    }
  } };
}

function render({ model, el }) {
  const history = model.get("history");
  check(history);
  const { training, snapshots } = history, all = stops(history), gates = named(snapshots[0]?.gates ?? {});
  if (!all.includes(model.get("epoch"))) throw new Error(`epoch ${model.get("epoch")} is not among those recorded`);
  const root = stage(el, "A training, epoch by epoch", `Press Play or drag the curve${snapshots.length ? ", and watch the text and the gates change" : ""}.`);
  root.classList.add("u-replay");
  const n = training.length, epochs = { min: 0, max: n, ticks: ticks(n).filter(Number.isInteger).map((e) => [e, e ? String(e) : "epoch 0"]) };
  const choose = (index) => { model.set("epoch", all[index]); model.save_changes(); };
  const steps = player({ label: "epoch", count: all.length, value: all.indexOf(model.get("epoch")), milliseconds: 300,
    show: (k) => `${all[k]} of ${n}`, onStep: choose });
  const text = snapshots.length ? writing(snapshots[0].samples) : null, table = gates.length ? numbers(gates) : null;
  const panels = [curves(history, epochs), ...gates.map((name, k) => strip(name, snapshots, epochs, k === 0, k === gates.length - 1))];
  const charts = html("div", { class: "u-panels" }, panels.map((panel) => panel.node));
  const words = voice();
  const under = ({ clientX }) => {
    const { left, width } = charts.firstChild.getBoundingClientRect();
    const epoch = ((clientX - left) / width * WIDTH - LEFT) / (SPLIT - LEFT) * n;
    const distance = all.map((stop) => Math.abs(stop - epoch));
    steps.stop();
    choose(distance.indexOf(Math.min(...distance)));
  };
  charts.addEventListener("pointerdown", (event) => { charts.setPointerCapture(event.pointerId); under(event); });
  charts.addEventListener("pointermove", (event) => { if (event.buttons) under(event); });
  root.append(steps.node);
  if (text) root.append(text.node);
  root.append(charts);
  if (table) {
    root.append(html("p", { class: "u-note" }, "Left: the bands hold half and nine tenths of a gate’s values at each epoch, "
      + "the line is their median. Right: how they are spread at the chosen one."), table.node);
  } else if (text) {
    root.append(html("p", {}, "This layer has no gates."));
  } else {
    root.append(html("p", {}, "No snapshots were taken during this training. To see samples and gates too, record them:"), html("pre", {}, RECORD));
  }
  root.append(...words.nodes);

  function draw() {
    const epoch = model.get("epoch"), index = all.indexOf(epoch);
    if (index < 0) return;
    steps.set(index);
    for (const panel of panels) panel.draw(epoch);
    text?.draw(snapshots[index]);
    table?.draw(snapshots[index]);
    words.say(sentence(history, epoch));
  }
  model.on("change:epoch", draw);
  draw();
  return () => { model.off("change:epoch", draw); steps.stop(); words.stop(); };
}

export default { render: guarded(render) };

// RNN, GRU and LSTM side by side: what is counted, and what the clock says.
import { chart, choice, grouped, guarded, html, set, slider, stage, svg, toggle, voice } from "./parts.mjs";

const KINDS = ["rnn", "gru", "lstm"];
const TITLES = { rnn: "RNN", gru: "GRU", lstm: "LSTM" };
const BOXES = { rnn: 1, gru: 3, lstm: 4 }, STATES = { rnn: 1, gru: 1, lstm: 2 }, KEPT = { rnn: 1, gru: 5, lstm: 6 };
const SIZES = { num_hiddens: "hidden units", num_inputs: "inputs", steps: "steps", batch: "batch" };
const GREATEST = { num_hiddens: 4096, num_inputs: 65536, steps: 4096, batch: 4096 };
const WORKS = { training: "training step", reading: "reading, in one call", writing: "writing, a call a step" };
const QUANTITIES = {
  parameters: "parameters",
  stored: "as the library stores them",
  forward: "multiply-adds forward",
  backward: "multiply-adds backward",
  kept: "numbers kept in training",
  state: "state kept in inference",
};
const DRAWN = Object.keys(QUANTITIES).filter((key) => key !== "stored");
const BYTES = { float32: 4, float16: 2 };

// As unrolled.cost counts, where each formula is derived.
export function count(kind, { num_inputs: d, num_hiddens: h, steps, batch, tokens }) {
  const boxes = BOXES[kind], read = tokens ? 0 : d * h;
  return {
    parameters: boxes * (d * h + h * h + h) + (kind === "gru" ? h : 0),
    stored: boxes * (d * h + h * h + 2 * h),
    forward: steps * batch * boxes * (read + h * h),
    backward: batch * boxes * (steps * read + (2 * steps - 1) * h * h),
    kept: steps * batch * KEPT[kind] * h,
    state: batch * STATES[kind] * h,
  };
}

// 7 808, and from a hundred thousand on 1.02 M. With a unit the prefix comes from a thousand on: 32.8 kB.
export function short(value, unit = "") {
  if (value < (unit ? 999.5 : 99999.5)) return grouped(value) + (unit && `\u202f${unit}`);
  let size = value, k = 0;
  while (Number(size.toPrecision(3)) >= 1000) { size /= 1000; k += 1; }
  return `${Number(size.toPrecision(3)) >= 100 ? Math.round(size) : size.toPrecision(3)}\u202f${["", "k", "M", "G", "T", "P"][k]}${unit}`;
}

export function duration(seconds) {
  const [size, unit] = seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${Number(size.toPrecision(3))}\u202f${unit}`;
}

const brief = (value, digits = 2) => String(Number(value.toPrecision(digits)));
export const ratio = (values, digits = 3) => values.map((value) => brief(value / values[0], digits)).join("\u00a0:\u00a0");
const times = (row) => KINDS.map((kind) => brief(row.ratio[kind][1])).join("\u00a0:\u00a0");

// The powers of two, and the value itself where it is none.
export function stops(value, greatest) {
  const powers = Array.from({ length: Math.log2(greatest) + 1 }, (_, k) => 2 ** k);
  return powers.includes(value) ? powers : [...powers, value].sort((a, b) => a - b);
}

const same = (one, other) => Object.keys(SIZES).every((name) => one[name] === other[name]);

// work -> row, of the setting that is the fewest doublings away; {} where nothing was measured.
export function nearest(rows, setting) {
  const away = (row) => Object.keys(SIZES).reduce((sum, name) => sum + Math.abs(Math.log2(row[name] / setting[name])), 0);
  const best = rows.reduce((best, row) => (best && away(best) <= away(row) ? best : row), undefined);
  return Object.fromEntries(rows.filter((row) => same(row, best)).map((row) => [row.work, row]));
}

// Multiply-adds a second: forward and backward in training, forward elsewhere.
export function rate(row, kind) {
  const counts = count(kind, row);
  return (counts.forward + (row.work === "training" ? counts.backward : 0)) / row.seconds[kind];
}

// What became of the LSTM's counts, in words: "Steps 32 → 64. Parameters × 1, forward × 2, …."
export function changes(name, before, after) {
  const old = count("lstm", before), now = count("lstm", after);
  const title = name === "tokens" ? (after.tokens ? "Tokens, looked up" : "Vectors, multiplied")
    : `${SIZES[name][0].toUpperCase()}${SIZES[name].slice(1)} ${grouped(before[name])} → ${grouped(after[name])}`;
  const factors = DRAWN.map((key) => {
    const factor = now[key] / old[key], size = factor < 1 ? 1 / factor : factor;
    return `${key} ${factor < 1 ? "÷" : "×"}\u00a0${size < 100 ? brief(size, 3) : grouped(size)}`;
  });
  return `${title}: ${factors.join(", ")}.`;
}

const listed = (row) => `${row.num_inputs} inputs, ${row.num_hiddens} hidden units, ${row.steps} steps, batch ${row.batch}`;

// ---- drawn ----

const LOOKS = { rnn: "u-h", gru: "u-x", lstm: "u-c" };
const MARKS = { rnn: "M0-6.5L6 4.5H-6Z", gru: "M-5-5H5V5H-5Z", lstm: "M-5.6 0A5.6 5.6 0 1 1 5.6 0A5.6 5.6 0 1 1-5.6 0Z",
  own: "M0-7L7 0L0 7L-7 0Z" };
const mark = (kind, filled = true, shape = kind) => svg("path",
  { d: MARKS[shape], class: `u-mark ${filled ? "u-full" : "u-hollow"} ${LOOKS[kind]}` });
const put = (node, x, y, scale = 1) => set(node, { transform: `translate(${x.toFixed(1)} ${y}) scale(${scale})` });
const sample = (node) => svg("svg", { viewBox: "-8 -8 16 16", class: "u-sample", "aria-hidden": "true" }, node);

// A log axis over rows of things: vertical lines, and what stands at each row's place.
function rack({ min, max, ticks, height, left = 6, right = 8, line }) {
  const frame = chart({ width: 360, height, left, right, top: 4, bottom: 24,
    x: { min, max, log: true, ticks }, y: { min: 0, max: 1, ticks: [] } });
  for (const [value] of ticks) {
    const upright = svg("path", { d: `M${frame.x(value)} 4V${height - 24}`, class: value === line ? "u-zero" : "u-grid" });
    frame.node.prepend(upright);
  }
  return frame;
}

function counted() {
  const frame = rack({ min: 1, max: 1e17, height: 304,
    ticks: [[1, "1"], [1e3, "1 k"], [1e6, "1 M"], [1e9, "1 G"], [1e12, "1 T"], [1e15, "1 P"]] });
  const lines = DRAWN.flatMap((key, k) => {
    frame.node.append(svg("text", { x: 6, y: 18 + 55 * k, class: "u-halo" }, QUANTITIES[key]));
    return KINDS.map((kind, j) => {
      const y = 29 + 55 * k + 10 * j, now = mark(kind), old = mark(kind, false), bar = svg("path", { class: `u-line ${LOOKS[kind]}`, "stroke-width": 2 });
      old.classList.add("u-old");
      frame.node.append(bar, old, now);
      return { key, kind, y, now, old, bar };
    });
  });
  return {
    node: frame.node,
    set(counts, before) {
      for (const { key, kind, y, now, old, bar } of lines) {
        const x = frame.x(counts[kind][key]);
        bar.setAttribute("d", `M6 ${y}H${x}`);
        put(now, x, y, 0.75);
        old.toggleAttribute("hidden", !before);
        if (before) put(old, frame.x(before[kind][key]), y, 0.75);
      }
    },
  };
}

function measured() {
  const ticks = [[0.5, "½"], [1, "RNN"], [2, "2"], [4, "4"], [8, "8"], [16, "16"], [32, "32"]];
  const frame = rack({ min: 0.4, max: 40, height: 262, left: 48, right: 44, ticks, line: 1 });
  const rows = [];
  Object.entries(WORKS).forEach(([work, title], k) => {
    frame.node.append(svg("text", { x: 0, y: 18 + 78 * k, class: "u-halo u-title" }, title));
    ["gru", "lstm"].forEach((kind, j) => {
      const y = 38 + 78 * k + 24 * j;
      const parts = { gap: svg("path", { class: "u-gap" }), spread: svg("path", { class: `u-line ${LOOKS[kind]}`, "stroke-width": 3 }),
        counted: mark(kind, false), clock: mark(kind), own: mark(kind, false, "own"), value: svg("text", { x: 360, y: y + 4.5, "text-anchor": "end" }) };
      put(parts.counted, frame.x(BOXES[kind]), y);
      frame.node.append(svg("text", { x: 0, y: y + 4.5 }, TITLES[kind]), ...Object.values(parts));
      rows.push({ work, kind, y, ...parts });
    });
  });
  const place = (value) => frame.x(Math.min(40, Math.max(0.4, value)));
  return {
    node: frame.node,
    set(recorded, own) {
      for (const { work, kind, y, gap, spread, clock, own: diamond, value } of rows) {
        const quartiles = recorded[work]?.ratio[kind], mine = own[work]?.ratio[kind];
        for (const part of [gap, spread, clock]) part.toggleAttribute("hidden", !quartiles);
        diamond.toggleAttribute("hidden", !mine);
        value.textContent = quartiles ? brief(quartiles[1]) : "";
        if (mine) put(diamond, place(mine[1]), y);
        if (!quartiles) continue;
        const [low, middle, high] = quartiles.map(place);
        set(gap, { d: `M${frame.x(BOXES[kind])} ${y}H${middle}` });
        set(spread, { d: `M${low} ${y}H${high}` });
        put(clock, middle, y);
      }
    },
  };
}

// A table with a column for each kind; rows: { key: title }. A cell's small second line may stay empty.
function grid(caption, rows) {
  const cells = {};
  const body = Object.entries(rows).map(([key, title]) => {
    const under = html("small"), places = KINDS.map(() => ({ value: html("span"), more: html("small") }));
    cells[key] = { under, places };
    return html("tr", {}, html("th", { scope: "row" }, title, under),
      places.map(({ value, more }) => html("td", {}, value, more)));
  });
  const head = html("tr", {}, html("th", { scope: "col" }, caption), KINDS.map((kind) => html("th", { scope: "col" }, TITLES[kind])));
  return {
    node: html("table", {}, html("thead", {}, head), html("tbody", {}, body)),
    set(key, values, texts, under, more = ["", "", ""]) {
      cells[key].under.textContent = under;
      cells[key].places.forEach(({ value, more: second }, k) => {
        value.textContent = texts[k];
        value.dataset.value = values[k];
        second.textContent = more[k];
      });
    },
  };
}

function render({ model, el }) {
  const root = stage(el, "What an RNN, a GRU and an LSTM cost", "Move one slider at a time. What changes, and what never does?");
  root.classList.add("u-costs");
  const setting = () => Object.fromEntries([...Object.keys(SIZES), "tokens"].map((name) => [name, model.get(name)]));
  const names = [...Object.keys(SIZES), "tokens", "precision", "record", "measured"];
  let now = setting(), before = null, moved = null, byHand = false;

  // What came before is what there was when the reader took hold of this control.
  const change = (name, value) => {
    if (moved !== name) { before = now; moved = name; }
    byHand = true;
    model.set(name, value);
    byHand = false;
    model.save_changes();
  };
  const sizes = Object.entries(SIZES).map(([name, label]) => {
    let those = stops(now[name], GREATEST[name]);
    const control = slider({ label, min: 0, max: those.length - 1, step: 1, value: those.indexOf(now[name]), quantity: "H",
      show: (k) => short(those[k]), onInput: (k) => change(name, those[k]) });
    return { node: control.node, set(value) {
      if (!those.includes(value)) { those = stops(value, GREATEST[name]); control.input.max = those.length - 1; }
      control.set(those.indexOf(value));
    } };
  });
  const tokens = toggle({ label: "inputs are tokens, looked up", value: now.tokens, onChange: (on) => change("tokens", on) });
  const precision = choice({ label: "numbers", options: Object.keys(BYTES).map((name) => [name, `${name} (${BYTES[name]} bytes)`]),
    value: model.get("precision"), onChange: (name) => { model.set("precision", name); model.save_changes(); } });
  const words = voice(), counts = counted(), clock = measured();
  const amounts = grid("counted", QUANTITIES), seconds = grid("measured", WORKS);
  const where = html("p", { class: "u-note" }), nothing = html("p", { class: "u-note" },
    "This widget was given no recorded times. With a kernel, calculator.measure() takes them on your machine.");
  const note = (...parts) => html("p", { class: "u-note" }, parts);
  const legend = (...parts) => html("p", { class: "u-note u-legend" }, parts.map(([node, text]) => html("span", {}, sample(node), text)));
  const yours = html("span", {}, sample(mark("lstm", false, "own")), "your machine");
  const legends = legend([mark("lstm", false), "counted"], [mark("lstm"), "measured, with quartiles"]);
  legends.append(yours);
  const clocked = html("div", {}, clock.node, legends);
  root.append(
    html("div", { class: "u-part" }, sizes.map((control) => control.node), precision.node, tokens.node, ...words.nodes),
    html("div", { class: "u-part" }, html("p", { class: "u-title" }, "Counted, on a log scale"), counts.node,
      legend(...KINDS.map((kind) => [mark(kind), TITLES[kind]]), [mark("lstm", false), "before"])),
    html("div", { class: "u-part" }, amounts.node, seconds.node,
      note("k, M, G, T, P: thousand, million, 10⁹, 10¹², 10¹⁵. Under a time: multiply-adds a second.")),
    html("div", { class: "u-part" }, html("p", { class: "u-title" }, "Measured: times as long as the RNN"), clocked, nothing, where),
  );

  function draw() {
    now = setting();
    if (!byHand) moved = before = null;
    sizes.forEach((control, k) => control.set(now[Object.keys(SIZES)[k]]));
    tokens.set(now.tokens);
    precision.set(model.get("precision"));
    const all = Object.fromEntries(KINDS.map((kind) => [kind, count(kind, now)]));
    counts.set(all, before && Object.fromEntries(KINDS.map((kind) => [kind, count(kind, before)])));
    for (const name of Object.keys(QUANTITIES)) {
      const values = KINDS.map((kind) => all[kind][name]), memory = name === "kept" || name === "state";
      amounts.set(name, values, values.map((value) => short(value)), ratio(values),
        memory ? values.map((value) => short(value * BYTES[model.get("precision")], "B")) : undefined);
    }

    const record = model.get("record"), rows = record.rows ?? [], own = model.get("measured");
    const near = nearest(rows, now), mine = nearest(own.filter((row) => same(row, now)), now);
    const shown = rows.length ? near : mine;
    clock.set(near, mine);
    for (const work of Object.keys(WORKS)) {
      const row = shown[work], values = KINDS.map((kind) => row?.seconds[kind] ?? NaN);
      seconds.set(work, values, values.map((value) => (row ? duration(value) : "–")), row ? times(row) : "",
        row && KINDS.map((kind) => short(rate(row, kind), "/s")));
    }
    seconds.node.hidden = clocked.hidden = !Object.keys(shown).length;
    yours.hidden = !Object.keys(mine).length;
    nothing.hidden = rows.length > 0 || own.length > 0;
    where.textContent = told(rows, record, near, own, mine);
    const there = shown.training && (same(shown.training, now) ? "measured" : "measured at the nearest setting");
    words.say((before ? changes(moved, before, now) : `An LSTM of this size has ${short(all.lstm.parameters)} parameters.`)
      + (there ? ` Time of a training step, ${there}: ${times(shown.training)}.` : ""));
  }

  // Where and at which setting the times were taken, and how busy the machine was.
  function told(rows, record, near, own, mine) {
    const parts = [];
    if (near.training) {
      const best = Math.max(...rows.flatMap((row) => KINDS.map((kind) => rate(row, kind))));
      const busy = rate(near.training, "lstm");
      parts.push(`Measured by the book at ${listed(near.training)}${same(near.training, now) ? "" : ", the nearest setting in its record"}`
        + `${record.machine ? ` (${record.machine}; ${record.date})` : ""}.`,
      `The LSTM's training step gets through ${short(busy)} multiply-adds a second, `
        + `${brief((100 * busy) / best)} % of the best in the record.`);
      if (now.tokens) parts.push("These layers of the library multiply one-hot vectors, so they gain nothing from a look-up.");
    }
    if (Object.keys(mine).length) {
      parts.push(`Your machine: ${Object.values(mine).map((row) => `${row.work} ${times(row)}`).join(", ")}.`);
    } else if (own.length) parts.push(`Your machine was measured at ${listed(own[0])}; calculator.measure() takes the present setting.`);
    return parts.join(" ");
  }

  for (const name of names) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of names) model.off(`change:${name}`, draw); words.stop(); };
}

export default { render: guarded(render) };

// A text read window by window: what is kept for the backward pass, and where the gradient ends.
import { chart, choice, complaint, field, folded, format, grouped, guarded, html, player, slider, stage, svg, toggle, voice } from "./parts.mjs";

// ---- what is counted: the same as in unrolling.py ----

export const LIMITS = { steps: 1e7, truncation: 1e7, batch: 4096, hidden: 4096 };
export const EACH = { lstm: 6, gru: 5, rnn: 1 };                  // values kept a step, example and hidden unit
const COUNTED = {
  lstm: "i, f, o, c̃, and the states c and h that the step began with",
  gru: "r, z, h̃, the recurrent score that r scales, and the state h that the step began with",
  rnn: "the new state h",
};

export function whole(text, name, limit) {
  const digits = text.replace(/[\s,_]/g, "");
  if (/^\d+$/.test(digits) && Number(digits) >= 1 && Number(digits) <= limit) return Number(digits);
  throw new Error(`${name} is a whole number from 1 to ${grouped(limit)}, got ${text.trim() ? `“${text}”` : "nothing"}`);
}

// Everything that follows from the sizes. Throws an Error that names a size out of its range.
export function plan({ steps, truncation, batch, hidden, kind }) {
  for (const [name, value] of Object.entries({ steps, truncation, batch, hidden })) whole(String(value), name, LIMITS[name]);
  if (!EACH[kind]) throw new Error(`the kind is one of ${Object.keys(EACH).join(", ")}, got ${kind}`);
  const passes = Math.ceil(steps / truncation), longest = Math.min(truncation, steps);
  const full = Math.floor(steps / truncation), rest = steps % truncation;
  const kept = (many) => many * batch * hidden * EACH[kind];
  const pairs = (full * truncation * (truncation + 1) + rest * (rest + 1)) / 2;
  return {
    steps, truncation, batch, hidden, kind, passes, longest, kept, pairs, lastMoment: 2 * steps + passes,
    allPairs: steps * (steps + 1) / 2, reachMean: pairs / steps - 1, reachMax: longest - 1,
    first: (step) => step - (step - 1) % truncation,
  };
}

// What is being done when so much has been done. The steps from..to - 1 are kept, and 1..read are read.
export function at({ steps, truncation, passes }, moment) {
  const length = 2 * truncation + 1, window = Math.min(Math.floor(moment / length), passes - 1);
  const first = window * truncation + 1, last = Math.min(first + truncation - 1, steps), size = last - first + 1;
  const done = moment - window * length, nothing = { from: 0, to: 0 };
  if (done === 0) {
    return { phase: window ? "cut" : "begin", window: Math.max(window, 1), step: first - 1, read: first - 1, ...nothing };
  }
  if (done <= size) {
    const step = first + done - 1;
    return { phase: "forward", window: window + 1, step, read: step, from: first, to: step + 1 };
  }
  if (done <= 2 * size) {
    const step = last - (done - size) + 1;
    return { phase: "backward", window: window + 1, step, read: last, from: first, to: step };
  }
  return { phase: "end", window: window + 1, step: last, read: last, ...nothing };
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
export function inBytes(value) {
  let unit = 0;
  for (; value >= 999.5; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))}\u00a0${UNITS[unit]}`;
}

export function span(first, last) {
  if (first === last) return `step ${grouped(first)}`;
  return `steps ${grouped(first)} ${last === first + 1 ? "and" : "to"} ${grouped(last)}`;
}

export function momentInWords(sizes, moment, carried) {
  const { phase, window, step, from, to } = at(sizes, moment), kept = sizes.kept(to - from);
  if (phase === "begin") return "Nothing is read yet, and nothing is kept.";
  if (phase === "cut") {
    const state = carried ? "the state goes on without its history" : "the next window begins with zeros";
    return `Cut after step ${grouped(step)}: the weights are updated, and ${state}.`;
  }
  if (phase === "end") {
    const passes = window === 1 ? "1 backward pass" : `${grouped(window)} backward passes`;
    return `The whole text is read, in ${passes}. Nothing is kept.`;
  }
  const size = kept ? `${span(from, to - 1)}, ${grouped(kept)} values, ${inBytes(4 * kept)}` : "nothing";
  const where = `step ${grouped(step)}, window ${grouped(window)}`;
  if (phase === "forward") return `Forward, ${where}. Kept for the backward pass: ${size}.`;
  return `Backward, ${where}: its values are used and freed. Still kept: ${size}.`;
}

export function reachInWords(sizes, loss, carried) {
  const first = sizes.first(loss), far = loss - first, pair = (cause) => `(${grouped(cause)},\u00a0${grouped(loss)})`;
  const back = far ? `goes ${grouped(far)} ${far === 1 ? "step" : "steps"} back` : "does not go back at all";
  const text = `The gradient of the loss at step ${grouped(loss)} ${back}, and ends at step ${grouped(first)}.`;
  if (first === 1) return `${text} Nothing that was read is out of its reach.`;
  const pairs = first > 2 ? `${pair(1)} to ${pair(first - 1)}` : pair(1);
  const why = carried ? "The state may carry what was read there, but this loss cannot teach it to."
    : "The state began with zeros and knows nothing of what was read there.";
  return `${text} No gradient joins the pairs (cause, effect) ${pairs}. ${why}`;
}

// The steps that are drawn, as runs without a gap: all of them, or of a long text its ends, and what is near
// the present step, its window's ends, and the loss followed.
export const DRAWN = 60;
export function runs(sizes, now, loss) {
  const { steps, truncation, first } = sizes;
  if (steps <= DRAWN) return [[1, steps]];
  const here = Math.max(now.step, 1), begin = first(here), end = begin + truncation - 1;
  const wanted = [2, steps - 1, here, begin, end, loss, first(loss)].flatMap((step) => [step - 1, step, step + 1]);
  const shown = [...new Set(wanted)].filter((step) => step >= 1 && step <= steps).sort((a, b) => a - b);
  const found = [];
  for (const step of shown) {
    const run = found.at(-1);
    if (run && step <= run[1] + 2) run[1] = step;                  // a gap of one step is drawn instead
    else found.push([step, step]);
  }
  return found;
}

// Stops of a slider: every number that is drawn, then 1, 2, 5 and powers of ten.
const STOPS = Array.from({ length: DRAWN }, (_, k) => k + 1);
for (let ten = 100; ten <= 1e7; ten *= 10) STOPS.push(...[1, 2, 5].map((k) => k * ten).filter((k) => k <= 1e7));
export const stop = (value) => STOPS.findLastIndex((one) => one <= value);

// ---- the unrolled network ----

const WIDTH = 420, PITCH = 34, ROW = 12, RADIUS = 10.5;

const head = (x, y, way, size) => {
  const [dx, dy] = { up: [0, 1], left: [1, 0], right: [-1, 0] }[way], a = 1.5 * size, b = 0.85 * size;
  return `M${x} ${y}L${x + dx * a - dy * b} ${y + dy * a - dx * b}L${x + dx * a + dy * b} ${y + dy * a + dx * b}Z`;
};

// What is drawn in one stroke each, from the back to the front; the style has their looks.
const INKS = ["cut", "later", "later-head", "tick", "tick-head", "state", "state-head", "gap", "back", "back-head", "stop",
  "reach", "reach-head"];

function network(sizes, now, loss, carried) {
  const { steps, truncation } = sizes, long = steps > DRAWN, height = long ? 92 : 78;
  const ink = Object.fromEntries(INKS.map((name) => [name, ""])), washes = [], nodes = [];
  const windowOf = (step) => Math.ceil(step / truncation);
  const fate = (step) => (step > now.read ? "later" : step >= now.from && step < now.to ? "kept" : "freed");

  // The places, row by row: a step, or what a gap leaves out. Of several windows at once a gap has none.
  const drawn = runs(sizes, now, loss), places = [];
  const add = (from, to, more) => {
    const row = Math.floor(places.length / ROW), window = windowOf(from) === windowOf(to) ? windowOf(to) : null;
    places.push({ from, to, row, window, x: 23 + PITCH * (places.length % ROW), y: 36 + height * row, ...more });
  };
  drawn.forEach(([from, to], k) => {
    if (k) add(drawn[k - 1][1] + 1, from - 1, { gap: true });
    for (let step = from; step <= to; step++) add(step, step, { begins: step === from });
  });

  const text = (x, y, words, look, anchor = "middle") => nodes.push(svg("text", { x, y, "text-anchor": anchor, class: look }, words));
  function drawPlace({ from: step, x, y, row, window, gap, begins }) {
    const wash = washes.at(-1);
    if (wash?.window === window && wash?.row === row) wash.to = x;
    else if (window !== null) washes.push({ window, row, y, from: x, to: x });
    if (gap) {
      ink.gap += [-8, 0, 8].map((d) => `M${x + d} ${y}h0`).join("");
      return;
    }
    const what = fate(step), tick = what === "later" ? "later" : "tick";
    ink[tick] += `M${x} ${y + 24}V${y + 18}M${x} ${y - RADIUS}V${y - 15}`;
    ink[`${tick}-head`] += head(x, y + 11.5, "up", 4.5) + head(x, y - 21, "up", 4.5);
    nodes.push(svg("circle", { cx: x, cy: y, r: RADIUS, "data-step": step, "data-fate": what, class: `u-${what}-step` }));
    if (step === now.step) nodes.push(svg("circle", { cx: x, cy: y, r: RADIUS + 4, class: "u-now" }));
    if (!long) text(x, y + 4.5, String(step), what === "kept" ? "u-on" : null);
    else if (begins) text(x - RADIUS, y + 49, grouped(step), null, "start");
    if (step === loss) text(x, y - 24, "loss", "u-strong");
  }

  // State forward and gradient back, from one place to the next; by the margins where a row ends.
  function drawLink(a, b) {
    const lines = a.row === b.row ? [[a.x + 9.5, b.x - 9.5, a.y]] : [[a.x + 9.5, WIDTH, a.y], [0, b.x - 9.5, b.y]];
    const [start, , above] = lines[0], [, end, level] = lines.at(-1), what = fate(b.from);
    const cut = a.window !== null && b.window !== null && a.window !== b.window;
    if (cut) ink.cut += `M${a.x + PITCH / 2} ${a.y - 30}V${a.y + 32}`;
    if (cut && !carried) {
      if (!b.gap) text(b.x - 15, b.y - 13, "0", "u-zeros");
      return;
    }
    const state = what === "later" ? "later" : "state";
    ink[state] += lines.map(([left, right, y]) => `M${left} ${y - 5}H${right === WIDTH ? right : right - 6}`).join("");
    ink[`${state}-head`] += head(end, level - 5, "right", 5.5);
    if (what !== "freed") return;
    if (cut) {
      ink.back += `M${end} ${level + 5}h-4`;
      ink.stop += `M${end - 4} ${level + 0.5}v9`;
    } else {
      ink.back += lines.map(([left, right, y]) => `M${right} ${y + 5}H${left ? left + 6 : left}`).join("");
      ink["back-head"] += head(start, above + 5, "left", 5.5);
    }
  }

  // How far back the loss reaches: a lane below its steps.
  function drawReach() {
    const first = sizes.first(loss), lane = places.filter(({ from, to }) => from >= first && to <= loss), tip = lane[0];
    for (let row = tip.row; row <= lane.at(-1).row; row++) {
      const inRow = lane.filter((place) => place.row === row), a = inRow[0], b = inRow.at(-1);
      ink.reach += `M${b.from === loss ? b.x : WIDTH} ${b.y + 31}H${a === tip ? a.x - 4 : 0}`;
    }
    ink["reach-head"] += head(tip.x - 9, tip.y + 31, "left", 5);
    ink.stop += `M${tip.x - 12} ${tip.y + 25}v12`;
  }

  places.forEach((place, k) => {
    drawPlace(place);
    if (k) drawLink(places[k - 1], place);
  });
  drawReach();
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height * (places.at(-1).row + 1)}`, class: "u-net", "aria-hidden": "true" },
    washes.map(({ y, from, to }) => svg("rect", {
      class: "u-wash", x: from - 15.5, y: y - 17, width: to - from + 31, height: 34, rx: 10,
    })),
    INKS.filter((name) => ink[name]).map((name) => svg("path", { class: `u-${name}`, d: ink[name] })), nodes);
}

// ---- memory over the work done, and the pairs ----

const MANY = 200;                                                  // windows that are drawn one by one

// [moment, steps kept] where the memory's line turns; of many windows, the block that they fill.
export function corners({ steps, truncation, passes, longest, lastMoment }) {
  if (passes > MANY) return [[0, 0], [0, longest], [lastMoment, longest], [lastMoment, 0]];
  const points = [[0, 0]];
  for (let window = 0; window < passes; window++) {
    const begin = window * (2 * truncation + 1), length = Math.min(truncation, steps - window * truncation);
    points.push([begin + length, length], [begin + 2 * length, 0], [begin + 2 * length + 1, 0]);
  }
  return points;
}

function memory(sizes, moment, now) {
  const { steps, longest, lastMoment, kept } = sizes;
  const ticks = [0, steps, longest].filter((many, k) => k < 2 || (many < 0.87 * steps && many > 0.13 * steps));
  const picture = chart({
    width: 230, height: 178, left: 62, top: 22, right: 8, bottom: 24,
    x: { min: 0, max: lastMoment, ticks: [[0, "begin"], [lastMoment, "end"]] },
    y: { min: 0, max: steps, ticks: ticks.map((many) => [many, many ? inBytes(4 * kept(many)) : "0"]) },
  });
  picture.line({ quantity: "x", dash: "5 4", width: 2 }).set([[0, 0], [steps, steps], [2 * steps, 0]]);
  const line = picture.line({ quantity: "H", dash: "" });
  line.set(corners(sizes));
  picture.node.append(
    svg("text", { x: 0, y: 10 }, "memory"), svg("path", { class: "u-under", d: `${line.node.getAttribute("d")}Z` }),
    svg("circle", { class: "u-fill u-h", r: 5, cx: picture.x(moment), cy: picture.y(now.to - now.from) }),
    svg("text", { x: picture.x(steps) + 10, y: picture.y(steps) + 14 }, longest < steps ? "not cut" : ""));
  return picture.node;
}

const SIDE = 140;

// The pairs (cause, effect) of the steps from + 1 .. to: a column each cause, a row each effect.
export function stairs(from, to, scale, smooth) {
  let d = `M${from * scale} ${from * scale}`;
  if (smooth) return `${d}V${to * scale}H${to * scale}Z`;
  for (let k = from; k < to; k++) d += `H${(k + 1) * scale}V${(k + 1) * scale}`;
  return `${d}H${from * scale}Z`;
}

function pairs(sizes, loss, carried) {
  const { steps, truncation, passes } = sizes, scale = Math.min(SIDE / steps, SIDE / 2), smooth = steps > DRAWN;
  const level = (loss - 0.5) * scale, reached = (sizes.first(loss) - 1) * scale, middle = SIDE / 2;
  const room = Math.ceil(84 / scale / truncation) * truncation * scale <= SIDE - 24;      // for words below the windows
  let joined = `M0 0L${SIDE} ${SIDE}`;
  if (passes <= MANY) {
    joined = "";
    for (let a = 0; a < steps; a += truncation) joined += stairs(a, Math.min(a + truncation, steps), scale, smooth);
  }
  const text = (x, y, words, more) => svg("text", { x, y, ...more }, words);
  const frame = { viewBox: "0 0 230 178", class: "u-chart", "aria-hidden": "true" };
  return svg("svg", frame, svg("g", { transform: "translate(30 8)" },
    svg("path", { class: "u-all", d: stairs(0, steps, scale, smooth) }),
    svg("path", { class: passes <= MANY ? "u-fill u-h" : "u-line u-h", "stroke-width": 1.5, d: joined }),
    room ? text(8, SIDE - 9, carried ? "state alone" : "nothing") : null,
    svg("path", { class: "u-apart", d: `M-6 ${level}H${reached}` }),
    svg("path", { class: "u-together", d: `M${reached} ${level}H${loss * scale}` }),
    text(middle, SIDE + 16, "cause: token at step", { "text-anchor": "middle" }),
    text(-10, middle, "effect: loss at step", { "text-anchor": "middle", transform: `rotate(-90 -10 ${middle})` }),
    text(middle + 22, 26, `${format(100 * sizes.pairs / sizes.allPairs)} %`, { class: "u-share" }),
    text(middle + 22, 44, "of the pairs"), text(middle + 22, 60, "are joined")));
}

// ---- the numbers ----

const large = (value) => (value < 1e10 ? grouped(value) : format(value));
const TABLE = [
  ["values kept at most", (one) => large(one.kept(one.longest))],
  ["in float32", (one) => inBytes(4 * one.kept(one.longest))],
  ["backward passes", (one) => grouped(one.passes)],
  ["gradient's reach: from 0 steps to", (one) => grouped(one.reachMax)],
  ["… its mean", (one) => (one.reachMean < 1000 ? format(one.reachMean) : grouped(one.reachMean))],
  ["pairs joined by a gradient", (one) => large(one.pairs)],
];

function table(sizes) {
  const both = [sizes, plan({ ...sizes, truncation: sizes.steps })];
  const row = ([name, say]) => html("tr", {}, html("th", { scope: "row" }, name), both.map((one) => html("td", {}, say(one))));
  return html("table", {},
    html("thead", {}, html("tr", {}, html("td"), ["cut", "not cut"].map((name) => html("th", { scope: "col" }, name)))),
    html("tbody", {}, TABLE.map(row)));
}

// ---- the widget ----

const LABELS = { steps: "steps of text", truncation: "cut after every", batch: "batch", hidden: "hidden units" };
const SYNCED = [...Object.keys(LABELS), "kind", "carried", "moment", "loss_step"];

function render({ model, el }) {
  const get = (name) => model.get(name);
  const sizesNow = () => plan(Object.fromEntries([...Object.keys(LABELS), "kind"].map((name) => [name, get(name)])));
  let sizes = sizesNow(), resting = false;
  const root = stage(el, "A network unrolled over a text, and cut",
    "Press Step: the circles fill, then empty. Then move the cut, and follow a loss back.");
  root.classList.add("u-unrolling");

  // A shorter text, or longer windows, end sooner: what lies beyond comes along, in one message to the kernel.
  function change(values) {
    resting = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    sizes = sizesNow();
    model.set("moment", Math.min(get("moment"), sizes.lastMoment));
    model.set("loss_step", Math.min(get("loss_step"), sizes.steps));
    resting = false;
    wrong.say("");
    draw();
    model.save_changes();
  }

  const size = (name, show) => slider({
    label: LABELS[name], min: 0, max: STOPS.length - 1, step: 1, value: stop(get(name)), quantity: "H",
    show: () => show(get(name)), onInput: (k) => change({ [name]: STOPS[k] }),
  });
  const stops = {
    steps: size("steps", grouped),
    truncation: size("truncation", (value) => (value >= get("steps") ? "no cut" : grouped(value))),
  };
  const carried = toggle({
    label: "the state is carried across a cut", value: get("carried"), onChange: (on) => change({ carried: on }),
  });
  const play = player({
    label: "moment", count: sizes.lastMoment + 1, value: get("moment"), onStep: (moment) => change({ moment }),
    show(moment) {
      const { phase, step } = at(sizes, moment);
      return phase === "begin" || phase === "end" ? phase : `${phase} ${grouped(step)}`;
    },
  });
  const loss = slider({
    label: "loss at step", min: 1, max: sizes.steps, step: 1, value: get("loss_step"), quantity: "H", show: grouped,
    onInput: (step) => change({ loss_step: step }),
  });
  const kind = choice({
    label: "layer", options: Object.keys(EACH).map((name) => [name, name.toUpperCase()]), value: get("kind"),
    onChange: (name) => change({ kind: name }),
  });
  const wrong = complaint();
  const exact = Object.fromEntries(Object.keys(LABELS).map((name) => [name, field({
    label: LABELS[name], value: String(get(name)), maxlength: 14,
    onInput(text) {
      try {
        change({ [name]: whole(text, LABELS[name], LIMITS[name]) });
      } catch (error) {
        wrong.say(error.message);
      }
    },
  })]));

  const picture = html("div"), charts = html("div", { class: "u-two" }), numbers = html("div");
  const now = voice(), reach = voice();
  const key = (what, text) => html("span", {}, svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("circle", { cx: 8, cy: 8, r: 6, class: `u-${what}-step` })), text);
  root.append(stops.steps.node, stops.truncation.node, carried.node, picture,
    html("p", { class: "u-legend" }, key("kept", "kept"), key("freed", "freed"), key("later", "not yet read")),
    play.node, ...now.nodes, loss.node, ...reach.nodes, charts, numbers,
    folded("Layer, batch and exact numbers", kind.node, ...Object.values(exact).map((one) => one.node), wrong.node));

  function draw() {
    if (resting) return;
    sizes = sizesNow();
    const moment = Math.min(get("moment"), sizes.lastMoment), step = Math.min(get("loss_step"), sizes.steps);
    const here = at(sizes, moment), each = EACH[sizes.kind];
    for (const name of Object.keys(LABELS)) {
      stops[name]?.set(stop(get(name)));
      if (document.activeElement !== exact[name].input) exact[name].set(String(get(name)));
    }
    carried.set(get("carried"));
    kind.set(sizes.kind);
    play.resize(sizes.lastMoment + 1);
    play.set(moment);
    loss.input.max = sizes.steps;
    loss.set(step);
    picture.replaceChildren(network(sizes, here, step, get("carried")));
    charts.replaceChildren(memory(sizes, moment, here), pairs(sizes, step, get("carried")));
    numbers.replaceChildren(table(sizes), html("p", { class: "u-counted" },
      `Counted: ${each} ${each === 1 ? "value" : "values"} a hidden unit, step and example: ${COUNTED[sizes.kind]}.`));
    now.say(momentInWords(sizes, moment, get("carried")));
    reach.say(reachInWords(sizes, step, get("carried")));
  }
  for (const name of SYNCED) model.on(`change:${name}`, draw);
  draw();
  return () => {
    for (const name of SYNCED) model.off(`change:${name}`, draw);
    for (const one of [play, now, reach]) one.stop();
  };
}

export default { render: guarded(render) };

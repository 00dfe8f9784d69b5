// The memory cell: the book's own drawing with a number on every wire, a run to step through, weights to move.
import { CLASSES, LETTERS, NAMES, button, chart, choice, complaint, field, fixed, folded, guarded, html, player, set, slider, stage, svg, voice } from "./parts.mjs";
import { LSTM } from "./lstm.mjs";

const MOST_STEPS = 60, LARGEST = 1000, TOLERANCE = 0.05;
const LAYERS = [["i", "I"], ["f", "F"], ["o", "O"], ["c", "C_tilde"]];        // letter of the parameters, quantity
const LOW = "₁₂₃₄";
const indexed = (letter, k, count) => (count > 1 ? letter + LOW[k] : letter);
const isChallenge = ({ preset }) => preset.startsWith("challenge");

// ---- the run ----

// Each step: x, the state `before` it (where the reader set one by hand, that one), and I, F, O, C_tilde, C, H.
export function trajectory({ parameters, inputs, state, interventions = [] }) {
  const flat = Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, values.flat()]));
  const layer = new LSTM(parameters.W_xi.length, parameters.b_i.length, flat);
  let last = state;
  return inputs.map((x, t) => {
    const before = { H: [...last.H], C: [...last.C] };
    for (const [step, name, unit, value] of interventions) if (step === t) before[name][unit] = value;
    last = layer.step(x, before);
    return { x, before, ...last };
  });
}

// A layer's score for one unit: [[weight, value], …] and their sum with the bias.
export function score(parameters, letter, unit, { x, before }) {
  const terms = ["x", "h"].flatMap((from) => (from === "x" ? x : before.H)
    .map((value, k) => [parameters[`W_${from}${letter}`][k][unit], value]));
  const bias = parameters[`b_${letter}`][unit];
  return { terms, bias, total: terms.reduce((sum, [weight, value]) => sum + weight * value, bias) };
}

export function scoreInWords({ terms, bias, total }) {
  const products = terms.filter(([weight]) => weight !== 0).map((pair) => pair.map((value) => fixed(value)).join(" · "));
  return `score = ${[...products, fixed(bias)].join(" + ")} = ${fixed(total)}`.replaceAll("+ −", "− ");
}

// A gate is never quite 0 or 1, and neither is what is said of it.
export function percent(gate) {
  if (gate > 0.9999) return "over 99.99 %";
  if (gate < 0.0001) return "under 0.01 %";
  return `${fixed(100 * gate, gate > 0.99 || gate < 0.01 ? 2 : 0)} %`;
}

export function sentence(step, unit, units) {
  const at = (name) => fixed(step[name][unit]);
  return `${units > 1 ? `Unit ${unit + 1}` : "The cell"} keeps ${percent(step.F[unit])} of ${fixed(step.before.C[unit])} and `
    + `writes ${percent(step.I[unit])} of ${at("C_tilde")}: now it holds ${at("C")}. `
    + `It shows ${percent(step.O[unit])} of tanh(${at("C")}): ${at("H")}.`;
}

// The challenge: how much of what step 1 wrote is left, whether any step strayed, and which bias to look at.
export function holding(steps) {
  const c = steps.map((step) => step.C[0]), [written] = c, end = c.at(-1);
  const kept = steps.slice(1).reduce((product, step) => product * step.F[0], 1), noise = end - kept * written;
  const strayed = c.findIndex((value) => !(Math.abs(value - written) <= TOLERANCE * written));
  const share = (value) => `${fixed(100 * value / written, 0)} %`;
  if (!(written >= 0.5)) {
    return { done: false, look: "i", words: `Step 1 wrote only ${fixed(written)}: the input gate hardly opened at the cue. `
      + "Look at the bias of the input gate: it is too low." };
  }
  const held = `Step 1 wrote ${fixed(written)}, step ${c.length} holds ${fixed(end)}: ${share(end)} of it.`;
  if (strayed < 0) return { done: true, look: null, words: `✓ Done. ${held} No step in between was further off than 5 %.` };
  const soFar = `${held} It strays from step ${strayed + 1} on.`;
  if (kept < 1 - TOLERANCE || 1 - kept > Math.abs(noise / written)) {
    return { done: false, look: "f", words: `${soFar} ${c.length - 1} forget gates in a row leave ${share(kept * written)} `
      + "of what was written. Look at the bias of the forget gate." };
  }
  return { done: false, look: "i", words: `${soFar} The forget gate is good; the noise has written ${fixed(noise)} over the value. `
    + "Look at the bias of the input gate." };
}

// lines: one text an input. Returns { inputs: (steps, lines) } or { trouble: a sentence }.
export function readSequence(lines, names) {
  const rows = [];
  for (const [k, line] of lines.entries()) {
    const words = line.replaceAll("−", "-").split(/[\s,;]+/).filter(Boolean), numbers = words.map(Number);
    const of = lines.length > 1 ? ` of ${names[k]}` : "", bad = numbers.findIndex((one) => !(Math.abs(one) <= LARGEST));
    if (bad >= 0) {
      const word = words[bad].length > 20 ? `${words[bad].slice(0, 20)}…` : words[bad];
      return { trouble: Number.isFinite(numbers[bad]) ? `${word}${of} is too far out: give numbers between −${LARGEST} and ${LARGEST}.`
        : `“${word}”${of} is not a number. Separate numbers by spaces or commas, such as: 1 0 −0.5` };
    }
    const count = numbers.length;
    rows.push(numbers);
    if (!count) return { trouble: `The sequence${of} needs at least one number.` };
    if (count > MOST_STEPS) return { trouble: `The sequence${of} has ${count} numbers; at most ${MOST_STEPS} steps are shown.` };
    if (count !== rows[0].length) {
      return { trouble: `There are ${rows[0].length} numbers of ${names[0]} and ${count}${of}. Every step needs one of each.` };
    }
  }
  return { inputs: rows[0].map((_, t) => rows.map((row) => row[t])) };
}

// ---- the drawing, alive ----

// Wires are as thick as what flows through them: a bounded width for an unbounded state.
export const thickness = (value) => 1.2 + 7.6 * Math.tanh(Math.abs(value));

// What stands on the wires: name, quantity, place, anchor, the value for a unit u of a step s, the wire that swells.
const WIRES = [
  ["c-before", "C", 17, 86, "end", (s, u) => s.before.C[u]],
  ["kept", "C", 150, 86, "middle", (s, u) => s.F[u] * s.before.C[u]],
  ["c", "C", 480, 90, "end", (s, u) => s.C[u], "wire-c-out"],
  ["written", "C", 235, 106, "start", (s, u) => s.I[u] * s.C_tilde[u], "wire-write"],
  ["tanh", "C", 411, 138, "start", (s, u) => Math.tanh(s.C[u]), "wire-tanh"],
  ["h", "H", 480, 272, "end", (s, u) => s.H[u], "wire-h"],
  ["f", "F", 81, 166, "start", (s, u) => s.F[u], "wire-f"],
  ["i", "I", 157, 166, "start", (s, u) => s.I[u], "wire-i"],
  ["c-tilde", "C_tilde", 233, 167, "start", (s, u) => s.C_tilde[u], "wire-n-to-valve"],
  ["o", "O", 309, 153, "start", (s, u) => s.O[u], "wire-o"],
  ...[...LOW].map((_, k) => [`h-before-${k}`, "H", 17, 273 + 18 * k, "end", (s) => s.before.H[k]]),
];
const PIPE = { "c-before": "M0 60H72", kept: "M72 60H224", c: "M224 60H462" };      // the three parts of the memory line

// The package's own drawing as nodes, and its named parts. Its ids go, since static figures share the page.
function drawn(text) {
  const node = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true), parts = {};
  node.querySelectorAll("title, desc, style").forEach((one) => one.remove());
  for (const name of ["aria-labelledby", "font-family"]) node.removeAttribute(name);
  for (const one of node.querySelectorAll("[id]")) {
    parts[one.id] = one;
    one.removeAttribute("id");
  }
  const label = "The memory cell with a number on every wire; the table below has the numbers in words";
  return { node: set(node, { viewBox: "-38 12 520 354", class: "u-cell", "aria-label": label }), parts };
}

function livingCell(text) {
  const label = (name, quantity, x, y, anchor) => svg("text",
    { x, y, "text-anchor": anchor, class: `u-number u-halo ${CLASSES[quantity]}`, "data-number": name });
  const { node, parts } = drawn(text), numbers = {}, flows = {}, rings = {}, dots = {};
  parts["wire-c"].classList.add("u-pipe");                        // what flows in it has three parts
  for (const [letter, quantity] of LAYERS) {
    const valve = parts[`node-valve-${letter}`]?.firstChild;
    if (valve) {                                                   // a ring as far round as the gate is open
      const [cx, cy] = ["cx", "cy"].map((name) => valve.getAttribute(name));
      rings[quantity] = svg("circle", { class: "u-line u-ring", cx, cy, r: 17, pathLength: 1, transform: `rotate(-90 ${cx} ${cy})` });
      set(valve, { "stroke-width": 1.2 }).after(rings[quantity]);
    }
    const tile = parts[letter === "c" ? "node-n" : `node-${letter}`], curve = tile.querySelectorAll("path")[1];
    const dot = svg("circle", { r: 4.6, class: "u-fill u-edge", transform: curve.getAttribute("transform") });
    dots[letter] = { curve, dot, length: 0 };
    tile.append(dot);
  }
  for (const [name, quantity, x, y, anchor, , wire] of WIRES) {
    numbers[name] = label(name, quantity, x, y, anchor);
    flows[name] = wire ? [parts[wire]] : [];
    if (PIPE[name]) {
      flows[name].push(svg("path", { class: "u-line u-c u-flowing", d: PIPE[name] }));
      parts["wire-c"].after(flows[name].at(-1));
    }
  }
  numbers.x = label("x", "x", 187, 361, "middle");
  node.append(...Object.values(numbers));
  return {
    node, numbers,
    draw(step, unit, scores) {
      for (const [name, , , , , value] of WIRES) {
        const now = value(step, unit);
        numbers[name].textContent = now === undefined ? "" : fixed(now);
        for (const wire of flows[name]) wire.setAttribute("stroke-width", thickness(now).toFixed(2));
      }
      numbers.x.textContent = step.x.map((value) => fixed(value)).join(",  ");
      for (const [letter, quantity] of LAYERS) {
        rings[quantity]?.setAttribute("stroke-dasharray", `${step[quantity][unit].toFixed(4)} 2`);
        const { curve, dot } = dots[letter], along = Math.max(0, Math.min(1, 0.5 + scores[letter].total / 10));
        const at = curve.getPointAtLength(along * (dots[letter].length ||= curve.getTotalLength()));
        set(dot, { cx: at.x.toFixed(2), cy: at.y.toFixed(2) });     // where the score lies on its curve
      }
    },
  };
}

// ---- lines over time ----

// Places for labels that want to stand at `places`, at least `gap` apart, between `low` and `high`.
export function apart(places, gap, low, high) {
  const order = [...places.keys()].sort((a, b) => places[a] - places[b]), out = [...places];
  order.forEach((k, n) => { out[k] = Math.max(places[k], n ? out[order[n - 1]] + gap : low); });
  order.reverse().forEach((k, n) => { out[k] = Math.min(out[k], n ? out[order[n - 1]] - gap : high); });
  return out;
}

// The end of an axis: the first of 1, 1.5, 2, 3, 5, 10, 15, … that is not below the value.
export function axisEnd(value) {
  if (value <= 1) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 10].map((one) => one * size).find((one) => one >= value);
}
const bounds = (values) => [-1, 1].map((sign) => {
  const end = Math.max(...values.map((value) => sign * value));
  return end > 0 ? sign * axisEnd(end) : 0;
});

export function stepTicks(steps) {
  const every = steps <= 10 ? 1 : steps <= 24 ? 5 : 10, ticks = [1, steps];
  for (let t = Math.max(2, every); t <= steps - Math.max(1, 0.6 * every); t += every) ticks.push(t);
  return [...new Set(ticks)].sort((a, b) => a - b).map((t) => [t, t === 1 ? "step 1" : String(t)]);
}

const LEFT = 40, RIGHT = 46, TOP = 24, WIDTH = 420;

function panel({ title, keys, steps, range: [min, max], height, last }) {
  const bottom = last ? 24 : 8, ticks = [...new Set([min, 0, max])].map((value) => [value, fixed(value, value % 1 ? 1 : 0)]);
  const picture = chart({ width: WIDTH, height, left: LEFT, right: RIGHT, top: TOP, bottom, y: { min, max, ticks },
    x: { min: 1, max: steps, ticks: last ? stepTicks(steps) : [] } });
  const down = (x) => `M${picture.x(x)} ${TOP}V${height - bottom}`, cursor = svg("path", { class: "u-cursor" }), marks = svg("g");
  const band = svg("rect", { class: "u-c u-fill u-band", x: LEFT, width: WIDTH - LEFT - RIGHT });
  picture.node.append(svg("text", { x: LEFT, y: 13 }, title), band, marks, cursor);
  const lines = keys.map(({ quantity, dash, name }) => {
    const look = CLASSES[quantity], line = picture.line({ quantity, dash });
    const dot = svg("circle", { r: 4.2, class: `u-fill u-edge ${look}` });
    const label = svg("text", { class: `u-name ${look}`, x: WIDTH - RIGHT + 8, "font-weight": 600 }, name);
    picture.node.append(dot, label);
    return { line, dot, label };
  });
  return {
    node: picture.node,
    draw(series, step, hands, goal) {
      set(cursor, { d: down(step + 1) });
      marks.replaceChildren(...hands.map((t) => svg("path", { class: "u-hand", d: down(t + 0.5) })));
      const [upper, lower] = [1 + TOLERANCE, 1 - TOLERANCE].map((share) => picture.y(share * goal));
      set(band, { y: upper, height: Math.max(0, lower - upper) });
      const ends = apart(series.map((values) => picture.y(values.at(-1))), 14, TOP + 2, height - bottom);
      lines.forEach(({ line, dot, label }, k) => {
        line.set(series[k].map((value, t) => [t + 1, value]));
        set(dot, { cx: picture.x(step + 1), cy: picture.y(series[k][step]) });
        set(label, { y: ends[k] + 4.5 });
      });
    },
  };
}

// Inputs, gates, and what they work on; a click goes to a step, which the scrubber does for everybody.
function timeCharts(onStep) {
  let key, panels, count;
  const node = html("div", { class: "u-charts", onclick: ({ clientX }) => {
    const box = node.firstChild.getBoundingClientRect(), x = (clientX - box.left) / box.width * WIDTH;
    onStep(Math.max(0, Math.min(count - 1, Math.round((x - LEFT) / (WIDTH - LEFT - RIGHT) * (count - 1)))));
  } });
  return {
    node,
    draw(cell, steps, names) {
      const groups = [["I", "F", "O"], ["C_tilde", "C", "H"]], xs = names.map((_, k) => cell.inputs.map((x) => x[k]));
      const data = [xs, ...groups.map((group) => group.map((name) => steps.map((step) => step[name][cell.unit])))];
      const ranges = data.map((lines) => bounds(lines.flat())), now = JSON.stringify([ranges, names, steps.length]);
      count = steps.length;
      if (key !== now) {                                           // new axes
        key = now;
        const keys = [names.map((name, k) => ({ quantity: "x", dash: ["", "7 4", "2 4"][k], name })),
          ...groups.map((group) => group.map((quantity) => ({ quantity, name: LETTERS[quantity] })))];
        panels = ["input", "gates", "input node, cell state, hidden state"].map((title, k) => panel({
          title, keys: keys[k], steps: count, range: ranges[k], height: [92, 120, 178][k], last: k === 2 }));
        node.replaceChildren(...panels.map((one) => one.node));
      }
      const hands = [...new Set(cell.interventions.map(([t]) => t))];
      panels.forEach((one, k) => one.draw(data[k], cell.step, hands, k === 2 && isChallenge(cell) ? steps[0].C[0] : 0));
    },
  };
}

function stepTable() {
  const caption = html("caption"), body = html("tbody"), node = html("table", {}, caption, body);
  return {
    node,
    draw({ unit: u, step: t }, units, step, scores) {
      const n = (value) => fixed(value, 4), piece = (text) => html("span", { class: "u-piece" }, text);
      const ways = {
        ...Object.fromEntries(LAYERS.map(([letter, name]) => [name, `${letter === "c" ? "tanh" : "σ"}(${n(scores[letter].total)})`])),
        C: [piece(`${n(step.F[u])} · ${n(step.before.C[u])}`), " ", piece(`+ ${n(step.I[u])} · ${n(step.C_tilde[u])}`)],
        H: `${n(step.O[u])} · tanh(${n(step.C[u])})`,
      };
      caption.textContent = `${units > 1 ? `Unit ${u + 1}, step` : "Step"} ${t + 1} in numbers`;
      body.replaceChildren(...Object.entries(ways).map(([name, way]) => html("tr", {},
        html("th", { scope: "row" }, html("span", { class: `u-key ${CLASSES[name]}` }, NAMES[name])),
        html("td", {}, way), html("td", { class: "u-result" }, n(step[name][u])))));
    },
  };
}

// ---- the widget ----

const TRAITS = ["parameters", "inputs", "state", "interventions", "unit", "step", "preset"];
const replaced = (list, [k, ...rest], value) => list.map((one, n) => (n !== k ? one : rest.length ? replaced(one, rest, value) : value));

function render({ model, el }) {
  const root = stage(el, "The memory cell, with a number on every wire",
    "Move one slider: the numbers that it moves are underlined, all others stay.");
  const read = () => Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));
  const presets = model.get("presets"), began = read();
  let cell = began, steps, dials, built, busy = false, held = null, since = {};

  // All at once, and drawn once: half of one cell and half of another cannot run.
  function change(values) {
    busy = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
    busy = false;
    refresh();
  }
  // Anything but one slider: nothing stays underlined.
  function leap(values) {
    held = null;
    change(values);
  }
  function load(name) {
    strip.stop();
    const { parameters, inputs, state, interventions = [], unit = 0, step = 0 } = name ? presets[name] : began;
    const shown = isChallenge({ preset: name }) ? inputs.length - 1 : step;
    leap({ parameters, inputs, state, interventions, unit, step: shown, preset: name });
  }

  const picture = livingCell(model.get("drawing")), words = voice(), trouble = complaint(), table = stepTable();
  const options = [...(began.preset ? [] : [["", "your own cell"]]), ...Object.keys(presets).map((name) => [name, name])];
  const begin = choice({ label: "example", options, value: began.preset, onChange: load });
  const watch = html("p"), what = html("p", { class: "u-what" }), main = html("div", { class: "u-dials" });
  const handWords = html("p"), undo = button("Undo what was set by hand", () => leap({ interventions: [] }));
  const hand = html("div", {}, handWords, undo);
  const strip = player({ label: "step", count: cell.inputs.length, value: cell.step, show: (k) => `${k + 1} of ${cell.inputs.length}`,
    onStep: (step) => leap({ step }) });
  const charts = timeCharts((step) => { strip.stop(); leap({ step }); }), time = html("div", {}, strip.node, charts.node);
  const folds = LAYERS.map(([letter, quantity]) => {
    const sum = html("p"), body = html("div", { class: "u-dials" });
    const name = html("span", { class: `u-key ${CLASSES[quantity]}` }, NAMES[quantity]);
    return { letter, quantity, sum, body, node: folded([name, ": weights and bias"], sum, body) };
  });
  const fields = html("div"), sequence = folded("", fields, trouble.node);
  root.classList.add("u-memory");
  root.append(html("div", { class: "u-head" }, begin.node, button("Start again", () => load(cell.preset))), watch, picture.node,
    ...words.nodes, what, main, hand, time, table.node, ...folds.map(({ node }) => node), sequence);

  // A slider remembers how the numbers stood when it was taken.
  function dial(label, quantity, [min, max, step], get, put) {
    const shown = slider({ label, min, max, step, value: get(), quantity, show: () => fixed(get()), onInput: (value) => {
      if (held !== shown) {
        held = shown;
        since = Object.fromEntries(Object.entries(picture.numbers).map(([name, node]) => [name, node.textContent]));
      }
      strip.stop();
      put(value);
    } });
    dials.push(() => {                                             // a run may leave the slider's range
      const value = get(), { input } = shown;
      if (value < input.min) input.min = Math.floor(value);
      if (value > input.max) input.max = Math.ceil(value);
      shown.set(value);
    });
    return shown.node;
  }

  function putState(name, unit, value) {
    const { step, state, interventions } = cell;
    if (step === 0) return change({ state: { ...state, [name]: replaced(state[name], [unit], value) } });
    const others = interventions.filter(([t, n, u]) => t !== step || n !== name || u !== unit);
    return change({ interventions: [...others, [step, name, unit, value]] });
  }

  // The names of the inputs, short for a line's end and long for a slider.
  function inputNames() {
    const width = cell.parameters.W_xi.length, given = presets[cell.preset]?.names ?? [];
    const letters = cell.parameters.W_xi.map((_, k) => indexed("x", k, width));
    const short = given.length === width ? given : letters;
    return { short, long: letters.map((x, k) => (short[k] === x ? `input ${x}` : `${short[k]} ${x}`)) };
  }

  // What depends on the sizes, the unit and the example, and on no number.
  function build() {
    const { unit: u, parameters: { b_i: each } } = cell, units = each.length, { short, long } = inputNames();
    const number = (label, quantity, name, path, end) => dial(label, quantity, [-end, end, 0.1],
      () => path.reduce((value, k) => value[k], cell.parameters[name]),
      (value) => change({ parameters: { ...cell.parameters, [name]: replaced(cell.parameters[name], path, value) } }));
    const bias = (letter, quantity, label) => number(label, quantity, `b_${letter}`, [u], 10);
    const weight = (name, row, of, quantity) => number(`${name} of ${of}`, quantity, name, [row, u], 12);
    const state = (name, k, range) => dial(`previous ${indexed(LETTERS[name], k, units)}`, name, range,
      () => steps[cell.step].before[name][k], (value) => putState(name, k, value));
    const options = each.map((_, k) => [k, `unit ${k + 1}`]);
    const shown = choice({ label: "shown", options, value: u, onChange: (unit) => leap({ unit }) });
    dials = [];
    begin.set(cell.preset);
    watch.textContent = presets[cell.preset]?.watch ?? "";
    root.classList.toggle("u-trial", sequence.hidden = isChallenge(cell));
    const gates = isChallenge(cell) ? LAYERS.slice(0, 3) : [];
    main.replaceChildren(...gates.map(([letter, quantity]) => bias(letter, quantity, `bias of ${letter}`)), ...(isChallenge(cell) ? [] : [
      ...(units > 1 ? [shown.node] : []),
      ...long.map((label, k) => dial(label, "x", [-2, 2, 0.05], () => cell.inputs[cell.step][k],
        (value) => change({ inputs: replaced(cell.inputs, [cell.step, k], value) }))),
      ...each.map((_, k) => state("H", k, [-1, 1, 0.05])), state("C", u, [-4, 4, 0.05])]));
    for (const { letter, quantity, body } of folds) {
      body.replaceChildren(...short.map((x, k) => weight(`W_x${letter}`, k, x, quantity)),
        ...each.map((_, k) => weight(`W_h${letter}`, k, indexed("h", k, units), quantity)),
        bias(letter, quantity, `bias b_${letter}`));
    }
    const lines = long.map((label) => field({ label, value: "", rows: 2, onInput: () => {
      const { inputs, trouble: found = "" } = readSequence(lines.map(({ input }) => input.value), short);
      trouble.say(found);
      strip.stop();
      if (!inputs) return;
      const count = inputs.length, interventions = cell.interventions.filter(([t]) => t < count);
      leap({ inputs, interventions, step: Math.min(cell.step, count - 1) });
    } }));
    trouble.say("");
    fields.replaceChildren(...lines.map(({ node }) => node));
    dials.push(() => {                                             // never under the hand that writes
      if (!trouble.node.hidden || lines.some(({ input }) => input === input.getRootNode().activeElement)) return;
      lines.forEach((line, k) => line.set(cell.inputs.map((x) => Number(x[k].toFixed(4))).join(" ").replaceAll("-", "−")));
    });
  }

  function refresh() {
    if (busy) return;
    cell = read();
    steps = trajectory(cell);
    const { parameters, interventions, unit } = cell, step = steps[cell.step], units = parameters.b_i.length;
    const key = [cell.preset, parameters.W_xi.length, units, unit].join();
    if (built !== key) {
      built = key;
      build();
    }
    const scores = Object.fromEntries(LAYERS.map(([letter]) => [letter, score(parameters, letter, unit, step)]));
    picture.draw(step, unit, scores);
    for (const [name, node] of Object.entries(picture.numbers)) {
      node.classList.toggle("u-moved", held !== null && since[name] !== node.textContent);
    }
    for (const { letter, sum } of folds) sum.textContent = scoreInWords(scores[letter]);
    dials.forEach((draw) => draw());
    strip.resize(steps.length);
    strip.set(cell.step);
    time.hidden = steps.length === 1;
    if (!time.hidden) charts.draw(cell, steps, inputNames().short);
    table.draw(cell, units, step, scores);
    const origin = cell.step ? "a state that you move is set by hand" : "the state is where the run begins";
    what.textContent = isChallenge(cell) ? "The three biases that you set:" : `What goes into step ${cell.step + 1}; ${origin}:`;
    hand.hidden = !interventions.length;
    const said = interventions.map(([t, name, k, value]) => `${indexed(LETTERS[name], k, units)} = ${fixed(value)} before step ${t + 1}`);
    handWords.textContent = `Set by hand: ${said.join(", ")}. From there the run goes on with your value.`;
    sequence.firstChild.textContent = `the input sequence: ${steps.length > 1 ? `${steps.length} steps` : "1 step, and room for more"}`;
    const verdict = isChallenge(cell) ? holding(steps) : { done: false, words: sentence(step, unit, units) };
    words.nodes[0].classList.toggle("u-done", verdict.done);
    words.say(verdict.words);
  }

  for (const name of TRAITS) model.on(`change:${name}`, refresh);
  refresh();
  return () => {
    for (const name of TRAITS) model.off(`change:${name}`, refresh);
    strip.stop();
    words.stop();
  };
}

export default { render: guarded(render) };

// What is left of a gradient k steps back: along the memory line alone, and measured.
// All curves are powers of ten relative to the last step, one for each step back; null is a zero.
import { chart, guarded, html, power, set, slider, stage, svg, voice, CLASSES, STROKES } from "./parts.mjs";

export const UNDERFLOW = Math.log10(1.1754943508222875e-38); // of single precision's smallest normal number
const VERDICTS = [[-6, "It has vanished."], [-1, "It is fading."], [1, "It is alive."], [2, "It is growing."],
  [Infinity, "It is exploding."]];
const OWN = ["I", "O", "C_tilde"], LINE = "memory line alone";

export const gateAt = (bias) => 1 / (1 + Math.exp(-bias));
export const verdict = (log) => VERDICTS.find(([end]) => (log ?? -Infinity) <= end)[1];
export const signed = (number) => String(number).replace("-", "−");
const raised = (number) => power(number).slice(2);

// The powers of ten at the picture's floor and top (0.5 ** steps just fits), and at its ticks.
export function scale(steps) {
  const floor = Math.floor(-0.325 * steps), top = Math.ceil(steps / 32);
  const gap = [1, 2, 5, 10, 20, 50, 100].find((one) => -floor / one < 5) ?? -floor, ticks = [];
  for (let log = 0; log >= floor; log -= gap) ticks.push(log);
  return { floor, top, ticks };
}

// 10 ** log in a few digits, also where a floating-point number would underflow.
export function amount(log, digits = 3) {
  if (log === null) return "0";
  if (log >= -3 && log < 3) return String(Number((10 ** log).toPrecision(digits)));
  let exponent = Math.floor(log), mantissa = (10 ** (log - exponent)).toFixed(1);
  if (mantissa === "10.0") [mantissa, exponent] = ["1.0", exponent + 1];
  return `${mantissa}\u00a0·\u00a0${power(exponent)}`;
}

// Points [k, log] of the part of a curve between floor and top, its ends put where it crosses them; NaN is a gap.
export function within(curve, floor, top) {
  const points = [], level = (k) => curve[k] ?? -Infinity, inside = (log) => log >= floor && log <= top;
  const crossing = (k) => {
    const from = level(k - 1), to = level(k), edge = Math.min(from, to) < floor ? floor : top;
    return [k - 1 + (Number.isFinite(to - from) ? (edge - from) / (to - from) : from < to ? 1 : 0), edge];
  };
  for (let k = 0; k < curve.length; k++) {
    const now = inside(level(k)), before = k === 0 ? now : inside(level(k - 1));
    if (now !== before) points.push(crossing(k));
    points.push(now ? [k, level(k)] : [k, NaN]);
  }
  return points;
}

// Places for labels that want to stand at `wanted`: at least `gap` apart, none below `bottom`.
export function apart(wanted, gap, bottom) {
  const order = wanted.map((_, k) => k).sort((a, b) => wanted[a] - wanted[b]), places = [...wanted];
  let last = -Infinity, limit = bottom;
  for (const k of order) last = places[k] = Math.max(places[k], last + gap);
  for (const k of order.reverse()) limit = (places[k] = Math.min(places[k], limit)) - gap;
  return places;
}

export function check(data, own) {
  for (const name of ["rnn", "gru", "lstm", "low", "high", "biases", "steps"]) {
    if (!data?.[name]) throw new Error(`the measurement lacks ${name}.`);
  }
  const whole = (name, curve) => {
    const length = data.steps + 1;
    if (curve?.length !== length) throw new Error(`${name} has ${length} values, got ${curve?.length ?? "none"}.`);
    const broken = curve.some((log) => log !== null && !Number.isFinite(log));
    if (broken) throw new Error(`${name} holds a value that is not a number.`);
  };
  for (const name of ["rnn", "gru"]) whole(name, data[name]);
  for (const name of ["lstm", "low", "high"]) {
    data.biases.forEach((bias, k) => whole(`${name} at bias ${bias}`, data[name][k]));
  }
  for (const { name, curve, gates } of own) [curve, gates ?? curve].forEach((one) => whole(name, one));
}

// The curves at one bias, as they stand in the table: { name, short, curve, quantity, width, dash }.
export function curvesAt(data, own, bias) {
  const decades = Math.log10(gateAt(bias)), line = data.rnn.map((_, k) => k * decades);
  const lstm = data.lstm[data.biases.indexOf(bias)];
  return [
    { name: "LSTM", short: "LSTM", curve: lstm, quantity: "C", width: 3.2, dash: "" },
    { name: LINE, short: "line alone", curve: line, quantity: "F", width: 2.2, dash: STROKES.F },
    { name: "GRU", short: "GRU", curve: data.gru, quantity: "x", width: 1.6, dash: "2 5" },
    { name: "RNN", short: "RNN", curve: data.rnn, quantity: "H", width: 1.6, dash: STROKES.H },
    ...own.flatMap(({ name, curve, gates }, k) => {
      const short = name.length > 10 ? `${name.slice(0, 9).trim()}…` : name, quantity = OWN[k];
      const mine = { name, short, curve, quantity, width: 2.4, dash: "" };
      const gated = { name: `${name}, line alone`, short: "", curve: gates, quantity, width: 1.6, dash: "2 4" };
      return gates ? [mine, gated] : [mine];
    }),
  ];
}

export function words(data, own, bias, steps) {
  const at = Object.fromEntries(curvesAt(data, own, bias).map(({ name, curve }) => [name, curve[steps]]));
  const names = Object.keys(at), level = (name) => at[name] ?? -Infinity, { floor, top } = scale(data.steps);
  const gate = amount(Math.log10(gateAt(bias)), 4), lstm = level("LSTM"), gru = level("GRU"), detour = lstm - at[LINE];
  const said = [
    `With a forget bias of ${signed(bias)} the gates stand at ${gate}.`,
    `${steps} step${steps > 1 ? "s" : ""} back, ${gate}${raised(steps)} = ${amount(at[LINE])} of the gradient `
      + `is left along the ${LINE}.`,
    `Measured: ${amount(at.LSTM)}. ${verdict(lstm)}`,
  ];
  const times = amount(detour, 2);
  if (detour > 0.3) said.push(`Detours through the hidden state brought ${times} times what the line alone brings.`);
  else if (detour >= -0.3) said.push("The line alone brings nearly all of it.");
  else said.push("The line alone would bring more: detours cancel a part of it.");
  if (lstm < UNDERFLOW) said.push("Single precision could not even write it down.");
  if (gru > -Infinity && lstm < gru + 0.5) said.push(lstm > gru - 0.5 ? "A GRU keeps about as much." : "A GRU keeps more.");
  for (const { name } of own) said.push(`${name}: ${amount(at[name])}.`);
  const below = names.filter((name) => level(name) < floor), above = names.filter((name) => level(name) > top);
  if (below.length) said.push(`Below the picture here: ${below.join("; ")}.`);
  if (above.length) said.push(`Above the picture here: ${above.join("; ")}.`);
  return said.join(" ");
}

// One line of what to try next.
export function next(data, bias, steps, log) {
  const more = bias < data.biases.at(-1), level = log ?? -Infinity;
  if (level < -1) return more ? "Raise the bias: which lines move, which stay?" : "Fewer steps: where does it still arrive?";
  if (level <= 1 && steps < data.steps) return `Look further back, to ${data.steps} steps.`;
  if (level <= 1 && more) return "Raise the bias further: does it stay level?";
  return "Back to a bias of 0: whom does the LSTM join?";
}

function build(model, el) {
  const data = model.get("data"), read = () => [model.get("bias"), model.get("steps"), model.get("own") ?? []];
  check(data, read()[2]);
  const { floor, top, ticks } = scale(data.steps);
  const root = stage(el, "The gradient on its way back through time", "");
  root.classList.add("u-flow");
  const change = (name, value) => { model.set(name, value); model.save_changes(); };
  const bias = slider({
    label: "forget-gate bias", min: 0, max: data.biases.length - 1, step: 1, value: 0, quantity: "F",
    show: (k) => signed(data.biases[k]), onInput: (k) => change("bias", data.biases[k]),
  });
  const steps = slider({
    label: "steps back", min: 1, max: data.steps, step: 1, value: 1, show: String, onInput: (k) => change("steps", k),
  });

  // What stays: the axes, the yardsticks' rails, the LSTM at every bias, and where single precision ends.
  const width = 424, height = 310, bottom = 38, low = height - bottom;
  const quarters = [0, 1, 2, 3, 4].map((k) => Math.round((k * data.steps) / 4));
  const picture = chart({
    width, height, bottom, right: 82, left: 46, top: 24,
    x: { min: 0, max: data.steps, label: "steps back in time", ticks: quarters.map((k) => [k, String(k)]) },
    y: { min: floor, max: top, ticks: ticks.map((log) => [log, log ? power(log) : "1"]) },
  });
  const x0 = picture.x(0), x1 = picture.x(data.steps), deep = [];
  const draft = (curve, quantity, stroke, look) => {
    const line = picture.line({ quantity, width: stroke, dash: "" });
    line.node.classList.add(look);
    line.set(within(curve, floor, top));
  };
  picture.node.append(svg("text", { x: x0, y: 13 }, "left of the last step's gradient"));
  if (UNDERFLOW > floor) {
    const y = picture.y(UNDERFLOW);
    picture.node.append(svg("rect", { x: x0, y, width: x1 - x0, height: low - y, class: "u-deep" }));
    deep.push(svg("text", { x: x0 + 5, y: low - 6, class: "u-halo" }, "too small for single precision"));
  }
  draft(data.rnn, "H", 9, "u-rail");
  draft(data.gru, "x", 9, "u-rail");
  for (const curve of data.lstm) draft(curve, "C", 1, "u-faint");
  const band = svg("path", { class: "u-fill u-c u-band" }), cursor = svg("path", { class: "u-zero" }), marks = svg("g");
  picture.node.append(band, cursor, marks);
  let lines = [];

  // The picture can be dragged; the slider does the same from the keyboard.
  const drag = (event) => {
    const box = picture.node.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * width;
    change("steps", Math.max(1, Math.min(data.steps, Math.round(((x - x0) / (x1 - x0)) * data.steps))));
  };
  picture.node.classList.add("u-drag");
  picture.node.addEventListener("pointerdown", (event) => { picture.node.setPointerCapture(event.pointerId); drag(event); });
  picture.node.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });

  const heads = ["left", "per step"].map((text) => html("th", { scope: "col" }, text));
  const caption = html("caption", { class: "u-spoken" }), body = html("tbody"), said = voice();
  const table = html("table", {}, caption, html("thead", {}, html("tr", {}, html("td"), heads)), body);
  root.append(bias.node, steps.node, picture.node, table, ...said.nodes);

  const row = ({ name, curve, quantity, width: stroke, dash }, n) => {
    const kind = CLASSES[quantity], sample = svg("svg", { viewBox: "0 0 30 10", class: "u-sample", "aria-hidden": "true" },
      svg("path", { d: "M1 5H29", class: `u-line ${kind}`, "stroke-width": stroke, "stroke-dasharray": dash || null }));
    const factor = curve[n] === null ? "0" : (10 ** (curve[n] / n)).toFixed(3);
    const cells = [amount(curve[n]), `× ${factor}`].map((text) => html("td", {}, text));
    return html("tr", {}, html("th", { scope: "row" }, sample, name), cells);
  };

  // Its dot where the steps are, a tip where it leaves the picture, its name at its end.
  function mark({ short, curve, quantity }, points, n) {
    const level = (k) => curve[k] ?? -Infinity, last = level(data.steps), kind = CLASSES[quantity];
    const end = points.findLast(([, log]) => !Number.isNaN(log)) ?? [0, 0], x = picture.x(end[0]), y = picture.y(end[1]);
    const way = last < floor ? " ↓" : last > top ? " ↑" : "", shape = { class: `u-fill ${kind}` };
    if (level(n) >= floor && level(n) <= top) {
      marks.append(svg("circle", { cx: picture.x(n), cy: picture.y(level(n)), r: quantity === "C" ? 5.5 : 4, ...shape }));
    }
    if (way) marks.append(svg("path", { d: `M${x - 5} ${y}h10l-5 ${way === " ↓" ? 8 : -8}z`, ...shape }));
    return { text: short + way, kind, y: y + 4.5 };
  }

  function draw() {
    const [b, n, own] = read(), at = data.biases.indexOf(b), curves = curvesAt(data, own, b);
    bias.set(at);
    steps.set(n);
    const edge = (curve) => curve.map((log, k) => `${picture.x(k).toFixed(1)} ${picture.y(log ?? floor).toFixed(1)}`);
    set(band, { d: `M${[...edge(data.high[at]), ...edge(data.low[at]).reverse()].join("L")}Z` });
    set(cursor, { d: `M${picture.x(n)} ${picture.y(top)}V${low}` });
    for (const line of lines) line.node.remove();
    marks.replaceChildren(...deep);
    lines = curves.toReversed().map(({ quantity, width: stroke, dash }) => picture.line({ quantity, width: stroke, dash }));
    lines.reverse();
    const labels = curves.map((one, k) => {
      const points = within(one.curve, floor, top);
      lines[k].set(points);
      return mark(one, points, n);
    }).filter((_, k) => curves[k].short);
    apart(labels.map(({ y }) => y), 15, low + 2).forEach((y, k) => {
      marks.append(svg("text", { x: x1 + 7, y, class: `u-name ${labels[k].kind}` }, labels[k].text));
    });
    picture.node.append(marks);

    caption.textContent = `What is left of the gradient ${n} steps back at forget bias ${signed(b)}, and the factor per step`;
    body.replaceChildren(...curves.map((one) => row(one, n)));
    root.firstChild.textContent = next(data, b, n, data.lstm[at][n]);
    said.say(words(data, own, b, n));
  }
  const names = ["bias", "steps", "own"];
  for (const name of names) model.on(`change:${name}`, draw);
  draw();
  return () => { for (const name of names) model.off(`change:${name}`, draw); said.stop(); };
}

// Another measurement, from a kernel, begins anew.
function render({ model, el }) {
  let stop = build(model, el);
  const again = () => { stop(); el.replaceChildren(); stop = build(model, el); };
  model.on("change:data", again);
  return () => { model.off("change:data", again); stop(); };
}

export default { render: guarded(render) };

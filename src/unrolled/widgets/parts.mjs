// What every widget of the book is made of: elements, numbers, controls, a voice, a player, a chart.
// Whatever a reader types enters the page as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return node;
}

// html("p", { class: "u-hint" }, "words", node): children are nodes or text.
export const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
export const set = (node, attributes) => fill(node, attributes, []);

// ---- numbers ----

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
export const power = (exponent) => `10${[...String(exponent)].map((c) => (c === "-" ? "⁻" : RAISED[c])).join("")}`;

// Three digits, or a power of ten where a plain number would be long.
export function format(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value), sign = value < 0 ? "−" : "";
  if (size !== 0 && (size >= 1000 || size < 0.001)) {
    const [mantissa, exponent] = size.toExponential(1).split("e");
    return `${sign}${mantissa} · ${power(Number(exponent))}`;
  }
  return sign + String(Number(size.toPrecision(digits)));
}

// A fixed number of decimals, with a true minus and no minus before a zero.
export function fixed(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// 12 345 678
export const grouped = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

// ---- the six quantities: names, colours (by class) and strokes, as in every figure of the book ----

export const NAMES = { I: "input gate i", F: "forget gate f", O: "output gate o", C_tilde: "input node c̃", C: "cell state c", H: "hidden state h" };
export const LETTERS = { I: "i", F: "f", O: "o", C_tilde: "c̃", C: "c", H: "h" };
export const CLASSES = { I: "u-i", F: "u-f", O: "u-o", C_tilde: "u-c-tilde", C: "u-c", H: "u-h", x: "u-x" };
export const STROKES = { I: "", F: "7 4", O: "8 3 2 3", C_tilde: "2 4", C: "", H: "8 3 2 3 2 3", x: "" };

// ---- the frame of a widget ----

// The widget's group: its name for a screen reader, and one line of what to try.
export function stage(el, label, hint) {
  const node = html("div", { class: "unrolled", role: "group", "aria-label": label }, html("p", { class: "u-hint" }, hint));
  el.append(node);
  return node;
}

// render(...) whose failure is a sentence in the page, never an empty place.
export const guarded = (render) => (context) => {
  try {
    return render(context);
  } catch (error) {
    context.el.append(html("p", { class: "unrolled u-complaint", role: "alert" }, `This widget cannot be shown: ${error.message}`));
  }
};

// What is said in words: seen at once, spoken when the reader rests.
export function voice(quiet = 600) {
  const shown = html("p", { class: "u-said" }), spoken = html("p", { class: "u-spoken", role: "status" });
  let timer;
  return {
    nodes: [shown, spoken],
    say(text) {
      if (shown.textContent === text) return;
      shown.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => { spoken.textContent = text; }, quiet);
    },
    stop: () => clearTimeout(timer),
  };
}

// A place for complaints about what was typed: complaint.say("…"), complaint.say("") when all is well.
export function complaint() {
  const node = html("p", { class: "u-complaint", role: "alert", hidden: true });
  return { node, say(text) { node.textContent = text; node.hidden = !text; } };
}

// ---- controls: each is { node, set(value) }; each has a name, works by keyboard, and fits a phone ----

export function slider({ label, min, max, step, value, quantity, show = fixed, onInput }) {
  const input = html("input", { type: "range", min, max, step, value, oninput: () => { say(); onInput(Number(input.value)); } });
  const shown = html("span", { class: "u-value", "aria-hidden": "true" });
  const say = () => { shown.textContent = show(Number(input.value)); input.setAttribute("aria-valuetext", shown.textContent); };
  const node = html("label", { class: `u-control ${CLASSES[quantity] ?? ""}` }, html("span", { class: "u-label" }, label), input, shown);
  say();
  return { node, input, set(number) { input.value = number; say(); } };
}

// options: [[value, text], …]
export function choice({ label, options, value, onChange }) {
  const select = html("select", { onchange: () => onChange(options[select.selectedIndex][0]) },
    options.map(([, text]) => html("option", {}, text)));
  const node = html("label", { class: "u-control" }, html("span", { class: "u-label" }, label), select);
  const set = (wanted) => { select.selectedIndex = options.findIndex(([one]) => one === wanted); };
  set(value);
  return { node, input: select, set };
}

export function toggle({ label, value, onChange }) {
  const input = html("input", { type: "checkbox", onchange: () => onChange(input.checked) });
  input.checked = value;
  return { node: html("label", { class: "u-check" }, input, html("span", {}, label)), input, set(on) { input.checked = on; } };
}

export const button = (text, onClick, attributes = {}) => html("button", { type: "button", class: "u-button", onclick: onClick, ...attributes }, text);

// A line of text, or several lines with rows.
export function field({ label, value, rows, maxlength, onInput }) {
  const shape = { maxlength, spellcheck: "false", autocomplete: "off", oninput: () => onInput(input.value) };
  const input = rows ? html("textarea", { rows, ...shape }) : html("input", { type: "text", ...shape });
  input.value = value;
  const node = html("label", { class: "u-control u-text" }, html("span", { class: "u-label" }, label), input);
  return { node, input, set(text) { if (input.value !== text) input.value = text; } };
}

export const folded = (summary, ...children) => html("details", { class: "u-fold" }, html("summary", {}, summary), ...children);

// Steps 0 … count - 1: play, pause, step, back and scrub. It never begins by itself.
export function player({ label, count, value = 0, milliseconds = 450, show = (k) => String(k + 1), onStep }) {
  let at = value, length = count, timer = null;
  const go = (step) => { at = Math.max(0, Math.min(length - 1, step)); draw(); onStep(at); };
  const stop = () => { clearInterval(timer); timer = null; draw(); };
  const play = () => {
    if (timer !== null) return stop();
    if (at === length - 1) go(0);
    timer = setInterval(() => { go(at + 1); if (at === length - 1) stop(); }, milliseconds);
    draw();
  };
  const leave = (step) => { stop(); go(step); };
  const back = button("Back", () => leave(at - 1)), playing = button("Play", play), next = button("Step", () => leave(at + 1));
  const scrub = slider({ label, min: 0, max: length - 1, step: 1, value: at, show, onInput: leave });
  function draw() {
    scrub.set(at);
    playing.textContent = timer === null ? "Play" : "Pause";
  }
  const node = html("div", { class: "u-player" }, html("div", { class: "u-buttons" }, back, playing, next), scrub.node);
  return {
    node, scrub, stop,
    set(step) { at = step; draw(); },
    resize(steps) { length = steps; scrub.input.max = steps - 1; at = Math.min(at, steps - 1); draw(); },
  };
}

// ---- a chart: axes, and lines that can be set again and again ----

// x, y: { min, max, ticks: [[value, text], …], label, log }.  Its text stays readable at 330 pixels.
export function chart({ width = 420, height = 200, x, y, left = 44, right = 12, top = 12, bottom = 36 }) {
  const part = ({ min, max, log }, value) => (log ? Math.log10(value / min) / Math.log10(max / min) : (value - min) / (max - min));
  const at = {
    x: (value) => left + part(x, value) * (width - left - right),
    y: (value) => height - bottom - Math.max(0, Math.min(1, part(y, value))) * (height - top - bottom),
  };
  const node = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "u-chart", "aria-hidden": "true" });
  for (const [value, text] of y.ticks) {
    node.append(svg("path", { d: `M${left} ${at.y(value)}H${width - right}`, class: value === 0 ? "u-zero" : "u-grid" }),
      svg("text", { x: left - 7, y: at.y(value) + 4.5, "text-anchor": "end" }, text));
  }
  for (const [value, text] of x.ticks) {
    node.append(svg("text", { x: at.x(value), y: height - bottom + 16, "text-anchor": at.x(value) > width - right - 8 ? "end" : "middle" }, text));
  }
  if (x.label) node.append(svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, x.label));
  if (y.label) node.append(svg("text", { x: left, y: 0, dy: -1, "text-anchor": "start" }, y.label));
  return {
    node, ...at,
    // line({ quantity, width, dash }).set([[x, y], …]); a value that is not finite leaves a gap.
    line({ quantity, width: stroke = 2.4, dash = STROKES[quantity] } = {}) {
      const path = svg("path", { class: `u-line ${CLASSES[quantity] ?? ""}`, "stroke-width": stroke, "stroke-dasharray": dash || null });
      node.append(path);
      return {
        node: path,
        set(points) {
          let pen = "M";
          path.setAttribute("d", points.map(([a, b]) => {
            if (!Number.isFinite(a) || !Number.isFinite(b)) { pen = "M"; return ""; }
            const piece = `${pen}${at.x(a).toFixed(1)} ${at.y(b).toFixed(1)}`;
            pen = "L";
            return piece;
          }).join(""));
        },
      };
    },
  };
}

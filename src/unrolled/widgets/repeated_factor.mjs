// One number, many steps: weight ** k, drawn on a log axis and said in words.

export function series(weight, steps) {
  const values = [1];
  for (let k = 0; k < steps; k++) values.push(values[k] * weight);
  return values;
}

export function format(value) {
  if (value >= 1000 || value < 0.001) {
    const [digits, exponent] = value.toExponential(1).split("e");
    const raised = [...exponent.replace("+", "")].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");
    return `${digits} · 10${raised}`;
  }
  return String(Number(value.toPrecision(3)));
}

export function verdict(value) {
  if (value < 0.01) return "It has vanished.";
  if (value < 0.5) return "It is fading.";
  if (value <= 2) return "It is still there.";
  if (value <= 100) return "It is growing.";
  return "It has exploded.";
}

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 480, HEIGHT = 200, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 30, DECADES = 6;

const x = (k) => LEFT + (k / 100) * (WIDTH - LEFT - RIGHT);
const y = (value) => {
  const decade = Math.max(-DECADES, Math.min(DECADES, Math.log10(value)));
  return TOP + ((DECADES - decade) / (2 * DECADES)) * (HEIGHT - TOP - BOTTOM);
};

function svg(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function slider(label, min, max, step, value, onInput) {
  const row = document.createElement("label");
  row.style.cssText = "display:flex;gap:.75em;align-items:center;margin:.3em 0;flex-wrap:wrap";
  const name = document.createElement("span");
  name.style.minWidth = "8.5em";
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min, max, step, value });
  input.style.cssText = "flex:1 1 10em;min-width:8em;accent-color:var(--lstm-c,#8f6703)";
  input.addEventListener("input", () => onInput(Number(input.value)));
  row.append(name, input);
  return { row, show(number, text) { input.value = number; name.textContent = `${label}: ${text}`; } };
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "One number, multiplied by the same weight at every step");
  root.style.cssText = "max-width:34rem;color:inherit;font-family:system-ui,sans-serif;font-size:.95rem";

  const hint = document.createElement("p");
  hint.textContent = "Try a weight a little below 1, then a little above.";
  hint.style.margin = "0 0 .4em";
  const set = (name) => (value) => { model.set(name, value); model.save_changes(); };
  const weight = slider("weight", 0.5, 1.5, 0.01, 0.9, set("weight"));
  const steps = slider("steps", 1, 100, 1, 50, set("steps"));

  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", style: "width:100%;height:auto;display:block" });
  for (const decade of [-6, -3, 0, 3, 6]) {
    const at = y(10 ** decade);
    picture.append(
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, stroke: "currentColor", "stroke-opacity": decade ? 0.2 : 0.6 }),
      svg("text", { x: LEFT - 8, y: at + 4, "text-anchor": "end", "font-size": 13, fill: "currentColor" }, decade ? format(10 ** decade).replace("1.0 · ", "").replace(/^1000$/, "10³").replace(/^0\.001$/, "10⁻³") : "1"));
  }
  for (const k of [0, 25, 50, 75, 100]) {
    picture.append(svg("text", { x: x(k), y: HEIGHT - 8, "text-anchor": k === 100 ? "end" : "middle", "font-size": 13, fill: "currentColor" }, k ? String(k) : "step 0"));
  }
  const curve = svg("polyline", { fill: "none", stroke: "var(--lstm-c,#8f6703)", "stroke-width": 3, "stroke-linejoin": "round" });
  const end = svg("circle", { r: 5, fill: "var(--lstm-c,#8f6703)" });
  picture.append(curve, end);

  const said = document.createElement("p");
  said.setAttribute("role", "status");
  said.setAttribute("aria-live", "polite");
  said.style.cssText = "margin:.4em 0 0;font-variant-numeric:tabular-nums";

  function draw() {
    const w = model.get("weight"), n = model.get("steps");
    const values = series(w, n);
    weight.show(w, w.toFixed(2));
    steps.show(n, n);
    curve.setAttribute("points", values.map((v, k) => `${x(k).toFixed(1)},${y(v).toFixed(1)}`).join(" "));
    end.setAttribute("cx", x(n));
    end.setAttribute("cy", y(values[n]));
    said.textContent = `After ${n} ${n === 1 ? "step" : "steps"} with weight ${w.toFixed(2)}, a 1 has become ${format(values[n])}. ${verdict(values[n])}`;
  }
  model.on("change:weight", draw);
  model.on("change:steps", draw);
  root.append(hint, weight.row, steps.row, picture, said);
  el.append(root);
  draw();
}

export default { render };

// One number, many steps: weight ** k, drawn on a log axis and said in words.
import { chart, fixed, format, guarded, power, slider, stage, svg, voice } from "./parts.mjs";

export function series(weight, steps) {
  const values = [1];
  for (let k = 0; k < steps; k++) values.push(values[k] * weight);
  return values;
}

export function verdict(value) {
  if (value < 0.01) return "It has vanished.";
  if (value < 0.5) return "It is fading.";
  if (value <= 2) return "It is still there.";
  if (value <= 100) return "It is growing.";
  return "It has exploded.";
}

function render({ model, el }) {
  const root = stage(el, "One number, multiplied by the same weight at every step", "Try a weight a little below 1, then a little above.");
  const change = (name) => (value) => { model.set(name, value); model.save_changes(); };
  const weight = slider({ label: "weight", min: 0.5, max: 1.5, step: 0.01, value: model.get("weight"), quantity: "C", onInput: change("weight") });
  const steps = slider({ label: "steps", min: 1, max: 100, step: 1, value: model.get("steps"), quantity: "C", show: String, onInput: change("steps") });
  const picture = chart({
    x: { min: 0, max: 100, ticks: [0, 25, 50, 75, 100].map((k) => [k, k ? String(k) : "step 0"]) },
    y: { min: 1e-6, max: 1e6, log: true, ticks: [-6, -3, 0, 3, 6].map((k) => [10 ** k, k ? power(k) : "1"]) },
    bottom: 24,
  });
  const curve = picture.line({ quantity: "C", width: 3 });
  const end = svg("circle", { r: 5, class: "u-fill u-c" });
  picture.node.append(end);
  const words = voice();
  root.append(weight.node, steps.node, picture.node, ...words.nodes);

  function draw() {
    const w = model.get("weight"), n = model.get("steps"), values = series(w, n);
    weight.set(w);
    steps.set(n);
    curve.set(values.map((value, k) => [k, value]));
    end.setAttribute("cx", picture.x(n));
    end.setAttribute("cy", picture.y(values[n]));
    words.say(`After ${n} ${n === 1 ? "step" : "steps"} with weight ${fixed(w)}, a 1 has become ${format(values[n])}. ${verdict(values[n])}`);
  }
  model.on("change:weight", draw);
  model.on("change:steps", draw);
  draw();
  return () => { model.off("change:weight", draw); model.off("change:steps", draw); words.stop(); };
}

export default { render: guarded(render) };

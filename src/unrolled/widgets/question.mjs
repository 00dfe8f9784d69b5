// A question that is answered and checked in the page: a number, a choice, an order, or a drawing.
import { button, chart, format, guarded, html, slider, stage, voice } from "./parts.mjs";
import { recall, solve, watch } from "./progress.mjs";

// ---- judging: each returns { right, say } ----

// "0.5", "1/2", "2e-10", "2·10^-10", "0,5", "7,808", "7 808", "−3"; anything else is NaN.
export function number(text) {
  const plain = text.replace(/\s/g, "").replace(/−/g, "-").replace(/[·×*]10\^/, "e")
    .replace(/^-?[1-9]\d{0,2}(,\d{3})+(?=\.|$)/, (thousands) => thousands.replace(/,/g, ""))
    .replace(/^(-?\d+),(\d+)$/, "$1.$2");
  const fraction = plain.match(/^(-?[\d.]+)\/([\d.]+)$/);
  if (fraction) return Number(fraction[1]) / Number(fraction[2]);
  return plain === "" ? NaN : Number(plain);
}

export function judgeNumber(question, text) {
  const value = number(text);
  if (!Number.isFinite(value)) return { right: false, say: text.trim() ? `"${text.trim()}" is not a number that I can read.` : "Type a number first." };
  if (Math.abs(value - question.answer) <= question.tolerance) return { right: true, say: question.right };
  const known = question.wrong.find(({ from, to }) => from <= value && value <= to);
  return { right: false, say: known ? known.say : question.otherwise };
}

export function judgeChoice(question, chosen) {
  if (chosen === null) return { right: false, say: "Choose one first." };
  const { right = false, say } = question.options[chosen];
  return { right, say };
}

// order: the texts as they stand; question.items: [{ text, say }] in the right order.
export function judgeOrder(question, order) {
  const first = question.items.findIndex(({ text }, k) => order[k] !== text);
  if (first < 0) return { right: true, say: question.right };
  const wrong = question.items.find(({ text }) => text === order[first]);
  return { right: false, say: `Place ${first + 1}: ${wrong.say}` };
}

// values: one a step; question.bands: [{ low, high }] one a step; question.wrong: [{ steps: [from, to], say }].
export function judgeDrawing(question, values) {
  const first = question.bands.findIndex(({ low, high }, k) => values[k] < low || values[k] > high);
  if (first < 0) return { right: true, say: question.right };
  const known = question.wrong.find(({ steps: [from, to] }) => from <= first + 1 && first + 1 <= to);
  return { right: false, say: `Step ${first + 1}: ${known ? known.say : question.otherwise}` };
}

// An order to begin with that is never the right one, and the same for every reader.
export function shuffled(items) {
  const texts = items.map(({ text }) => text);
  return [...texts.filter((_, k) => k % 2), ...texts.filter((_, k) => k % 2 === 0)];
}

// ---- asking ----

const ASK = {
  number(question, model, again) {
    const input = html("input", { type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": "your answer",
      oninput: () => { model.set("answer", input.value); model.save_changes(); again(); } });
    input.value = model.get("answer") ?? "";
    return { node: html("p", { class: "u-control u-text" }, input), judge: () => judgeNumber(question, input.value), enter: input };
  },
  choice(question, model, again) {
    const name = `choice-${Math.random().toString(36).slice(2)}`;
    let chosen = model.get("answer");
    const options = question.options.map(({ text }, k) => {
      const input = html("input", { type: "radio", name, onchange: () => { chosen = k; model.set("answer", k); model.save_changes(); again(); } });
      input.checked = k === chosen;
      return html("label", { class: "u-option" }, input, html("span", {}, text));
    });
    return { node: html("div", { role: "radiogroup", "aria-label": "answers" }, options), judge: () => judgeChoice(question, chosen) };
  },
  order(question, model, again) {
    let order = model.get("answer") ?? shuffled(question.items);
    const list = html("ol", { class: "u-order", role: "list" });
    const move = (k, way) => {
      order = order.slice();
      [order[k], order[k + way]] = [order[k + way], order[k]];
      model.set("answer", order);
      model.save_changes();
      again();
      draw();
      list.children[k + way].querySelectorAll("button")[way < 0 ? 0 : 1].focus();
      if (document.activeElement?.disabled) list.children[k + way].querySelector("button:not(:disabled)").focus();
    };
    function draw() {
      list.replaceChildren(...order.map((text, k) => html("li", {}, html("span", {}, text),
        button("Up", () => move(k, -1), { "aria-label": `Up: ${text}`, disabled: k === 0 }),
        button("Down", () => move(k, 1), { "aria-label": `Down: ${text}`, disabled: k === order.length - 1 }))));
    }
    draw();
    return { node: list, judge: () => judgeOrder(question, order) };
  },
  drawing(question, model, again) {
    const count = question.bands.length, values = (model.get("answer") ?? Array(count).fill(question.start)).slice();
    const picture = chart({
      x: { min: 1, max: count, ticks: Array.from({ length: count }, (_, k) => [k + 1, String(k + 1)]), label: "step" },
      y: { min: question.low, max: question.high, ticks: [question.low, (question.low + question.high) / 2, question.high].map((v) => [v, format(v)]) },
      height: 150,
    });
    const line = picture.line({ quantity: question.quantity });
    const draw = () => line.set(values.map((value, k) => [k + 1, value]));
    const sliders = values.map((value, k) => slider({
      label: `step ${k + 1}`, min: question.low, max: question.high, step: question.step, value, quantity: question.quantity, show: format,
      onInput(now) { values[k] = now; model.set("answer", values.slice()); model.save_changes(); again(); draw(); },
    }).node);
    draw();
    return { node: html("div", { class: "u-drawn" }, picture.node, sliders), judge: () => judgeDrawing(question, values) };
  },
};

function render({ model, el }) {
  const question = model.get("question"), name = model.get("name");
  const root = stage(el, `Question: ${model.get("title")}`, question.prompt);
  root.querySelector(".u-hint").className = "u-prompt";
  const words = voice(100), mark = html("p", { class: "u-done", hidden: true }, "✓ answered");
  const again = () => words.say("");
  const asked = ASK[question.kind](question, model, again);
  const check = () => {
    const { right, say } = asked.judge();
    words.say(`${right ? "Right." : "Not yet."} ${say}`);
    model.set("solved", right || model.get("solved"));
    model.save_changes();
    if (right && name) solve(name, "question");
  };
  asked.enter?.addEventListener("keydown", (event) => { if (event.key === "Enter") check(); });
  const remember = () => { mark.hidden = !recall().has(`${name} question`); };
  root.append(asked.node, html("div", { class: "u-buttons" }, button("Check", check)), ...words.nodes, mark);
  remember();
  const stop = watch(remember);
  return () => { stop(); words.stop(); };
}

export default { render: guarded(render) };

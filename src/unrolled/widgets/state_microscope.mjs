// A character model runs in the page, on whatever the reader types: every gate and state of every unit, what the
// model expects next, and how it would go on.
import { CLASSES, LETTERS, NAMES, button, choice, complaint, field, fixed, guarded, html, slider, stage, voice } from "./parts.mjs";
import { LSTM, PARAMETERS, sigmoid } from "./lstm.mjs";

export const QUANTITIES = ["I", "F", "O", "C_tilde", "C", "H"];
const SIGNED = ["C_tilde", "C", "H"], LENGTH = 120, LIKELIEST = 6;
const SLICE = 120, SIGHT = 3;     // characters that are coloured together; so many slices to either side may be in sight

// ---- the model ----

// The numbers of 16 bits in a DataView, least byte first, in double precision.
export function halves(view) {
  const values = new Float64Array(view.byteLength >> 1);
  for (let k = 0; k < values.length; k++) {
    const bits = view.getUint16(2 * k, true), exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const finite = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    const size = exponent < 31 ? finite : fraction ? NaN : Infinity;
    values[k] = bits >> 15 ? -size : size;
  }
  return values;
}

// score += x[at … at + rows] · W, four rows at a time: so each score is loaded and stored once for four products.
function addProduct(score, W, x, at, rows) {
  const width = score.length;
  let row = 0;
  for (; row + 3 < rows; row += 4) {
    const a = x[at + row], b = x[at + row + 1], c = x[at + row + 2], d = x[at + row + 3];
    const A = row * width, B = A + width, C = B + width, D = C + width;
    for (let k = 0; k < width; k++) score[k] += a * W[A + k] + b * W[B + k] + c * W[C + k] + d * W[D + k];
  }
  for (; row < rows; row++) for (let k = 0; k < width; k++) score[k] += x[at + row] * W[row * width + k];
}

// An LSTM language model that keeps every value of every step.
//   sizes: the number of tokens, then the hidden units of each layer
//   weights: a DataView of 16-bit numbers: each layer's twelve parameters in the order of PARAMETERS, row by row,
//            then the head, (hidden, tokens) and (tokens)
//   capacity: how many steps it can keep
// Throws an Error that says what is wrong with them. Nothing is allocated while it reads.
export class Scope {
  constructor(sizes, weights, capacity) {
    const numbers = halves(weights), [tokens, ...hidden] = sizes;
    let at = 0;
    const take = (count) => numbers.subarray(at, (at += count));
    const expected = hidden.reduce((sum, h, k) => sum + 4 * h * (sizes[k] + h + 1), tokens * (hidden[hidden.length - 1] + 1));
    if (!hidden.length) throw new Error("the model has no layer");
    if (numbers.length !== expected) throw new Error(`a model of the sizes ${sizes} has ${expected} weights, got ${numbers.length}`);
    this.layers = hidden.map((h, k) => {
      const size = { W_x: sizes[k] * h, W_h: h * h, b_: h };
      const layer = new LSTM(sizes[k], h, Object.fromEntries(PARAMETERS.map((name) => [name, take(size[name.slice(0, 3)] ?? h)])));
      // values: step by step, in each step I, F, O, C_tilde, C, H, in each of these unit by unit
      return { ...layer, score: new Float64Array(4 * h), values: new Float64Array(capacity * 6 * h) };
    });
    this.W = take(tokens * hidden[hidden.length - 1]);
    this.b = take(tokens);
    if (![...this.W, ...this.b].every(Number.isFinite)) throw new Error("the head holds a number that is not finite");
    this.logits = new Float64Array(tokens);
    this.probabilities = new Float64Array(capacity * tokens);
    this.ids = [];
  }

  // Step t, with the token read there; the steps before it are in place.
  step(t, token) {
    this.layers.forEach(({ inputs, hidden: h, W_x, W_h, b, score, values }, place) => {
      const now = t * 6 * h, before = now - 6 * h, below = this.layers[place - 1];
      if (place) score.set(b), addProduct(score, W_x, below.values, (t * 6 + 5) * inputs, inputs);
      else for (let k = 0, row = token * 4 * h; k < 4 * h; k++) score[k] = b[k] + W_x[row + k];
      if (t) addProduct(score, W_h, values, before + 5 * h, h);
      for (let k = 0; k < h; k++) {
        const I = sigmoid(score[k]), F = sigmoid(score[h + k]), O = sigmoid(score[2 * h + k]), node = Math.tanh(score[3 * h + k]);
        const C = I * node + (t ? F * values[before + 4 * h + k] : 0);
        values[now + k] = I;
        values[now + h + k] = F;
        values[now + 2 * h + k] = O;
        values[now + 3 * h + k] = node;
        values[now + 4 * h + k] = C;
        values[now + 5 * h + k] = O * Math.tanh(C);
      }
    });
    const { values, hidden } = this.layers[this.layers.length - 1], p = this.probabilities, n = this.logits.length;
    this.logits.set(this.b);
    addProduct(this.logits, this.W, values, (t * 6 + 5) * hidden, hidden);
    let most = -Infinity, sum = 0;
    for (let k = 0; k < n; k++) if (this.logits[k] > most) most = this.logits[k];
    for (let k = 0; k < n; k++) sum += p[t * n + k] = Math.exp(this.logits[k] - most);
    for (let k = 0; k < n; k++) p[t * n + k] /= sum;
  }

  // Read a whole text. What it shares with the beginning of the last one is not computed again.
  read(ids) {
    let t = 0;
    while (t < ids.length && ids[t] === this.ids[t]) t++;
    for (this.ids = ids; t < ids.length; t++) this.step(t, ids[t]);
  }

  value(layer, quantity, unit, t) {
    const { values, hidden } = this.layers[layer];
    return values[(t * 6 + QUANTITIES.indexOf(quantity)) * hidden + unit];
  }

  // What is expected after step t: one probability a token.
  expected(t) {
    return this.probabilities.subarray(t * this.logits.length, (t + 1) * this.logits.length);
  }

  // -log2 p of the token at t; nothing was expected of the first.
  surprise(t) {
    return t ? -Math.log2(this.expected(t - 1)[this.ids[t]]) : NaN;
  }

  // How much each unit reacts to the text: the standard deviation of its hidden state.
  reactions(layer) {
    const { values, hidden: h } = this.layers[layer], n = this.ids.length, H = (t, unit) => values[(t * 6 + 5) * h + unit];
    const mean = new Float64Array(h), square = new Float64Array(h);
    for (let t = 0; t < n; t++) for (let unit = 0; unit < h; unit++) mean[unit] += H(t, unit) / n;
    for (let t = 0; t < n; t++) for (let unit = 0; unit < h; unit++) square[unit] += (H(t, unit) - mean[unit]) ** 2 / n;
    return square.map(Math.sqrt);
  }

  // The tokens that follow the text. The steps lie behind those of the text, which stay as they are.
  write(count, { temperature, topK, seed }) {
    const draw = mulberry32(seed), written = [];
    for (let t = this.ids.length; written.length < count; t++) {
      const token = choose(this.expected(t - 1), temperature, topK, draw());
      written.push(token);
      this.step(t, token);
    }
    return written;
  }
}

// Numbers in [0, 1) from a seed of 32 bits (Tommy Ettinger's generator, public domain).
export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Token numbers, the likeliest first.
export const ranked = (p) => Array.from(p.keys()).sort((a, b) => p[b] - p[a] || a - b);

// A token for a number in [0, 1): the likeliest at temperature 0, else drawn among the topK likeliest (0: all).
export function choose(p, temperature, topK, number) {
  const order = ranked(p).slice(0, topK || p.length);
  if (temperature === 0) return order[0];
  const shares = order.map((k) => (p[k] / p[order[0]]) ** (1 / temperature));
  let left = number * shares.reduce((sum, share) => sum + share, 0);
  return order[shares.findIndex((share) => (left -= share) < 0)] ?? order[0];
}

// ---- the text ----

// What was typed, as the model reads it, and what was done to it, in words.
export function prepare(typed, tokens, limit) {
  let text = typed.replace(/[^A-Za-z]+/g, " ").toLowerCase();
  if (!typed) return { text: "", ids: [], note: "The text is empty. Type a few words." };
  if (!text.trim()) return { text: "", ids: [], note: "There are no letters in this text: the model reads the letters a to z and the space." };
  const many = (count, one, more) => (count === 1 ? `1 ${one}` : `${count} ${more}`), notes = [];
  const strangers = [...typed].filter((c) => !/[A-Za-z\s]/.test(c)).length;
  if (strangers) {
    notes.push(many(strangers, "character that is no letter from a to z became a space.", "characters that are no letters from a to z became spaces."));
  }
  if (text.length > limit) notes.push(`The text has ${text.length} characters; the first ${limit} are read.`);
  text = text.slice(0, limit);
  const ids = Array.from(text, (c) => Math.max(0, tokens.indexOf(c)));
  const unknown = [...text].filter((c) => !tokens.includes(c)).length;
  if (unknown) notes.push(`${many(unknown, "letter is", "letters are")} not in the model's vocabulary.`);
  return { text, ids, note: notes.join(" ") };
}

export const spelt = (token) => ({ " ": "space", "<unk>": "unknown" })[token] ?? token;

// ---- the page ----

const SURPRISE = "surprise in bits";
const nameOf = (quantity) => NAMES[quantity] ?? SURPRISE;
const letterOf = (quantity) => LETTERS[quantity] ?? "surprise";

// A cell's colour and bar: a share from -1 to 1 of the greatest value.
const shade = (cell, share) => {
  cell.classList.toggle("u-below", share < 0);
  cell.setAttribute("style", `--v:${Math.abs(share || 0).toFixed(3)}`);
};

function render({ model, el }) {
  const tokens = model.get("tokens"), sizes = model.get("sizes"), limit = model.get("limit"), named = model.get("named");
  const scope = new Scope(sizes, model.get("weights"), limit + LENGTH);
  const root = stage(el, "A character model, read unit by unit",
    "Type your own words. Click on a letter, or walk with the arrow keys. Then try another unit.");
  root.classList.add("u-microscope");

  let busy = false, now = { text: "", ids: [], shown: [] }, before = {}, colouring;
  const cells = [], slices = [], every = [...QUANTITIES, "surprise"];
  function change(values) {
    busy = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    busy = false;
    draw();
    model.save_changes();
  }

  // the reader's text, and what the model makes of it
  const typed = field({ label: "your text", rows: 3, value: model.get("text"), onInput: (text) => {
    const { ids } = prepare(text, tokens, limit);
    change({ text, position: Math.max(0, ids.length - 1) });           // as one types, what comes next is of interest
  } });
  const notes = complaint();
  const following = html("optgroup", { label: "those that follow something" });
  const all = html("optgroup", { label: "all, by how much they react" });
  let choices = [];                                                     // what each option stands for: { unit } or { unit, quantity }
  const unit = html("select", { onchange: () => {
    const chosen = choices[unit.selectedIndex];
    change(model.get("quantity") === "surprise" ? { quantity: "H", ...chosen } : chosen);       // the surprise is of no unit
  } }, following, all);
  const follows = html("p");
  const quantity = choice({ label: "colour by", options: every.map((name) => [name, nameOf(name)]), value: model.get("quantity"),
    onChange: (name) => change({ quantity: name }) });
  const layer = choice({ label: "layer", options: sizes.slice(1).map((_, k) => [k, k ? String(k) : "0, the lowest"]), value: model.get("layer"),
    onChange: (layer) => change({ layer, unit: Math.min(model.get("unit"), sizes[1 + layer] - 1) }) });
  const page = html("div", { class: "u-page", tabindex: 0, role: "img", onkeydown: walk, onpointerdown: point,
    onpointermove: (event) => event.buttons && point(event) });
  const ends = [-1, -0.5, 0, 0.5, 1].map(() => html("span"));
  const key = html("p", { class: "u-page u-ends", "aria-hidden": "true" }, ends);
  const place = slider({ label: "position", min: 0, max: 1, step: 1, value: 0, onInput: (position) => change({ position }),
    show: (k) => (now.ids.length ? `${k + 1} of ${now.ids.length}` : "none") });
  const words = voice();

  // at the position: the unit's six values, and what is expected next
  const six = QUANTITIES.map((name) => ({ name, bar: html("span", { class: "u-bar" }), number: html("td") }));
  const next = Array.from({ length: LIKELIEST + 1 }, () => ({ node: html("tr", { class: "u-h" }), token: html("th", { scope: "row" }),
    bar: html("span", { class: "u-bar" }), number: html("td"), came: html("td") }));
  const values = html("table", {}, html("caption"), six.map(({ name, bar, number }) => html("tr", { class: CLASSES[name] },
    html("th", { scope: "row", class: "u-key" }, NAMES[name]), html("td", { "aria-hidden": "true" }, bar), number)));
  const likely = html("table", {}, html("caption"), next.map(({ node, token, bar, number, came }) => {
    node.append(token, html("td", { "aria-hidden": "true" }, bar), number, came);
    return node;
  }));

  // how it goes on
  const temperature = slider({ label: "temperature", min: 0, max: 2, step: 0.1, value: model.get("temperature"),
    show: (value) => (value ? fixed(value, 1) : "0, greedy"), onInput: (value) => change({ temperature: value }) });
  const topK = slider({ label: "top-k", min: 1, max: tokens.length, step: 1, value: 1,
    show: (k) => (k === tokens.length ? "all" : String(k)), onInput: (k) => change({ top_k: k === tokens.length ? 0 : k }) });
  const written = html("p", { class: "u-written" }), spoken = voice(1200);
  const again = button("Draw again", () => change({ seed: (model.get("seed") + 1) % 2 ** 32 }));
  const keep = button("Add it to the text", () => {
    const text = model.get("text") + model.get("generated");
    typed.set(text);
    change({ text, position: Math.max(0, prepare(text, tokens, limit).ids.length - 1) });
  });

  root.append(typed.node, notes.node, quantity.node, ...(sizes.length > 2 ? [layer.node] : []),
    html("label", { class: "u-control" }, html("span", { class: "u-label" }, "unit"), unit), follows, page, key, place.node, ...words.nodes,
    html("div", { class: "u-pair" }, values, likely), html("p", { class: "u-title" }, "How it would go on"),
    temperature.node, topK.node, html("div", { class: "u-buttons" }, again, keep), written, spoken.nodes[1]);

  function point(event) {
    const at = cells.indexOf(event.target);
    if (at >= 0) change({ position: at });
  }
  function walk(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }, by = moves[event.key];
    if (!by || !now.ids.length) return;
    event.preventDefault();
    change({ position: Math.max(0, Math.min(now.ids.length - 1, state().position + by)) });
  }

  // The traits as they are, position and unit within what there is.
  function state() {
    const get = (name) => model.get(name), at = Math.min(get("layer"), sizes.length - 2);
    return { text: get("text"), layer: at, unit: Math.min(get("unit"), sizes[1 + at] - 1), quantity: get("quantity"),
      position: Math.max(0, Math.min(get("position"), now.ids.length - 1)),
      temperature: get("temperature"), topK: get("top_k"), seed: get("seed") };
  }

  function draw() {
    if (busy) return;
    let s = state();
    const differs = (...names) => names.some((name) => s[name] !== before[name]);
    const fresh = differs("text");
    if (fresh) {
      clearTimeout(colouring);
      now = prepare(s.text, tokens, limit);
      scope.read(now.ids);
      s = state();
      typed.set(s.text);
      notes.say(now.note);
      while (cells.length > now.ids.length) cells.pop().remove();
      while (slices.length * SLICE >= cells.length + SLICE) slices.pop().remove();
      while (cells.length < now.ids.length) {
        if (cells.length === slices.length * SLICE) page.append(slices[slices.push(html("div")) - 1]);
        slices[slices.length - 1].append(cells[cells.push(html("span", {}, "")) - 1]);
      }
      cells.forEach(({ firstChild: letter }, t) => { if (letter.data !== now.text[t]) letter.data = now.text[t]; });
      place.input.max = Math.max(0, now.ids.length - 1);
    }
    for (const input of [place.input, again, keep, unit]) input.disabled = !now.ids.length;
    if (now.ids.length) {
      if (fresh || differs("layer")) sort(s);
      if (fresh || differs("layer", "unit", "quantity")) paint(s);
      if (fresh || differs("layer", "unit", "quantity", "position")) look(s);
      if (fresh || differs("temperature", "topK", "seed")) go(s, !fresh);
    } else if (fresh) {
      words.say("");
      place.set(0);
      written.replaceChildren();
      values.caption.textContent = likely.caption.textContent = "Nothing is read";
      for (const { bar, number } of six) { shade(bar, 0); number.textContent = ""; }
      for (const { node } of next) node.classList.add("u-none");
    }
    before = s;
  }

  // The units: first those that follow something, the closest first; then all, those first that react most to this text.
  function sort(s) {
    const reaction = scope.reactions(s.layer), here = named.filter((entry) => entry.layer === s.layer);
    const options = (group, texts) => {
      while (group.children.length > texts.length) group.lastChild.remove();
      while (group.children.length < texts.length) group.append(html("option"));
      texts.forEach((text, k) => { group.children[k].textContent = text; });
    };
    const order = ranked(reaction);
    options(following, here.map((entry) => `${entry.unit} · ${letterOf(entry.quantity)} follows ${entry.feature}, r ${fixed(entry.r)}`));
    options(all, order.map((k) => `${k} · reacts ${fixed(reaction[k])}`));
    following.hidden = !here.length;
    choices = [...here.map(({ unit, quantity }) => ({ unit, quantity })), ...order.map((unit) => ({ unit }))];
  }

  function paint(s) {
    const fits = (one) => one && one.unit === s.unit && (one.quantity ?? s.quantity) === s.quantity;
    if (!fits(choices[unit.selectedIndex])) unit.selectedIndex = choices.findIndex(fits);
    quantity.set(s.quantity);
    layer.set(s.layer);
    const name = named.find((entry) => entry.layer === s.layer && entry.unit === s.unit);
    follows.textContent = s.quantity === "surprise" ? "The surprise is −log₂ of the probability that each character had."
      : name ? `Unit ${s.unit}: its ${letterOf(name.quantity)} follows ${name.feature}, r = ${fixed(name.r)} on text that it was not trained on.`
        : named.length ? `Unit ${s.unit}: none of the features that were tried is close to it.` : "";
    const signed = SIGNED.includes(s.quantity), surprise = s.quantity === "surprise";
    const shown = now.ids.map((_, t) => (surprise ? scope.surprise(t) : scope.value(s.layer, s.quantity, s.unit, t)));
    const bound = signed || surprise ? shown.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 1e-9) : 1;
    const tone = signed ? "u-signed" : CLASSES[s.quantity] ?? "u-f";
    colour(shown.map((value) => value / bound), tone, Math.floor(s.position / SLICE));
    key.className = `u-page u-ends ${tone}`;
    ends.forEach((end, k) => {
      const share = signed ? (k - 2) / 2 : k / 4;
      shade(end, share);
      end.textContent = fixed(share * bound);
    });
    now.shown = shown;
  }

  // The slices around the position at once; the others, out of sight, one by one when the answer is there.
  function colour(shares, tone, here) {
    const one = (k) => {
      slices[k].className = tone;
      for (let t = k * SLICE; t < Math.min((k + 1) * SLICE, cells.length); t++) shade(cells[t], shares[t]);
    };
    const later = [], next = () => { if (later.length) { one(later.shift()); colouring = setTimeout(next); } };
    slices.forEach((_, k) => (Math.abs(k - here) > SIGHT ? later.push(k) : one(k)));
    clearTimeout(colouring);
    colouring = setTimeout(next);
  }

  function look(s) {
    const at = s.position, token = spelt(now.text[at]), p = scope.expected(at), best = ranked(p), came = now.ids[at + 1];
    page.querySelector(".u-here")?.classList.remove("u-here");
    cells[at].classList.add("u-here");
    if (at !== before.position || s.text !== before.text) follow(cells[at]);       // it asks for the layout, which is dear
    place.set(at);
    values.caption.textContent = `Unit ${s.unit} at ${token}`;
    for (const { name, bar, number } of six) {
      const value = scope.value(s.layer, name, s.unit, at);
      shade(bar, Math.max(-1, Math.min(1, value)));
      number.textContent = fixed(value);
    }
    likely.caption.textContent = `Expected after ${token}`;
    const rows = best.slice(0, LIKELIEST);
    if (came !== undefined && !rows.includes(came)) rows.push(came);
    next.forEach((row, k) => {
      const token = rows[k], there = token !== undefined;
      row.node.classList.toggle("u-none", !there);
      row.token.textContent = there ? spelt(tokens[token]) : "\u00a0";
      row.number.textContent = there ? fixed(p[token], 3) : "";
      row.came.textContent = there && token === came ? "came" : "";
      shade(row.bar, there ? p[token] : 0);
    });
    const what = s.quantity === "surprise"
      ? (at ? `its surprise was ${fixed(now.shown[at])} bits` : "nothing was expected before it")
      : `the ${nameOf(s.quantity)} of unit ${s.unit} is ${fixed(now.shown[at])}`;
    const after = came === undefined ? "the text ends here" : `${spelt(tokens[came])} came, at ${fixed(p[came], 3)}`;
    const hopes = rows.slice(0, 3).map((k) => `${spelt(tokens[k])} ${fixed(p[k], 3)}`).join(", ");
    const text = `Character ${at + 1}, ${token}: ${what}. Next it expects ${hopes}; ${after}.`;
    const colour = s.quantity === "surprise" ? SURPRISE : `${nameOf(s.quantity)} of unit ${s.unit}`;
    page.setAttribute("aria-label", `The text, coloured by ${colour}. Arrow keys move along it. ${text}`);
    words.say(text);
  }

  // Scrolls the text, never the page.
  function follow(cell) {
    if (page.scrollHeight <= page.clientHeight) return;
    const top = cell.offsetTop - 8, bottom = cell.offsetTop + cell.offsetHeight + 8;
    if (top < page.scrollTop) page.scrollTop = top;
    else if (bottom > page.scrollTop + page.clientHeight) page.scrollTop = bottom - page.clientHeight;
  }

  function go(s, speak) {
    temperature.set(s.temperature);
    topK.set(s.topK || tokens.length);
    const text = scope.write(LENGTH, s).map((k) => (tokens[k].length === 1 ? tokens[k] : "?")).join("");
    written.replaceChildren(now.text.length > 40 ? "… " : "", now.text.slice(-40), html("b", {}, text));
    if (speak) spoken.say(`With seed ${s.seed} it goes on: ${text}`);
    busy = true;
    model.set("generated", text);
    busy = false;
  }

  const traits = ["text", "layer", "unit", "quantity", "position", "temperature", "top_k", "seed"].map((name) => `change:${name}`);
  for (const trait of traits) model.on(trait, draw);
  draw();
  model.save_changes();
  return () => { for (const trait of traits) model.off(trait, draw); clearTimeout(colouring); words.stop(); spoken.stop(); };
}

export default { render: guarded(render) };

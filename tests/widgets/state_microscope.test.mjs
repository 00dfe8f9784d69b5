import assert from "node:assert/strict";
import test from "node:test";
import { LSTM, PARAMETERS } from "../../src/unrolled/widgets/lstm.mjs";
import { Scope, choose, halves, mulberry32, prepare, QUANTITIES, ranked, spelt } from "../../src/unrolled/widgets/state_microscope.mjs";

const view = (bits) => {
  const data = new DataView(new ArrayBuffer(2 * bits.length));
  bits.forEach((value, k) => data.setUint16(2 * k, value, true));
  return data;
};
// Weights that 16 bits hold exactly: a sign, an exponent from 2^-5 to 2^-1, a fraction.
function randomWeights(sizes, seed = 1) {
  const draw = mulberry32(seed), [tokens, ...hidden] = sizes;
  const count = hidden.reduce((sum, h, k) => sum + 4 * h * (sizes[k] + h + 1), 0) + tokens * (hidden.at(-1) + 1);
  return view(Array.from({ length: count }, () => (draw() < 0.5 ? 0x8000 : 0) | ((10 + Math.floor(5 * draw())) << 10) | Math.floor(1024 * draw())));
}
const close = (a, b, by = 1e-12) => assert.ok(Math.abs(a - b) < by, `${a} is not ${b}`);
const ids = (count, tokens, seed = 2) => Array.from({ length: count }, ((draw) => () => Math.floor(tokens * draw()))(mulberry32(seed)));

test("numbers of 16 bits", () => {
  assert.deepEqual([...halves(view([0, 0x3c00, 0xc000, 0x3555, 1, 0x7bff, 0x7c00, 0xfc00]))],
    [0, 1, -2, 0.333251953125, 2 ** -24, 65504, Infinity, -Infinity]);
  assert.ok(Number.isNaN(halves(view([0x7e00]))[0]));
});

// The same model by the plain cell of lstm.mjs, which is held to the golden fixture.
function plainly(sizes, weights, sequence) {
  const numbers = halves(weights), [tokens, ...hidden] = sizes, take = (n) => numbers.subarray(at, (at += n));
  let at = 0, inputs = sequence;
  const layers = hidden.map((h, k) => new LSTM(sizes[k], h, Object.fromEntries(PARAMETERS.map((name) =>
    [name, take({ W_x: sizes[k] * h, W_h: h * h }[name.slice(0, 3)] ?? h)]))));
  const steps = layers.map((layer) => { const run = layer.run(inputs); inputs = run.map((step) => step.H); return run; });
  const W = take(tokens * hidden.at(-1)), b = take(tokens);
  const p = inputs.map((H) => {
    const scores = Array.from(b, (bias, k) => H.reduce((sum, value, unit) => sum + value * W[unit * tokens + k], bias));
    const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
    return scores.map((score) => Math.exp(score) / sum);
  });
  return { steps, p };
}
for (const sizes of [[5, 3], [28, 8], [6, 5, 7], [4, 2, 3, 4]]) {
  test(`a model of the sizes ${sizes} is the plain cell, layer by layer`, () => {
    const weights = randomWeights(sizes), sequence = ids(60, sizes[0]), scope = new Scope(sizes, weights, 60);
    const { steps, p } = plainly(sizes, weights, sequence);
    scope.read(sequence);
    steps.forEach((run, layer) => run.forEach((step, t) => {
      for (const name of QUANTITIES) step[name].forEach((value, unit) => close(scope.value(layer, name, unit, t), value));
    }));
    p.forEach((row, t) => row.forEach((value, k) => close(scope.expected(t)[k], value)));
    assert.ok(Number.isNaN(scope.surprise(0)));
    close(scope.surprise(9), -Math.log2(p[8][sequence[9]]));
    const H = steps.at(-1).map((step) => step.H[1]), mean = H.reduce((a, b) => a + b) / 60;
    close(scope.reactions(sizes.length - 2)[1], Math.sqrt(H.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 60));
  });
}
test("a text that begins like the last one is read on, and what was written after it is forgotten", () => {
  const sizes = [6, 5, 4], weights = randomWeights(sizes), first = ids(20, 6), second = [...first.slice(0, 12), ...ids(15, 6, 7)];
  const [once, anew] = [new Scope(sizes, weights, 60), new Scope(sizes, weights, 60)];
  once.read(first);
  once.write(30, { temperature: 1, topK: 0, seed: 3 });
  for (const text of [[...first, ...ids(8, 6, 9)], second, second.slice(0, 5), []]) {
    once.read(text);
    anew.ids = [];
    anew.read(text);
    for (let t = 0; t < text.length; t++) {
      for (const layer of [0, 1]) assert.equal(once.value(layer, "C", 1, t), anew.value(layer, "C", 1, t));
      assert.deepEqual([...once.expected(t)], [...anew.expected(t)]);
    }
  }
});
test("what is written leaves the text as it is, and is what reading it again would give", () => {
  const sizes = [6, 5], weights = randomWeights(sizes), scope = new Scope(sizes, weights, 60), text = ids(10, 6);
  scope.read(text);
  const before = scope.value(0, "H", 2, 9), written = scope.write(20, { temperature: 0, topK: 0, seed: 1 });
  assert.equal(scope.value(0, "H", 2, 9), before);
  assert.deepEqual(written, scope.write(20, { temperature: 0, topK: 3, seed: 99 }), "greedy needs no luck");
  scope.read([...text, ...written]);
  written.forEach((token, k) => assert.equal(token, ranked(scope.expected(9 + k))[0]));
  const one = (seed) => { scope.read(text); return scope.write(20, { temperature: 1.5, topK: 0, seed }); };
  assert.deepEqual(one(4), one(4));
  assert.notDeepEqual(one(4), one(5));
});
test("a damaged model is refused in words", () => {
  const weights = randomWeights([5, 3]);
  assert.throws(() => new Scope([5, 4], weights, 9), /sizes 5,4 has 185 weights, got 128/);
  assert.throws(() => new Scope([5], weights, 9), /the model has no layer/);
  weights.setUint16(0, 0x7e00, true);
  assert.throws(() => new Scope([5, 3], weights, 9), /W_xi holds a number that is not finite/);
  const head = randomWeights([5, 3]);
  head.setUint16(head.byteLength - 2, 0x7c00, true);
  assert.throws(() => new Scope([5, 3], head, 9), /the head holds a number that is not finite/);
});

test("the generator is mulberry32", () => {
  const draw = mulberry32(0);
  assert.deepEqual([draw(), draw(), draw()], [0.26642920868471265, 0.0003297457005828619, 0.2232720274478197]);
});
test("a draw: the likeliest at temperature 0, else by sharpened shares among the top k", () => {
  const p = [0.1, 0.6, 0.3];
  assert.deepEqual(ranked(p), [1, 2, 0]);
  assert.deepEqual([0, 0.59, 0.61, 0.89, 0.91, 0.999].map((u) => choose(p, 1, 0, u)), [1, 1, 2, 2, 0, 0]);
  assert.deepEqual([0.66, 0.67, 0.999].map((u) => choose(p, 1, 2, u)), [1, 2, 2]);        // 0.6 and 0.3 of 0.9
  assert.deepEqual([0.78, 0.79].map((u) => choose(p, 0.5, 0, u)), [1, 2]);                // 0.36 of 0.46
  assert.equal(choose(p, 0, 0, 0.99), 1);
  assert.equal(choose(p, 0.001, 0, 0.99), 1);
  assert.equal(choose([1, 0], 1, 0, 1 - 2 ** -32), 0);
});

const TOKENS = ["<unk>", " ", ..."abcdefghijklmnopqrstuvwxyz"];
test("a text is cleaned as in Python, and what was done is said", () => {
  const { text, ids, note } = prepare("It's 8 o'clock!\n", TOKENS, 100);
  assert.equal(text, "it s o clock ");
  assert.deepEqual(ids.slice(0, 3), [10, 21, 1]);
  assert.equal(note, "4 characters that are no letters from a to z became spaces.");
  assert.deepEqual(prepare("two  words", TOKENS, 100).note, "");
  assert.match(prepare("a😀b", TOKENS, 100).note, /^1 character that is no letter from a to z became a space\.$/);
});
test("no letters, too many letters, strange letters", () => {
  assert.match(prepare("", TOKENS, 100).note, /The text is empty/);
  assert.match(prepare(" …! 12", TOKENS, 100).note, /no letters/);
  assert.deepEqual(prepare("12", TOKENS, 100).ids, []);
  const long = prepare("ab ".repeat(50), TOKENS, 100);
  assert.equal(long.ids.length, 100);
  assert.equal(long.note, "The text has 150 characters; the first 100 are read.");
  assert.deepEqual(prepare("ba", ["<unk>", "a"], 100), { text: "ba", ids: [0, 1], note: "1 letter is not in the model's vocabulary." });
});
test("what cannot be seen has a name", () => assert.deepEqual([" ", "<unk>", "a"].map(spelt), ["space", "unknown", "a"]));

// The logic of the memory cell, without a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  apart, axisEnd, holding, percent, readSequence, score, scoreInWords, sentence, stepTicks, thickness, trajectory,
} from "../../src/unrolled/widgets/memory_cell.mjs";

const NAMES = ["I", "F", "O", "C_tilde", "C", "H"];
const close = (a, b, tolerance = 1e-12) => assert.ok(Math.abs(a - b) < tolerance, `${a} is not ${b}`);
const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const numbers = (value) => (Array.isArray(value) ? value.map(numbers) : Number(value));
const named = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, numbers(value)]));

// Two units, each reading its neighbour through the input node, round numbers.
const parameters = {
  W_xi: [[-2, 1]], W_hi: [[-2, 0], [0, -2]], b_i: [0, 1], W_xf: [[0, -1]], W_hf: [[2, 0], [0, 2]], b_f: [2, -1],
  W_xo: [[-1, 1]], W_ho: [[-2, 0], [0, -2]], b_o: [0, 0], W_xc: [[1, 1]], W_hc: [[0, 1], [1, 0]], b_c: [0, 0],
};
const state = { H: [0.5, -0.5], C: [2, -1] };
const cell = { parameters, state, inputs: [[1], [0], [-1], [0.5]], interventions: [] };
// One unit whose gates are nothing but their biases.
const unit = (i, f, cue = 0) => ({ W_xi: [[0], [cue]], W_hi: [[0]], b_i: [i], W_xf: [[0], [0]], W_hf: [[0]], b_f: [f],
  W_xo: [[0], [0]], W_ho: [[0]], b_o: [0], W_xc: [[1], [0]], W_hc: [[0]], b_c: [0] });

test("the run equals the golden fixture to 1e-12", () => {
  const golden = JSON.parse(readFileSync(new URL("../golden/lstm.json", import.meta.url)));
  const X = numbers(golden.inputs), { H, C } = named(golden.initial);
  for (let example = 0; example < X[0].length; example++) {
    const run = trajectory({ parameters: named(golden.parameters), inputs: X.map((batch) => batch[example]), state: { H: H[example], C: C[example] } });
    run.forEach((step, t) => NAMES.forEach((name) => step[name].forEach((value, k) => close(value, Number(golden.steps[t][name][example][k])))));
  }
});
test("a state set by hand changes its own step and what follows, in its own unit only", () => {
  const free = trajectory(cell), set = trajectory({ ...cell, interventions: [[2, "C", 1, 3]] });
  for (const t of [0, 1]) NAMES.forEach((name) => assert.deepEqual(set[t][name], free[t][name]));
  assert.equal(set[2].before.C[1], 3);
  assert.equal(set[2].before.C[0], free[2].before.C[0]);
  assert.deepEqual(set[2].before.H, free[2].before.H);
  assert.deepEqual(set[2].F, free[2].F);                           // the gates do not read the memory
  close(set[2].C[1] - free[2].C[1], free[2].F[1] * (3 - free[2].before.C[1]));
  assert.notEqual(set[3].I[1], free[3].I[1]);                      // one step later they have heard of it
  assert.deepEqual(state, { H: [0.5, -0.5], C: [2, -1] });
});
test("scores are those of the table worked by hand", () => {
  const [step] = trajectory(cell), total = (letter, k) => score(parameters, letter, k, step).total;
  assert.deepEqual(["i", "f", "o", "c"].map((letter) => [total(letter, 0), total(letter, 1)]), [[-3, 3], [3, -3], [-2, 2], [0.5, 1.5]]);
  assert.equal(scoreInWords(score(parameters, "i", 0, step)), "score = −2.00 · 1.00 − 2.00 · 0.50 + 0.00 = −3.00");
  assert.equal(scoreInWords({ terms: [[0, 5]], bias: -1, total: -1 }), "score = −1.00 = −1.00");
});
test("the sentence says the equation with its numbers", () => {
  assert.equal(sentence(trajectory(cell)[0], 0, 2),
    "Unit 1 keeps 95 % of 2.00 and writes 5 % of 0.46: now it holds 1.93. It shows 12 % of tanh(1.93): 0.11.");
  assert.match(sentence(trajectory(cell)[0], 1, 1), /^The cell keeps 5 % of −1.00/);
});
test("no gate is said to be quite open or quite shut", () => {
  assert.deepEqual([0.5, 0.9975, 0.0025, 1 - 1e-9, 1e-9].map(percent), ["50 %", "99.75 %", "0.25 %", "over 99.99 %", "under 0.01 %"]);
});
test("a sequence is read with spaces, commas, lines and a typographic minus", () => {
  assert.deepEqual(readSequence(["1, 0  −0.5;2\n.25"], ["x"]), { inputs: [[1], [0], [-0.5], [2], [0.25]] });
  assert.deepEqual(readSequence(["1 2", "3 4"], ["value", "cue"]), { inputs: [[1, 3], [2, 4]] });
});
test("what is no sequence is said in words", () => {
  const trouble = (lines, names = ["value", "cue"]) => readSequence(lines, names).trouble;
  assert.match(trouble(["1 two 3"]), /“two” is not a number/);
  assert.match(trouble(["1", "NaN"]), /“NaN” of cue is not a number/);
  assert.match(trouble(["1e999"]), /1e999 is too far out|“1e999” is not a number/);
  assert.match(trouble(["2000"]), /2000 is too far out: give numbers between −1000 and 1000/);
  assert.match(trouble(["x".repeat(99)]), /“x{20}…”/);
  assert.match(trouble([" , "]), /needs at least one number/);
  assert.match(trouble([Array(61).fill(0).join(" ")]), /has 61 numbers; at most 60/);
  assert.match(trouble(["1 2 3", "1 2"]), /There are 3 numbers of value and 2 of cue/);
  assert.deepEqual(readSequence([Array(60).fill("1").join(" ")], ["x"]).inputs.length, 60);
});
test("the challenge measures what is left and names the bias", () => {
  const inputs = [[1, 1], ...Array.from({ length: 49 }, () => [0.3, 0])], zeros = { H: [0], C: [0] };
  const judge = (i, f) => holding(trajectory({ parameters: unit(i, f, 10), inputs, state: zeros }));
  assert.equal(judge(0, 0).look, "f");
  assert.equal(judge(-7, 0).look, "f");
  assert.match(judge(-7, 5).words, /49 forget gates in a row leave 72 % of what was written/);
  close(0.72, sigmoid(5) ** 49, 0.005);
  assert.equal(judge(0, 9).look, "i");
  assert.match(judge(0, 9).words, /noise has written 7\.\d\d over the value/);
  assert.equal(judge(-10, 9).look, "i");                           // then even the cue does not open the input gate
  assert.match(judge(-10, 9).words, /Step 1 wrote only 0\.38/);
  const { done, look, words } = judge(-8, 8);
  assert.ok(done && look === null);
  assert.match(words, /^✓ Done\. Step 1 wrote 0\.67, step 50 holds 0\.66: 99 % of it\./);
});
test("a run that comes back by luck has not held", () => {
  const steps = [1, 0.5, 1].map((c) => ({ C: [c], F: [0.999] }));
  assert.equal(holding(steps).done, false);
  assert.equal(holding([1, 0.96, 1.04].map((c) => ({ C: [c], F: [0.999] }))).done, true);
  assert.equal(holding([NaN, NaN].map((c) => ({ C: [c], F: [0.999] }))).done, false);
});
test("labels stand apart and inside", () => {
  assert.deepEqual(apart([50, 52, 10], 14, 0, 100), [50, 64, 10]);
  assert.deepEqual(apart([99, 100, 100], 14, 0, 100), [72, 86, 100]);
  assert.deepEqual(apart([0, 0], 14, 5, 100), [5, 19]);
});
test("axes end at round numbers", () => {
  assert.deepEqual([0.2, 1, 1.2, 1.5, 1.6, 4, 9, 12, 400, 1000].map(axisEnd), [1, 1, 1.5, 1.5, 2, 5, 10, 15, 500, 1000]);
  assert.deepEqual(stepTicks(20).map(([t]) => t), [1, 5, 10, 15, 20]);
  assert.deepEqual(stepTicks(2), [[1, "step 1"], [2, "2"]]);
  assert.deepEqual(stepTicks(60).map(([t]) => t), [1, 10, 20, 30, 40, 50, 60]);
  for (let steps = 2; steps <= 60; steps++) {
    const ticks = stepTicks(steps).map(([t]) => t);
    assert.ok(ticks[0] === 1 && ticks.at(-1) === steps && ticks.every((t, k) => !k || t > ticks[k - 1]));
  }
});
test("a wire swells with what flows in it, whatever its sign, and stays thinner than the memory line", () => {
  assert.equal(thickness(-0.7), thickness(0.7));
  assert.ok(thickness(0) > 1 && thickness(0.5) > thickness(0.1) && thickness(1000) < 9);
});

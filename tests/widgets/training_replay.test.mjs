// What the replay computes, and what it says about a history that is damaged.
import assert from "node:assert/strict";
import test from "node:test";
import { check, ending, loop, named, pairs, percent, pieces, quantile, sentence, share, stops, ticks, visible } from "../../src/unrolled/widgets/training_replay.mjs";

const counts = Array.from({ length: 50 }, (_, k) => (k === 4 ? 10 : k === 24 ? 50 : k === 25 ? 30 : k === 45 ? 10 : 0));
const snapshot = (epoch, greedy = "it has the the the the the") => ({ epoch, prefix: "it has", samples: { greedy, "temperature 0.7": "it has an s" }, gates: { F: counts, I: counts } });
const history = () => ({ training: [20, 10, 8], validation: [18, 9, 8.5], snapshots: [snapshot(0), snapshot(1), snapshot(3)] });

test("shares lie between edges", () => {
  assert.equal(share(counts, 0, 0.1), 0.1);
  assert.equal(share(counts, 0.4, 0.6), 0.8);
  assert.equal(share(counts, 0.9, 1), 0.1);
  assert.equal(share(counts, 0, 1), 1);
});
test("quantiles lie within their bin by proportion", () => {
  const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);
  close(quantile(counts, 0.05), (4 + 0.5) / 50);
  close(quantile(counts, 0.5), (24 + 0.8) / 50);
  close(quantile(counts, 0.6), 0.5);
  close(quantile(counts, 0.95), (45 + 0.5) / 50);
  close(quantile(counts, 0), 4 / 50);
  close(quantile(counts, 1), 46 / 50);
});
test("bins in pairs have one half in the middle of one", () => {
  assert.equal(pairs(counts).length, 25);
  assert.equal(pairs(counts)[12], 80);
  assert.deepEqual(pairs([1, 2, 3]), [1, 2, 3]);
});
test("a loop is found with the length of its lap, from its first letter", () => {
  assert.deepEqual(loop("it has a dimension i the the the the the", 6), { start: 21, lap: 4 });
  assert.deepEqual(loop(`it has${" ".repeat(20)}`, 6), { start: 6, lap: 1 });
  assert.deepEqual(loop("it has t a te t a te t a te", 6), { start: 7, lap: 7 });
  assert.deepEqual(loop("e".repeat(20), 3), { start: 3, lap: 1 });
  for (const text of ["", "it has the the the", "it has lople mall alg the grepe", "it hassss ssss ssss", "the sea and the sea and the sea"]) assert.equal(loop(text), null);
});
test("spaces that nobody would see are drawn", () => {
  assert.equal(visible("it has  a  "), "it has␣␣a␣␣");
  assert.equal(visible("it has a"), "it has a");
});
test("a sample comes in pieces: prefix, text, laps", () => {
  assert.deepEqual(pieces("it has i the the the the t", "it has"), [["prefix", "it has"], ["text", " i "], ["lap", "the "], ["lap", "the "], ["lap", "the "], ["lap", "the "], ["lap", "t"]]);
  assert.deepEqual(pieces("it has  an", "it has"), [["prefix", "it has"], ["text", "␣␣an"]]);
  assert.deepEqual(pieces("an", "it has"), [["text", "an"]]);
});
test("the end of a sample is said", () => {
  assert.equal(ending("greedy", "it has the the the the the", "it has"), "The greedy text ends in a loop of 4 characters, “the␣”.");
  assert.equal(ending("greedy", `it has${" ".repeat(20)}`, "it has"), "The greedy text ends in nothing but spaces.");
  assert.equal(ending("greedy", `it has${"e".repeat(20)}`, "it has"), "The greedy text ends in nothing but “e”.");
  assert.equal(ending("greedy", "it has an", "it"), "The greedy text does not end in a loop.");
});
test("percentages have one decimal", () => {
  assert.equal(percent(0.1255), "12.6\u202f%");
  assert.equal(percent(1), "100.0\u202f%");
  assert.equal(percent(0), "0.0\u202f%");
});
test("an epoch in words", () => {
  assert.equal(sentence(history(), 3), "After epoch 3 of 3: perplexity 8 in training, 8.5 in validation. The greedy text ends in a loop of 4 characters, “the␣”. "
    + "Between 0.4 and 0.6 lie 80.0\u202f% of the input gate’s values, 80.0\u202f% of the forget gate’s.");
  assert.ok(sentence(history(), 0).startsWith("Before the first epoch. The greedy text"));
  assert.equal(sentence({ training: [20], validation: [], snapshots: [] }, 1), "After epoch 1 of 1: perplexity 20 in training.");
  assert.equal(sentence({ training: [20], validation: [], snapshots: [{ epoch: 1, prefix: "a", samples: { own: "ab" }, gates: {} }] }, 1), "After epoch 1 of 1: perplexity 20 in training.");
});
test("only what was recorded can be shown, gates in their own order", () => {
  assert.deepEqual(stops(history()), [0, 1, 3]);
  assert.deepEqual(stops({ ...history(), snapshots: [] }), [1, 2, 3]);
  assert.deepEqual(named({ O: [], F: [], I: [] }), ["I", "F", "O"]);
});
test("ticks are round numbers, about five of them", () => {
  assert.deepEqual(ticks(50), [0, 10, 20, 30, 40, 50]);
  assert.deepEqual(ticks(21.8), [0, 5, 10, 15, 20]);
  assert.deepEqual(ticks(1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticks(8), [0, 2, 4, 6, 8]);
});
test("a whole history passes, and one that is damaged is refused in words", () => {
  check(history());
  check({ training: [20], validation: [], snapshots: [] });
  const damaged = (change, words) => { const one = history(); change(one); assert.throws(() => check(one), words); };
  assert.throws(() => check(undefined), /^Error: the history lacks training, validation or snapshots$/);
  damaged((h) => { delete h.snapshots; }, /lacks training, validation or snapshots/);
  damaged((h) => { h.training = []; }, /empty: train for at least one epoch first/);
  damaged((h) => { h.validation.pop(); }, /3 epochs of training and 2 of validation/);
  damaged((h) => { h.training[1] = NaN; }, /the training perplexity of epoch 2 is NaN, not a positive number/);
  damaged((h) => { h.validation[2] = null; }, /the validation perplexity of epoch 3 is null/);
  damaged((h) => { h.validation[0] = "18"; }, /the validation perplexity of epoch 1 is 18/);
  damaged((h) => { h.snapshots[2].epoch = 4; }, /a snapshot of epoch 4 does not fit a history of 3 epochs/);
  damaged((h) => { h.snapshots[2].epoch = 1; }, /the snapshot of epoch 1 comes after that of epoch 1/);
  damaged((h) => { h.snapshots[1].samples.greedy = 7; }, /the samples of epoch 1 are not text/);
  damaged((h) => { delete h.snapshots[1].samples; }, /the samples of epoch 1 are not text/);
  damaged((h) => { delete h.snapshots[1].prefix; }, /the samples of epoch 1 are not text/);
  damaged((h) => { delete h.snapshots[1].gates; }, /epoch 1 has other samples or gates than the first/);
  damaged((h) => { h.snapshots[1].samples = { greedy: "it" }; }, /epoch 1 has other samples or gates/);
  damaged((h) => { for (const one of h.snapshots) one.gates = { Q: counts }; }, /there is no gate called Q/);
  for (const bad of [null, [], counts.slice(1), counts.map(() => 0), counts.map((c) => c / 4), counts.map((c) => -c)]) {
    damaged((h) => { h.snapshots[1].gates = { F: bad, I: counts }; }, /the histogram of gate F at epoch 1 is damaged/);
  }
  damaged((h) => { h.snapshots[1] = null; }, /a snapshot is missing/);
});

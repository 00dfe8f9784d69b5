import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { band, called, changesOf, check, linesOf, measured, named, outcome, partnersOf, rowsAt, scale, shown, sign, valuesOf, words } from "../../src/unrolled/widgets/laboratory.mjs";

const centre = { num_hiddens: 32, num_steps: 32, batch_size: 128, lr: 4, optimizer: "sgd", num_layers: 1, clip: 1, forget_bias: 0 };
const row = (validation_perplexity, time, changes = {}) => ({ ...centre, seed: 0, state: "complete", windows: 60, validation_perplexity, train_perplexity: 6, time, samples: {}, ...changes });
const failed = row(null, null, { lr: 64, state: "failed", cause: "the loss is not finite", train_perplexity: null });
const rows = [row(7, 0.9), row(7.4, 1.1), row(8, 1, { lr: 1 }), row(7.9, 1.5, { lr: 1 }), row(5, 0.2, { num_hiddens: 4 }), row(9, 1.6, { lr: 1, clip: 0 }),
  row(8.8, 1, { clip: 10 }), row(9.9, 1, { clip: 0 }), failed, row(7, 1, { lr: 0.5, state: "pruned" })];

test("changes have names", () => {
  assert.equal(named({}), "the centre");
  assert.equal(named({ lr: 0.25, clip: 0 }), "learning rate 0.25, no clipping");
  assert.equal(named({ num_hiddens: 128, num_layers: 1 }), "128 hidden units, 1 layer");
  assert.equal(called("optimizer", "adamw"), "optimiser adamw");
  assert.equal(shown("clip", 0), "none");
  assert.equal(shown("forget_bias", 0), "0");
  assert.deepEqual(changesOf(rows[5], centre), { lr: 1, clip: 0 });
});
test("rows, values and partners", () => {
  assert.deepEqual(rowsAt(rows, centre, { lr: 1 }), rows.slice(2, 4));
  assert.deepEqual(rowsAt(rows, centre, { lr: 0.5 }), []);                    // pruned
  assert.deepEqual(valuesOf(rows, centre, "lr"), [1, 4, 64]);
  assert.deepEqual(valuesOf(rows, centre, "clip"), [1, 10, 0]);               // none is the loosest
  assert.deepEqual(valuesOf(rows, centre, "lr", { clip: 0 }), [1, 4]);
  assert.deepEqual(partnersOf(rows, centre, "lr"), ["clip"]);
  assert.deepEqual(partnersOf(rows, centre, "num_hiddens"), []);
});
test("a line for each value of the partner that makes one", () => {
  assert.deepEqual(linesOf(rows, centre, "lr", ""), [{ also: {}, values: [1, 4, 64] }]);
  assert.deepEqual(linesOf(rows, centre, "lr", "clip"), [{ also: { clip: 1 }, values: [1, 4, 64] }, { also: { clip: 0 }, values: [1, 4] }]);
});
test("the noise is two standard deviations", () => {
  const { mean, low, high, trials } = band(rows, centre, "perplexity");
  assert.equal(trials, 2);
  assert.ok(Math.abs(mean - 7.2) < 1e-12 && Math.abs(high - mean - 2 * Math.sqrt(0.08)) < 1e-12 && Math.abs(high + low - 2 * mean) < 1e-12);
});
test("a change counts when all its trials leave the noise", () => {
  const noise = { low: 1, high: 2 };
  assert.equal(sign([3, 2.1], noise), "+");
  assert.equal(sign([3, 1.9], noise), "0");
  assert.equal(sign([0.5, 0.9], noise), "-");
  assert.equal(sign([0.5, 3], noise), "0");
  assert.deepEqual(measured([failed, row(8, 1)], "perplexity"), [Infinity, 8]);
  assert.deepEqual(measured([failed, row(8, 1)], "time"), [1]);
});
test("words", () => {
  assert.match(words(rows, [], centre, {}), /^The centre: perplexity 7\.2 on average of 2 trials\. With nothing changed but the seed it lies between 6\.63 and 7\.77, and the time between 0\.717 and 1\.28/);
  assert.equal(words(rows, [], centre, { lr: 1 }),
    "Learning rate 1: perplexity 8 and 7.9 (noise: 6.63 to 7.77), above the noise, so worse. Time 1 and 1.5 times the centre’s (noise: 0.717 to 1.28), within the noise.");
  assert.equal(words(rows, [], centre, { lr: 64 }), "Learning rate 64: perplexity failed (noise: 6.63 to 7.77), above the noise, so worse.");
  assert.equal(words(rows, [row(6, 2, { lr: 3 })], centre, { lr: 3 }),
    "Learning rate 3: the record has no such trial. Your run: perplexity 6, 2 times the time of the centre here.");
});
test("what came of a run", () => {
  assert.equal(outcome(failed), "the training failed: the loss is not finite");
  assert.equal(outcome(row(3, null, { state: "stopped", windows: 12000, same_text: false })),
    "perplexity 3, stopped after 12,000 windows, on another text, where perplexities do not compare");
});
test("the scale holds all but what is hopeless", () => {
  const { min, max, ticks } = scale("perplexity", [5, 14, 2000, 1e39]);
  assert.ok(min < 5 && max > 14 && max < 20);
  assert.deepEqual(ticks.map(([value]) => value), [5, 6, 7, 8, 10, 12, 14]);
  assert.deepEqual(scale("time", [0.4, 2.2]).ticks, [[0.5, "½"], [1, "1"], [2, "2"]]);
});
test("a record that is not whole is refused in words", () => {
  check({ rows, centre });
  assert.throws(() => check({}), /lacks its rows or its centre/);
  assert.throws(() => check({ rows: [...rows, { lr: 1 }], centre }), /row 10 of the record lacks num_hiddens/);
  assert.throws(() => check({ rows: rows.slice(1), centre }), /fewer than two trials of the centre with a perplexity/);
});
test("the book's own record", () => {
  const record = JSON.parse(readFileSync(new URL("../../book/data/hyperparameters.json", import.meta.url)));
  check({ rows: record.rows, centre: record.centre });
  assert.deepEqual(record.centre, centre);
  assert.deepEqual(partnersOf(record.rows, centre, "lr"), ["batch_size", "optimizer", "clip"]);
});

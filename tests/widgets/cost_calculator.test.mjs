import assert from "node:assert/strict";
import test from "node:test";
import { changes, count, duration, nearest, rate, ratio, short, stops } from "../../src/unrolled/widgets/cost_calculator.mjs";

const setting = { num_inputs: 28, num_hiddens: 32, steps: 32, batch: 1024, tokens: false };
const row = (work, num_hiddens, batch) => ({ work, num_inputs: 28, num_hiddens, steps: 32, batch, seconds: { rnn: 1, gru: 2, lstm: 3 } });

test("the counts of the book's own size", () => {
  assert.deepEqual(count("lstm", setting),
    { parameters: 7808, stored: 7936, forward: 251658240, backward: 381681664, kept: 6291456, state: 65536 });
  assert.deepEqual(count("rnn", { num_inputs: 1, num_hiddens: 1, steps: 1, batch: 1, tokens: false }),
    { parameters: 3, stored: 4, forward: 2, backward: 2, kept: 1, state: 1 });
  assert.equal(count("gru", setting).parameters, 3 * (28 * 32 + 32 * 32 + 32) + 32);
  assert.equal(count("gru", { ...setting, tokens: true }).forward, 32 * 1024 * 3 * 32 * 32);
});
test("the greatest counts are still exact", () => {
  const most = { num_inputs: 4096, num_hiddens: 4096, steps: 4096, batch: 4096, tokens: false };
  assert.equal(BigInt(count("lstm", most).backward), 4096n * 4n * (4096n * 4096n ** 2n + 8191n * 4096n ** 2n));
});
test("numbers are short", () => {
  assert.equal(short(7808), "7\u202f808");
  assert.equal(short(99999), "99\u202f999");
  assert.equal(short(100000), "100\u202fk");
  assert.equal(short(999499), "999\u202fk");
  assert.equal(short(999600), "1.00\u202fM");
  assert.equal(short(2.25e15), "2.25\u202fP");
  assert.equal(short(512, "B"), "512\u202fB");
  assert.equal(short(25165824, "B"), "25.2\u202fMB");
});
test("times are short", () => {
  assert.equal(duration(0.0001234), "123\u202fµs");
  assert.equal(duration(0.02053), "20.5\u202fms");
  assert.equal(duration(1.5), "1.5\u202fs");
});
test("ratios begin with one", () => assert.equal(ratio([1952, 5888, 7808]), "1\u00a0:\u00a03.02\u00a0:\u00a04"));
test("the stops are powers of two and the reader's own number", () => {
  assert.deepEqual(stops(28, 64), [1, 2, 4, 8, 16, 28, 32, 64]);
  assert.deepEqual(stops(8, 16), [1, 2, 4, 8, 16]);
});
test("the nearest setting is the fewest doublings away, with all its works", () => {
  const rows = [row("training", 32, 1), row("reading", 32, 1), row("training", 256, 1024)];
  assert.deepEqual(Object.keys(nearest(rows, { ...setting, batch: 16 })), ["training", "reading"]);
  assert.equal(nearest(rows, { ...setting, batch: 64 }).training.batch, 1);             // 6 doublings, not 4 + 3
  assert.equal(nearest(rows, { ...setting, batch: 128 }).training.batch, 1024);         // 3 + 3, not 7
});
test("no rows, no setting", () => assert.deepEqual(nearest([], setting), {}));
test("a rate is multiply-adds over seconds", () => {
  const counts = count("lstm", { ...setting, batch: 1 });
  assert.equal(rate(row("training", 32, 1), "lstm"), (counts.forward + counts.backward) / 3);
  assert.equal(rate(row("writing", 32, 1), "lstm"), counts.forward / 3);
});
test("a change is said in factors", () => {
  const plain = (...sides) => changes(...sides).replaceAll("\u00a0", " ");
  assert.equal(plain("batch", setting, { ...setting, batch: 1 }),
    "Batch 1\u202f024 → 1: parameters × 1, forward ÷ 1\u202f024, backward ÷ 1\u202f024, kept ÷ 1\u202f024, state ÷ 1\u202f024.");
  assert.equal(plain("num_hiddens", setting, { ...setting, num_hiddens: 64 }),
    "Hidden units 32 → 64: parameters × 3.05, forward × 3.07, backward × 3.38, kept × 2, state × 2.");
  assert.match(plain("tokens", setting, { ...setting, tokens: true }), /^Tokens, looked up: parameters × 1, forward ÷ 1\.88, /);
  assert.match(plain("tokens", { ...setting, tokens: true }, setting), /^Vectors, multiplied: parameters × 1, forward × 1\.88, /);
});

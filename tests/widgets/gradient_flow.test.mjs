import assert from "node:assert/strict";
import test from "node:test";
import { amount, apart, check, curvesAt, gateAt, next, scale, UNDERFLOW, verdict, within, words } from "../../src/unrolled/widgets/gradient_flow.mjs";

const slope = (perStep, steps = 128) => Array.from({ length: steps + 1 }, (_, k) => k * perStep);
const DATA = {
  steps: 128, biases: [-2, 0, 6], rnn: slope(-0.25), gru: slope(-0.2),
  lstm: [slope(-0.6), slope(-0.2), slope(0.012)], low: [slope(-0.61), slope(-0.21), slope(0.011)], high: [slope(-0.59), slope(-0.19), slope(0.013)],
};

test("the gate is the sigmoid of its bias", () => {
  assert.equal(gateAt(0), 0.5);
  assert.ok(Math.abs(gateAt(2) - 0.8807970779778823) < 1e-15);
});
test("amounts are said also where a number would underflow", () => {
  assert.equal(amount(32 * Math.log10(0.5)), "2.3\u00a0·\u00a010⁻¹⁰");
  assert.equal(amount(-1000.5), "3.2\u00a0·\u00a010⁻¹⁰⁰¹");
  assert.equal(amount(-6.0001), "1.0\u00a0·\u00a010⁻⁶");                     // 9.998 rounds up to ten
  assert.equal(amount(-0.808), "0.156");
  assert.equal(amount(-3), "0.001");
  assert.equal(amount(2.9999), "1000");
  assert.equal(amount(Math.log10(0.9975274), 4), "0.9975");
  assert.equal(amount(null), "0");
});
test("the verdict follows the size", () => {
  const said = [null, -6.1, -5.9, -1.1, -0.9, 0.9, 1.1, 2.1].map(verdict);
  assert.deepEqual(said, ["It has vanished.", "It has vanished.", "It is fading.", "It is fading.", "It is alive.", "It is alive.", "It is growing.", "It is exploding."]);
});
test("the picture's scale holds one half at every step", () => {
  for (const steps of [1, 5, 32, 40, 128, 1000]) {
    const { floor, top, ticks } = scale(steps);
    assert.ok(steps * Math.log10(0.5) > floor && top >= 1);
    assert.ok(ticks.length >= 2 && ticks.length <= 6 && ticks[0] === 0 && ticks.at(-1) >= floor, `${steps}: ${ticks}`);
  }
  assert.deepEqual(scale(128), { floor: -42, top: 4, ticks: [0, -10, -20, -30, -40] });
  assert.ok(scale(128).floor < UNDERFLOW && scale(64).floor > UNDERFLOW);
});

const seen = (points) => points.filter(([, log]) => !Number.isNaN(log));
test("a line ends where it leaves the picture", () => {
  assert.deepEqual(within([0, -1, -2], -4, 4), [[0, 0], [1, -1], [2, -2]]);
  assert.deepEqual(seen(within([0, -3, -6, -9], -4, 4)), [[0, 0], [1, -3], [1 + 1 / 3, -4]]);
  assert.deepEqual(seen(within([0, 3, 6], -4, 4)), [[0, 0], [1, 3], [1 + 1 / 3, 4]]);
});
test("and begins again where it comes back", () => {
  const points = within([0, -8, 0], -4, 4);
  assert.deepEqual(seen(points), [[0, 0], [0.5, -4], [1.5, -4], [2, 0]]);
  assert.ok(Number.isNaN(points[2][1]), "with a gap between");
});
test("a zero leaves through the floor at once", () => {
  assert.deepEqual(seen(within([0, -1, null, null], -4, 4)), [[0, 0], [1, -1], [1, -4]]);
  assert.deepEqual(seen(within([0, null, 0], -4, 4)), [[0, 0], [0, -4], [2, -4], [2, 0]]);
});

test("labels keep their distance and their order", () => {
  assert.deepEqual(apart([100, 50, 0], 15, 200), [100, 50, 0]);
  assert.deepEqual(apart([100, 100, 98], 15, 200), [113, 128, 98]);
  assert.deepEqual(apart([200, 199, 10], 15, 200), [200, 185, 10]);
  assert.deepEqual(apart([], 15, 200), []);
});

test("the source's case: the line alone, the measured, the verdict, the GRU", () => {
  const said = words(DATA, [], 0, 32);
  assert.match(said, /^With a forget bias of 0 the gates stand at 0\.5\. 32 steps back, 0\.5³² = 2\.3\u00a0·\u00a010⁻¹⁰ of the gradient is left/);
  assert.match(said, /Measured: 4\.0\u00a0·\u00a010⁻⁷\. It has vanished\. Detours through the hidden state brought 1\.7\u00a0·\u00a010³ times what the line alone brings\. A GRU keeps about as much\.$/);
});
test("what is too small is said, and what lies beyond the picture", () => {
  const said = words(DATA, [], -2, 100);
  for (const part of ["bias of −2", "Single precision could not even write it down.", "A GRU keeps more.", "Below the picture here: LSTM; memory line alone."]) assert.ok(said.includes(part), part);
  const own = [{ name: "wild", curve: slope(0.5), gates: null }];
  assert.ok(words(DATA, own, 6, 128).endsWith("wild: 1.0\u00a0·\u00a010⁶⁴. Above the picture here: wild."));
});
test("the line and the measured may agree, or the line bring more", () => {
  const line = Math.log10(gateAt(0)), about = (perStep) => words({ ...DATA, lstm: [slope(-0.6), slope(perStep), slope(0)] }, [], 0, 10);
  assert.ok(about(line).includes("The line alone brings nearly all of it."));
  assert.ok(about(line - 0.1).includes("The line alone would bring more"));
  assert.ok(about(line + 0.1).includes("brought 10 times"));
});
test("one step is one step, and a zero is a zero", () => {
  assert.ok(words(DATA, [], 0, 1).includes("1 step back, 0.5¹ = 0.5 of"));
  const none = slope(-1).map((log, k) => (k > 3 ? null : log)), said = words({ ...DATA, lstm: [none, none, none] }, [], 0, 9);
  assert.ok(said.includes("Measured: 0. It has vanished.") && said.includes("Below the picture here: LSTM."));
  assert.ok(!words({ ...DATA, gru: none }, [], 0, 9).includes("GRU keeps"));
});
test("what to try depends on what is seen", () => {
  assert.match(next(DATA, 0, 32, -6.4), /Raise the bias/);
  assert.match(next(DATA, 6, 32, null), /Fewer steps/);
  assert.match(next(DATA, 0, 5, -0.9), /to 128 steps/);
  assert.match(next(DATA, 0, 128, 0), /further/);
  assert.match(next(DATA, 6, 128, 0), /Back to a bias of 0/);
  assert.match(next(DATA, 0, 128, 1.5), /Back to a bias of 0/);
});

test("only the LSTM and its line follow the bias", () => {
  const at = (bias) => Object.fromEntries(curvesAt(DATA, [], bias).map(({ name, curve }) => [name, curve[32]]));
  const low = at(-2), high = at(6);
  assert.equal(low.GRU, high.GRU);
  assert.equal(low.RNN, high.RNN);
  assert.notEqual(low.LSTM, high.LSTM);
  assert.ok(Math.abs(low["memory line alone"] - 32 * Math.log10(gateAt(-2))) < 1e-12);
});
test("the reader's own LSTM comes with the product of its gates", () => {
  const own = [{ name: "a very long name", curve: slope(-0.1), gates: slope(-0.3) }, { name: "b", curve: slope(-0.1), gates: null }];
  assert.deepEqual(curvesAt(DATA, own, 0).slice(4).map(({ name, short }) => [name, short]),
    [["a very long name", "a very lo…"], ["a very long name, line alone", ""], ["b", "b"]]);
});

test("a measurement with parts missing or broken is named", () => {
  check(DATA, []);
  assert.throws(() => check(undefined, []), /the measurement lacks rnn/);
  assert.throws(() => check({ ...DATA, gru: undefined }, []), /lacks gru/);
  assert.throws(() => check({ ...DATA, gru: [0, -1] }, []), /gru has 129 values, got 2/);
  assert.throws(() => check({ ...DATA, lstm: DATA.lstm.slice(1) }, []), /lstm at bias 6 has 129 values, got none/);
  assert.throws(() => check({ ...DATA, rnn: slope(NaN) }, []), /rnn holds a value that is not a number/);
  assert.throws(() => check(DATA, [{ name: "mine", curve: slope(-1, 5), gates: null }]), /mine has 129 values, got 6/);
});

// The cell in JavaScript against the golden fixture, which was computed at 50 digits.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { LSTM, PARAMETERS } from "../../src/unrolled/widgets/lstm.mjs";

const golden = JSON.parse(readFileSync(new URL("../golden/lstm.json", import.meta.url)));
const numbers = (value) => (Array.isArray(value) ? value.map(numbers) : Number(value));
const shape = (value) => (Array.isArray(value) ? [value.length, ...shape(value[0])] : []);
const flat = Object.fromEntries(PARAMETERS.map((name) => [name, numbers(golden.parameters[name]).flat()]));
const [inputs, hidden] = shape(golden.parameters.W_xi);
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`);

test("every gate and state of every step equals the golden fixture to 1e-12", () => {
  const layer = new LSTM(inputs, hidden, flat), X = numbers(golden.inputs);
  for (let example = 0; example < X[0].length; example++) {
    const state = { H: numbers(golden.initial.H)[example], C: numbers(golden.initial.C)[example] };
    const steps = layer.run(X.map((batch) => batch[example]), state);
    assert.equal(steps.length, golden.steps.length);
    steps.forEach((step, t) => {
      for (const name of ["I", "F", "O", "C_tilde", "C", "H"]) {
        step[name].forEach((value, unit) => close(value, Number(golden.steps[t][name][example][unit])));
      }
    });
  }
});
test("a token is the row that its one-hot vector picks", () => {
  const layer = new LSTM(inputs, hidden, flat);
  for (let token = 0; token < inputs; token++) {
    const oneHot = Array.from({ length: inputs }, (_, k) => Number(k === token));
    const [a, b] = [layer.step(token, layer.zeros()), layer.step(oneHot, layer.zeros())];
    a.H.forEach((value, k) => close(value, b.H[k]));
  }
});
test("a damaged layer is refused in words", () => {
  assert.throws(() => new LSTM(inputs, hidden, { ...flat, W_hf: undefined }), /lacks W_hf/);
  assert.throws(() => new LSTM(inputs, hidden, { ...flat, b_o: [1] }), new RegExp(`b_o has ${hidden} numbers, got 1`));
  assert.throws(() => new LSTM(inputs, hidden, { ...flat, b_o: flat.b_o.map(() => NaN) }), /b_o holds a number that is not finite/);
});

import assert from "node:assert/strict";
import test from "node:test";
import { fixed, format, grouped, power } from "../../src/unrolled/widgets/parts.mjs";

test("numbers are short", () => {
  assert.equal(format(0.9 ** 50), "0.00515");
  assert.equal(format(1.1 ** 50), "117");
  assert.equal(format(0.5 ** 32), "2.3 · 10⁻¹⁰");
  assert.equal(format(1.5 ** 100), "4.1 · 10¹⁷");
  assert.equal(format(-0.25), "−0.25");
  assert.equal(format(0), "0");
});
test("what is no number says so", () => {
  assert.equal(format(NaN), "not a number");
  assert.equal(format(Infinity), "∞");
  assert.equal(format(-Infinity), "−∞");
});
test("decimals are fixed, and nothing is minus zero", () => {
  assert.equal(fixed(1.005), "1.00");
  assert.equal(fixed(-0.001), "0.00");
  assert.equal(fixed(-1.5), "−1.50");
  assert.equal(fixed(2, 4), "2.0000");
});
test("powers of ten and large numbers", () => {
  assert.equal(power(-12), "10⁻¹²");
  assert.equal(power(30), "10³⁰");
  assert.equal(grouped(1234567), "1\u202f234\u202f567");
  assert.equal(grouped(12), "12");
});

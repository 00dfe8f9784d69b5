import assert from "node:assert/strict";
import test from "node:test";
import { series, verdict } from "../../src/unrolled/widgets/repeated_factor.mjs";

test("the series is the repeated product", () => {
  assert.deepEqual(series(2 ** -1, 3), [1, 0.5, 0.25, 0.125]);
  assert.equal(series(0.9, 50).length, 51);
  assert.ok(Math.abs(series(0.9, 50)[50] - 0.9 ** 50) < 1e-15);
});
test("the verdict follows the value", () => {
  assert.equal(verdict(0.9 ** 50), "It has vanished.");
  assert.equal(verdict(1), "It is still there.");
  assert.equal(verdict(1.1 ** 50), "It has exploded.");
  assert.equal(verdict(0.3), "It is fading.");
  assert.equal(verdict(10), "It is growing.");
});

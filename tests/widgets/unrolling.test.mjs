import assert from "node:assert/strict";
import test from "node:test";
import {
  at, corners, inBytes, LIMITS, momentInWords, plan, reachInWords, runs, span, stairs, stop, whole,
} from "../../src/unrolled/widgets/unrolling.mjs";

const sizes = (steps, truncation, more = {}) => plan({ steps, truncation, batch: 1, hidden: 1, kind: "lstm", ...more });
const SHAPES = [[1, 1], [1, 5], [5, 1], [12, 4], [11, 4], [7, 7], [6, 9], [10, 3]];

test("pairs and reach are those counted one by one", () => {
  for (const [steps, truncation] of SHAPES) {
    const one = sizes(steps, truncation);
    let joined = 0, all = 0, back = 0;
    for (let t = 1; t <= steps; t++) {
      for (let s = 1; s <= t; s++) {
        all++;
        if (Math.ceil(s / truncation) === Math.ceil(t / truncation)) { joined++; if (s < t) back++; }
      }
      assert.equal(one.first(t), (Math.ceil(t / truncation) - 1) * truncation + 1);
    }
    assert.deepEqual([one.pairs, one.allPairs], [joined, all]);
    assert.ok(Math.abs(one.reachMean - back / steps) < 1e-12);
    assert.equal(one.reachMax, Math.min(steps, truncation) - 1);
  }
});

test("every moment, told one by one", () => {
  for (const [steps, truncation] of SHAPES) {
    const one = sizes(steps, truncation), told = [["begin", 1, 0, [], 0]];
    const range = (a, b) => Array.from({ length: Math.max(0, b - a) }, (_, k) => a + k);
    for (let first = 1, window = 1; first <= steps; first += truncation, window++) {
      const last = Math.min(first + truncation - 1, steps);
      for (let t = first; t <= last; t++) told.push(["forward", window, t, range(first, t + 1), t]);
      for (let t = last; t >= first; t--) told.push(["backward", window, t, range(first, t), last]);
      told.push([last === steps ? "end" : "cut", window, last, [], last]);
    }
    assert.equal(told.length, one.lastMoment + 1);
    told.forEach((expected, moment) => {
      const { phase, window, step, from, to, read } = at(one, moment);
      assert.deepEqual([phase, window, step, range(from, to), read], expected);
    });
  }
});

test("the corners of the memory's line lie where the moments say", () => {
  for (const [steps, truncation] of SHAPES) {
    const one = sizes(steps, truncation);
    for (const [moment, kept] of corners(one)) {
      const { from, to } = at(one, moment);
      assert.equal(to - from, kept);
    }
    assert.equal(corners(one).at(-1)[0], one.lastMoment);
  }
  assert.deepEqual(corners(sizes(1e6, 10)), [[0, 0], [0, 10], [2.1e6, 10], [2.1e6, 0]]);
});

test("what is kept, by kind", () => {
  const kept = (kind) => plan({ steps: 12, truncation: 4, batch: 8, hidden: 16, kind }).kept(4);
  assert.deepEqual(["lstm", "gru", "rnn"].map(kept), [3072, 2560, 512]);
});

test("a size out of its range is named", () => {
  assert.throws(() => sizes(0, 4), /steps is a whole number from 1 to 10\u202f000\u202f000, got “0”/);
  assert.throws(() => sizes(12, 4, { batch: NaN }), /batch .* got “NaN”/);
  assert.throws(() => sizes(12, 4, { hidden: undefined }), /hidden .* got “undefined”/);
  assert.throws(() => sizes(12, 2.5), /truncation .* got “2.5”/);
  assert.throws(() => sizes(12, 4, { kind: "tree" }), /one of lstm, gru, rnn, got tree/);
});

test("whole numbers are read as people write them", () => {
  for (const text of ["100000", "100,000", " 100 000 ", "100\u202f000", "100_000"]) {
    assert.equal(whole(text, "steps", 1e7), 100000);
  }
  for (const text of ["0", "-3", "1.5", "1e3", "ten", "99999999", "<b>"]) assert.throws(() => whole(text, "steps", 1e7), /got “/);
  for (const text of ["", "  "]) assert.throws(() => whole(text, "steps", 1e7), /got nothing/);
});

test("a long text is drawn by its ends and what is near", () => {
  assert.deepEqual(runs(sizes(60, 4), at(sizes(60, 4), 0), 7), [[1, 60]]);
  for (const steps of [61, 500, 1e5, 1e7]) {
    for (const truncation of [1, 7, 100, steps]) {
      const one = sizes(steps, truncation);
      for (const moment of [0, 1, Math.floor(one.lastMoment / 2), one.lastMoment]) {
        for (const loss of [1, Math.floor(steps / 3), steps]) {
          const now = at(one, moment), here = Math.max(now.step, 1), found = runs(one, now, loss);
          const shown = (step) => found.some(([a, b]) => a <= step && step <= b);
          assert.ok([1, steps, loss, one.first(loss), here, one.first(here)].every(shown));
          assert.ok(found.every(([a, b], k) => a >= 1 && b <= steps && b > a && (!k || a > found[k - 1][1] + 2)));
          assert.ok(found.reduce((sum, [a, b]) => sum + b - a + 2, 0) <= 36);
        }
      }
    }
  }
});

test("the stairs enclose the pairs", () => {
  const area = (d) => {                                           // of a path of M, H, V and Z, by the shoelace
    const points = [];
    let x = 0, y = 0;
    for (const [, letter, numbers] of d.matchAll(/([MHV])([^MHVZ]*)/g)) {
      const values = numbers.split(" ").map(Number);
      if (letter === "M") [x, y] = values;
      else if (letter === "H") [x] = values;
      else [y] = values;
      points.push([x, y]);
    }
    const next = (k) => points[(k + 1) % points.length];
    return Math.abs(points.reduce((sum, [a, b], k) => sum + a * next(k)[1] - b * next(k)[0], 0)) / 2;
  };
  assert.equal(area(stairs(0, 12, 1, false)), 78);
  assert.equal(area(stairs(4, 8, 1, false)), 10);
  assert.equal(area(stairs(4, 8, 2, true)), 32);
});

test("a slider's stop is the last that is not beyond", () => {
  assert.deepEqual([1, 12, 60, 99, 100, 320, LIMITS.steps].map(stop), [0, 11, 59, 59, 60, 61, 75]);
});

test("words", () => {
  assert.deepEqual([0, 999, 999.6, 12250, 1e6, 4e15].map(inBytes),
    ["0\u00a0B", "999\u00a0B", "1\u00a0kB", "12.3\u00a0kB", "1\u00a0MB", "4\u00a0PB"]);
  assert.deepEqual([5, 6, 7].map((last) => span(5, last)), ["step 5", "steps 5 and 6", "steps 5 to 7"]);
  const one = sizes(12, 4);
  assert.equal(momentInWords(one, 15, true),
    "Backward, step 7, window 2: its values are used and freed. Still kept: steps 5 and 6, 12 values, 48\u00a0B.");
  assert.equal(momentInWords(one, 9, false),
    "Cut after step 4: the weights are updated, and the next window begins with zeros.");
  assert.match(reachInWords(one, 7, true),
    /goes 2 steps back, and ends at step 5\. .* \(1,\u00a07\) to \(4,\u00a07\)\. The state may carry/);
  assert.match(reachInWords(one, 6, true), /goes 1 step back/);
});

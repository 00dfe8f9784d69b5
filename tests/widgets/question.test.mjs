import assert from "node:assert/strict";
import test from "node:test";
import { judgeChoice, judgeDrawing, judgeNumber, judgeOrder, number, shuffled } from "../../src/unrolled/widgets/question.mjs";

test("numbers are read as people write them", () => {
  const cases = { "1/2": 0.5, "0,5": 0.5, "−3": -3, "-3": -3, "2e-10": 2e-10, "2e−10": 2e-10, "2·10^-10": 2e-10, "2 × 10^−10": 2e-10, ".5": 0.5,
    " 7808 ": 7808, "7,808": 7808, "7 808": 7808, "7\u202f808": 7808, "1,234,567.5": 1234567.5, "-7,808": -7808, "0,500": 0.5, "12,5": 12.5,
    "1234,567": 1234.567, "-1/4": -0.25, "−1 / 4": -0.25, "+2": 2 };
  for (const [text, value] of Object.entries(cases)) assert.equal(number(text), value, text);
});
test("what is no number is NaN or infinite, never a guess", () => {
  for (const text of ["", "  ", "abc", "1/2/3", "1,2,3", "0.5 or so", "--3", "1/0", "σ(0)", "Infinity", "1..2"]) {
    assert.ok(!Number.isFinite(number(text)), text);
  }
});

const NUMBER = { kind: "number", prompt: "?", answer: 0.5, tolerance: 0.01, right: "Half.", otherwise: "Compute it.",
  wrong: [{ from: -0.001, to: 0.001, say: "Zero is the score." }, { from: 0.9, to: 1, say: "One is never reached." }] };
test("a number gets the words meant for it", () => {
  assert.deepEqual(judgeNumber(NUMBER, "1/2"), { right: true, say: "Half." });
  assert.deepEqual(judgeNumber(NUMBER, "0,5"), { right: true, say: "Half." });
  assert.deepEqual(judgeNumber(NUMBER, "0.509"), { right: true, say: "Half." });
  assert.deepEqual(judgeNumber(NUMBER, "0"), { right: false, say: "Zero is the score." });
  assert.deepEqual(judgeNumber(NUMBER, "1"), { right: false, say: "One is never reached." });
  assert.deepEqual(judgeNumber(NUMBER, "−3"), { right: false, say: "Compute it." });
  assert.deepEqual(judgeNumber(NUMBER, "2e-10"), { right: false, say: "Zero is the score." });
  assert.deepEqual(judgeNumber(NUMBER, " abc"), { right: false, say: '"abc" is not a number that I can read.' });
  assert.deepEqual(judgeNumber(NUMBER, "1/0"), { right: false, say: '"1/0" is not a number that I can read.' });
  for (const empty of ["", "  "]) assert.deepEqual(judgeNumber(NUMBER, empty), { right: false, say: "Type a number first." });
});

const CHOICE = { options: [{ text: "a", say: "Not a." }, { text: "b", right: true, say: "It is b." }] };
test("each option has words of its own", () => {
  assert.deepEqual(judgeChoice(CHOICE, null), { right: false, say: "Choose one first." });
  assert.deepEqual(judgeChoice(CHOICE, 0), { right: false, say: "Not a." });
  assert.deepEqual(judgeChoice(CHOICE, 1), { right: true, say: "It is b." });
});

const items = (...texts) => texts.map((text) => ({ text, say: `${text} comes elsewhere.` }));
const ORDER = { items: items("one", "two", "three", "four"), right: "In order." };
test("the first item that stands elsewhere is told", () => {
  assert.deepEqual(judgeOrder(ORDER, ["one", "two", "three", "four"]), { right: true, say: "In order." });
  assert.deepEqual(judgeOrder(ORDER, ["one", "three", "two", "four"]), { right: false, say: "Place 2: three comes elsewhere." });
  assert.deepEqual(judgeOrder(ORDER, ["four", "two", "three", "one"]), { right: false, say: "Place 1: four comes elsewhere." });
});
test("no question begins in the right order, and none loses an item", () => {
  for (let count = 2; count < 12; count++) {
    const ordered = Array.from({ length: count }, (_, k) => String(k)), mixed = shuffled(items(...ordered));
    assert.notDeepEqual(mixed, ordered);
    assert.deepEqual(mixed.toSorted((a, b) => a - b), ordered);
    assert.equal(judgeOrder({ items: items(...ordered), right: "" }, mixed).right, false);
  }
});

const DRAWING = { bands: [{ low: 1, high: 1 }, { low: 1.9, high: 2.1 }, { low: 0, high: 0.2 }], right: "So it goes.", otherwise: "Look again.",
  wrong: [{ steps: [1, 2], say: "It climbs." }] };
test("the first step that is off is told", () => {
  assert.deepEqual(judgeDrawing(DRAWING, [1, 2, 0]), { right: true, say: "So it goes." });
  assert.deepEqual(judgeDrawing(DRAWING, [0, 2, 0]), { right: false, say: "Step 1: It climbs." });
  assert.deepEqual(judgeDrawing(DRAWING, [1, 2.2, 0]), { right: false, say: "Step 2: It climbs." });
  assert.deepEqual(judgeDrawing(DRAWING, [1, 2, 1]), { right: false, say: "Step 3: Look again." });
});

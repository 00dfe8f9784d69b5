import assert from "node:assert/strict";
import test from "node:test";
import { summary } from "../../src/unrolled/widgets/progress_board.mjs";

test("the summary counts questions and solutions apart", () => {
  assert.equal(summary(new Set(), ["a", "b"]), "0 of 2 questions answered, 0 of 2 solutions checked.");
  assert.equal(summary(new Set(["a question", "b question", "b check", "c check"]), ["a", "b"]),
    "2 of 2 questions answered, 1 of 2 solutions checked.");
});

// What is done, and the short code that carries it to a notebook and back. The same arithmetic as in
// unrolled.exercises.progress; a test holds the two together. Nothing leaves the reader's browser.

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", PRIME = 1021n, KEY = "unrolled-progress";
export const PARTS = ["question", "check"];

// done: a Set of "exercise part"; names: all exercises in order.
export function encode(done, names) {
  let number = 0n;
  for (const one of done) {
    const [name, part] = one.split(" ");
    if (names.includes(name)) number |= 1n << BigInt(2 * names.indexOf(name) + PARTS.indexOf(part));
  }
  const check = Number((37n * number + 11n) % PRIME);
  let letters = "";
  do { letters = ALPHABET[Number(number % 32n)] + letters; number /= 32n; } while (number > 0n);
  letters += ALPHABET[Math.floor(check / 32)] + ALPHABET[check % 32];
  return letters.replace(/.(?=(.{4})+$)/g, "$&-");
}

// Throws an Error in words where the code is damaged.
export function decode(code, names) {
  const letters = code.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  if (letters.length < 3 || [...letters].some((c) => !ALPHABET.includes(c))) {
    throw new Error("This is not a progress code: it has at least three letters and digits, like 0A3F-9K.");
  }
  const digits = [...letters].map((c) => ALPHABET.indexOf(c)), low = digits.pop() + 32 * digits.pop();
  const number = digits.reduce((value, digit) => 32n * value + BigInt(digit), 0n);
  if (BigInt(low) !== (37n * number + 11n) % PRIME) throw new Error("There is a slip in this code: compare it letter by letter.");
  if (number >> BigInt(2 * names.length)) throw new Error("This code knows more exercises than this version of the book.");
  const done = new Set();
  names.forEach((name, k) => PARTS.forEach((part, j) => { if ((number >> BigInt(2 * k + j)) & 1n) done.add(`${name} ${part}`); }));
  return done;
}

// The reader's own record. Where the browser keeps nothing (a private window, say) it lasts as long as the page.
let memory = [];
export function recall() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Set(memory);
  }
}

export function record(done) {
  memory = [...done];
  try { localStorage.setItem(KEY, JSON.stringify(memory)); } catch { /* it lasts as long as the page */ }
  window.dispatchEvent(new Event(KEY));
}

export const solve = (name, part) => record(recall().add(`${name} ${part}`));

export function watch(call) {
  window.addEventListener(KEY, call);
  window.addEventListener("storage", call);
  return () => { window.removeEventListener(KEY, call); window.removeEventListener("storage", call); };
}

// All exercises, and what is done of them in this browser; the code that takes it to a notebook and back.
import { button, complaint, field, guarded, html, stage, voice } from "./parts.mjs";
import { decode, encode, PARTS, recall, record, watch } from "./progress.mjs";

// How much is done, in words.
export function summary(done, names) {
  const count = PARTS.map((part) => names.filter((name) => done.has(`${name} ${part}`)).length);
  return `${count[0]} of ${names.length} questions answered, ${count[1]} of ${names.length} solutions checked.`;
}

function render({ model, el }) {
  const exercises = model.get("exercises"), names = exercises.map(({ name }) => name);
  const root = stage(el, "Progress", "Answer a question on any page, or enter the code that a notebook gave you.");
  const marks = new Map();
  const rows = exercises.map(({ name, title, page }) => html("tr", {},
    html("th", { scope: "row" }, html("a", { href: `${page}.html#exercise-${name}` }, title)),
    PARTS.map((part) => {
      const cell = html("td", {});
      marks.set(`${name} ${part}`, cell);
      return cell;
    })));
  const head = html("thead", {}, html("tr", {}, ["exercise", "question", "solution"].map((text) => html("th", { scope: "col" }, text))));
  const code = html("output", { class: "u-code" }), words = voice(100), trouble = complaint();
  const typed = field({ label: "a notebook's code", value: "", maxlength: 40, onInput: () => trouble.say("") });
  const enter = () => {
    try {
      record(new Set([...recall(), ...decode(typed.input.value, names)]));
      typed.set("");
      trouble.say("");
    } catch (error) {
      trouble.say(error.message);
    }
  };
  typed.input.addEventListener("keydown", (event) => { if (event.key === "Enter") enter(); });
  let sure = false;
  const forget = button("Forget everything", () => {
    if (sure) record(new Set());
    sure = !sure;
    forget.textContent = sure ? "Press once more to forget everything" : "Forget everything";
  });
  root.append(html("table", {}, head, html("tbody", {}, rows)), ...words.nodes,
    html("p", {}, "Your code for a notebook: ", code), typed.node, html("div", { class: "u-buttons" }, button("Take over", enter), forget), trouble.node);

  function draw() {
    const done = recall();
    for (const [key, cell] of marks) {
      cell.textContent = done.has(key) ? "✓ done" : "open";
      cell.className = done.has(key) ? "u-done" : "";
    }
    code.textContent = encode(done, names);
    words.say(summary(done, names));
    model.set("code", code.textContent);
    model.save_changes();
  }
  draw();
  const stop = watch(draw);
  return () => { stop(); words.stop(); };
}

export default { render: guarded(render) };

const COLUMNS = [...data.columns, data.answer];
const MOST_CHOICES = 5, MOST_MATCHES = 50;
const nameOf = (row) => JSON.stringify(data.columns.map((column) => row[column]));
const numbers = new Map(data.items.map((item, at) => [nameOf(item.columns), at]));
const classes = new Set(data.classes);
// Answers by item, in the order in which they were given; those about items of other pages are kept as well.
const answers = new Map();
const skipped = new Set();
// What was before each answer and skip, the last one at the end.
const past = [];
let at = 0, matches = [], selected = 0, isSaved = true;

const answerOf = (item) => answers.get(nameOf(item.columns))?.[data.answer];
// Without suggestions: the classes answered so far, in the order of the items, so that few change their numbers.
function choices() {
  const { suggestions } = data.items[at];
  if (suggestions.length) return suggestions;
  const given = [...numbers.keys()].map((name) => answers.get(name)?.[data.answer]).filter((label) => label);
  return [...new Set(given)].slice(0, MOST_CHOICES).map((label) => [label, null]);
}

function set(row, label) {
  answers.delete(nameOf(row));
  if (label) {
    answers.set(nameOf(row), { ...row, [data.answer]: label });
    classes.add(label);
  }
}

function note() {
  isSaved = keep({ answers: [...answers.values()], skipped: [...skipped], at });
}

function answer(label) {
  const item = data.items[at], name = nameOf(item.columns);
  past.push({ at, label: answerOf(item), isSkipped: skipped.has(name) });
  set(item.columns, label);
  if (label) skipped.delete(name);
  else skipped.add(name);
  $("filter").value = "";
  $("filter").blur();
  goOn();
}

// To the next item without an answer, from the beginning again after the last one.
function goOn() {
  const count = data.items.length;
  const isOpen = (number) => !answerOf(data.items[number]) && !skipped.has(nameOf(data.items[number].columns));
  const next = Array.from({ length: count }, (_, step) => (at + 1 + step) % count).find(isOpen);
  if (next === undefined) say("Every item is answered or skipped: save the answers.");
  at = next ?? Math.min(at + 1, count - 1);
  note();
  show();
}

function undo() {
  const last = past.pop();
  if (!last) return;
  at = last.at;
  const { columns } = data.items[at];
  set(columns, last.label);
  if (last.isSkipped) skipped.add(nameOf(columns));
  else skipped.delete(nameOf(columns));
  say("");
  note();
  show();
}

function move(to) {
  at = Math.min(Math.max(to, 0), data.items.length - 1);
  show();
}

function show() {
  const item = data.items[at], given = answerOf(item), name = nameOf(item.columns);
  const text = data.columns.map((column) => `${column} ${item.columns[column]}`).join(", ");
  Object.assign($("patch"), { src: item.patch, alt: text });
  $("name").textContent = text;
  $("around").hidden = !item.surroundings;
  if (item.surroundings) Object.assign($("surroundings"), { src: item.surroundings, alt: `Around ${text}` });
  $("reason").textContent = item.reason;
  $("keeping").hidden = !item.given;
  const before = item.given ? `Given before: ${item.given}` : "What is it?";
  $("state").textContent = given ? `Your answer: ${given}` : skipped.has(name) ? `Skipped. ${before}` : before;
  $("state").className = given ? "answered" : "";
  $("choices").replaceChildren(...choices().map(([label, share], number) => choice(label, share, number, given)));
  const done = data.items.filter((one) => answerOf(one)).length;
  const left = [...skipped].filter((one) => numbers.has(one)).length;
  $("count").textContent = `Item ${at + 1} of ${data.items.length}: ${done} answered` + (left ? `, ${left} skipped` : "");
  Object.assign($("progress"), { value: done, max: data.items.length });
  find();
}

function choice(label, share, number, given) {
  const button = make("button", { type: "button" }, make("kbd", { textContent: number + 1 }),
    make("span", { className: "label", textContent: label }));
  if (share !== null) {
    button.append(make("meter", { value: share }),
      make("span", { className: "share", textContent: `${(100 * share).toFixed(0)} %` }));
  }
  button.setAttribute("aria-pressed", label === given);
  button.addEventListener("click", () => answer(label));
  return make("li", {}, button);
}

// The classes that hold what was typed, those that begin with it first; then what was typed itself, if it is none.
function find() {
  const exact = $("filter").value.trim(), typed = exact.toLowerCase();
  const found = typed ? [...classes].filter((label) => label.toLowerCase().includes(typed)) : [];
  found.sort((a, b) => b.toLowerCase().startsWith(typed) - a.toLowerCase().startsWith(typed) || (a < b ? -1 : 1));
  matches = found.slice(0, MOST_MATCHES).map((label) => [label, label]);
  if (exact && !classes.has(exact)) matches.push([exact, `New class: ${exact}`]);
  selected = 0;
  list();
}

function list() {
  $("matches").replaceChildren(...matches.map(([label, text], number) => {
    const button = make("button", { type: "button", tabIndex: -1 }, make("span", { className: "label", textContent: text }));
    button.addEventListener("click", () => answer(label));
    const item = make("li", { role: "option" }, button);
    item.setAttribute("aria-selected", number === selected);
    return item;
  }));
  $("filter").setAttribute("aria-expanded", matches.length > 0);
  $("matches").children[selected]?.scrollIntoView({ block: "nearest" });
}

function pressedInFilter(pressed) {
  if (pressed === "enter") {
    if (matches.length) answer(matches[selected][0]);
  } else if (pressed === "escape") {
    $("filter").value = "";
    $("filter").blur();
    find();
  } else if (pressed === "arrowdown" || pressed === "arrowup") {
    selected = Math.min(Math.max(selected + (pressed === "arrowdown" ? 1 : -1), 0), Math.max(matches.length - 1, 0));
    list();
  } else return false;
  return true;
}

function pressedOnPage(pressed) {
  const item = data.items[at], found = choices(), given = answerOf(item);
  if (pressed === "enter") {
    if (item.suggestions.length) answer(item.suggestions[0][0]);
  } else if (/^[1-9]$/.test(pressed)) {
    if (found[pressed - 1]) answer(found[pressed - 1][0]);
  } else if (pressed === "0") {
    if (item.given) answer(item.given);
  } else if (pressed === "s") answer(null);
  else if (pressed === "u" || pressed === "backspace") undo();
  else if (pressed === "arrowright" || pressed === "arrowdown") move(at + 1);
  else if (pressed === "arrowleft" || pressed === "arrowup") move(at - 1);
  else if (pressed === "home") move(0);
  else if (pressed === "end") move(data.items.length - 1);
  else if (pressed === "/" && data.others) $("filter").focus();
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !data.items.length) return;
  const { target } = event, pressed = event.key.toLowerCase();
  if (target === $("filter") ? pressedInFilter(pressed)
    // A button or a chooser of files that has the focus keeps what presses it.
    : !(/^(BUTTON|INPUT)$/.test(target.tagName) && /^(enter| )$/.test(pressed)) && pressedOnPage(pressed)) {
    event.preventDefault();
  }
});
$("filter").addEventListener("input", find);
$("save").addEventListener("click", () => {
  saveCsv(data.file, csv(COLUMNS, [...answers.values()]));
  isSaved = true;
  $("save").blur();
  say(`${answers.size} answers saved in ${data.file}.`);
});
whenLoaded(COLUMNS, (text) => {
  const rows = parsed(text, COLUMNS, COLUMNS)?.filter((row) => row[data.answer]);
  if (!rows) return null;
  rows.forEach(({ [data.answer]: label, ...row }) => {
    set(row, label);
    skipped.delete(nameOf(row));
  });
  // What was undone since then would bring other answers back.
  past.length = 0;
  note();
  $("load").blur();
  if (data.items.length) show();
  return rows.length;
});
// Only answers that would be lost are worth a question.
addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

$("other").hidden = $("finding").hidden = !data.others;
document.title = $("heading").textContent = data.heading;
const earlier = kept();
(earlier?.answers ?? []).forEach(({ [data.answer]: label, ...row }) => set(row, label));
(earlier?.skipped ?? []).forEach((name) => skipped.add(name));
if (data.items.length) {
  document.querySelector("main").hidden = false;
  move(earlier?.at ?? 0);
} else say("There is nothing to ask about.");

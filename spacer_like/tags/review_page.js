"use strict";
const { key, tags, pictures } = JSON.parse(document.getElementById("data").textContent);
const COLUMNS = ["id", "path", "tag", "answer"];
// As the tables of the package: an apostrophe before what a spreadsheet would run as a formula, or strip. JavaScript's
// own white space is not Python's.
const SPACE = "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const GUARDED = new RegExp(`^'*[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20${SPACE}]|[${SPACE}]$`);
const NUMBER = /^'*[+\-]?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?$/;
const isGuarded = (text) => GUARDED.test(text) && !NUMBER.test(text);
const guarded = (text) => (isGuarded(text) ? "'" + text : text);
const unguarded = (text) => (text.startsWith("'") && isGuarded(text) ? text.slice(1) : text);
const quoted = (text) => (/[",;\t\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);

const cells = [];
// Answers by tag and image, in the order in which they were given; those about images of other pages are kept as well.
const answers = new Map();
const nameOf = (row) => JSON.stringify([row.tag, row.id || row.path]);
let isSaved = true;

function make(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function makeCell(tag, item) {
  const row = { id: item.id, path: item.path, tag };
  const picture = make("div", { className: "picture" });
  if (pictures[item.picture]) picture.append(make("img", { src: pictures[item.picture], alt: item.path }));
  else picture.append("no picture");
  const buttons = ["yes", "no"].map((answer) =>
    make("button", { type: "button", className: answer, textContent: answer, tabIndex: -1 }));
  const score = `${item.kind}, score ${item.score.toFixed(3)}`;
  const path = make("div", { className: "path", title: item.path }, make("bdi", { textContent: item.path }));
  const element = make("li", { tabIndex: 0 }, picture, path, make("div", { className: "quiet", textContent: score }),
    make("div", { className: "answers" }, ...buttons));
  const cell = { row, element, buttons };
  buttons.forEach((button) => button.addEventListener("click", () => {
    const given = button.className;
    answer(cell, answers.get(nameOf(row))?.answer === given ? null : given);
  }));
  cells.push(cell);
  return element;
}

function answer(cell, given) {
  const name = nameOf(cell.row);
  answers.delete(name);
  if (given) answers.set(name, { ...cell.row, answer: given });
  isSaved = keep();
  show();
}

function show() {
  for (const { row, element, buttons } of cells) {
    const given = answers.get(nameOf(row))?.answer;
    if (given) element.dataset.answer = given;
    else delete element.dataset.answer;
    for (const button of buttons) button.setAttribute("aria-pressed", button.className === given);
  }
  const answered = cells.filter(({ row }) => answers.has(nameOf(row))).length;
  document.getElementById("count").textContent = `${answered} of ${cells.length} answered`;
}

// Some browsers keep nothing for pages that are files.
function keep() {
  try {
    localStorage.setItem(key, JSON.stringify([...answers.values()]));
    return true;
  } catch {
    return false;
  }
}

function recall() {
  try { (JSON.parse(localStorage.getItem(key)) ?? []).forEach((row) => answers.set(nameOf(row), row)); } catch {
    /* Nothing was kept. */
  }
}

function csv() {
  const rows = [...answers.values()].map((row) => COLUMNS.map((column) => quoted(guarded(row[column]))).join(","));
  // The mark at the beginning lets spreadsheets see that it is UTF-8.
  return "\ufeff" + [COLUMNS.join(","), ...rows, ""].join("\n");
}

function parsed(text) {
  const first = text.replace(/^\ufeff/, "");
  const delimiter = [",", ";", "\t"].find((one) => first.split(/\r?\n/)[0].split(one).length > 2) ?? ",";
  const rows = [[""]];
  let isQuoted = false;
  for (let at = 0; at < first.length; at++) {
    const letter = first[at], row = rows[rows.length - 1];
    if (isQuoted) {
      if (letter !== '"') row[row.length - 1] += letter;
      else if (first[at + 1] === '"') { row[row.length - 1] += '"'; at++; } else isQuoted = false;
    } else if (letter === '"') isQuoted = true;
    else if (letter === delimiter) row.push("");
    else if (letter === "\n") rows.push([""]);
    else if (letter !== "\r") row[row.length - 1] += letter;
  }
  return rows.filter((row) => row.some((one) => one)).map((row) => row.map(unguarded));
}

function load(text) {
  const [names = [], ...rows] = parsed(text);
  const places = COLUMNS.map((column) => names.findIndex((name) => name.trim().toLowerCase() === column));
  if (places[2] < 0 || places[3] < 0 || Math.max(places[0], places[1]) < 0) return null;
  const ids = new Map(cells.map(({ row }) => [row.path, row.id]));
  let count = 0;
  for (const found of rows) {
    const [id, path, tag, said] = places.map((place) => found[place] ?? "");
    const yes = /^(yes|y|true|1)$/i.test(said.trim());
    if (!tag || !(id || path) || !(yes || /^(no|n|false|0)$/i.test(said.trim()))) continue;
    const row = { id: id || ids.get(path) || "", path, tag, answer: yes ? "yes" : "no" };
    answers.delete(nameOf(row));
    answers.set(nameOf(row), row);
    count++;
  }
  return count;
}

function say(text) { document.getElementById("note").textContent = text; }

function save() {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  make("a", { href: address, download: "corrections.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  isSaved = true;
  say(`${answers.size} answers saved in corrections.csv.`);
}

function move(from, step) {
  const to = cells[Math.min(Math.max(from + step, 0), cells.length - 1)];
  to?.element.focus();
}

function columnsOf(element) {
  return getComputedStyle(element.parentElement).gridTemplateColumns.split(" ").length;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
  const at = cells.findIndex(({ element }) => element.contains(document.activeElement));
  const pressed = event.key.toLowerCase();
  const width = at < 0 ? 1 : columnsOf(cells[at].element);
  const steps = { arrowright: 1, arrowleft: -1, arrowdown: width, arrowup: -width };
  if (pressed in steps) move(at, at < 0 ? 1 : steps[pressed]);
  else if (at >= 0 && "ynu".includes(pressed) && pressed.length === 1) {
    answer(cells[at], { y: "yes", n: "no", u: null }[pressed]);
    if (pressed !== "u") move(at, 1);
  } else return;
  event.preventDefault();
});
document.getElementById("save").addEventListener("click", save);
document.getElementById("load").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const count = load(await file.text());
  event.target.value = "";
  say(count === null ? `${file.name} has not the columns ${COLUMNS.join(", ")}.` : `${count} answers loaded.`);
  isSaved = keep();
  show();
});
// Only answers that would be lost are worth a question.
addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

for (const { tag, items } of tags) {
  const heading = make("h2", { textContent: `${tag}? ` }, make("span", { textContent: `${items.length} images` }));
  document.getElementById("tags").append(heading, make("ul", {}, ...items.map((item) => makeCell(tag, item))));
}
if (!cells.length) say("There is no image to ask about.");
recall();
show();
move(0, 0);

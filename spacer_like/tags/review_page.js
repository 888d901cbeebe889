const COLUMNS = ["id", "path", "tag", "answer"];
const cells = [];
// Answers by tag and image, in the order in which they were given; those about images of other pages are kept as well.
const answers = new Map();
const nameOf = (row) => JSON.stringify([row.tag, row.id || row.path]);
let isSaved = true;

function makeCell(tag, item) {
  const row = { id: item.id, path: item.path, tag };
  const picture = make("div", { className: "picture" });
  const src = data.pictures[item.picture];
  if (src) picture.append(make("img", { src, alt: item.path }));
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
  isSaved = keep([...answers.values()]);
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
  $("count").textContent = `${answered} of ${cells.length} answered`;
}

function load(text) {
  const rows = parsed(text, COLUMNS, ["id", "tag", "answer"]) ?? parsed(text, COLUMNS, ["path", "tag", "answer"]);
  if (!rows) return null;
  const ids = new Map(cells.map(({ row }) => [row.path, row.id]));
  let count = 0;
  for (const { id, path, tag, answer: said } of rows) {
    const yes = /^(yes|y|true|1)$/i.test(said.trim());
    if (!tag || !(id || path) || !(yes || /^(no|n|false|0)$/i.test(said.trim()))) continue;
    const row = { id: id || ids.get(path) || "", path, tag, answer: yes ? "yes" : "no" };
    answers.delete(nameOf(row));
    answers.set(nameOf(row), row);
    count++;
  }
  isSaved = keep([...answers.values()]);
  show();
  return count;
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
$("save").addEventListener("click", () => {
  saveCsv("corrections.csv", csv(COLUMNS, [...answers.values()]));
  isSaved = true;
  say(`${answers.size} answers saved in corrections.csv.`);
});
whenLoaded(COLUMNS, load);
// Only answers that would be lost are worth a question.
addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });

for (const { tag, items } of data.tags) {
  const heading = make("h2", { textContent: `${tag}? ` }, make("span", { textContent: `${items.length} images` }));
  $("tags").append(heading, make("ul", {}, ...items.map((item) => makeCell(tag, item))));
}
if (!cells.length) say("There is no image to ask about.");
(kept() ?? []).forEach((row) => answers.set(nameOf(row), row));
show();
move(0, 0);

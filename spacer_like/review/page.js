"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
// As the tables of the package: an apostrophe before what a spreadsheet would run as a formula, or strip. JavaScript's
// own white space is not Python's.
const SPACE = "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const GUARDED = new RegExp(`^'*[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20${SPACE}]|[${SPACE}]$`);
const NUMBER = /^'*[+\-]?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?$/;
const isGuarded = (text) => GUARDED.test(text) && !NUMBER.test(text);
const guarded = (text) => (isGuarded(text) ? "'" + text : text);
const unguarded = (text) => (text.startsWith("'") && isGuarded(text) ? text.slice(1) : text);
const quoted = (text) => (/[",;\t\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
const $ = (id) => document.getElementById(id);

function make(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function say(text) { $("note").textContent = text; }

// Some browsers keep nothing for pages that are files.
function keep(kept) {
  try {
    localStorage.setItem(data.key, JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

function kept() {
  try { return JSON.parse(localStorage.getItem(data.key)); } catch {
    return null;
  }
}

// Rows are objects; the file has those columns of them.
function csv(columns, rows) {
  const lines = rows.map((row) => columns.map((column) => quoted(guarded(row[column] ?? ""))).join(","));
  // The mark at the beginning lets spreadsheets see that it is UTF-8.
  return "\ufeff" + [columns.map(quoted).join(","), ...lines, ""].join("\n");
}

// The rows of a file as objects with the columns that it has; null where it lacks a needed one.
function parsed(text, columns, needed) {
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
  const [names = [], ...found] = rows.filter((row) => row.some((one) => one)).map((row) => row.map(unguarded));
  const there = columns.map((column) => names.findIndex((name) => name.trim().toLowerCase() === column.toLowerCase()));
  if (needed.some((column) => there[columns.indexOf(column)] < 0)) return null;
  return found.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[there[at]] ?? ""])));
}

function saveCsv(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// What a file says that a person chooses: `take` counts the answers in it, or returns null.
function whenLoaded(columns, take) {
  $("load").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    const count = take(await file.text());
    event.target.value = "";
    say(count === null ? `${file.name} has not the columns ${columns.join(", ")}.` : `${count} answers loaded.`);
  });
}

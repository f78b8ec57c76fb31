// Between a value and the text a person reads and types, by column type.

import type { Column, Json, Value } from "../values";

const DIGITS = 8; // of a real number that are shown

export function display(column: Column, value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (column.type === "json") return JSON.stringify(value);
  // Stored in UTC, to the microsecond; shown in UTC, so that people who talk about a row see the same words.
  if (column.type === "datetime") return String(value).replace("T", " ").replace(/\.0+(?=Z|$)/, "");
  // 0.1 + 0.2 is 0.3 to look at; the editor opens with every digit.
  if (column.type === "real" && typeof value === "number") return String(Number(value.toPrecision(DIGITS)));
  return String(value);
}

/** The text an editor opens with; `parse` of it gives the value back. */
export function editable(column: Column, value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  return column.type === "json" ? JSON.stringify(value) : String(value);
}

/** What a person typed, as a value. Throws an Error whose message is a sentence for them. */
export function parse(column: Column, text: string): Value {
  if (column.type === "text") return text;
  const typed = text.trim();
  if (typed === "") {
    if (column.required) throw new Error(`${column.name} cannot be empty.`);
    return null;
  }
  switch (column.type) {
    case "integer": return integer(typed);
    case "real": return real(typed);
    case "json": return json(typed);
    case "boolean": return boolean(typed);
    case "choice": return choice(column, typed);
    case "date": return date(typed);
    case "datetime": return datetime(typed);
    default: return typed;
  }
}

function boolean(typed: string): Value {
  if (/^(true|yes|1)$/i.test(typed)) return true;
  if (/^(false|no|0)$/i.test(typed)) return false;
  throw new Error(`${typed} is neither true nor false.`);
}

function choice(column: Column, typed: string): Value {
  if (column.choices.includes(typed)) return typed;
  throw new Error(`${typed} is not one of ${column.choices.join(", ")}.`);
}

function date(typed: string): Value {
  if (isDate(typed)) return typed;
  throw new Error(`${typed} is not a date, such as 2026-11-23.`);
}

/** Without a zone it is UTC, as everywhere here. */
function datetime(typed: string): Value {
  const [, day, time, zone] = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(Z|[+-]\d\d:?\d\d)?$/i.exec(typed) ?? [];
  if (day && time && isDate(day) && !Number.isNaN(Date.parse(`${day}T${time}Z`))) return `${day}T${time}${zone ?? "Z"}`;
  throw new Error(`${typed} is not a date and time, such as 2026-11-23 14:30.`);
}

/** Whether it is a day of the calendar: JavaScript would roll the 31st of June over. */
function isDate(text: string): boolean {
  const parsed = /^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00Z`) : new Date(NaN);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text);
}

function integer(typed: string): Value {
  if (!/^[+-]?\d+$/.test(typed)) throw new Error(`${typed} is not a whole number.`);
  const exact = BigInt(typed.replace("+", ""));
  if (BigInt.asIntN(64, exact) !== exact) throw new Error(`${typed} is too large: whole numbers have 64 bits here.`);
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

function real(typed: string): Value {
  const number = Number(typed);
  if (!Number.isFinite(number)) throw new Error(`${typed} is not a number.`);
  return number;
}

function json(typed: string): Json {
  try {
    return JSON.parse(typed) as Json;
  } catch (error) {
    throw new Error(`That is not JSON: ${(error as Error).message}`);
  }
}

/** What a new row holds in a column that may not be empty and that the room does not fill in itself. */
export function initial(column: Column, now: Date): Value {
  switch (column.type) {
    case "text": return "";
    case "integer":
    case "real": return 0;
    case "boolean": return false;
    case "choice": return column.choices[0] ?? "";
    case "date": return now.toISOString().slice(0, 10);
    case "datetime": return now.toISOString();
    case "json": return {};
    case "bytes": return new Uint8Array();
  }
}

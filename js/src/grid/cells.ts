// Between a value and the text a person reads and types, by column type.

import type { Column, Json, Value } from "../values";

export function display(column: Column, value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (column.type === "json") return JSON.stringify(value);
  // Stored in UTC, to the microsecond; shown in UTC, so that people who talk about a row see the same words.
  if (column.type === "datetime") return String(value).replace("T", " ").replace(/\.0+(?=Z|$)/, "");
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
    default: return typed;
  }
}

function integer(typed: string): Value {
  if (!/^[+-]?\d+$/.test(typed)) throw new Error(`${typed} is not a whole number.`);
  const exact = BigInt(typed.replace("+", ""));
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

function real(typed: string): Value {
  const number = Number(typed);
  if (Number.isNaN(number)) throw new Error(`${typed} is not a number.`);
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

// Columns: what a value may be, how it is stored, and how a person sees it again (V3, V4).
//
//   value, or its wire form ──coerce──▶ stored (what SQLite holds) ──present──▶ value
//
// What core/columns.py is in Python, so that the guess here and the truth in the room agree. Of the forms of ISO 8601 it
// takes fewer: those that people and programs write. A json column's text may be laid out otherwise than the room's.

import { toWire } from "../../src/values";
import { MutationRejected } from "./errors";
import type { Column, ColumnType, Json, Stored } from "./frames";
import { stringify } from "./json";

/** A value as people work with it: a boolean, bytes, what a json column holds; the rest as it is stored. */
export type Value = Json | Uint8Array;
/** What may be given for a value; undefined is as if it were not there. */
export type Given = Value | Date | undefined | readonly Given[] | { readonly [key: string]: Given };

const EXPECTS: Record<ColumnType, string> = {
  text: "text",
  integer: "a whole number within 64 bits",
  real: "a finite number",
  boolean: "true or false",
  json: "plain data (objects, lists, text, numbers, booleans)",
  datetime: "a Date or ISO 8601 text such as '2026-11-23T14:30:00Z'",
  date: "ISO 8601 text such as '2026-11-23'",
  choice: "one of its choices",
  bytes: "bytes: a Uint8Array, or {base64: '…'}",
};

const MOST_DEEP = 64;
const INTEGERS = [-(2n ** 63n), 2n ** 63n - 1n] as const;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const HALF_A_PAIR = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** `value` as plain data that may travel. Throws MutationRejected("bad-value"). */
export function plain(value: Given, depth = 0): Json {
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null;
  if (typeof value === "string") {
    if (HALF_A_PAIR.test(value)) throw bad(`${shown(value)} holds half a surrogate pair, which is not text.`);
    return value;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw bad(`${value} is not a number that can be shared. Use null for "no value".`);
    return value;
  }
  if (typeof value === "bigint") {
    if (value < INTEGERS[0] || value > INTEGERS[1]) throw bad(`${value} does not fit in 64 bits. Keep it as text.`);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (value instanceof Date) return moment(value);
  if (value instanceof Uint8Array) return { base64: base64(value) };
  if (depth === MOST_DEEP) throw bad(`A value is nested more than ${MOST_DEEP} deep.`);
  if (Array.isArray(value)) return value.map((each: Given) => plain(each, depth + 1));
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== null && prototype !== Object.prototype) throw bad(`${shown(value)} is not plain data.`);
  const made = Object.create(null) as { [key: string]: Json };
  for (const [key, each] of Object.entries(value as { readonly [key: string]: Given })) {
    if (each !== undefined) made[plain(key) as string] = plain(each, depth + 1);
  }
  return made;
}

/** `value` as SQLite will hold it. Throws MutationRejected("bad-value"): the column, what it takes, the value. */
export function coerce(column: Column, value: Json): Stored {
  if (value === null) return null;
  const stored = STORE[column.type](value, column);
  if (stored === undefined) {
    const expects = column.type === "choice" ? `one of ${(column.choices ?? []).join(", ")}` : EXPECTS[column.type];
    throw bad(`${column.name} takes ${expects}, not ${shown(value)}.`);
  }
  return stored;
}

/** Each gives undefined for what it does not take. */
const STORE: Record<ColumnType, (value: Exclude<Json, null>, column: Column) => Stored | undefined> = {
  text: (value) => (typeof value === "string" && !value.includes("\0") ? value : undefined),
  integer: (value) => {
    if (typeof value === "bigint") return value;
    if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
    return Number.isSafeInteger(value) ? value : inRange(BigInt(value));
  },
  real: (value) => (typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined),
  boolean: (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined),
  json: (value) => stringify(value),
  datetime: (value) => {
    if (typeof value !== "string") return undefined;
    const text = value.trim();
    const made = toWire("datetime", /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text) as string;
    return MOMENT.test(made) ? made : undefined;
  },
  date: (value) => {
    if (typeof value !== "string") return undefined;
    const made = toWire("datetime", `${value.trim()}T00:00`) as string;
    return MOMENT.test(made) ? made.slice(0, 10) : undefined;
  },
  choice: (value, column) => (typeof value === "string" && column.choices?.includes(value) ? value : undefined),
  bytes: (value) => {
    const text = typeof value === "object" && "base64" in value ? value.base64 : undefined;
    return typeof text === "string" && /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
      ? text
      : undefined;
  },
};

/** `stored` as a person works with it. What a party's own SQL has stored, and is no such value, is shown as it is. */
export function present(column: Column, stored: Stored): Value {
  if (stored === null) return null;
  switch (column.type) {
    case "boolean": return stored === 1 ? true : stored === 0 ? false : stored;
    case "bytes": return typeof stored === "string" ? unbase64(stored) : stored;
    case "json":
      try {
        return JSON.parse(String(stored)) as Json;
      } catch {
        return stored;
      }
    default: return stored;
  }
}

/** `stored` as in arguments and drafts; `coerce` takes it back. */
export function wire(column: Column, stored: Stored): Json {
  const value = present(column, stored);
  return value instanceof Uint8Array ? { base64: base64(value) } : value;
}

function inRange(value: bigint): bigint | undefined {
  return value < INTEGERS[0] || value > INTEGERS[1] ? undefined : value;
}

function moment(value: Date): string {
  if (Number.isNaN(value.getTime())) throw bad("An invalid Date is no value. Use null.");
  return value.toISOString();
}

function base64(value: Uint8Array): string {
  return btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join(""));
}

function unbase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function bad(message: string): MutationRejected {
  return new MutationRejected("bad-value", message);
}

export function shown(value: unknown): string {
  const text = typeof value === "object" && value !== null ? Object.prototype.toString.call(value) : String(value);
  return typeof value === "string" ? JSON.stringify(text.slice(0, 80)) : text.slice(0, 80);
}

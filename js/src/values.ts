// A cell's value, in the browser and on the wire.
//
// JSON in a browser has no integer beyond 2^53 and no bytes, so those travel as decimal digits and as {"base64": text};
// everything else as itself. The kernel's half of this page is partysync_widget/channel.py, over core/columns.py.
// Integers inside a json column are JSON's own, and are rounded beyond 2^53.

export type ColumnType =
  | "text" | "integer" | "real" | "boolean" | "json" | "datetime" | "date" | "choice" | "bytes";

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** What a choice column may hold; empty for every other type. */
  readonly choices: readonly string[];
  /** Whether it must have a value. */
  readonly required: boolean;
  /** Whether the room fills it in when a new row leaves it out. */
  readonly filled: boolean;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Value = Json | bigint | Uint8Array;
export type Values = { [column: string]: Value };

/** A row as authors see it: its id and one value per column. A changed row is a new object. */
export type Row = { readonly id: string } & { readonly [column: string]: Value };

export function fromWire(type: ColumnType, wire: Json): Value {
  if (type === "integer" && typeof wire === "string" && /^-?\d+$/.test(wire)) return BigInt(wire);
  if (type === "bytes" && wire !== null && typeof wire === "object" && "base64" in wire) {
    return Uint8Array.from(atob(String(wire["base64"])), (char) => char.charCodeAt(0));
  }
  return wire;
}

/** Whether two values are one and the same to whoever reads them. */
export function same(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (typeof a === "bigint" || typeof b === "bigint") return a != null && b != null && String(a) === String(b);
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}

export function toWire(type: ColumnType, value: Value): Json {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) {
    return { base64: btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join("")) };
  }
  // A whole number too large to be exact as JSON goes as digits: what the author had is what arrives.
  if (type === "integer" && Number.isInteger(value) && !Number.isSafeInteger(value)) return BigInt(value as number).toString();
  return type === "datetime" && typeof value === "string" ? moment(value) : value;
}

/** A moment as the room stores it, in UTC to the microsecond: what shows until it answers is what stays. */
function moment(text: string): string {
  const [, day, time, second = "00", fraction = "", zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)? ?(Z|[+-]\d\d:?\d\d)?$/i.exec(text) ?? [];
  const date = new Date(`${day}T${time}:${second}${zone.toUpperCase().replace(/(\d\d)(\d\d)$/, "$1:$2")}`);
  const utc = iso(date);
  if (!iso(new Date(`${day}T00:00Z`)).startsWith(day!) || !/^(?!0000)\d{4}-/.test(utc)) return text; // the room has a word on it
  return `${utc.slice(0, 19)}.${fraction.padEnd(6, "0")}Z`;
}

function iso(date: Date): string {
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

// Queries: which rows a view lists, and in which order. A table that is here whole is asked here; a large one in the
// kernel, where partysync_widget/query.py gives the same words the same meanings over SQL.

import type { Column, ColumnType, Row, Value } from "./values";

export type FilterOp = "has" | "is" | "not" | "lt" | "le" | "gt" | "ge" | "empty" | "filled";

/** A condition on one column. `has`: its text contains `value`; `empty`: no value, or no text. */
export interface Filter {
  readonly column: string;
  readonly op: FilterOp;
  readonly value: string | number | boolean | null;
}

/** `sort` names columns, each with whether it descends; without it rows stand in the order of insertion. */
export interface Query {
  readonly sort: readonly (readonly [column: string, descending: boolean])[];
  readonly filters: readonly Filter[];
  readonly search: string;
}

export const EVERYTHING: Query = { sort: [], filters: [], search: "" };

export function sameQuery(a: Query, b: Query): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Whether `query` lists every row. */
export function listsAll(query: Query): boolean {
  return query.filters.length === 0 && query.search === "";
}

/** A test of rows by the conditions of `query`. A column that is not there any more asks for nothing. */
export function matcher(query: Query, columns: readonly Column[]): (row: Row) => boolean {
  const types = typesOf(columns);
  const tests = query.filters.filter(({ column }) => types.has(column)).map((filter) => test(filter, types.get(filter.column)!));
  if (query.search) {
    const wanted = fold(query.search);
    const searched = [...types].filter(([, type]) => type !== "bytes" && type !== "boolean");
    tests.push((row) => searched.some(([name, type]) => has(type, row[name], wanted)));
  }
  return (row) => tests.every((passes) => passes(row));
}

function test(filter: Filter, type: ColumnType): (row: Row) => boolean {
  const { column, op } = filter;
  switch (op) {
    case "empty": return (row) => isEmpty(type, row[column]);
    case "filled": return (row) => !isEmpty(type, row[column]);
    case "has": {
      const wanted = fold(String(filter.value));
      return (row) => type !== "bytes" && filter.value !== null && has(type, row[column], wanted);
    }
  }
  const wanted = wantedKey(type, filter.value);
  if (wanted === undefined) return () => op === "not"; // nothing is like it
  const compares = (row: Row) => compareKeys(keyOf(type, row[column]), wanted);
  const given = (row: Row) => wanted !== null && row[column] !== null && row[column] !== undefined;
  switch (op) {
    case "is": return (row) => compares(row) === 0;
    case "not": return (row) => compares(row) !== 0;
    case "lt": return (row) => given(row) && compares(row) < 0;
    case "le": return (row) => given(row) && compares(row) <= 0;
    case "gt": return (row) => given(row) && compares(row) > 0;
    case "ge": return (row) => given(row) && compares(row) >= 0;
  }
}

function isEmpty(type: ColumnType, value: Value | undefined): boolean {
  return value === null || value === undefined || (value === "" && type !== "json");
}

function has(type: ColumnType, value: Value | undefined, folded: string): boolean {
  return value !== null && value !== undefined && fold(textOf(type, value)).includes(folded);
}

/** A value as it is searched: as people see it, but for a tick, which is 1 or 0. */
function textOf(type: ColumnType, value: Value): string {
  return type === "json" ? JSON.stringify(value) : String(typeof value === "boolean" ? Number(value) : value);
}

/** Every row has an id, whatever the columns are. */
function typesOf(columns: readonly Column[]): Map<string, ColumnType> {
  return new Map<string, ColumnType>([["id", "text"], ...columns.map(({ name, type }) => [name, type] as const)]);
}

/** A to Z alone lose their case, as in SQLite: both sides must agree on what is equal. */
export function fold(text: string): string {
  return text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
}

/** What a value is sorted by; null stands for no value. */
export type Key = number | bigint | string | Uint8Array | null;

export function keyOf(type: ColumnType, value: Value | undefined): Key {
  if (value === null || value === undefined) return null;
  switch (type) {
    case "integer": return typeof value === "bigint" ? value : typeof value === "string" && /^-?\d+$/.test(value) ? BigInt(value) : Number(value);
    case "real":
    case "boolean": return Number(value);
    case "bytes": return value instanceof Uint8Array ? value : null;
    case "date":
    case "datetime": return String(value);
    default: return fold(textOf(type, value));
  }
}

/** What a filter compares with; undefined if no value of this type is like it. A condition on JSON is on its text. */
function wantedKey(type: ColumnType, value: Filter["value"]): Key | undefined {
  const key = keyOf(type === "json" ? "text" : type, value);
  return Number.isNaN(key) || (type === "bytes" && value !== null) ? undefined : key;
}

/** Negative, zero or positive; no value is neither less nor more than another, and its place is the caller's to say. */
export function compareKeys(a: Key, b: Key): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === "string" && typeof b === "string") return compareUnits(a, b, (text, i) => point(text.charCodeAt(i)));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareUnits(a, b, (bytes, i) => bytes[i]!);
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareUnits<T extends { readonly length: number }>(a: T, b: T, unit: (of: T, index: number) => number): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const order = unit(a, i) - unit(b, i);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Half a pair stands for a character beyond all that need none: SQLite compares UTF-8, which is by code point. */
function point(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** Where a row stands: one key per sorted column, then its position in the order of insertion. */
export interface Standing {
  readonly keys: readonly Key[];
  readonly at: number;
}

export function standing(query: Query, columns: readonly Column[]): (row: Row, at: number) => Standing {
  const types = typesOf(columns);
  const sorted = query.sort.flatMap(([name]) => (types.has(name) ? [[name, types.get(name)!] as const] : []));
  return (row, at) => ({ keys: sorted.map(([name, type]) => keyOf(type, row[name])), at });
}

/** Rows without a value come last, whichever way; equal ones stand in the order of insertion, or against it. */
export function comparer(query: Query, columns: readonly Column[]): (a: Standing, b: Standing) => number {
  const names = typesOf(columns);
  const down = query.sort.filter(([name]) => names.has(name)).map(([, descending]) => descending);
  const last = down[0] ? -1 : 1;
  return (a, b) => {
    for (let i = 0; i < down.length; i++) {
      const [x, y] = [a.keys[i]!, b.keys[i]!];
      const order = compareKeys(x, y);
      if (order !== 0) return down[i] && x !== null && y !== null ? -order : order;
    }
    return last * (a.at - b.at);
  };
}

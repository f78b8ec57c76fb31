// The base: a room's rows as it last told them, by table and id, each table in the order of its rows' positions (V2).
//
// A change fits as a whole, or nothing of it is taken (R8).

import { Order } from "../../src/order";
import { coerce } from "./columns";
import type { Column, Position, Row, Stored, TableChange, TableSpec } from "./frames";

/** A change that does not fit what is here: ask for everything anew. */
export class Misfit extends Error {}

export class Base {
  readonly tables = new Map<string, BaseTable>();

  get specs(): TableSpec[] {
    return Array.from(this.tables.values(), (table) => table.spec);
  }

  /** Take tables, then rows. Throws Misfit, and then nothing has changed. */
  apply(changes: readonly TableChange[], specs: readonly TableSpec[] = []): void {
    const known = new Map(Array.from(this.tables.values(), (table) => [table.spec.name, table.names] as const));
    for (const spec of specs) known.set(spec.name, spec.columns.map((column) => column.name));
    for (const change of changes) check(change, known.get(change.table));
    for (const spec of specs) {
      const table = this.tables.get(spec.name);
      if (table) table.grow(spec);
      else this.tables.set(spec.name, new BaseTable(spec));
    }
    for (const change of changes) this.tables.get(change.table)!.change(change);
  }

  /** Keep the very objects of the rows of `before` that are the same here: whoever draws them has nothing to do. */
  keep(before: Base): void {
    for (const [name, table] of this.tables) {
      const old = before.tables.get(name);
      if (old && String(old.names) === String(table.names)) table.keep(old);
    }
  }
}

function check(change: TableChange, names: readonly string[] | undefined): void {
  const unknown = names ? change.columns.find((name) => !names.includes(name)) : change.table;
  if (unknown !== undefined) throw new Misfit(`There is no ${names ? "column" : "table"} ${unknown} in this copy.`);
  for (const row of change.put ?? []) {
    const fits = Array.isArray(row) && row.length === change.columns.length + 2 && typeof row[1] === "string";
    if (!fits) throw new Misfit(`A row of ${change.table} does not fit its columns.`);
  }
}

export class BaseTable {
  readonly rows = new Map<string, Row>();
  #spec: TableSpec;
  #names: readonly string[];
  #order = new Order<Position>((a, b) => (a < b ? -1 : a > b ? 1 : 0));

  constructor(spec: TableSpec) {
    this.#spec = spec;
    this.#names = spec.columns.map((column) => column.name);
  }

  get spec(): TableSpec {
    return this.#spec;
  }

  /** Of the columns, in order, without the id. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Ids in the order of the rows' positions. */
  get order(): { readonly size: number; at(index: number): string | undefined } & Iterable<string> {
    return this.#order;
  }

  /** Take new columns: rows that are here have the default, or null, until they are put anew (V6). */
  grow(spec: TableSpec): void {
    const fill = placing(this.#names, spec.columns);
    this.#spec = spec;
    this.#names = spec.columns.map((column) => column.name);
    if (fill) for (const [id, row] of this.rows) this.rows.set(id, fill(row));
  }

  /** Delete what is gone first, then put. */
  change(change: TableChange): void {
    for (const id of change.gone ?? []) {
      this.rows.delete(id);
      this.#order.remove(id);
    }
    const fill = placing(change.columns, this.#spec.columns);
    for (const put of change.put ?? []) {
      const row = fill ? fill(put) : put;
      this.rows.set(row[1], row);
      this.#order.place(row[1], row[0]);
    }
  }

  keep(old: BaseTable): void {
    for (const [id, row] of this.rows) {
      const was = old.rows.get(id);
      if (was && same(was, row)) this.rows.set(id, was);
    }
  }
}

/** How a row with its values in the order of `names` becomes one in that of `columns`; undefined if it is one already. */
function placing(names: readonly string[], columns: readonly Column[]): ((row: Row) => Row) | undefined {
  if (names.length === columns.length && columns.every((column, i) => column.name === names[i])) return undefined;
  const from = columns.map((column) => names.indexOf(column.name));
  const blank = columns.map((column) => coerce(column, column.default ?? null));
  return (row) => [row[0], row[1], ...from.map((i, at): Stored => (i < 0 ? blank[at]! : (row[i + 2] as Stored)))];
}

export function same(a: Row | undefined, b: Row | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && a.every((value, i) => value === b[i]);
}

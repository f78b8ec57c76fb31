// What pending edits make of the base: rows that differ from it, by table and id, and tables it does not have yet.
//
// Only what edits touched is here, so to play them again costs as much as there are edits, not rows. Each of them can be
// undone while it runs: nothing of one that throws stays (R7).

import type { Base, BaseTable } from "./base";
import { coerce } from "./columns";
import { MutationRejected } from "./errors";
import type { Position, Row, TableSpec } from "./frames";

interface Sheet {
  spec: TableSpec | undefined; // other columns than the base has
  readonly rows: Map<string, Row | null>; // null: deleted
  last: Position | undefined; // the highest position among them, if that is known
}

export class Overlay {
  #base: Base;
  #sheets = new Map<string, Sheet>();
  #undo: (() => void)[] = [];
  #written: (readonly [string, string])[] = [];

  constructor(base: Base) {
    this.#base = base;
  }

  /** Run `change`; if it throws, nothing of it stays. Gives the rows that it wrote: table and id of each. */
  whole(change: () => void): (readonly [string, string])[] {
    this.#undo = [];
    this.#written = [];
    try {
      change();
      return this.#written;
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo();
      throw error;
    } finally {
      this.#undo = [];
    }
  }

  /** Tables in order, with the columns they have now. */
  get specs(): TableSpec[] {
    const base = this.#base.specs.map((spec) => this.#sheets.get(spec.name)?.spec ?? spec);
    const made = [...this.#sheets].filter(([name]) => !this.#base.tables.has(name));
    return [...base, ...made.flatMap(([, sheet]) => sheet.spec ?? [])];
  }

  spec(name: string): TableSpec | undefined {
    return this.#sheets.get(name)?.spec ?? this.#base.tables.get(name)?.spec;
  }

  /** The table, or MutationRejected("unknown-table"). */
  table(name: string): TableSpec {
    const spec = this.spec(name);
    if (spec) return spec;
    const known = this.specs.map((each) => each.name).join(", ") || "none yet";
    throw new MutationRejected("unknown-table", `There is no table ${JSON.stringify(name)} in this room. It has: ${known}.`);
  }

  get(name: string, id: string): Row | undefined {
    const laid = this.#sheets.get(name)?.rows.get(id);
    if (laid !== undefined) return laid ?? undefined;
    const row = this.#base.tables.get(name)?.rows.get(id);
    return row && this.#widened(name, row);
  }

  /** The rows of a table in the order of their positions. */
  rows(name: string): Row[] {
    const table = this.#base.tables.get(name);
    const laid = this.#sheets.get(name)?.rows;
    const shown: Row[] = [];
    for (const id of table?.order ?? []) {
      const over = laid?.get(id);
      if (over === null) continue;
      const row = table!.rows.get(id)!;
      if (over === undefined) shown.push(this.#widened(name, row));
      else if (over[0] === row[0]) shown.push(over);
    }
    const count = shown.length;
    for (const [id, row] of laid ?? []) if (row && row[0] !== table?.rows.get(id)?.[0]) shown.push(row);
    if (shown.length > count) shown.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    return shown;
  }

  /** The position after the last row's, as SQLite gives it. */
  next(name: string): Position {
    const sheet = this.#sheets.get(name);
    const table = this.#base.tables.get(name);
    if (sheet && sheet.last === undefined) {
      sheet.last = 0;
      for (const row of sheet.rows.values()) if (row && row[0] > sheet.last) sheet.last = row[0];
    }
    const below = (table && lastOf(table, sheet?.rows)) ?? 0;
    const last = sheet?.last !== undefined && sheet.last > below ? sheet.last : below;
    return typeof last === "bigint" ? last + 1n : last + 1;
  }

  put(name: string, row: Row): void {
    this.#lay(name, row[1], row);
  }

  drop(name: string, id: string): void {
    this.#lay(name, id, null);
  }

  /** Make a table, or give one that is there other columns. */
  shape(spec: TableSpec): void {
    const sheet = this.#sheet(spec.name);
    const before = sheet.spec;
    this.#undo.push(() => (sheet.spec = before));
    sheet.spec = spec;
    for (const [id, row] of sheet.rows) if (row) this.#lay(spec.name, id, this.#widened(spec.name, row));
  }

  #lay(name: string, id: string, row: Row | null): void {
    const sheet = this.#sheet(name);
    const before = sheet.rows.get(id);
    this.#undo.push(() => {
      if (before === undefined) sheet.rows.delete(id);
      else sheet.rows.set(id, before);
      sheet.last = undefined;
    });
    this.#written.push([name, id]);
    sheet.rows.set(id, row);
    if (before && before[0] !== row?.[0]) sheet.last = undefined;
    if (row && sheet.last !== undefined && row[0] > sheet.last) sheet.last = row[0];
  }

  #sheet(name: string): Sheet {
    let sheet = this.#sheets.get(name);
    if (!sheet) {
      sheet = { spec: undefined, rows: new Map(), last: 0 };
      this.#sheets.set(name, sheet);
      this.#undo.push(() => void this.#sheets.delete(name));
    }
    return sheet;
  }

  /** A row with the defaults of the columns that an edit has added. */
  #widened(name: string, row: Row): Row {
    const added = this.#sheets.get(name)?.spec?.columns.slice(row.length - 2) ?? [];
    return added.length ? [...row, ...added.map((column) => coerce(column, column.default ?? null))] : row;
  }
}

/** The position of the last row of a table that no edit has deleted or moved. */
function lastOf(table: BaseTable, laid: ReadonlyMap<string, Row | null> | undefined): Position | undefined {
  for (let at = table.order.size - 1; at >= 0; at--) {
    const row = table.rows.get(table.order.at(at)!)!;
    const over = laid?.get(row[1]);
    if (over === undefined || over?.[0] === row[0]) return row[0];
  }
  return undefined;
}

// What a mutator holds: `tx`, the only thing it may change rows through.
//
// It changes the view here, as a guess; the room runs a mutator of the same name on its rows, and that is the truth.
// Names are looked up and values coerced as there, so what the room would refuse is refused here, before it is sent.

import { coerce, plain, present, type Given, type Value } from "./columns";
import { MutationRejected } from "./errors";
import type { Column, Row, Stored, TableSpec } from "./frames";
import type { Overlay } from "./overlay";

/** A row as people work with it: its id, and a value for each column. */
export type Values = { readonly id: string } & { readonly [column: string]: Value };
export type GivenValues = { readonly [column: string]: Given };

/** Changes the view; throws MutationRejected to refuse. `args` are plain data, as they travel. */
// Each mutator has arguments of its own, and only the room can check them.
export type Mutator = (tx: Transaction, args: any) => void;

const ID: Column = { name: "id", type: "text", required: true };

export class Transaction {
  #overlay: Overlay;
  readonly user: string;
  readonly role: string;

  constructor(overlay: Overlay, user: string, role: string) {
    this.#overlay = overlay;
    this.user = user;
    this.role = role;
  }

  get(table: string, id: string): Values | undefined {
    const spec = this.#overlay.table(table);
    const row = this.#overlay.get(table, id);
    return row && presented(spec, row);
  }

  /** In order. */
  rows(table: string): Values[] {
    const spec = this.#overlay.table(table);
    return this.#overlay.rows(table).map((row) => presented(spec, row));
  }

  /** A new row; its id is among the values, because both sides must have the same. */
  insert(table: string, values: GivenValues): void {
    const spec = this.#overlay.table(table);
    const stored = this.#coerced(spec, values);
    const id = idOf(table, stored.get("id"));
    for (const column of spec.columns) {
      if (!stored.has(column.name)) stored.set(column.name, coerce(column, column.default ?? null));
      if (column.required && stored.get(column.name) === null) throw missing(table, values, column);
    }
    if (this.#overlay.get(table, id)) {
      throw constraint(`There is a row with this id in ${table} already. Update it, or use another.`);
    }
    this.#overlay.put(table, [this.#overlay.next(table), id, ...spec.columns.map(({ name }) => stored.get(name)!)]);
  }

  /** Change some columns of a row; the others stay as they are, whoever wrote them. */
  update(table: string, id: string, values: GivenValues): void {
    const spec = this.#overlay.table(table);
    const stored = this.#coerced(spec, values);
    const row = this.#overlay.get(table, idOf(table, id));
    if (!row) {
      const text = `There is no row ${JSON.stringify(id)} in ${table}. It may have been deleted;`;
      throw new MutationRejected("unknown-row", `${text} insert it again if it is missed.`);
    }
    const changed = spec.columns.map((column, i): Stored => {
      const value = stored.has(column.name) ? stored.get(column.name)! : (row[i + 2] as Stored);
      if (!column.required || value !== null || !stored.has(column.name)) return value;
      throw constraint(`${table}.${column.name} must have a value.`);
    });
    this.#overlay.put(table, [row[0], row[1], ...changed]);
  }

  /** Insert the row, or change these columns of the one that has its id. */
  upsert(table: string, values: GivenValues): void {
    const { id, ...rest } = values;
    if (typeof id === "string" && this.get(table, id)) this.update(table, id, rest);
    else this.insert(table, values);
  }

  /** One that is gone already is no error: two people may delete it at once. */
  delete(table: string, id: string): void {
    this.#overlay.table(table);
    if (this.#overlay.get(table, id)) this.#overlay.drop(table, id);
  }

  /** For this package: a table that the built-in mutators make, or a column they add. */
  shape(spec: TableSpec): void {
    this.#overlay.shape(spec);
  }

  spec(table: string): TableSpec | undefined {
    return this.#overlay.spec(table);
  }

  #coerced(spec: TableSpec, values: GivenValues): Map<string, Stored> {
    const stored = new Map<string, Stored>();
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue;
      const column = name === "id" ? ID : spec.columns.find((each) => each.name === name);
      if (!column) {
        const known = spec.columns.map((each) => each.name).join(", ");
        const text = `${spec.name} has no column ${JSON.stringify(name)}. It has: id, ${known}.`;
        throw new MutationRejected("unknown-column", text);
      }
      stored.set(name, coerce(column, plain(value)));
    }
    return stored;
  }
}

export function presented(spec: TableSpec, row: Row): Values {
  const made = Object.create(null) as Record<string, Value>; // a column may be called `__proto__`
  made["id"] = row[1];
  spec.columns.forEach((column, i) => (made[column.name] = present(column, row[i + 2] as Stored)));
  return made as Values;
}

function idOf(table: string, id: unknown): string {
  if (typeof id === "string" && id) return id;
  throw new MutationRejected("missing-value", `A row of ${table} needs an id, which is text and not empty.`);
}

/** Left out where there is no default, or given as null: SQLite refuses that one. */
function missing(table: string, values: GivenValues, column: Column): MutationRejected {
  const text = `${table}.${column.name} must have a value.`;
  const has = column.default !== undefined && column.default !== null;
  return has && values[column.name] !== undefined ? constraint(text) : new MutationRejected("missing-value", text);
}

function constraint(message: string): MutationRejected {
  return new MutationRejected("constraint", message);
}

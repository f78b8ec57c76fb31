// The built-in mutators (B2, B3): what they make of the view here, until the room has decided.
//
// `put_back` is not among them: it shows nothing until then.

import { MutationRejected } from "./errors";
import type { Args, Column, Json } from "./frames";
import { stringify } from "./json";
import type { GivenValues, Mutator, Transaction } from "./transaction";

interface OfRow {
  readonly table: string;
  readonly id: string;
  readonly values: GivenValues;
}

export const BUILT_IN: ReadonlyMap<string, Mutator> = new Map<string, Mutator>([
  ["insert", (tx, args: Args) => {
    const { table, id, values } = taken<OfRow>("insert", args, ["table", "id", "values"]);
    tx.insert(table, { ...values, id });
  }],
  ["insert_rows", (tx, args: Args) => {
    type Many = { table: string; columns: readonly string[]; rows: readonly (readonly Json[])[] };
    const { table, columns, rows } = taken<Many>("insert_rows", args, ["table", "columns", "rows"]);
    for (const row of rows) tx.insert(table, Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null])));
  }],
  ["update", (tx, args: Args) => {
    const { table, id, values } = taken<OfRow>("update", args, ["table", "id", "values"]);
    if (values["id"] !== undefined && values["id"] !== id) {
      throw new MutationRejected("bad-arguments", `The id of a row stays: ${JSON.stringify(id)} cannot become another.`);
    }
    tx.update(table, id, { ...values, id: undefined });
  }],
  ["upsert", (tx, args: Args) => {
    const { table, id, values } = taken<OfRow>("upsert", args, ["table", "id", "values"]);
    tx.upsert(table, { ...values, id });
  }],
  ["delete", (tx, args: Args) => {
    const { table, id } = taken<OfRow>("delete", args, ["table", "id"]);
    tx.delete(table, id);
  }],
  ["create_table", (tx, args: Args) => {
    const { name, columns } = taken<{ name: string; columns: readonly Column[] }>("create_table", args, ["name", "columns"]);
    const there = tx.spec(name);
    if (there && whole(there.columns) !== whole(columns)) {
      const has = there.columns.map((column) => `${column.name} ${column.type}`).join(", ");
      const text = `There is a table "${name}" already, with the columns ${has}. Choose another name.`;
      throw new MutationRejected("table-exists", text);
    }
    if (!there) tx.shape({ name, columns });
  }],
  ["add_column", (tx, args: Args) => {
    const { table, column } = taken<{ table: string; column: Column }>("add_column", args, ["table", "column"]);
    const spec = tx.spec(table);
    if (spec && !spec.columns.some((each) => each.name === column.name)) {
      tx.shape({ name: table, columns: [...spec.columns, column] });
    }
  }],
]);

/** Mutations as one: all of them, or none. `find` gives the code of each. */
export function batch(tx: Transaction, args: Args, find: (name: string) => Mutator | undefined): void {
  for (const [name, each] of taken<{ steps: readonly (readonly [string, Args])[] }>("batch", args, ["steps"]).steps) {
    if (name === "batch") throw new MutationRejected("bad-arguments", "A batch cannot hold another batch.");
    find(name)!(tx, each);
  }
}

/** Columns to compare, with what they leave out. */
function whole(columns: readonly Column[]): string {
  const all = columns.map((each) => [each.name, each.type, each.required ?? false, each.default ?? null, each.choices ?? []]);
  return stringify(all);
}

/** The arguments, if those and no others are there. */
function taken<T>(name: string, args: Args, wanted: readonly string[]): T {
  const kinds: Record<string, string> = { table: "string", id: "string", name: "string" };
  const fits = wanted.every((each) => typeof args[each] === (kinds[each] ?? "object") && args[each] !== null);
  if (fits && Object.keys(args).length === wanted.length) return args as T;
  const text = `${name} takes {${wanted.join(", ")}}, and was called with {${Object.keys(args).join(", ")}}.`;
  throw new MutationRejected("bad-arguments", text);
}

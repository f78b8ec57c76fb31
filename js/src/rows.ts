// The rows of a table: what the kernel last said (the base) with the edits made here and not yet answered laid over it.
//
// The kernel may be busy exactly when a person clicks, so an edit shows at once, and leaves the overlay in the very frame
// that carries the kernel's row: it never flickers, vanishes or doubles (R2). No step here looks at every row, except load.

import { Order } from "./order";
import { fromWire, type Column, type Row, type Value } from "./values";
import type { Edit, RowBlock } from "./wire";

interface BaseRow {
  readonly at: number;
  readonly row: Row;
}

/** Positions of rows the kernel has not seen: after all it has. Its own are SQLite rowids of rows put in one by one. */
const UNSEEN = 2 ** 52;

export class Rows implements Iterable<Row> {
  #columns: readonly Column[] = [];
  #types = new Map<string, Column["type"]>();
  #base = new Map<string, BaseRow>();
  #edits = new Map<string, Edit[]>(); // unanswered, by row, oldest first
  #shown = new Map<string, Row>(); // base with edits, where it differs from the base or the base has none
  #order = new Order();
  #unseen = 0;

  get size(): number {
    return this.#order.size;
  }

  get(id: string): Row | undefined {
    return this.#order.has(id) ? this.#shown.get(id) ?? this.#base.get(id)?.row : undefined;
  }

  at(index: number): Row | undefined {
    const id = this.#order.at(index);
    return id === undefined ? undefined : this.get(id);
  }

  /** The index of row `id`, or -1. */
  indexOf(id: string): number {
    return this.#order.indexOf(id);
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (const id of this.#order) yield this.get(id)!;
  }

  /** Take a new base whole; edits still unanswered are laid over it again. */
  load(columns: readonly Column[], blocks: readonly RowBlock[]): void {
    this.#columns = columns;
    this.#types = new Map(columns.map((column) => [column.name, column.type]));
    this.#base.clear();
    for (const block of blocks) this.put(block);
    this.#order.load(Array.from(this.#base, ([id, { at }]) => [id, at] as const));
    for (const id of this.#edits.keys()) this.show(id);
  }

  /** Put rows into the base. They are in sight once `show` has been called for each. */
  put(block: RowBlock): void {
    const columns = this.#columns;
    for (let i = 0; i < block.ids.length; i++) {
      const id = block.ids[i]!;
      const row: Record<string, Value> = { id };
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c]!;
        row[column.name] = fromWire(column.type, block.cols[c]?.[i] ?? null);
      }
      this.#base.set(id, { at: block.at[i]!, row: row as Row });
    }
  }

  drop(id: string): void {
    this.#base.delete(id);
  }

  lay(edit: Edit): void {
    const edits = this.#edits.get(edit.id);
    if (edits) edits.push(edit);
    else this.#edits.set(edit.id, [edit]);
  }

  lift(edit: Edit): void {
    const left = this.#edits.get(edit.id)?.filter((other) => other.n !== edit.n) ?? [];
    if (left.length) this.#edits.set(edit.id, left);
    else this.#edits.delete(edit.id);
  }

  /** Bring what is in sight of row `id` up to date with its base and its edits. */
  show(id: string): void {
    const base = this.#base.get(id);
    const row = this.#replay(id, base?.row);
    if (!row) {
      this.#shown.delete(id);
      this.#order.remove(id);
      return;
    }
    if (row === base?.row) this.#shown.delete(id);
    else this.#shown.set(id, row);
    if (base) this.#order.place(id, base.at);
    else if (!this.#order.has(id)) this.#order.place(id, UNSEEN + this.#unseen++);
  }

  #replay(id: string, row: Row | undefined): Row | undefined {
    for (const edit of this.#edits.get(id) ?? []) {
      if (edit.op === "delete") row = undefined;
      else if (edit.op === "insert") row ??= { ...this.#blank(id), ...this.#typed(edit) };
      else if (row) row = { ...row, ...this.#typed(edit) };
    }
    return row;
  }

  #blank(id: string): Row {
    return { ...Object.fromEntries(this.#columns.map(({ name }) => [name, null])), id };
  }

  #typed(edit: Edit): Record<string, Value> {
    return Object.fromEntries(
      Object.entries(edit.values).map(([name, wire]) => [name, fromWire(this.#types.get(name) ?? "json", wire)]),
    );
  }
}

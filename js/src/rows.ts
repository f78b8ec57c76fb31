// The rows of a table: what the kernel last said (the base) with the edits made here and not yet answered laid over it.
//
// The kernel may be busy exactly when a person clicks, so an edit shows at once, and leaves the overlay in the very frame
// that carries the kernel's row: it never flickers, vanishes or doubles (R2). No step here looks at every row, except load.

import { Order } from "./order";
import { fromWire, same, type Column, type Row, type Value } from "./values";
import type { Change, Edit, RowBlock, WireValues } from "./wire";

interface BaseRow {
  readonly at: number;
  readonly row: Row;
}

type Back = Extract<Change, { op: "back" }>;

/** Positions of rows the kernel has not seen: after all it has. Its own are SQLite rowids of rows put in one by one. */
const UNSEEN = 2 ** 52;

export class Rows implements Iterable<Row> {
  #columns: readonly Column[] = [];
  #types = new Map<string, Column["type"]>();
  #base = new Map<string, BaseRow>();
  #overlay = new Map<string, { n: string; change: Change }[]>(); // unanswered, by row, oldest first
  #shown = new Map<string, Row>(); // base with edits, where it differs from the base or the base has none
  #order = new Order<number>((a, b) => a - b);
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

  /** Where row `id` stands in the order of insertion: a number to compare by. */
  position(id: string): number | undefined {
    return this.#order.keyOf(id);
  }

  /** Whether the kernel has said anything of row `id`. */
  known(id: string): boolean {
    return this.#base.has(id);
  }

  /** Ids of rows in sight that were made here, and that the kernel has not said a word of. */
  get fresh(): readonly string[] {
    return [...this.#overlay.keys()].filter((id) => !this.#base.has(id) && this.#order.has(id));
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (const id of this.#order) yield this.get(id)!;
  }

  /** Take a new base whole; edits still unanswered are laid over it again. */
  load(columns: readonly Column[], blocks: readonly RowBlock[]): void {
    this.#describe(columns);
    this.#base.clear();
    for (const block of blocks) this.put(block);
    this.#shown.clear();
    this.#order.load(Array.from(this.#base, ([id, { at }]) => [id, at] as const));
    for (const id of this.#overlay.keys()) this.show(id);
  }

  /** Take new columns. What is known of the rows stays in sight until it is told anew. */
  #describe(columns: readonly Column[]): void {
    this.#columns = columns;
    this.#types = new Map(columns.map((column) => [column.name, column.type]));
  }

  /** A large table: its rows come in windows. Those that are here stay in sight meanwhile, if they still fit. */
  loadWindows(columns: readonly Column[]): void {
    if (JSON.stringify(columns) === JSON.stringify(this.#columns)) return;
    this.load(columns, []);
  }

  /** Put rows into the base. They are in sight once `show` has been called for each. */
  put(block: RowBlock): void {
    const columns = this.#columns;
    for (let i = 0; i < block.ids.length; i++) {
      const id = block.ids[i]!;
      const row = blank(columns, id);
      for (let c = 0; c < columns.length; c++) {
        const column = columns[c]!;
        set(row, column.name, fromWire(column.type, block.cols[c]?.[i] ?? null));
      }
      this.#base.set(id, { at: block.at[i]!, row });
    }
  }

  drop(id: string): void {
    this.#base.delete(id);
  }

  /** Forget what is known of rows that nobody looks at. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of [...this.#base.keys()]) {
      if (ids.has(id) || this.#overlay.has(id)) continue;
      this.#base.delete(id);
      this.show(id);
    }
  }

  get loaded(): number {
    return this.#base.size;
  }

  lay(edit: Edit): void {
    for (const change of edit.changes) {
      const changes = this.#overlay.get(change.id);
      if (changes) changes.push({ n: edit.n, change });
      else this.#overlay.set(change.id, [{ n: edit.n, change }]);
    }
  }

  lift(edit: Edit): void {
    for (const { id } of edit.changes) {
      const left = this.#overlay.get(id)?.filter(({ n }) => n !== edit.n) ?? [];
      if (left.length) this.#overlay.set(id, left);
      else this.#overlay.delete(id);
    }
  }

  /** Whether an edit of row `id` is unanswered. */
  edited(id: string): boolean {
    return this.#overlay.has(id);
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
    else if (!this.#order.has(id)) this.#order.place(id, this.#home(id) ?? UNSEEN + this.#unseen++);
  }

  /** The place of a deleted row that is put back. */
  #home(id: string): number | null {
    const back = this.#overlay.get(id)?.find(({ change }) => change.op === "back")?.change;
    return back?.op === "back" ? back.at : null;
  }

  /** A row that is not there, without a value. */
  imagine(id: string): Row {
    return blank(this.#columns, id);
  }

  #replay(id: string, row: Row | undefined): Row | undefined {
    for (const { change } of this.#overlay.get(id) ?? []) {
      switch (change.op) {
        case "delete": row = undefined; break;
        case "insert": row ??= this.#written(blank(this.#columns, id), change.values); break;
        case "update": row = row && this.#written(row, change.values); break;
        case "back": row = this.#putBack(id, row, change as Back);
      }
    }
    return row;
  }

  /** What the room will do with it: what somebody else has written since stays. */
  #putBack(id: string, row: Row | undefined, change: Back): Row | undefined {
    const { before, after } = change;
    if (!row) return before && !after ? this.#written(blank(this.#columns, id), before) : undefined;
    if (!after) return row;
    const still = Object.keys(after).filter((name) => same(row[name], this.#value(name, after[name]!)));
    if (!before) return still.length === Object.keys(after).length ? undefined : row;
    return this.#written(row, Object.fromEntries(still.map((name) => [name, Object.hasOwn(before, name) ? before[name]! : null])));
  }

  #written(row: Row, values: WireValues): Row {
    const made = Object.assign(Object.create(null) as Record<string, Value>, row);
    for (const [name, wire] of Object.entries(values)) set(made, name, this.#value(name, wire));
    return made as Row;
  }

  #value(name: string, wire: WireValues[string]): Value {
    return fromWire(this.#types.get(name) ?? "json", wire);
  }
}

/** Without a prototype: a column may be called `__proto__` or `constructor`. */
function blank(columns: readonly Column[], id: string): Row {
  const row = Object.create(null) as Record<string, Value>;
  row["id"] = id;
  for (const { name } of columns) set(row, name, null);
  return row as Row;
}

function set(row: object, name: string, value: Value): void {
  (row as Record<string, Value>)[name] = value;
}

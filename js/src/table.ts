// The live table an author's widget gets: `const { exports: { table } } = await host.getWidget(model.get("todos"))`.
//
// Read `columns`, `rows`, `status`; call `insert`, `update`, `delete`; `subscribe` to hear of changes. No DOM here.

import { mint } from "./mint";
import { Rows } from "./rows";
import { toWire, type Column, type Row, type Values } from "./values";
import type { Delta, Edit, Op, Refusal, RoomStatus, SnapshotPart, WireValues } from "./wire";

export interface Change {
  /** Rows that appeared, changed, vanished, or became pending, settled or rejected. */
  readonly ids: ReadonlySet<string>;
  /** Everything may have changed, the columns too. */
  readonly reset: boolean;
}

export interface Status extends RoomStatus {
  /** "silent": something was said to the kernel and seconds passed without a word from it (busy, restarted, gone). */
  readonly kernel: "answering" | "silent";
}

/** Rows in order, live. `at` and `indexOf` let a view draw only what is in sight. */
export interface LiveRows extends Iterable<Row> {
  readonly size: number;
  get(id: string): Row | undefined;
  at(index: number): Row | undefined;
  indexOf(id: string): number;
}

/** What authors may rely on. */
export interface LiveTable {
  readonly columns: readonly Column[];
  readonly rows: LiveRows;
  readonly status: Status;
  /** Whether the first snapshot has arrived. */
  readonly ready: boolean;
  subscribe(listener: (change: Change) => void): () => void;
  /** Shows a new row at once and returns its id. */
  insert(values: Values): string;
  update(id: string, values: Values): void;
  delete(id: string): void;
  /** Whether row `id` was touched by something the room has not yet decided. */
  pending(id: string): boolean;
  /** The newest refused edit of row `id`, until it is dismissed or mended. */
  rejected(id: string): Refusal | undefined;
  readonly rejections: readonly Refusal[];
  dismiss(rejection: Refusal): void;
  /** Make a refused edit once more, as it was. */
  retry(rejection: Refusal): void;
}

export class TableStore implements LiveTable {
  columns: readonly Column[] = [];
  status: Status = { room: "connecting", waiting: 0, trouble: "", kernel: "answering" };
  ready = false;
  readonly rows = new Rows();

  #pending = new Set<string>();
  #unanswered = new Map<string, Edit>();
  #refusals = new Map<string, Refusal>();
  #listeners = new Set<(change: Change) => void>();
  #page: string;
  #edits = 0;
  #send: (edit: Edit) => void;

  /** `page` names this page to the kernel; `send` takes an edit on its way there. */
  constructor(page: string, send: (edit: Edit) => void) {
    this.#page = page;
    this.#send = send;
  }

  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  insert(values: Values): string {
    const id = mint();
    this.#edit("insert", id, this.#wire(values));
    return id;
  }

  update(id: string, values: Values): void {
    this.#edit("update", id, this.#wire(values));
  }

  delete(id: string): void {
    this.#edit("delete", id, {});
  }

  pending(id: string): boolean {
    if (this.#pending.has(id)) return true;
    for (const edit of this.#unanswered.values()) if (edit.id === id) return true;
    return false;
  }

  rejected(id: string): Refusal | undefined {
    return [...this.#refusals.values()].findLast((refusal) => refusal.id === id);
  }

  get rejections(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  dismiss(rejection: Refusal): void {
    if (this.#refusals.delete(rejection.n)) this.#tell([rejection.id]);
  }

  retry(rejection: Refusal): void {
    this.#refusals.delete(rejection.n);
    this.#edit(rejection.op, rejection.id, rejection.values);
  }

  // From here on: what the feed calls.

  /** Edits the kernel has not answered, oldest first. */
  get unanswered(): readonly Edit[] {
    return [...this.#unanswered.values()];
  }

  load(parts: readonly SnapshotPart[]): void {
    const first = parts[0]!;
    this.columns = first.columns ?? [];
    this.#pending = new Set(first.pending);
    this.status = { ...this.status, ...first.status };
    this.ready = true;
    this.rows.load(this.columns, parts);
    this.#tell([], true);
  }

  /** Apply one delta as a whole, then tell everyone once (R8). */
  apply(delta: Delta): void {
    const touched = new Set([...delta.ids, ...delta.gone, ...delta.pending_on, ...delta.pending_off]);
    this.rows.put(delta);
    for (const id of delta.gone) this.rows.drop(id);
    for (const id of delta.pending_on) this.#pending.add(id);
    for (const id of delta.pending_off) this.#pending.delete(id);
    for (const n of delta.took) this.#answered(n, touched);
    for (const refusal of delta.refused) {
      this.#answered(refusal.n, touched);
      this.#refusals.set(refusal.n, refusal);
      touched.add(refusal.id);
    }
    for (const id of touched) this.rows.show(id);
    this.status = { ...this.status, ...delta.status };
    this.#tell(touched);
  }

  /** Note whether the kernel answers. */
  hear(kernel: Status["kernel"]): void {
    if (this.status.kernel === kernel) return;
    this.status = { ...this.status, kernel };
    this.#tell([]);
  }

  #edit(op: Op, id: string, values: WireValues): void {
    const edit = { n: `${this.#page}-${++this.#edits}`, op, id, values };
    this.#mended(edit);
    this.#unanswered.set(edit.n, edit);
    this.rows.lay(edit);
    this.rows.show(id);
    this.#tell([id]);
    this.#send(edit);
  }

  /** A refusal has had its say once a newer edit covers all it wanted. */
  #mended(edit: Edit): void {
    for (const refusal of this.#refusals.values()) {
      const covered = edit.op === "delete" || Object.keys(refusal.values).every((name) => name in edit.values);
      if (refusal.id === edit.id && covered) this.#refusals.delete(refusal.n);
    }
  }

  #answered(n: string, touched: Set<string>): void {
    const edit = this.#unanswered.get(n);
    if (!edit) return; // made on another page, or answered before
    this.#unanswered.delete(n);
    this.rows.lift(edit);
    touched.add(edit.id);
  }

  #wire(values: Values): WireValues {
    const types = new Map(this.columns.map((column) => [column.name, column.type]));
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, toWire(types.get(name) ?? "json", value)]),
    );
  }

  #tell(ids: Iterable<string>, reset = false): void {
    const change = { ids: new Set(ids), reset };
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        console.error(error); // one view's mistake is not the others' loss
      }
    }
  }
}

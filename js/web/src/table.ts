// A table of a room: its rows as objects, live, and the edits of one row.

import { mint } from "../../src/mint";
import type { Column, Row } from "./frames";
import type { Receipt } from "./receipt";
import type { Room } from "./room";
import { presented, type GivenValues, type Values } from "./transaction";

export class Table implements Iterable<Values> {
  readonly name: string;
  #room: Room;
  #shown = new WeakMap<Row, Values>(); // a row that stays is the same object, as long as it stays
  #all: readonly Values[] = [];
  #generation = -1;

  constructor(room: Room, name: string) {
    this.#room = room;
    this.name = name;
  }

  /** Without the id; none before the room has told of the table. */
  get columns(): readonly Column[] {
    return this.#room.replica.spec(this.name)?.columns ?? [];
  }

  /** In the order of insertion. The same list until something changes. */
  get rows(): readonly Values[] {
    if (this.#generation !== this.#room.generation) {
      this.#generation = this.#room.generation;
      this.#all = this.#room.replica.rows(this.name).map((row) => this.#present(row));
    }
    return this.#all;
  }

  get size(): number {
    return this.rows.length;
  }

  get(id: string): Values | undefined {
    const row = this.#room.replica.row(this.name, id);
    return row && this.#present(row);
  }

  [Symbol.iterator](): Iterator<Values> {
    return this.rows[Symbol.iterator]();
  }

  /** Whether row `id` is touched by an edit of ours that the room has not decided. */
  pending(id: string): boolean {
    return this.#room.replica.touched(this.name).has(id);
  }

  /** A new row; its id is minted unless it is among the values, and on the receipt. */
  insert({ id = mint(), ...values }: GivenValues): Receipt {
    return this.#room.mutate("insert", { table: this.name, id, values }, { id: String(id) });
  }

  /** Change these columns of a row; the others stay as they are, whoever wrote them. */
  update(id: string, values: GivenValues): Receipt {
    return this.#room.mutate("update", { table: this.name, id, values }, { id });
  }

  upsert(id: string, values: GivenValues): Receipt {
    return this.#room.mutate("upsert", { table: this.name, id, values }, { id });
  }

  delete(id: string): Receipt {
    return this.#room.mutate("delete", { table: this.name, id }, { id });
  }

  /** Hear of rows that changed, or became pending or settled; `reset`: it may be all of them, and the columns. */
  subscribe(listener: (ids: ReadonlySet<string>, reset: boolean) => void): () => void {
    return this.#room.subscribe(({ rows, reset }) => {
      const ids = rows.get(this.name);
      if (ids || reset) listener(ids ?? new Set(), reset);
    });
  }

  #present(row: Row): Values {
    const spec = this.#room.replica.spec(this.name)!;
    let shown = this.#shown.get(row);
    if (!shown) this.#shown.set(row, (shown = presented(spec, row)));
    return shown;
  }
}


// The other end of the wire, as slow and obvious as can be: a model that records what the browser says, and the frames
// a kernel would send, in the real codec.

import type { AnyModel } from "@anywidget/types";
import channel from "../src/channel";
import type { LiveTable } from "../src/table";
import type { Column, Json } from "../src/values";
import type { Delta, Down, Edit, Refusal, RoomStatus, Up } from "../src/wire";

export function column(name: string, type: Column["type"] = "text", more: Partial<Column> = {}): Column {
  return { name, type, choices: [], required: false, filled: false, ...more };
}

export const TODO = [column("text"), column("done", "boolean")];
export const LIVE: RoomStatus = { room: "live", waiting: 0, trouble: "" };

/** A row on the wire: position, id, values in column order. */
export type WireRow = [at: number, id: string, ...values: Json[]];

interface Part {
  columns?: readonly Column[];
  pending?: string[];
  page?: string | null;
  parts?: number;
}

interface Told {
  rows?: WireRow[];
  gone?: string[];
  on?: string[];
  off?: string[];
  took?: string[];
  refused?: Refusal[];
  status?: RoomStatus;
}

export class Kernel {
  readonly said: Up[] = [];
  readonly table: LiveTable;
  readonly leave = new AbortController();
  seq = 0;
  columns: readonly Column[] = TODO;
  #listener: ((message: Down, buffers: DataView[]) => void) | undefined;

  constructor() {
    const model = {
      send: (message: Up) => this.said.push(structuredClone(message)),
      on: (_event: string, listener: never) => (this.#listener = listener),
      off: () => (this.#listener = undefined),
    };
    this.table = channel.initialize({ model: model as unknown as AnyModel, signal: this.leave.signal }).table;
  }

  get hellos(): number {
    return this.said.filter((message) => message.k === "hello").length;
  }

  get page(): string {
    const hello = this.said.find((message) => message.k === "hello")!;
    return hello.for;
  }

  get edits(): Edit[] {
    return this.said.flatMap((message) => (message.k === "edit" ? [message] : []));
  }

  get listening(): boolean {
    return this.#listener !== undefined;
  }

  post(message: Down, content?: object): void {
    const buffer = content && new DataView(new TextEncoder().encode(JSON.stringify(content)).buffer);
    this.#listener?.(message, buffer ? [buffer] : []);
  }

  /** The messages of one snapshot, not yet sent. */
  snapshot(rows: WireRow[], { columns = TODO, pending = [], page = this.page, parts = 1 }: Part = {}): (() => void)[] {
    this.columns = columns;
    const seq = ++this.seq;
    const step = Math.max(1, Math.ceil(rows.length / parts));
    return Array.from({ length: parts }, (_, part) => () => {
      const first = part === 0 ? { columns, pending, status: LIVE } : {};
      this.post(
        { k: "snapshot", seq, part, of: parts, for: page },
        { ...first, ...this.#block(rows.slice(part * step, (part + 1) * step)) },
      );
    });
  }

  load(rows: WireRow[], part: Part = {}): void {
    for (const send of this.snapshot(rows, part)) send();
  }

  tell({ rows = [], gone = [], on = [], off = [], took = [], refused = [], status = LIVE }: Told): void {
    const delta: Delta = {
      ...this.#block(rows), gone, pending_on: on, pending_off: off, took, refused, status,
    };
    this.post({ k: "delta", seq: ++this.seq }, delta);
  }

  /** A delta that Jupyter drops. */
  lose(): void {
    this.seq += 1;
  }

  refuse(edit: Edit, why: string): void {
    const { n, op, id, values } = edit;
    this.tell({ refused: [{ n, op, id, values, why }] });
  }

  #block(rows: WireRow[]): { ids: string[]; at: number[]; cols: Json[][] } {
    return {
      ids: rows.map((row) => row[1]),
      at: rows.map((row) => row[0]),
      cols: this.columns.map((_, c) => rows.map((row) => row[c + 2] as Json)),
    };
  }
}

/** The ids in order, as an author would read them. */
export function ids(table: LiveTable): string[] {
  return Array.from(table.rows, (row) => row.id);
}

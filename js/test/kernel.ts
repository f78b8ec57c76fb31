// The other end of the wire, as slow and obvious as can be: a model that records what the browser says, and the frames
// that partysync_widget/feed.py would send, in the real codec.

import { afterEach } from "vitest";
import type { AnyModel } from "@anywidget/types";
import channel from "../src/channel";
import type { LiveTable } from "../src/table";
import type { Column, Json } from "../src/values";
import type { Change, Delta, Down, Draft, Edit, Person, Refusal, RoomStatus, Up, WindowNews } from "../src/wire";

// Where there is no DOM, a page is still something that can be left.
const page = new EventTarget();
globalThis.addEventListener ??= page.addEventListener.bind(page);
globalThis.removeEventListener ??= page.removeEventListener.bind(page);
globalThis.dispatchEvent ??= page.dispatchEvent.bind(page);

export function column(name: string, type: Column["type"] = "text", more: Partial<Column> = {}): Column {
  return { name, type, choices: [], required: false, filled: false, ...more };
}

export const TODOS = [column("text"), column("done", "boolean")];
export const LIVE: RoomStatus = { room: "live", waiting: 0, trouble: "", verbs: ["delete", "insert", "put_back", "update"] };

export const ADA: Person = { key: "ada", name: "Ada Lovelace", color: "#c2185b", at: null };
export const BOB: Person = { key: "bob", name: "Bob", color: "#00796b", at: null };

/** A row on the wire: position, id, values in column order. */
export type WireRow = [at: number, id: string, ...values: Json[]];

export type Question = Extract<Up, { k: "window" }>;
export type ChangeOf<Op extends Change["op"]> = Extract<Change, { op: Op extends "back" ? "back" : Exclude<Change["op"], "back"> }>;

interface Part {
  columns?: readonly Column[];
  pending?: string[];
  page?: string | null;
  parts?: number;
  whole?: boolean;
}

interface Told {
  rows?: WireRow[];
  gone?: string[];
  on?: string[];
  off?: string[];
  took?: string[];
  refused?: Refusal[];
  windows?: WindowNews[];
  by?: Record<string, string>;
  status?: RoomStatus;
  people?: Person[];
  drafts?: Draft[];
}

interface News {
  status: RoomStatus;
  people: Person[];
  drafts: Draft[];
}

const pages: AbortController[] = [];

afterEach(() => {
  for (const leave of pages.splice(0)) leave.abort();
});

export class Kernel {
  readonly said: Up[] = [];
  readonly table: LiveTable;
  readonly leave = new AbortController();
  seq = 0;
  columns: readonly Column[] = TODOS;
  #listeners = new Map<string, (...args: never[]) => void>();
  #told: News = { status: LIVE, people: [], drafts: [] };

  constructor() {
    pages.push(this.leave);
    const model = {
      send: (message: Up) => this.said.push(structuredClone(message)),
      on: (event: string, listener: (...args: never[]) => void) => this.#listeners.set(event, listener),
      off: (event: string) => this.#listeners.delete(event),
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

  get edit(): Edit {
    return this.edits.at(-1)!;
  }

  /** The only change of the newest edit. */
  change<Op extends Change["op"]>(op: Op): ChangeOf<Op> {
    const { changes } = this.edit;
    if (changes.length !== 1 || changes[0]!.op !== op) throw new Error(`the newest edit is ${JSON.stringify(changes)}`);
    return changes[0] as ChangeOf<Op>;
  }

  get questions(): Question[] {
    return this.said.flatMap((message) => (message.k === "window" ? [message] : []));
  }

  get question(): Question {
    return this.questions.at(-1)!;
  }

  get listening(): boolean {
    return this.#listeners.size > 0;
  }

  post(message: Down, content?: object): void {
    const buffer = content && new DataView(new TextEncoder().encode(JSON.stringify(content)).buffer);
    (this.#listeners.get("msg:custom") as ((message: Down, buffers: DataView[]) => void) | undefined)?.(message, buffer ? [buffer] : []);
  }

  /** The page hears that the kernel has ended. */
  end(): void {
    (this.#listeners.get("comm_live_update") as (() => void) | undefined)?.();
  }

  /** The messages of one snapshot, not yet sent. Of a table that is not `whole` it carries no rows. */
  snapshot(rows: WireRow[], { columns = TODOS, pending = [], page = this.page, parts = 1, whole = true }: Part = {}): (() => void)[] {
    this.columns = columns;
    const seq = ++this.seq;
    const step = Math.max(1, Math.ceil(rows.length / parts));
    return Array.from({ length: parts }, (_, part) => () => {
      const first = part === 0 ? { columns, pending, whole, ...this.#told } : {};
      this.post(
        { k: "snapshot", seq, part, of: parts, for: page },
        { ...first, ...this.#block(rows.slice(part * step, (part + 1) * step)) },
      );
    });
  }

  load(rows: WireRow[], part: Part = {}): void {
    for (const send of this.snapshot(rows, part)) send();
  }

  /** Status, people and drafts travel only when they are not what was told last. */
  tell({ rows = [], gone = [], on = [], off = [], took = [], refused = [], windows = [], by = {}, ...now }: Told): void {
    const told = { ...this.#told, ...now };
    const names = ["status", "people", "drafts"] as const;
    const news = Object.fromEntries(
      names.filter((name) => JSON.stringify(told[name]) !== JSON.stringify(this.#told[name])).map((name) => [name, told[name]]),
    );
    this.#told = told;
    const delta: Delta = { ...this.#block(rows), gone, pending_on: on, pending_off: off, took, refused, windows, by, ...news };
    this.post({ k: "delta", seq: ++this.seq }, delta);
  }

  /** A delta that Jupyter drops. */
  lose(): void {
    this.seq += 1;
  }

  refuse(edit: Edit, why: string): void {
    this.tell({ refused: [refused(edit, why)] });
  }

  /** Tell what a view asked for, out of all that it lists: the window and its rows in one delta. */
  answer(listed: WireRow[], { view, ask, first, count }: Question = this.question, more: Told = {}): void {
    const rows = listed.slice(first, first + count);
    this.tell({ ...more, rows, windows: [{ view, ask, first, size: listed.length, ids: rows.map(([, id]) => id) }] });
  }

  #block(rows: WireRow[]): { ids: string[]; at: number[]; cols: Json[][] } {
    return {
      ids: rows.map((row) => row[1]),
      at: rows.map((row) => row[0]),
      cols: this.columns.map((_, c) => rows.map((row) => row[c + 2] as Json)),
    };
  }
}

/** As edits.py says it: each change with every field that any change has. */
export function refused({ n, changes }: Edit, why: string): Refusal {
  const said = changes.map((change) => ({ values: {}, before: null, after: null, at: null, ...structuredClone(change) }));
  return { n, changes: said as Change[], why };
}

/** The ids in order, as an author would read them. */
export function ids(table: LiveTable): string[] {
  return Array.from(table.rows, (row) => row.id);
}

/** Random numbers that a seed gives again. */
export function chance(seed: number): (below: number) => number {
  let state = (seed % 2147483646) + 1;
  return (below) => Math.floor(((state = (state * 48271) % 2147483647) / 2147483647) * below);
}

export function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

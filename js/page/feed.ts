// A feed for a page of its own: the table of a room's replica, as the grid takes it. What partysync_widget/feed.py is in
// a kernel, without the wire between: the replica is on this page, and so is the whole table.
//
//     replica's base ──rows, people, drafts──▶ TableStore ──▶ grid
//           ▲                                       │
//           └──── mutation, one per edit ◀──── edit, look, draft
//
// The store is told the rows that the room has decided, and keeps the edits that it has not over them. An edit leaves the
// store in the very telling that brings its rows, so it never flickers, vanishes or doubles (R2).

import { mint } from "../src/mint";
import { TableStore } from "../src/table";
import type { Column, Json } from "../src/values";
import type { Change, Delta, Draft, Edit, Person, Place, Refusal, RoomStatus, RowBlock, Up, WireValues } from "../src/wire";
import { wire, type Given } from "../web/src/columns";
import type { Column as Declared, Json as WholeJson, Row, Stored } from "../web/src/frames";
import type { Change as Told, Room } from "../web/src/room";

const FRAME = 16; // ms between two tellings: what a screen shows
const TYPING = 60_000; // ms after the last key that others are shown what is typed
const LONGEST = 2_000; // characters of it
const NOTHING: RowBlock = { ids: [], at: [], cols: [] };

type Args = { readonly [name: string]: Given };

export class PageFeed {
  readonly store: TableStore;
  #room: Room;
  #table: string;
  #told: { status?: string; people?: string; drafts?: string } = {};
  #ids = new Set<string>();
  #authors = new Map<string, string>();
  #took: string[] = [];
  #refused: Refusal[] = [];
  #reset = true;
  #due: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  #typing = new Map<string, ReturnType<typeof setTimeout>>();
  #unsubscribe: () => void;

  constructor(room: Room, table: string) {
    this.#room = room;
    this.#table = table;
    this.store = new TableStore(mint(8), (message) => this.#hear(message));
    this.#unsubscribe = room.subscribe((change) => this.#changed(change));
    this.#soon();
  }

  /** Whether the room has the table, as far as it shows it to us; undefined until it has said so. */
  get there(): boolean | undefined {
    return this.#room.version || this.#room.status === "live" ? this.#room.tables.includes(this.#table) : undefined;
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#due);
    for (const key of [...this.#typing.keys()]) this.#draft(key, {});
  }

  // What the grid says.

  #hear(message: Up): void {
    switch (message.k) {
      case "edit": return this.#edit(message);
      case "look": return this.#look(message.at);
      case "draft": {
        const { key, id, column, text } = message;
        return this.#draft(key, text === null ? {} : { [id]: { [column]: text.slice(0, LONGEST) } });
      }
    }
  }

  #edit({ n, changes, draft }: Edit): void {
    if (draft) this.#typed(draft);
    try {
      const receipt = this.#room.mutate(...this.#mutation(changes));
      if (draft) this.#room.draft(draft, this.#table, this.#rowsOf(changes), receipt.mid);
      void receipt.result().then(() => this.#took.push(n), (error: unknown) => this.#refuse(n, changes, error)).then(() => this.#soon());
    } catch (error) {
      if (draft) this.#room.draft(draft, this.#table);
      this.#refuse(n, changes, error);
      this.#soon();
    }
  }

  #refuse(n: string, changes: readonly Change[], error: unknown): void {
    this.#refused.push({ n, changes, why: error instanceof Error ? error.message : String(error) });
  }

  /** An edit is one mutation, so a paste is kept whole or not at all (R8). */
  #mutation(changes: readonly Change[]): [name: string, args: Args] {
    if (changes.every((change) => change.op === "back")) {
      const rows = changes.map(({ id, before, after, at }) => [id, this.#given(before), this.#given(after), at]);
      return ["put_back", { table: this.#table, rows }];
    }
    const steps = changes.map((change) => this.#step(change));
    return steps.length === 1 ? steps[0]! : ["batch", { steps }];
  }

  #step(change: Change): [name: string, args: Args] {
    const { op, id } = change;
    if (op === "back") throw new Error("An edit makes changes, or takes changes back, and not both.");
    const which = { table: this.#table, id };
    return [op, op === "delete" ? which : { ...which, values: this.#given(change.values) }];
  }

  #rowsOf(changes: readonly Change[]): { [id: string]: Given } {
    return Object.fromEntries(changes.map((change) => [change.id, change.op === "insert" || change.op === "update" ? this.#given(change.values) : null]));
  }

  /** Values as the room takes them: of what the store says, only digits need a word of ours. */
  #given<T extends WireValues | null>(values: T): Given {
    if (values === null) return null;
    const types = new Map(this.store.columns.map((column) => [column.name, column.type]));
    const each = (name: string, value: Json): Given =>
      types.get(name) === "integer" && typeof value === "string" && /^-?\d{1,19}$/.test(value) ? BigInt(value) : value;
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, each(name, value)]));
  }

  #look(at: Place | null): void {
    if (this.#room.role !== "viewer") this.#room.present(at ? { at: { table: this.#table, ...at } } : {});
  }

  #draft(key: string, rows: { [id: string]: Given }): void {
    this.#typed(key);
    this.#room.draft(key, this.#table, rows);
    if (Object.keys(rows).length) this.#typing.set(key, setTimeout(() => this.#draft(key, {}), TYPING));
  }

  #typed(key: string): void {
    clearTimeout(this.#typing.get(key));
    this.#typing.delete(key);
  }

  // What the room says.

  #changed({ rows, authors, reset }: Told): void {
    for (const id of rows.get(this.#table) ?? []) this.#ids.add(id);
    for (const [id, by] of authors.get(this.#table) ?? []) this.#authors.set(id, by);
    this.#reset ||= reset;
    this.#soon();
  }

  /** Tell when whoever called us has done, and receipts are settled; at most once a frame. */
  #soon(): void {
    this.#due ??= setTimeout(() => this.#tell(), Math.max(0, this.#last + FRAME - performance.now()));
  }

  #tell(): void {
    this.#due = undefined;
    this.#last = performance.now();
    if (this.#reset && this.there) this.#load();
    const delta = this.#delta();
    if (this.store.ready || Object.keys(delta).length) this.store.apply({ ...this.#empty(), ...delta });
  }

  /** All rows anew: at the beginning, and when there are other columns. */
  #load(): void {
    const base = this.#room.replica.base.tables.get(this.#table);
    if (!base) return;
    this.#reset = false;
    this.#ids.clear();
    this.#authors.clear();
    const rows = Array.from(base.order, (id) => base.rows.get(id)!);
    this.store.load([{ ...this.#block(rows), columns: base.spec.columns.map(described), pending: [], whole: true }]);
  }

  #empty(): Delta {
    return { ...NOTHING, gone: [], pending_on: [], pending_off: [], took: [], refused: [], windows: [], by: {} };
  }

  /** All that is untold, in one telling. */
  #delta(): Partial<Delta> {
    const base = this.#room.replica.base.tables.get(this.#table);
    const rows: Row[] = [];
    const gone: string[] = [];
    for (const id of this.#ids) {
      const row = base?.rows.get(id);
      if (row) rows.push(row);
      else gone.push(id);
    }
    const by = Object.fromEntries(this.#authors);
    const [took, refused] = [this.#took, this.#refused];
    this.#ids = new Set();
    this.#authors = new Map();
    this.#took = [];
    this.#refused = [];
    return { ...this.#block(rows), gone, took, refused, by, ...this.#news() };
  }

  #block(rows: readonly Row[]): RowBlock {
    const columns = this.#room.replica.base.tables.get(this.#table)?.spec.columns ?? [];
    return {
      ids: rows.map((row) => row[1]),
      at: rows.map((row) => Number(row[0])),
      cols: columns.map((column, c) => rows.map((row) => exact(wire(column, row[c + 2] as Stored)))),
    };
  }

  /** Status, people and drafts, each only if it is not what was told last. */
  #news(): Pick<Delta, "status" | "people" | "drafts"> {
    const now = { status: this.#status(), people: this.#people(), drafts: this.#drafts() };
    const news: { -readonly [name in keyof typeof now]?: (typeof now)[name] } = {};
    const fresh = <Name extends keyof typeof now>(name: Name) => {
      const said = JSON.stringify(now[name]);
      if (said !== this.#told[name]) news[name] = now[name];
      this.#told[name] = said;
    };
    fresh("status");
    fresh("people");
    fresh("drafts");
    return news;
  }

  #status(): RoomStatus {
    const { status, pending, trouble, replica } = this.#room;
    return { room: status, waiting: pending, trouble: trouble?.message ?? "", verbs: [...(replica.takes ?? [])].sort() };
  }

  #people(): Person[] {
    const sorted = [...this.#room.peers].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([key, { name, color = "", state }]) => ({ key, name, color, at: this.#place(state?.["at"]) }));
  }

  /** What a peer says is anything at all. */
  #place(at: WholeJson | undefined): Place | null {
    const { table, id, column } = (typeof at === "object" && at !== null ? at : {}) as { [name: string]: unknown };
    return table === this.#table && typeof id === "string" && typeof column === "string" ? { id, column } : null;
  }

  #drafts(): Draft[] {
    const known = new Set(this.#room.replica.base.tables.get(this.#table)?.names);
    return this.#room.drafts.flatMap(({ client, draft: { table, mid, rows = {} } }) => {
      if (table !== this.#table) return [];
      const shown = Object.entries(rows).map(([id, values]) => [id, values && drafted(values, known)] as const);
      return [{ by: client, typing: !mid, rows: Object.fromEntries(shown) }];
    });
  }
}

function described({ name, type, required = false, default: filled, choices = [] }: Declared): Column {
  return { name, type, choices, required, filled: filled !== undefined && filled !== null };
}

function drafted(values: { readonly [column: string]: WholeJson }, known: ReadonlySet<string>): WireValues {
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (known.has(name) ? [[name, exact(value)]] : [])));
}

/** What is beyond 2^53 goes as digits, as the store takes it. */
function exact(value: WholeJson): Json {
  return (typeof value === "bigint" ? value.toString() : value) as Json;
}

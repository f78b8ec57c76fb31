// Records: a table's rows as the ancestor has them, arrays of values as they are stored.
//
// `[id, …the fields in the order of the columns, created_at, updated_at, deleted_at]`. Those three are always there and
// always last. Where the table has no such column, created_at is the row's place among the others, for pages sort by it,
// and the other two are null. A row whose deleted_at is set is not shown.

import type { Given } from "./columns";
import type { Row, Stored, TableSpec } from "./frames";
import { BUILT_IN } from "./mutators";
import type { Receipt } from "./receipt";
import type { Room } from "./room";

const ACT = "act"; // the mutation as which an action travels to the party's on_action
const LAST = ["created_at", "updated_at", "deleted_at"];
const WITH_VALUES = ["insert", "update", "upsert"];
const OF_ROWS = [...WITH_VALUES, "insert_rows", "delete", "put_back"];

export interface Action { readonly type: string; readonly payload: unknown }
export type Reducer<R extends unknown[], A> = (currentState: R[], action: A) => R[];

type Args = { readonly [name: string]: Given };

/** What an edit that a hook has sent is marked with. */
interface Via { readonly key: string; readonly action: Action }

const settled = new WeakSet<object>();
const made = new WeakMap<Row, Stored[]>(); // a row that stays is the same record, as long as it stays
const layouts = new WeakMap<TableSpec, readonly number[]>();

/** Whether a record of `useSync` is a guess: an edit of this page that the room has not decided. */
export function isOptimistic(record: readonly unknown[]): boolean {
  return !settled.has(record);
}

/** One hook's look at a table: settled records, with the hook's own reducer played over them. */
export class Lens<R extends unknown[], A extends Action> {
  reducer: Reducer<R, A> | undefined;
  #key: string;
  #room: Room | undefined;
  #generation = -1;
  #records: R[] = [];

  constructor(key: string) {
    this.#key = key;
  }

  /** The same list until something changes. */
  records(room: Room | undefined): R[] {
    if (!room || (room === this.#room && room.generation === this.#generation)) return this.#records;
    this.#room = room;
    this.#generation = room.generation;
    const mine = this.reducer ? actionsOf<A>(room, this.#key) : [];
    const found = recordsOf<R>(room, this.#key, mine.length > 0);
    const reduced = mine.reduce((records, action) => this.reducer!(records, action), found);
    const next = reduced.filter((record) => record.at(-1) === null);
    if (!same(next, this.#records)) this.#records = next;
    return this.#records;
  }
}

/**
 * Make the edit that an action stands for: its type is the mutator, its payload the arguments. Where there is no such
 * mutator, it is for the party's `on_action`, if it has one, also before the built-in ones.
 */
export function send(room: Room, key: string, action: Action): Receipt {
  const via: Via = { key, action };
  const takes = room.replica.takes;
  if (takes?.has(ACT) && (BUILT_IN.has(action.type) || !takes.has(action.type))) {
    const given = { channel: key, type: action.type, payload: (action.payload ?? null) as Given };
    return room.mutate(ACT, given, { via });
  }
  return room.mutate(action.type, argsOf(room, key, action), { via });
}

/**
 * In rooms of `main`, what is about one row is about one of the table `key`, and `{type: "update", payload: {id, text}}`
 * stands for `{id, values: {text}}`. Other parties may have mutators of their own that are called so.
 */
function argsOf(room: Room, key: string, { type, payload }: Action): Args {
  const given = (payload ?? {}) as Args;
  if (room.address.party !== "main" || !OF_ROWS.includes(type) || "table" in given) return given;
  const { id, ...values } = given;
  const whole = "values" in given || !WITH_VALUES.includes(type);
  return whole ? { table: key, ...given } : { table: key, id, values };
}

function actionsOf<A>(room: Room, key: string): A[] {
  return room.replica.pending.flatMap(({ via }) => (isOf(via, key) ? [via.action as A] : []));
}

function isOf(via: unknown, key: string): via is Via {
  return (via as Via | undefined)?.key === key;
}

function recordsOf<R>(room: Room, key: string, without: boolean): R[] {
  const spec = room.replica.spec(key);
  if (!spec) return [];
  const rows = without ? room.replica.rowsWithout(key, ({ via }) => isOf(via, key)) : room.replica.rows(key);
  const base = room.replica.base.tables.get(key)?.rows;
  return rows.map((row) => {
    let record = made.get(row);
    if (!record) made.set(row, (record = layoutOf(spec).map((i) => (i < 0 ? null : (row[i] as Stored)))));
    if (base?.get(row[1]) === row) settled.add(record);
    return record as R;
  });
}

/** Where in a row the values of a record are. */
function layoutOf(spec: TableSpec): readonly number[] {
  let layout = layouts.get(spec);
  if (!layout) {
    const names = spec.columns.map((column) => column.name);
    const fields = names.filter((name) => !LAST.includes(name));
    const place = (name: string) => (names.includes(name) ? names.indexOf(name) + 2 : name === "created_at" ? 0 : -1);
    layout = [1, ...[...fields, ...LAST].map(place)];
    layouts.set(spec, layout);
  }
  return layout;
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

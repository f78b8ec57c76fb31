// What we let others see of ourselves, presence and drafts, and how much of it the room was told (R11).
//
// The room forgets drafts when it is greeted, and everything with the line; so all of it is kept here, and told again.
// Nothing here is ever refused: what cannot travel is not shown.

import { plain, wire, type Given } from "./columns";
import type { Draft, DraftRows, Json, Presence, Row, Stored, Up } from "./frames";
import { DRAFT_BYTES, MOST_DRAFTS, PRESENCE_BYTES } from "./frames";
import { bytes, stringify } from "./json";
import type { Replica } from "./replica";
import type { Pending } from "./step";

const UNDECIDED_ROWS = 50; // of one edit that the room is slow to decide
const UNDECIDED_EDITS = 8; // shown at a time
const LONGEST = 256; // characters of what the protocol calls a name

export class Showing {
  #replica: Replica;
  #presence: Presence = { type: "presence", state: {} };
  #saidOfUs = "{}"; // what the room was told, on this line
  #drafts = new Map<string, Draft>(); // those that are not over, by key
  #told = new Set<string>(); // keys that the room has of us
  #untold = new Set<string>(); // keys to be told, in order
  #undecided = new Set<number>(); // mutations that we show because the room is slow
  #late = 0; // mutations up to this one should have been decided by now

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Show `state` from now on, as long as we are here. */
  present(state: { readonly [key: string]: Given }): void {
    const made: Presence = { type: "presence", state: plain(state) as Presence["state"] };
    if (bytes(stringify(made)) <= PRESENCE_BYTES) this.#presence = made;
  }

  /** Show, under `key`, what `rows` would be; with none, it is over. As many of them as a frame takes. */
  draft(key: string, table: string, rows: { readonly [id: string]: Given }, mid = 0): void {
    const settled = mid > 0 && mid <= this.#replica.settled;
    let some = Math.max(key.length, table.length) > LONGEST || settled ? [] : Object.entries(plain(rows) as DraftRows);
    const made = (): Draft => ({ type: "draft", key, table, rows: Object.fromEntries(some), mid });
    while (some.length && bytes(stringify(made())) > DRAFT_BYTES) some = some.slice(0, some.length >> 1);
    if (some.length) this.#drafts.set(key, made());
    else this.#drafts.delete(key);
    this.#untold.add(key);
  }

  /** Our mutations up to `mid` were sent a while ago: those that are undecided are shown from now on (D5). */
  late(mid: number): void {
    this.#late = Math.max(this.#late, mid);
  }

  // --- the room -----------------------------------------------------------------------------------------------------------

  /** There is a new line; at its other end nobody knows of us. */
  dialled(): void {
    this.#saidOfUs = "{}";
  }

  /** Hello was sent: our drafts are over there (D4). */
  greeted(): void {
    this.#told.clear();
    this.#late = 0;
    this.#untold = new Set(this.#drafts.keys());
  }

  /** What is pending has other mids: what we showed of it is out of date. */
  renumbered(): void {
    this.#forget((draft) => (draft.mid ?? 0) > 0);
    this.#undecided.clear();
    this.#late = 0;
  }

  /** What the room has not been told yet, and is told now. Ask only when live (D6). */
  due(): Up[] {
    const { settled } = this.#replica;
    this.#forget(({ mid = 0 }) => mid > 0 && mid <= settled);
    this.#showUndecided();
    const frames: Up[] = [];
    const state = stringify(this.#presence.state);
    if (state !== this.#saidOfUs) {
      this.#saidOfUs = state;
      frames.push(this.#presence);
    }
    for (const key of this.#untold) {
      const draft = this.#drafts.get(key);
      if (!draft) {
        if (this.#told.delete(key)) frames.push({ type: "draft", key });
      } else if (this.#told.has(key) || this.#told.size < MOST_DRAFTS) {
        this.#told.add(key);
        frames.push(draft);
      }
    }
    this.#untold.clear();
    return frames;
  }

  #showUndecided(): void {
    const { settled, pending } = this.#replica;
    for (const mid of this.#undecided) if (mid <= settled) this.#undecided.delete(mid);
    pending.forEach((each, place) => {
      const { mid } = each.mutation;
      if (mid > this.#late || this.#undecided.size >= UNDECIDED_EDITS || this.#undecided.has(mid)) return;
      if (Array.from(this.#drafts.values()).some((draft) => draft.mid === mid)) return;
      this.#undecided.add(mid);
      const later = pending.slice(place + 1);
      for (const [table, ids] of each.touched) this.draft(`m${mid}-${table}`, table, this.#rows(table, ids, later), mid);
    });
  }

  /** Rows that no later edit has touched, as they would be. */
  #rows(table: string, ids: Iterable<string>, later: readonly Pending[]): { [id: string]: { [column: string]: Json } | null } {
    const mine = [...ids].filter((id) => !later.some((each) => each.touched.get(table)?.has(id))).slice(0, UNDECIDED_ROWS);
    return Object.fromEntries(mine.map((id) => [id, this.#values(table, this.#replica.row(table, id))]));
  }

  #values(table: string, row: Row | undefined): { [column: string]: Json } | null {
    const columns = this.#replica.spec(table)?.columns ?? [];
    return row ? Object.fromEntries(columns.map((column, i) => [column.name, wire(column, row[i + 2] as Stored)])) : null;
  }

  /** These ended in a delta, or with a hello: the room knows. */
  #forget(which: (draft: Draft) => boolean): void {
    for (const [key, draft] of this.#drafts) {
      if (!which(draft)) continue;
      this.#drafts.delete(key);
      this.#told.delete(key);
      this.#untold.delete(key);
    }
  }
}

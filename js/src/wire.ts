// What the kernel and the browser say to each other about one table. Every message is small JSON; what is big rides in
// its one binary buffer, as column-wise JSON text. The kernel's half of this page is partysync_widget/feed.py.

import type { Query } from "./query";
import type { Column, Json } from "./values";

export type WireValues = { readonly [column: string]: Json };

/**
 * One row's part of an edit. `back` undoes: what is still as `after` says becomes as `before` says, null being no row,
 * and what somebody else has written since stays. `at` is the position that a deleted row had.
 */
export type Change =
  | { readonly op: "insert" | "update" | "delete"; readonly id: string; readonly values: WireValues }
  | {
      readonly op: "back"; readonly id: string; readonly at: number | null;
      readonly before: WireValues | null; readonly after: WireValues | null;
    };

/**
 * An edit made here: one mutation, whole or not at all. `n` is unique in the kernel, not only on this page: two tabs may
 * show one notebook. `draft` is the key under which the person was seen typing it.
 */
export interface Edit {
  readonly n: string;
  readonly changes: readonly Change[];
  readonly draft?: string;
}

/** An edit that was taken back, by the kernel or later by the room, and the sentence that says why. */
export interface Refusal extends Edit {
  readonly why: string;
}

/**
 * `room` is the kernel's word for its connection, `trouble` the sentence why it is not live (or empty), `waiting`
 * counts mutations that are not yet settled, and `verbs` names the mutators that the room takes.
 */
export interface RoomStatus {
  readonly room: string;
  readonly waiting: number;
  readonly trouble: string;
  readonly verbs: readonly string[];
}

/** Somebody else in the room, and the cell of this table they are at. */
export interface Person {
  readonly key: string;
  readonly name: string;
  readonly color: string;
  readonly at: Place | null;
}

export interface Place {
  readonly id: string;
  readonly column: string;
}

/** What somebody else is typing (text as typed), or has done and the room has not decided (values); null: a deletion. */
export interface Draft {
  readonly by: string;
  readonly typing: boolean;
  readonly rows: { readonly [id: string]: WireValues | null };
}

/** Rows, column-wise: row i has id ids[i], stands at position at[i], and holds cols[c][i] in column c. */
export interface RowBlock {
  readonly ids: readonly string[];
  readonly at: readonly number[];
  readonly cols: readonly (readonly Json[])[];
}

/** The first part of a snapshot carries what is said once. `whole`: all rows are in it; else views ask for windows. */
export interface SnapshotPart extends RowBlock {
  readonly columns?: readonly Column[];
  readonly pending?: readonly string[];
  readonly whole?: boolean;
  readonly status?: RoomStatus;
  readonly people?: readonly Person[];
  readonly drafts?: readonly Draft[];
}

/** Rows `first` and on of what a view asked for, out of `size`; the rows themselves are in the same delta. */
export interface WindowNews {
  readonly view: string;
  readonly ask: number;
  readonly first: number;
  readonly size: number;
  readonly ids: readonly string[];
}

/** `by` names who wrote a row, where it was somebody else. Status, people and drafts are there when they changed. */
export interface Delta extends RowBlock {
  readonly gone: readonly string[];
  readonly pending_on: readonly string[];
  readonly pending_off: readonly string[];
  readonly took: readonly string[];
  readonly refused: readonly Refusal[];
  readonly windows: readonly WindowNews[];
  readonly by: { readonly [id: string]: string };
  readonly status?: RoomStatus;
  readonly people?: readonly Person[];
  readonly drafts?: readonly Draft[];
}

/**
 * From the kernel. `seq` counts every message, so that a lost one is noticed; the parts of a snapshot share one.
 * `for` names the page that asked for a snapshot; null means that everyone needs it. A beat only repeats the last `seq`.
 */
export type Down =
  | { readonly k: "snapshot"; readonly seq: number; readonly part: number; readonly of: number; readonly for: string | null }
  | { readonly k: "delta"; readonly seq: number }
  | { readonly k: "beat"; readonly seq: number };

/** To the kernel. `ask` counts the questions of one view: an answer to an earlier one is not the last word. */
export type Up =
  | { readonly k: "hello"; readonly for: string }
  | ({ readonly k: "edit" } & Edit)
  | { readonly k: "window"; readonly view: string; readonly ask: number; readonly query: Query; readonly first: number; readonly count: number }
  | { readonly k: "forget"; readonly view: string }
  | { readonly k: "look"; readonly at: Place | null }
  | { readonly k: "draft"; readonly key: string; readonly id: string; readonly column: string; readonly text: string | null };

const utf8 = new TextDecoder();

export function decode<T>(buffer: DataView): T {
  return JSON.parse(utf8.decode(buffer)) as T;
}

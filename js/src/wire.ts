// What the kernel and the browser say to each other about one table. Every message is small JSON; what is big rides in
// its one binary buffer, as column-wise JSON text. The kernel's half of this page is partysync_widget/channel.py.

import type { Column, Json } from "./values";

export type Op = "insert" | "update" | "delete";
export type WireValues = { [column: string]: Json };

/** An edit made here. `n` is unique in the kernel, not only on this page: two tabs may show one notebook. */
export interface Edit {
  readonly n: string;
  readonly op: Op;
  readonly id: string;
  readonly values: WireValues;
}

/** An edit that was taken back, by the kernel or later by the room, and the sentence that says why. */
export interface Refusal extends Edit {
  readonly why: string;
}

/**
 * `room` is the kernel's word for its connection, `trouble` the sentence why it is not live (or empty), and `waiting`
 * counts mutations that are not yet settled.
 */
export interface RoomStatus {
  readonly room: string;
  readonly waiting: number;
  readonly trouble: string;
}

/** Rows, column-wise: row i has id ids[i], stands at position at[i], and holds cols[c][i] in column c. */
export interface RowBlock {
  readonly ids: readonly string[];
  readonly at: readonly number[];
  readonly cols: readonly (readonly Json[])[];
}

/** The first part of a snapshot carries what is said once: columns, pending, status. */
export interface SnapshotPart extends RowBlock {
  readonly columns?: readonly Column[];
  readonly pending?: readonly string[];
  readonly status?: RoomStatus;
}

export interface Delta extends RowBlock {
  readonly gone: readonly string[];
  readonly pending_on: readonly string[];
  readonly pending_off: readonly string[];
  readonly took: readonly string[];
  readonly refused: readonly Refusal[];
  readonly status: RoomStatus;
}

/**
 * From the kernel. `seq` counts every message, so that a lost one is noticed; the parts of a snapshot share one.
 * `for` names the page that asked for a snapshot; null means that everyone needs it. A beat only repeats the last `seq`.
 */
export type Down =
  | { readonly k: "snapshot"; readonly seq: number; readonly part: number; readonly of: number; readonly for: string | null }
  | { readonly k: "delta"; readonly seq: number }
  | { readonly k: "beat"; readonly seq: number };

/** To the kernel. */
export type Up =
  | { readonly k: "hello"; readonly for: string }
  | ({ readonly k: "edit" } & Edit);

const utf8 = new TextDecoder();

export function decode<T>(buffer: DataView): T {
  return JSON.parse(utf8.decode(buffer)) as T;
}

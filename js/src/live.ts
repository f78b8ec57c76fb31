// What authors of widgets may rely on: `const { exports: { table } } = await host.getWidget(model.get("todos"))`.
// docs/widgets.md says the same in words.

import type { Listing } from "./listing";
import type { Query } from "./query";
import type { Column, Row, Values } from "./values";
import type { Person, Place, Refusal, RoomStatus, WireValues } from "./wire";

export interface Changed {
  /** Rows that appeared, changed, vanished, or became pending, settled or rejected. */
  readonly ids: ReadonlySet<string>;
  /** Everything may have changed, the columns too; listings are over. */
  readonly reset: boolean;
  /** Who wrote a row, by its id, where it was somebody else. */
  readonly by: ReadonlyMap<string, Person>;
}

export interface Status extends RoomStatus {
  /** "silent": something was said to the kernel and seconds passed without a word from it. "gone": it has ended. */
  readonly kernel: "answering" | "silent" | "gone";
}

/** Rows in order, live. `at` and `indexOf` let a view draw only what is in sight. */
export interface LiveRows extends Iterable<Row> {
  readonly size: number;
  get(id: string): Row | undefined;
  at(index: number): Row | undefined;
  indexOf(id: string): number;
}

/** A change of one row, as an author writes it. */
export type RowEdit =
  | { readonly insert: Values; readonly id?: string }
  | { readonly update: string; readonly values: Values }
  | { readonly delete: string };

/** Somebody's draft in one row: column by column, or null for a deletion. */
export interface DraftHere {
  readonly by: Person;
  readonly typing: boolean;
  readonly values: WireValues | null;
}

export interface LiveTable {
  readonly columns: readonly Column[];
  /** The rows that are here: all of them, unless the table is large (`whole` is false); then ask for a `listing`. */
  readonly rows: LiveRows;
  readonly whole: boolean;
  readonly status: Status;
  /** Whether the first snapshot has arrived. */
  readonly ready: boolean;
  /** Who else is in the room. */
  readonly people: readonly Person[];
  subscribe(listener: (change: Changed) => void): () => void;
  /** Rows sorted and filtered, however many there are. Ask for a new one after a reset. */
  listing(query: Query): Listing;
  /** Shows a new row at once and returns its id. */
  insert(values: Values): string;
  update(id: string, values: Values): void;
  delete(id: string): void;
  /** Several changes as one: all are kept, or none. Returns the ids of the rows. `draft` is what was seen being typed. */
  edit(changes: readonly RowEdit[], draft?: string): readonly string[];
  /** Take back, or make again, the newest edit made on this page. Returns how many cells stay as others wrote them. */
  undo(): number | undefined;
  redo(): number | undefined;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Whether row `id` was touched by something the room has not yet decided. */
  pending(id: string): boolean;
  /** The newest refused edit of row `id`, until it is dismissed or mended. */
  rejected(id: string): Refusal | undefined;
  readonly rejections: readonly Refusal[];
  dismiss(rejection: Refusal): void;
  /** Make a refused edit once more, as it was. */
  retry(rejection: Refusal): void;
  /** This page's name, among all that show tables of this kernel. */
  readonly page: string;
  /** Show the others which cell one is at. */
  look(at: Place | null): void;
  /** Show the others what one is typing into a cell; null when it is over. `key` names this piece of typing. */
  draft(key: string, at: Place, text: string | null): void;
  /** Rows that others have made and the room has not decided. */
  readonly ghosts: readonly Row[];
  /** What the others are typing into row `id`, or have done there and the room has not decided. */
  drafts(id: string): readonly DraftHere[];
}

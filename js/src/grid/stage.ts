// What the parts of a grid share: the table, the columns as they are arranged, what is selected, and how to have it drawn.

import type { Listing } from "../listing";
import type { LiveTable, RowEdit } from "../table";
import type { Bar } from "./bar";
import type { Bubble } from "./bubble";
import type { Columns } from "./columns";
import type { Head } from "./head";
import type { Notices } from "./notices";
import type { Pane } from "./pane";
import type { Selection } from "./selection";

export interface Stage {
  readonly table: LiveTable;
  readonly columns: Columns;
  readonly selection: Selection;
  readonly listing: Listing;
  readonly root: HTMLElement;
  readonly grid: HTMLElement;
  readonly bar: Bar;
  readonly head: Head;
  readonly pane: Pane;
  readonly bubble: Bubble;
  readonly notices: Notices;
  /** Draw now, or with the next frame. */
  draw(): void;
  schedule(): void;
  /** The columns stand differently: every row is another. */
  rebuild(): void;
  /** Which rows are listed, or in which order, is new. */
  relist(): void;
  /** Make a cell the active one, and bring it into sight. */
  activate(row: number, column: number, extend?: boolean): void;
  /** Give the grid the focus. */
  focus(): void;
  /** Edit the table; what was complained of before is settled. Returns the ids of the rows. */
  make(changes: readonly RowEdit[], draft?: string): readonly string[];
  /** Show, or take away, the word at the active cell. */
  say(): void;
}

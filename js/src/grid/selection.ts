// What is selected: one active cell, and a range from an anchor to it. Rows are held by id, so that a selection stays
// with its rows when others come and go around them.

import type { Listing } from "../listing";

/** A cell by index, and the id of its row while that is known. Row -1 is the header. */
export interface Spot {
  readonly id: string;
  readonly row: number;
  readonly column: number;
}

export interface Range {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export class Selection {
  active: Spot = { id: "", row: 0, column: 0 };
  #anchor: Spot | null = null;

  /** Make a cell the active one; `extend` keeps the anchor where it is. */
  set(spot: Spot, extend = false): void {
    this.#anchor = extend && spot.row >= 0 ? (this.#anchor ?? this.active) : null;
    this.active = spot;
  }

  /** Select from one cell to another, which becomes the active one. */
  span(from: Spot, to: Spot): void {
    this.#anchor = from;
    this.active = to;
  }

  collapse(): void {
    this.#anchor = null;
  }

  get many(): boolean {
    return this.#anchor !== null && (this.#anchor.row !== this.active.row || this.#anchor.column !== this.active.column);
  }

  /** Follow the rows to where they stand now. */
  settle(listing: Listing, columns: number): void {
    this.active = follow(this.active, listing, columns);
    if (this.#anchor) this.#anchor = follow(this.#anchor, listing, columns);
  }

  get range(): Range {
    const from = this.#anchor ?? this.active;
    return {
      top: Math.max(0, Math.min(from.row, this.active.row)),
      bottom: Math.max(from.row, this.active.row),
      left: Math.min(from.column, this.active.column),
      right: Math.max(from.column, this.active.column),
    };
  }
}

function follow(spot: Spot, listing: Listing, columns: number): Spot {
  const column = Math.max(0, Math.min(spot.column, columns - 1));
  if (spot.row < 0) return { ...spot, column };
  const found = spot.id === "" ? -1 : listing.indexOf(spot.id);
  const row = found >= 0 ? found : Math.max(0, Math.min(spot.row, listing.size - 1));
  return { id: listing.at(row)?.id ?? (found >= 0 ? spot.id : ""), row, column };
}

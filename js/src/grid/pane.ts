// The rows in sight. They stand on a pane that stays in place while the scroller moves under it, and are drawn anew for
// each position: a scroll that outruns the kernel shows the rows that were there a moment longer, never a blank.
//
// Drawing happens once a frame at most, however many deltas arrive; a row that is in sight stays the same element.

import type { Listing } from "../listing";
import type { Column, Row } from "../values";
import { make } from "./element";
import { RowView, type RowState } from "./row";
import { ROW, Window } from "./window";

const TALL = 15 * ROW; // px of rows shown before the grid scrolls, where the page does not yet say
const PATIENCE = 250; // ms that old rows stand in for rows that are on their way

/** What the pane is to draw: rows by index, and the state of each. */
export interface Scene {
  readonly listing: Listing;
  /** Rows after the last one: peers' new rows that the room has not decided. */
  readonly ghosts: readonly Row[];
  readonly columns: readonly Column[];
  readonly heads: number;
  state(row: Row): RowState;
}

export class Pane {
  readonly body = make("div", "ps-body", { role: "presentation" });
  #pane = make("div", "ps-pane", { role: "rowgroup" });
  #grid: HTMLElement;
  #head: HTMLElement;
  #drawn = new Map<string, RowView>();
  #serial: string;
  #serials = 0;
  #late: number | null = null; // since when rows in sight have been missing

  constructor(grid: HTMLElement, head: HTMLElement, serial: string) {
    this.#grid = grid;
    this.#head = head;
    this.#serial = serial;
    this.body.append(this.#pane);
  }

  /** Room for rows, in px, below the header that stays in place. */
  get room(): number {
    const room = this.#grid.clientHeight - this.#head.offsetHeight;
    return room > 0 && this.#grid.clientHeight > ROW ? room : TALL;
  }

  row(id: string): RowView | undefined {
    return this.#drawn.get(id);
  }

  cell(id: string, column: number): HTMLElement | undefined {
    return this.#drawn.get(id)?.cell(column);
  }

  get rows(): IterableIterator<RowView> {
    return this.#drawn.values();
  }

  /** New columns: every row is another. */
  clear(): void {
    for (const row of this.#drawn.values()) row.element.remove();
    this.#drawn.clear();
  }

  window(size: number): Window {
    return new Window(size, this.room, this.#grid.scrollTop);
  }

  /** Scroll, as little as need be, so that row `index` is in sight. */
  reveal(index: number, size: number): void {
    const inSight = this.window(size);
    this.body.style.height = `${inSight.height}px`; // a new last row must have a place to scroll to
    const top = inSight.reveal(index);
    if (top !== this.#grid.scrollTop) this.#grid.scrollTop = top;
  }

  /** Returns false if rows are missing and it should be called again. `open` is the row whose editor must not move. */
  draw(scene: Scene, open: RowView | undefined, now: number): boolean {
    const { listing, ghosts } = scene;
    const size = listing.size + ghosts.length;
    const inSight = this.window(size);
    this.body.style.height = `${inSight.height}px`;
    this.#pane.style.height = `${Math.min(inSight.height, this.room)}px`;
    const here = listing.want(inSight.first, Math.min(inSight.end, listing.size));
    this.#late = here ? null : (this.#late ?? now);
    const late = this.#late !== null;
    if (late && now - this.#late! < PATIENCE && this.#drawn.size > 0) return false;

    const wanted = new Set<string>();
    let next = this.#pane.firstElementChild;
    for (let index = inSight.first; index < inSight.end; index++) {
      const row = index < listing.size ? listing.at(index) : ghosts[index - listing.size];
      if (!row) continue;
      wanted.add(row.id);
      const view = this.#drawn.get(row.id) ?? this.#newRow(row.id, scene.columns);
      view.draw(scene.state(row));
      view.stand(index, inSight.offset(index), scene.heads);
      // Keep the order of the elements that of the rows, for screen readers. Moving one would take its focus away, so
      // the row with the editor stays put and the others go around it.
      if (view.element === next) next = next.nextElementSibling;
      else if (open !== view) this.#pane.insertBefore(view.element, next);
    }
    for (const [id, view] of this.#drawn) if (!wanted.has(id)) this.#leave(id, view, open, listing, inSight, scene.heads);
    this.#grid.setAttribute("aria-busy", String(late));
    return !late;
  }

  #newRow(id: string, columns: readonly Column[]): RowView {
    const view = new RowView(id, columns, `${this.#serial}-${this.#serials++}`);
    this.#drawn.set(id, view);
    return view;
  }

  /** A row left the sight. One whose editor is open stays, and follows its place in the table while it has one. */
  #leave(id: string, view: RowView, open: RowView | undefined, listing: Listing, inSight: Window, heads: number): void {
    if (open !== view) {
      view.element.remove();
      this.#drawn.delete(id);
      return;
    }
    const index = listing.indexOf(id);
    if (index >= 0) view.stand(index, inSight.offset(index), heads);
    view.element.classList.toggle("ps-gone", index < 0);
  }
}

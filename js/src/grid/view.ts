// One view of a live table: puts its parts together and draws them, at most once a frame.
//
// Focus stays on the grid element and `aria-activedescendant` names the active cell, so redrawing never loses it. What
// keys mean is in keys.ts, the pointer in pointer.ts, the editor in editing.ts, many cells at once in bulk.ts, columns in
// arranging.ts; how rows get onto the screen is pane.ts.

import type { Listing } from "../listing";
import { listsAll } from "../query";
import type { Changed, LiveTable, RowEdit } from "../table";
import type { Row } from "../values";
import type { Person } from "../wire";
import { Arranging } from "./arranging";
import { Bar, can } from "./bar";
import { Bubble } from "./bubble";
import { Bulk } from "./bulk";
import { Columns, type Layout } from "./columns";
import { Editing } from "./editing";
import { make } from "./element";
import { Head } from "./head";
import { openHelp } from "./help";
import { listenForKeys, type KeyTarget } from "./keys";
import { focused } from "./menu";
import { Notices } from "./notices";
import { Pane, type Scene } from "./pane";
import { listenForPointer } from "./pointer";
import type { RowState } from "./row";
import { Selection, type Spot } from "./selection";
import type { Stage } from "./stage";
import { ROW } from "./window";

const LOOK = 100; // ms between two words on where one is
const NOBODY: readonly Person[] = [];

let views = 0;

export class GridView implements Stage, KeyTarget {
  readonly table: LiveTable;
  readonly columns: Columns;
  readonly selection = new Selection();
  readonly notices: Notices;
  readonly bubble: Bubble;
  readonly bar: Bar;
  readonly head: Head;
  readonly pane: Pane;
  readonly grid: HTMLElement;
  readonly root: HTMLElement;
  readonly editing: Editing;
  readonly bulk: Bulk;
  readonly arranging: Arranging;
  listing: Listing;

  #empty = make("div", "ps-empty");
  #stale = true; // the listing is not what the columns ask for
  #flashes = new Map<string, { by: Person; before: Row | undefined }>();
  #people: { all: readonly Person[]; byRow: Map<string, Person[]> } = { all: NOBODY, byRow: new Map() };
  #due = 0;
  #lookDue: ReturnType<typeof setTimeout> | undefined;
  #looked = "null";
  #marked: HTMLElement[] = [];

  /** `keep` is told of every new arrangement of the columns. */
  constructor(table: LiveTable, el: HTMLElement, signal: AbortSignal, layout: Layout = {}, keep: (layout: Layout) => void = () => {}) {
    const serial = `ps${views++}`;
    this.table = table;
    this.columns = new Columns(layout);
    this.columns.take(table.columns);
    this.listing = table.listing(this.columns.query);
    this.notices = new Notices(table);
    this.bubble = new Bubble(table);
    this.editing = new Editing(this, serial);
    this.bulk = new Bulk(this, this.editing);
    this.arranging = new Arranging(this, keep);
    this.head = new Head(this.columns, this.arranging, serial);
    this.bar = new Bar(table, this, signal);
    this.grid = make("div", "ps-grid", { role: "grid", tabindex: "0", "aria-label": "Table", "aria-multiselectable": "true" });
    this.pane = new Pane(this.grid, this.head.element, serial);
    this.grid.append(this.head.element, this.pane.body, this.#empty);
    const { list, said } = this.notices;
    this.root = make("div", "ps-table", {}, this.bar.element, this.grid, this.bubble.element, list, said);
    this.bar.search(layout.search ?? "");
    this.head.filtering = Object.keys(layout.filters ?? {}).length > 0;
    el.append(this.root);

    const unsubscribe = table.subscribe((change) => this.#changed(change));
    // The room for rows is known only once the page has laid the widget out.
    const size = new ResizeObserver(() => this.schedule());
    size.observe(this.grid);
    this.#listen(signal);
    signal.addEventListener("abort", () => {
      unsubscribe();
      this.editing.close(false);
      this.listing.close();
      size.disconnect();
      cancelAnimationFrame(this.#due);
      clearTimeout(this.#lookDue);
      this.root.remove();
    });
    this.rebuild();
  }

  #listen(signal: AbortSignal): void {
    this.grid.addEventListener("scroll", () => this.schedule(), { passive: true, signal });
    for (const turned of ["focusin", "focusout"]) {
      this.grid.addEventListener(turned, () => {
        this.#look();
        this.schedule(); // the word at the active cell is for whoever is in the grid
      }, { signal });
    }
    listenForPointer(this, this.editing, signal);
    listenForKeys(this, this.grid, signal);
    this.bulk.listen(signal);
    // Whatever is typed into the bar, a filter or a menu is not the notebook's.
    this.root.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && event.target !== this.grid) event.stopPropagation();
    }, { signal });
  }

  // Moving.

  get onHeader(): boolean {
    return this.selection.active.row < 0;
  }

  /** How many rows a page key moves. */
  get page(): number {
    return Math.max(1, Math.floor(this.pane.room / ROW) - 1);
  }

  move(rows: number, columns: number, extend = false): void {
    this.selection.settle(this.listing, this.columns.visible.length);
    const { active } = this.selection;
    const top = extend || (rows < -1 && active.row > 0) ? 0 : -1; // one step up from the first row is the header
    const row = Math.min(this.listing.size - 1, Math.max(top, active.row + rows));
    const column = Math.min(this.columns.visible.length - 1, Math.max(0, active.column + columns));
    this.activate(row, column, extend);
  }

  activate(row: number, column: number, extend = false): void {
    this.selection.set(this.#spot(row, column), extend);
    if (row >= 0) this.pane.reveal(row, this.listing.size);
    this.draw();
    this.#look();
    const cell = row < 0 ? this.head.cell(column) : this.pane.cell(this.selection.active.id, column);
    if (!cell) return;
    // Not scrollIntoView: that would scroll the notebook, too.
    const hidden = cell.offsetLeft + cell.offsetWidth - this.grid.clientWidth;
    this.grid.scrollLeft = Math.min(cell.offsetLeft, Math.max(this.grid.scrollLeft, hidden));
  }

  selectAll(): void {
    this.#span(0, this.listing.size - 1, 0, this.columns.visible.length - 1);
  }

  selectRows(): void {
    const { top, bottom } = this.selection.range;
    this.#span(top, bottom, 0, this.columns.visible.length - 1);
  }

  selectColumn(): void {
    const { left, right } = this.selection.range;
    this.#span(0, this.listing.size - 1, left, right);
  }

  #span(top: number, bottom: number, left: number, right: number): void {
    if (bottom >= top) this.selection.span(this.#spot(top, left), this.#spot(bottom, right));
    this.draw();
  }

  #spot(row: number, column: number): Spot {
    return { id: (row >= 0 && this.listing.at(row)?.id) || "", row, column };
  }

  focus(): void {
    this.grid.focus({ preventScroll: true });
  }

  help(): void {
    openHelp(this.root, () => this.focus());
  }

  make(changes: readonly RowEdit[], draft?: string): readonly string[] {
    this.notices.settle();
    return this.table.edit(changes, draft);
  }

  /** Tell the others where one is: the cell while the grid has the focus, nowhere else. */
  #look(): void {
    this.#lookDue ??= setTimeout(() => {
      this.#lookDue = undefined;
      const { active } = this.selection;
      const column = this.columns.visible[active.column];
      const here = this.grid.contains(focused(this.root)) && active.row >= 0 && active.id !== "" && column;
      const at = here ? { id: active.id, column: column.name } : null;
      if (JSON.stringify(at) === this.#looked) return;
      this.#looked = JSON.stringify(at);
      this.table.look(at);
    }, LOOK);
  }

  // Drawing.

  #changed(change: Changed): void {
    for (const [id, by] of change.by) {
      if (!this.#flashes.has(id)) this.#flashes.set(id, { by, before: this.pane.row(id)?.shown });
    }
    if (change.reset) {
      this.#stale = true;
      if (this.columns.take(this.table.columns)) return this.rebuild();
    }
    this.schedule();
  }

  rebuild(): void {
    this.editing.close(false);
    this.pane.clear();
    this.arranging.layOut();
    this.schedule();
  }

  relist(): void {
    this.#stale = true;
    this.selection.collapse();
    this.schedule();
  }

  schedule(): void {
    this.#due ||= requestAnimationFrame(() => this.draw());
  }

  draw(): void {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    if (this.#stale) {
      this.#stale = false;
      this.listing.close();
      this.listing = this.table.listing(this.columns.query);
    }
    this.#meet();
    this.selection.settle(this.listing, this.columns.visible.length);
    const { active } = this.selection;
    this.head.draw(active.row < 0 ? active.column : -1);
    const now = performance.now();
    if (this.pane.draw(this.#scene(), this.editing.row, now)) this.#flash(now);
    else this.schedule();
    const size = this.listing.size;
    const narrowed = !listsAll(this.columns.query);
    this.grid.setAttribute("aria-rowcount", String(size + this.head.rows));
    this.#empty.textContent = !this.table.ready ? "Loading…" : size > 0 ? "" : narrowed ? "No row is like that" : "No rows";
    this.bar.draw(this.head.filtering, size, narrowed);
    this.#offer();
    this.#mark();
    this.notices.draw();
    this.say();
  }

  /** Say to the style sheet what may be done here: a button that would do nothing is not drawn. */
  #offer(): void {
    const verbs = (["insert", "update", "delete"] as const).filter((verb) => can(this.table.status, verb)).join(" ");
    if (this.root.dataset["can"] !== verbs) this.root.dataset["can"] = verbs;
  }

  #scene(): Scene {
    const { table, listing } = this;
    const writable = can(table.status, "update");
    const state = (row: Row): RowState => ({
      row,
      pending: table.pending(row.id),
      rejected: table.rejected(row.id),
      drafts: table.drafts(row.id),
      people: this.#people.byRow.get(row.id) ?? NOBODY,
      writable,
    });
    return { listing, ghosts: table.ghosts, columns: this.columns.visible, heads: this.head.rows, state };
  }

  /** Who is at which row; made anew only when somebody moved, for rows are compared by it. */
  #meet(): void {
    const all = this.table.people;
    if (all === this.#people.all) return;
    const byRow = new Map<string, Person[]>();
    for (const person of all) if (person.at) byRow.set(person.at.id, [...(byRow.get(person.at.id) ?? []), person]);
    this.#people = { all, byRow };
  }

  #flash(now: number): void {
    for (const [id, { by, before }] of this.#flashes) this.pane.row(id)?.flash(by, before, now);
    this.#flashes.clear();
  }

  /** Mark the active cell and what is selected. */
  #mark(): void {
    for (const cell of this.#marked) {
      cell.classList.remove("ps-active", "ps-selected");
      cell.removeAttribute("aria-selected");
    }
    this.#marked = [];
    const { active } = this.selection;
    const cell = active.row < 0 ? this.head.cell(active.column) : this.pane.cell(active.id, active.column);
    if (cell) this.grid.setAttribute("aria-activedescendant", cell.id);
    else this.grid.removeAttribute("aria-activedescendant");
    if (active.row < 0) return;
    if (cell) this.#take(cell, "ps-active");
    if (!this.selection.many) return;
    const { top, bottom, left, right } = this.selection.range;
    for (const row of this.pane.rows) {
      const index = this.listing.indexOf(row.id);
      if (index < top || index > bottom) continue;
      for (let column = left; column <= right; column++) this.#take(row.cell(column)!, "ps-selected");
    }
  }

  #take(cell: HTMLElement, mark: string): void {
    cell.classList.add(mark);
    cell.setAttribute("aria-selected", "true");
    this.#marked.push(cell);
  }

  say(): void {
    const { active } = this.selection;
    const cell = this.pane.cell(active.id, active.column);
    if (this.editing.active) return this.bubble.show(this.editing.why, cell);
    const at = focused(this.root);
    const here = at !== null && (at === this.grid || this.bubble.element.contains(at));
    const refusal = here && cell?.classList.contains("ps-rejected") ? this.table.rejected(active.id) : undefined;
    this.bubble.show(refusal ?? null, cell);
  }
}

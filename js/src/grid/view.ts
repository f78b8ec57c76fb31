// One view of a live table: draws the rows in sight, keeps the active cell, opens and closes the one editor.
//
// Focus stays on the grid element and `aria-activedescendant` names the active cell, so redrawing never loses it. What
// keys mean is in keys.ts. Drawing happens once a frame at most, however many deltas arrive.

import type { Change, LiveTable } from "../table";
import type { Column, Value, Values } from "../values";
import { canEdit, Editor } from "./editor";
import { initial } from "./cells";
import { button, make } from "./element";
import { drawHead } from "./head";
import { listenForKeys, type KeyTarget } from "./keys";
import { Notices } from "./notices";
import { RowView } from "./row";
import { ROW, Window } from "./window";

const TALL = 15 * ROW; // px of rows shown before the grid scrolls, where the page does not yet say

let views = 0;

export class GridView implements KeyTarget {
  #table: LiveTable;
  #notices: Notices;
  #add = button("ps-add", "Add row");
  #head = make("div", "ps-head", { role: "row", "aria-rowindex": "1" });
  #body = make("div", "ps-body", { role: "rowgroup" });
  #empty = make("div", "ps-empty");
  #grid = make("div", "ps-grid", { role: "grid", tabindex: "0", "aria-label": "Table" }, this.#head, this.#body, this.#empty);
  #root: HTMLElement;

  #columns: readonly Column[] = [];
  #drawn = new Map<string, RowView>();
  #active = { id: "", index: 0, column: 0 };
  #open: { editor: Editor; row: RowView; column: Column } | null = null;
  #serial = `ps${views++}`;
  #serials = 0;
  #due = 0;

  constructor(table: LiveTable, el: HTMLElement, signal: AbortSignal) {
    this.#table = table;
    this.#notices = new Notices(table);
    const bar = make("div", "ps-bar", {}, this.#add, this.#notices.status);
    this.#root = make("div", "ps-table", {}, bar, this.#grid, this.#notices.list);
    el.append(this.#root);

    const unsubscribe = table.subscribe((change) => this.#changed(change));
    // The room for rows is known only once the page has laid the widget out.
    const size = new ResizeObserver(() => this.#schedule());
    size.observe(this.#grid);
    signal.addEventListener("abort", () => {
      unsubscribe();
      size.disconnect();
      cancelAnimationFrame(this.#due);
      this.#root.remove();
    });
    this.#grid.addEventListener("scroll", () => this.#schedule(), { passive: true });
    this.#grid.addEventListener("mousedown", (event) => this.#pressed(event));
    this.#grid.addEventListener("click", (event) => this.#clicked(event));
    this.#grid.addEventListener("dblclick", (event) => this.#at(event) && this.edit());
    this.#grid.addEventListener("change", (event) => this.#ticked(event));
    this.#add.addEventListener("click", () => this.addRow());
    listenForKeys(this, this.#grid, signal);
    this.#changed({ ids: new Set(), reset: true });
  }

  // What keys.ts asks for.

  get editing(): boolean {
    return this.#open !== null;
  }

  move(rows: number, columns: number): void {
    const last = this.#table.rows.size - 1;
    const index = Math.min(last, Math.max(0, this.#activeIndex() + rows));
    const column = Math.min(this.#columns.length - 1, Math.max(0, this.#active.column + columns));
    if (index >= 0) this.#activate(index, column);
  }

  /** How many rows a page key moves. */
  get page(): number {
    return Math.max(1, Math.floor(this.#room / ROW) - 1);
  }

  /** Open the editor of the active cell; with `typed`, on that text instead of the value. A checkbox is ticked. */
  edit(typed?: string): void {
    const column = this.#columns[this.#active.column];
    const row = this.#table.rows.get(this.#active.id);
    if (!column || !row || this.#open) return;
    if (column.type === "boolean") {
      if (typed === undefined || typed === " ") this.#table.update(row.id, { [column.name]: row[column.name] !== true });
      return;
    }
    if (!canEdit(column)) return;
    this.#reveal(this.#activeIndex());
    this.#draw();
    const view = this.#drawn.get(row.id)!;
    const editor = new Editor(column, row[column.name], typed);
    this.#open = { editor, row: view, column };
    view.editing = column;
    view.cell(this.#active.column)!.replaceChildren(editor.field);
    editor.field.addEventListener("blur", () => this.#open?.editor === editor && this.commit());
    editor.focus(typed === undefined);
  }

  /** Take what was typed. Returns false, and leaves the editor open, when it cannot be. */
  commit(): boolean {
    if (!this.#open) return true;
    const { editor, row, column } = this.#open;
    if (editor.changed) {
      let value: Value;
      try {
        value = editor.read();
      } catch (error) {
        editor.complain((error as Error).message);
        return false;
      }
      this.#close();
      this.#table.update(row.id, { [column.name]: value });
    } else {
      this.#close();
    }
    return true;
  }

  cancel(): void {
    this.#close();
  }

  addRow(): void {
    if (!this.commit()) return;
    const values: Values = {};
    const now = new Date();
    for (const column of this.#columns) {
      if (column.required && !column.filled) values[column.name] = initial(column, now);
    }
    const id = this.#table.insert(values);
    const first = this.#columns.findIndex(canEdit);
    this.#activate(this.#table.rows.indexOf(id), Math.max(0, first));
    if (first >= 0) this.edit();
  }

  // Drawing.

  #changed(change: Change): void {
    if (change.reset) this.#reset();
    this.#schedule();
  }

  /** New columns, or everything may differ. The open editor goes only if its column is gone. */
  #reset(): void {
    const before = this.#columns;
    this.#columns = this.#table.columns.filter((column) => column.name !== "id");
    if (JSON.stringify(before) === JSON.stringify(this.#columns)) {
      this.#columns = before;
      return;
    }
    this.#close();
    for (const row of this.#drawn.values()) row.element.remove();
    this.#drawn.clear();
    this.#active.column = Math.max(0, Math.min(this.#active.column, this.#columns.length - 1));
    drawHead(this.#head, this.#columns, this.#root);
    this.#grid.setAttribute("aria-colcount", String(this.#columns.length + 1));
  }

  #schedule(): void {
    this.#due ||= requestAnimationFrame(() => this.#draw());
  }

  /** Room for rows, in px, below the header that stays in place. */
  get #room(): number {
    return this.#grid.clientHeight > ROW ? this.#grid.clientHeight - ROW : TALL;
  }

  #draw(): void {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    const rows = this.#table.rows;
    const inSight = new Window(rows.size, this.#room, this.#grid.scrollTop);
    this.#body.style.height = `${inSight.height}px`;
    this.#grid.setAttribute("aria-rowcount", String(rows.size + 1));
    this.#empty.textContent = !this.#table.ready ? "Loading…" : rows.size === 0 ? "No rows" : "";
    this.#add.disabled = !this.#table.ready;

    const wanted = new Set<string>();
    let next = this.#body.firstElementChild;
    for (let index = inSight.first; index < inSight.end; index++) {
      const row = rows.at(index)!;
      wanted.add(row.id);
      const view = this.#drawn.get(row.id) ?? this.#newRow(row.id);
      view.draw({ row, pending: this.#table.pending(row.id), rejected: this.#table.rejected(row.id) });
      view.stand(index, inSight.offset(index));
      // Keep the order of the elements that of the rows, for screen readers. Moving one would take its focus away, so
      // the row with the editor stays put and the others go around it.
      if (view.element === next) next = next.nextElementSibling;
      else if (this.#open?.row !== view) this.#body.insertBefore(view.element, next);
    }
    for (const [id, view] of this.#drawn) if (!wanted.has(id)) this.#leave(id, view);
    this.#markActive();
    this.#notices.draw();
  }

  #newRow(id: string): RowView {
    const view = new RowView(id, this.#columns, `${this.#serial}-${this.#serials++}`);
    this.#drawn.set(id, view);
    return view;
  }

  /** A row left the sight. One whose editor is open stays, and follows its place in the table while it has one. */
  #leave(id: string, view: RowView): void {
    if (this.#open?.row !== view) {
      view.element.remove();
      this.#drawn.delete(id);
      return;
    }
    const index = this.#table.rows.indexOf(id);
    const inSight = new Window(this.#table.rows.size, this.#room, this.#grid.scrollTop);
    if (index >= 0) view.stand(index, inSight.offset(index));
    view.element.classList.toggle("ps-gone", index < 0);
  }

  // The active cell.

  #activeIndex(): number {
    const index = this.#table.rows.indexOf(this.#active.id);
    return index >= 0 ? index : Math.min(this.#active.index, this.#table.rows.size - 1);
  }

  #activate(index: number, column: number): void {
    this.#active = { id: this.#table.rows.at(index)?.id ?? "", index, column };
    this.#reveal(index);
    this.#draw();
    const cell = this.#drawn.get(this.#active.id)?.cell(column);
    if (!cell) return;
    // Not scrollIntoView: that would scroll the notebook, too.
    const hidden = cell.offsetLeft + cell.offsetWidth - this.#grid.clientWidth;
    this.#grid.scrollLeft = Math.min(cell.offsetLeft, Math.max(this.#grid.scrollLeft, hidden));
  }

  #reveal(index: number): void {
    const rows = this.#table.rows.size;
    const inSight = new Window(rows, this.#room, this.#grid.scrollTop);
    this.#body.style.height = `${inSight.height}px`; // a new last row must have a place to scroll to
    const top = inSight.reveal(index);
    if (top !== this.#grid.scrollTop) this.#grid.scrollTop = top;
  }

  #markActive(): void {
    const index = this.#activeIndex();
    const id = this.#table.rows.at(index)?.id ?? "";
    this.#active = { ...this.#active, id, index: Math.max(0, index) };
    this.#body.querySelector(".ps-active")?.classList.remove("ps-active");
    const cell = this.#drawn.get(id)?.cell(this.#active.column);
    cell?.classList.add("ps-active");
    if (cell) this.#grid.setAttribute("aria-activedescendant", cell.id);
    else this.#grid.removeAttribute("aria-activedescendant");
  }

  // The pointer.

  /** The row and column under an event; null outside the rows. */
  #at(event: Event): { id: string; column: number } | null {
    const target = event.target as HTMLElement;
    const id = target.closest<HTMLElement>("[role=row]")?.dataset["id"];
    const name = target.closest<HTMLElement>("[role=gridcell]")?.dataset["column"];
    return id === undefined ? null : { id, column: this.#columns.findIndex((column) => column.name === name) };
  }

  #pressed(event: MouseEvent): void {
    const at = this.#at(event);
    if (!at || at.column < 0 || (event.target as HTMLElement).closest(".ps-editor")) return;
    this.#activate(this.#table.rows.indexOf(at.id), at.column);
  }

  #clicked(event: MouseEvent): void {
    if (!(event.target as HTMLElement).closest(".ps-delete")) return;
    const id = this.#at(event)?.id;
    if (id !== undefined) this.#table.delete(id);
    this.#grid.focus({ preventScroll: true });
  }

  #ticked(event: Event): void {
    const box = event.target as HTMLInputElement;
    const at = this.#at(event);
    if (box.type !== "checkbox" || !at) return;
    this.#table.update(at.id, { [this.#columns[at.column]!.name]: box.checked });
    this.#grid.focus({ preventScroll: true });
  }

  #close(): void {
    const open = this.#open;
    if (!open) return;
    this.#open = null; // first: removing the field fires blur
    const root = this.#root.getRootNode() as Document | ShadowRoot;
    const focused = root.activeElement === open.editor.field;
    open.row.stopEditing();
    if (focused) this.#grid.focus({ preventScroll: true });
    this.#schedule();
  }
}

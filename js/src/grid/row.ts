// One drawn row: its cells, and the marks that say how far each has come (pending, rejected and why).

import type { Column, Row, Value } from "../values";
import type { Refusal } from "../wire";
import { display } from "./cells";
import { button, make } from "./element";

export interface RowState {
  readonly row: Row;
  readonly pending: boolean;
  readonly rejected: Refusal | undefined;
}

export class RowView {
  readonly id: string;
  readonly element: HTMLElement;
  /** The column whose editor is open: its cell belongs to the person who types, and is not redrawn. */
  editing: Column | null = null;

  #cells: { column: Column; element: HTMLElement }[];
  #drawn: RowState | null = null;

  /** `serial` makes the cells' ids unique on the page; row ids may hold anything. */
  constructor(id: string, columns: readonly Column[], serial: string) {
    this.id = id;
    this.#cells = columns.map((column, index) => ({ column, element: cell(column, `${serial}-${index}`) }));
    const remove = button("ps-delete", "×", { tabindex: "-1", title: "Delete this row", "aria-label": "Delete this row" });
    const tools = make("div", "ps-cell ps-tools", { role: "gridcell" }, remove);
    const cells = this.#cells.map(({ element }) => element);
    this.element = make("div", "ps-row", { role: "row", "data-id": id }, ...cells, tools);
  }

  cell(column: number): HTMLElement | undefined {
    return this.#cells[column]?.element;
  }

  stand(index: number, top: number): void {
    this.element.style.top = `${top}px`;
    this.element.setAttribute("aria-rowindex", String(index + 2)); // the header is row 1
  }

  draw(state: RowState): void {
    const drawn = this.#drawn;
    if (drawn && drawn.row === state.row && drawn.pending === state.pending && drawn.rejected === state.rejected) return;
    this.#drawn = state;
    const { row, pending, rejected } = state;
    this.element.classList.toggle("ps-pending", pending);
    mark(this.element, rejected?.op === "delete" ? rejected.why : null);
    for (const { column, element } of this.#cells) {
      const refused = rejected && rejected.op !== "delete" && column.name in rejected.values;
      mark(element, refused ? rejected.why : null);
      if (column !== this.editing) fill(element, column, row[column.name]);
    }
  }

  /** Draw again what `draw` skipped while an editor was open. */
  stopEditing(): void {
    const column = this.editing;
    this.editing = null;
    const row = this.#drawn?.row;
    const found = this.#cells.find((each) => each.column === column);
    if (found && column) fill(found.element, column, row?.[column.name]);
  }
}

function cell(column: Column, id: string): HTMLElement {
  return make("div", `ps-cell ps-${column.type}`, { role: "gridcell", id, "data-column": column.name });
}

function fill(element: HTMLElement, column: Column, value: Value | undefined): void {
  if (column.type === "boolean") return tick(element, column, value);
  element.textContent = display(column, value);
}

function tick(element: HTMLElement, column: Column, value: Value | undefined): void {
  let box = element.querySelector("input");
  if (!box) {
    box = make("input", "", { type: "checkbox", tabindex: "-1", "aria-label": column.name });
    element.replaceChildren(box);
  }
  box.checked = value === true;
  box.indeterminate = value === null || value === undefined;
}

function mark(element: HTMLElement, why: string | null): void {
  element.classList.toggle("ps-rejected", why !== null);
  if (why !== null) element.title = why;
  else element.removeAttribute("title");
}

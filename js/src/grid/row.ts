// One drawn row: its cells, and the marks that say how far each has come: pending, rejected and why, somebody's draft,
// somebody's selection, just changed by somebody.

import type { DraftHere } from "../table";
import { fromWire, same, type Column, type Row, type Value } from "../values";
import type { Person, Refusal } from "../wire";
import { initials } from "./bar";
import { display } from "./cells";
import { button, make } from "./element";

export interface RowState {
  readonly row: Row;
  readonly pending: boolean;
  readonly rejected: Refusal | undefined;
  readonly drafts: readonly DraftHere[];
  readonly people: readonly Person[];
  readonly writable: boolean;
}

const AGAIN = 600; // ms before a cell that changes all the time flashes anew

export class RowView {
  readonly id: string;
  readonly element: HTMLElement;
  /** The column whose editor is open: its cell belongs to the person who types, and is not redrawn. */
  editing: Column | null = null;

  #cells: { readonly column: Column; readonly element: HTMLElement; flashed: number }[];
  #drawn: RowState | null = null;
  #place = -1; // among all rows, headers too

  /** `serial` makes the cells' ids unique on the page; row ids may hold anything. */
  constructor(id: string, columns: readonly Column[], serial: string) {
    this.id = id;
    this.#cells = columns.map((column, index) => ({ column, element: cell(column, index, `${serial}-${index}`), flashed: -Infinity }));
    const duplicate = button("ps-tool ps-duplicate", "❐", { tabindex: "-1", title: "Duplicate this row", "aria-label": "Duplicate this row" });
    const remove = button("ps-tool ps-delete", "×", { tabindex: "-1", title: "Delete this row", "aria-label": "Delete this row" });
    const tools = make("div", "ps-cell ps-tools", { role: "gridcell", "aria-colindex": String(columns.length + 1) }, duplicate, remove);
    const cells = this.#cells.map(({ element }) => element);
    this.element = make("div", "ps-row", { role: "row", "data-id": id }, ...cells, tools);
  }

  cell(column: number): HTMLElement | undefined {
    return this.#cells[column]?.element;
  }

  /** Where it stands: `heads` rows of headers come before the first. */
  stand(index: number, top: number, heads: number): void {
    this.element.style.transform = `translateY(${top}px)`;
    if (index + heads === this.#place) return;
    this.#place = index + heads;
    this.element.setAttribute("aria-rowindex", String(this.#place + 1));
  }

  draw(state: RowState): void {
    const drawn = this.#drawn;
    if (drawn && (Object.keys(state) as (keyof RowState)[]).every((part) => drawn[part] === state[part])) return;
    this.#drawn = state;
    const { row, pending, rejected, drafts } = state;
    this.element.classList.toggle("ps-pending", pending);
    this.element.classList.toggle("ps-ghost", drafts.some(({ values }) => values === null));
    const change = rejected?.changes.find(({ id }) => id === this.id);
    mark(this.element, change?.op === "delete" ? rejected!.why : null);
    for (const { column, element } of this.#cells) {
      const written = change && "values" in change && change.op !== "delete" && Object.hasOwn(change.values, column.name);
      mark(element, written ? rejected!.why : null);
      attend(element, state.people.filter(({ at }) => at?.column === column.name));
      // Most of a changed row's cells are as they were, and writing into the page is what costs. But a box that was
      // clicked has changed by itself.
      const kept = drawn && column.type !== "boolean" && !element.classList.contains("ps-draft") && drawn.drafts === drafts && drawn.writable === state.writable && same(drawn.row[column.name], row[column.name]);
      if (column !== this.editing && !kept) this.#fill(element, column, row, drafts, state.writable);
    }
  }

  /** Show once whose hand has changed these columns; all of them when the row is new here. */
  flash(by: Person, before: Row | undefined, now: number): void {
    const row = this.#drawn?.row;
    for (const each of this.#cells) {
      const { column, element } = each;
      if (column === this.editing || (before && row && same(before[column.name], row[column.name]))) continue;
      if (now - each.flashed < AGAIN) continue;
      each.flashed = now;
      element.style.setProperty("--ps-by", by.color || "var(--ps-brand)");
      const turn = element.classList.contains("ps-flash-a") ? "b" : "a"; // another name starts the animation anew
      element.classList.remove("ps-flash-a", "ps-flash-b");
      element.classList.add(`ps-flash-${turn}`);
    }
  }

  /** What is drawn of a column now. */
  get shown(): Row | undefined {
    return this.#drawn?.row;
  }

  /** Draw again what `draw` skipped while an editor was open. */
  stopEditing(): void {
    const column = this.editing;
    this.editing = null;
    const found = this.#cells.find((each) => each.column === column);
    const drawn = this.#drawn;
    if (found && column && drawn) this.#fill(found.element, column, drawn.row, drawn.drafts, drawn.writable);
  }

  #fill(element: HTMLElement, column: Column, row: Row, drafts: readonly DraftHere[], writable: boolean): void {
    const value = row[column.name];
    const draft = drafts.findLast(({ values, typing }) =>
      values && Object.hasOwn(values, column.name) && (typing || !same(fromWire(column.type, values[column.name]!), value)),
    );
    element.classList.toggle("ps-draft", draft !== undefined);
    element.classList.toggle("ps-typing", draft?.typing === true);
    if (!draft) {
      if (element.dataset["by"]) delete element.dataset["by"];
      fill(element, column, value, writable);
      return;
    }
    const { by, typing, values } = draft;
    element.dataset["by"] = initials(by.name);
    element.style.setProperty("--ps-by", by.color || "var(--ps-brand)");
    element.title = typing ? `${by.name} is typing` : `${by.name} has written this; the room has not decided it`;
    const wire = values![column.name]!;
    if (typing) element.textContent = String(wire);
    else fill(element, column, fromWire(column.type, wire), false);
  }
}

function cell(column: Column, index: number, id: string): HTMLElement {
  return make("div", `ps-cell ps-${column.type}`, {
    role: "gridcell", id, "data-column": column.name, "aria-colindex": String(index + 1),
  });
}

function fill(element: HTMLElement, column: Column, value: Value | undefined, writable: boolean): void {
  if (column.type === "boolean") return tick(element, column, value, writable);
  element.textContent = display(column, value);
}

function tick(element: HTMLElement, column: Column, value: Value | undefined, writable: boolean): void {
  let box = element.querySelector("input");
  if (!box) {
    box = make("input", "", { type: "checkbox", tabindex: "-1", "aria-label": column.name });
    element.replaceChildren(box);
  }
  box.checked = value === true;
  box.indeterminate = value === null || value === undefined;
  box.disabled = !writable;
}

/** Who else is at this cell. */
function attend(element: HTMLElement, people: readonly Person[]): void {
  const here = people[0];
  element.classList.toggle("ps-peer", here !== undefined);
  if (!here) {
    if (element.dataset["peer"]) delete element.dataset["peer"];
    return;
  }
  element.dataset["peer"] = people.map(({ name }) => initials(name)).join(" ");
  if (!element.title) element.title = people.map(({ name }) => name).join(", ");
  element.style.setProperty("--ps-peer", here.color || "var(--ps-brand)");
}

function mark(element: HTMLElement, why: string | null): void {
  element.classList.toggle("ps-rejected", why !== null);
  if (why !== null) element.title = why;
  else if (element.title) element.removeAttribute("title");
}

// The header: names, the way each column is sorted, a menu, an edge to drag; and the filters below it. A header is dragged
// to another place by its name.

import type { Column } from "../values";
import type { Columns } from "./columns";
import { button, make } from "./element";
import { HINT, readFilter } from "./filters";

const STARTS = 5; // px before a press becomes a drag

export interface HeadTarget {
  sort(name: string, also: boolean): void;
  resized(): void;
  moved(): void;
  filtered(): void;
  menu(name: string): void;
  /** Back to the rows. */
  leave(): void;
}

export class Head {
  readonly element = make("div", "ps-head", { role: "rowgroup" });
  #names = make("div", "ps-names", { role: "row", "aria-rowindex": "1" });
  #filters = make("div", "ps-filters", { role: "row", "aria-rowindex": "2" });
  #columns: Columns;
  #target: HeadTarget;
  #serial: string;
  #drawn = "";
  #active = -1;
  filtering = false;

  constructor(columns: Columns, target: HeadTarget, serial: string) {
    this.#columns = columns;
    this.#target = target;
    this.#serial = serial;
    this.element.append(this.#names);
    this.#names.addEventListener("click", (event) => this.#clicked(event));
    this.#names.addEventListener("pointerdown", (event) => this.#pressed(event));
    this.#names.addEventListener("dblclick", (event) => this.#doubled(event));
  }

  /** Rows of headers. */
  get rows(): number {
    return this.filtering ? 2 : 1;
  }

  cell(column: number): HTMLElement | undefined {
    return this.#names.children[column] as HTMLElement | undefined;
  }

  /** Draw the header; only when something about it is new, so that a pressed button stays the same button. */
  draw(active: number): void {
    const now = JSON.stringify([this.#columns.visible, this.#columns.layout.sort, this.filtering]);
    if (now !== this.#drawn) {
      this.#drawn = now;
      this.#active = -1;
      const tools = make("div", "ps-cell ps-th", { role: "columnheader", "aria-colindex": String(this.#columns.visible.length + 1) });
      tools.append(make("span", "ps-hidden ps-tools-head", {}, "Duplicate and delete"));
      this.#names.replaceChildren(...this.#columns.visible.map((column, index) => this.#header(column, index)), tools);
      this.#drawFilters();
    }
    if (active === this.#active) return;
    this.cell(this.#active)?.classList.remove("ps-active");
    this.cell(active)?.classList.add("ps-active");
    this.#active = active;
  }

  focusFilter(name: string): void {
    const place = this.#columns.indexOf(name);
    this.#filters.querySelectorAll("input")[Math.max(0, place)]?.focus();
  }

  #header(column: Column, index: number): HTMLElement {
    const sorted = this.#columns.sorted(column.name);
    const title = `${column.name}: ${column.type}${column.required ? ", required" : ""}`;
    const name = make("span", "ps-name", {}, column.name);
    const place = (this.#columns.layout.sort ?? []).findIndex(([other]) => other === column.name);
    const many = (this.#columns.layout.sort ?? []).length > 1;
    const arrow = make("span", "ps-arrow", { "aria-hidden": "true" }, sorted ? `${sorted === "ascending" ? "▲" : "▼"}${many ? place + 1 : ""}` : "");
    const menu = button("ps-menu-open", "⋮", { tabindex: "-1", "aria-label": `Menu of ${column.name}`, title: "Sort, filter, hide, move" });
    const edge = make("span", "ps-edge", { "aria-hidden": "true" });
    return make("div", `ps-cell ps-th ps-${column.type}`, {
      role: "columnheader", id: `${this.#serial}-h${index}`, title, "data-column": column.name,
      "aria-sort": sorted ?? "none", "aria-colindex": String(index + 1),
    }, name, arrow, menu, edge);
  }

  #drawFilters(): void {
    if (!this.filtering) {
      this.#filters.remove();
      return;
    }
    const cells = this.#columns.visible.map((column, index) => {
      const input = make("input", "ps-filter", { type: "text", "aria-label": `Filter ${column.name}`, title: HINT, placeholder: "filter", spellcheck: "false" });
      input.value = this.#columns.filterText(column.name);
      input.addEventListener("input", () => {
        const read = readFilter(column, input.value);
        const why = read?.op === "unread" ? read.why : "";
        input.setAttribute("aria-invalid", String(why !== ""));
        input.title = why || HINT;
        this.#columns.filter(column.name, input.value);
        this.#target.filtered();
      });
      input.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && input.value) {
          input.value = "";
          input.dispatchEvent(new Event("input"));
        } else if (["Escape", "Enter", "ArrowDown"].includes(event.key)) this.#target.leave();
        else return;
        event.preventDefault();
      });
      return make("div", "ps-cell", { role: "gridcell", "aria-colindex": String(index + 1) }, input);
    });
    const tools = make("div", "ps-cell", { role: "gridcell", "aria-colindex": String(cells.length + 1) });
    this.#filters.replaceChildren(...cells, tools);
    this.element.append(this.#filters);
  }

  // The pointer.

  #at(event: Event): { element: HTMLElement; name: string } | null {
    const element = (event.target as HTMLElement).closest<HTMLElement>("[data-column]");
    return element && { element, name: element.dataset["column"]! };
  }

  #clicked(event: MouseEvent): void {
    const at = this.#at(event);
    const target = event.target as HTMLElement;
    if (!at || target.closest(".ps-edge")) return;
    if (target.closest(".ps-menu-open")) this.#target.menu(at.name);
    else if (!at.element.dataset["dragged"]) this.#target.sort(at.name, event.shiftKey);
    delete at.element.dataset["dragged"];
  }

  #doubled(event: MouseEvent): void {
    const at = this.#at(event);
    if (!at || !(event.target as HTMLElement).closest(".ps-edge")) return;
    this.#columns.resize(at.name, null);
    this.#target.resized();
  }

  #pressed(event: PointerEvent): void {
    const at = this.#at(event);
    const target = event.target as HTMLElement;
    if (!at || event.button !== 0 || target.closest(".ps-menu-open")) return;
    if (target.closest(".ps-edge")) this.#resize(event, at);
    else this.#drag(event, at);
  }

  #resize(event: PointerEvent, at: { element: HTMLElement; name: string }): void {
    event.preventDefault();
    const start = at.element.getBoundingClientRect().width - event.clientX;
    this.#follow(event, (move) => {
      this.#columns.resize(at.name, start + move.clientX);
      this.#target.resized();
    }, () => {});
  }

  /** Drag a column by its name; a line shows where it will stand. */
  #drag(event: PointerEvent, at: { element: HTMLElement; name: string }): void {
    let to = -1;
    this.#follow(event, (move) => {
      if (to < 0 && Math.abs(move.clientX - event.clientX) < STARTS) return;
      const headers = [...this.#names.querySelectorAll<HTMLElement>("[data-column]")];
      const before = headers.filter((each) => {
        const box = each.getBoundingClientRect();
        return box.left + box.width / 2 < move.clientX;
      });
      for (const each of headers) each.classList.remove("ps-drop");
      (headers[before.length] ?? this.#names.lastElementChild)?.classList.add("ps-drop");
      to = before.filter((each) => each !== at.element).length;
      at.element.dataset["dragged"] = "yes"; // the click that ends it sorts nothing
    }, () => {
      for (const each of this.#names.children) each.classList.remove("ps-drop");
      if (to < 0) return;
      setTimeout(() => delete at.element.dataset["dragged"]);
      this.#columns.move(at.name, to);
      this.#target.moved();
    });
  }

  #follow(event: PointerEvent, moved: (move: PointerEvent) => void, ended: () => void): void {
    const stop = new AbortController();
    const end = () => {
      stop.abort();
      ended();
    };
    addEventListener("pointermove", moved, { signal: stop.signal });
    addEventListener("pointerup", end, { signal: stop.signal });
    addEventListener("pointercancel", end, { signal: stop.signal });
    event.stopPropagation();
  }
}

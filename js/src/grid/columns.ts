// The columns as one person has arranged them: which stand where, how wide, what the rows are sorted and filtered by.
// It is a matter of the view, never of the table; the widget's `arrangement` trait keeps it.

import type { Filter, Query } from "../query";
import type { Column } from "../values";
import { readFilter } from "./filters";

/** All of it is optional: what is not said is as it comes. `filters` are what a person typed, by column. */
export interface Layout {
  readonly order?: readonly string[];
  readonly hidden?: readonly string[];
  readonly widths?: { readonly [column: string]: number };
  readonly sort?: readonly (readonly [column: string, descending: boolean])[];
  readonly filters?: { readonly [column: string]: string };
  readonly search?: string;
}

const ID: Column = { name: "id", type: "text", choices: [], required: true, filled: false };
const NARROWEST = 40; // px
const WIDEST = 2_000;
export const TOOLS = 56; // px for the buttons at the end of a row
const LEAST: Record<Column["type"], number> = {
  boolean: 72, integer: 96, real: 96, bytes: 96, choice: 118, date: 128, json: 168, text: 168, datetime: 198,
};

/** What an object says of `name` itself: a column may be called `constructor`. */
function own<T>(said: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return said && Object.hasOwn(said, name) ? said[name] : undefined;
}

export class Columns {
  #all: readonly Column[] = [];
  #layout: Layout;
  visible: readonly Column[] = [];

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** Every column there is, in the order they stand, hidden ones too. */
  get all(): readonly Column[] {
    return this.#all;
  }

  /** Take the table's columns; returns whether anything about them is new. */
  take(columns: readonly Column[]): boolean {
    const known = [ID, ...columns.filter(({ name }) => name !== "id")];
    const before = JSON.stringify(this.#all);
    this.#all = this.#arranged(known);
    this.#choose();
    return JSON.stringify(this.#all) !== before;
  }

  /** Change the arrangement. */
  arrange(change: Layout): void {
    this.#layout = { ...this.#layout, ...change };
    this.#all = this.#arranged(this.#all);
    this.#choose();
  }

  reset(): void {
    this.#layout = {};
  }

  indexOf(name: string): number {
    return this.visible.findIndex((column) => column.name === name);
  }

  isHidden(name: string): boolean {
    return (this.#layout.hidden ?? ["id"]).includes(name);
  }

  hide(name: string, hidden: boolean): void {
    const others = (this.#layout.hidden ?? ["id"]).filter((other) => other !== name);
    this.arrange({ hidden: hidden ? [...others, name] : others });
  }

  /** Move a visible column so that it stands at `to` among the visible. */
  move(name: string, to: number): void {
    const names = this.#all.map((column) => column.name).filter((other) => other !== name);
    const shown = this.visible.map((column) => column.name).filter((other) => other !== name);
    const before = shown[to];
    names.splice(before === undefined ? names.length : names.indexOf(before), 0, name);
    this.arrange({ order: names });
  }

  width(column: Column): number {
    return own(this.#layout.widths, column.name) ?? Math.max(LEAST[column.type], 52 + 8 * column.name.length);
  }

  /** Null: as wide as it comes. */
  resize(name: string, width: number | null): void {
    const { [name]: _, ...widths } = { ...this.#layout.widths };
    const fits = width !== null && { [name]: Math.round(Math.min(WIDEST, Math.max(NARROWEST, width))) };
    this.arrange({ widths: { ...widths, ...fits } });
  }

  /** "ascending", "descending", or null if the rows are not sorted by it. */
  sorted(name: string): "ascending" | "descending" | null {
    const found = this.#layout.sort?.find(([column]) => column === name);
    return found ? (found[1] ? "descending" : "ascending") : null;
  }

  /** Sort by a column; null takes its sorting away. `also` keeps what the rows are sorted by already. */
  sort(name: string, direction: "ascending" | "descending" | null, also = false): void {
    const now = also ? (this.#layout.sort ?? []) : [];
    const wanted = direction === null ? [] : [[name, direction === "descending"] as const];
    const place = now.findIndex(([column]) => column === name);
    this.arrange({ sort: place < 0 ? [...now, ...wanted] : now.toSpliced(place, 1, ...wanted) });
  }

  filterText(name: string): string {
    return own(this.#layout.filters, name) ?? "";
  }

  filter(name: string, text: string): void {
    const { [name]: _, ...filters } = { ...this.#layout.filters };
    this.arrange({ filters: text === "" ? filters : { ...filters, [name]: text } });
  }

  /** What the table is asked for. A filter that cannot be read asks for nothing. */
  get query(): Query {
    const known = new Map(this.#all.map((column) => [column.name, column]));
    const filters: Filter[] = [];
    for (const [name, text] of Object.entries(this.#layout.filters ?? {})) {
      const column = known.get(name);
      const read = column && readFilter(column, text);
      if (read && read.op !== "unread") filters.push({ ...read, column: name });
    }
    const sort = (this.#layout.sort ?? []).filter(([name]) => known.has(name));
    return { sort, filters, search: this.#layout.search ?? "" };
  }

  /** CSS grid-template-columns; a column whose width a person has set keeps it, the others share what is left. */
  get template(): string {
    const tracks = this.visible.map((column) =>
      own(this.#layout.widths, column.name) === undefined ? `minmax(${this.width(column)}px, 1fr)` : `${this.width(column)}px`,
    );
    return [...tracks, `${TOOLS}px`].join(" ");
  }

  get total(): number {
    return this.visible.reduce((sum, column) => sum + this.width(column), TOOLS);
  }

  #choose(): void {
    this.visible = this.#all.filter(({ name }) => !this.isHidden(name));
  }

  /** Columns that the person's order does not name (they are new) follow those that it does. */
  #arranged(columns: readonly Column[]): readonly Column[] {
    const order = new Map(this.#layout.order?.map((name, place) => [name, place]));
    return [...columns].sort((a, b) => (order.get(a.name) ?? order.size) - (order.get(b.name) ?? order.size));
  }
}

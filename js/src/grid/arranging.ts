// How one person arranges the table: sorting, filtering, searching; columns narrower and wider, hidden, elsewhere.

import type { Layout } from "./columns";
import { openMenu } from "./menu";
import type { Stage } from "./stage";

const NEXT = { none: "ascending", ascending: "descending", descending: null } as const;

export class Arranging {
  #stage: Stage;
  #keep: (layout: Layout) => void;

  /** `keep` is told of every new arrangement. */
  constructor(stage: Stage, keep: (layout: Layout) => void) {
    this.#stage = stage;
    this.#keep = keep;
  }

  sort(name: string, also: boolean): void {
    const next = NEXT[this.#stage.columns.sorted(name) ?? "none"];
    this.#listed(() => this.#stage.columns.sort(name, next, also));
    this.#stage.notices.say(next === null ? `Not sorted by ${name}.` : `Sorted by ${name}, ${next}.`);
  }

  searched(text: string): void {
    this.#listed(() => this.#stage.columns.arrange({ search: text }));
  }

  filtered(): void {
    this.#listed(() => {});
  }

  toggleFilters(): void {
    const { head, columns } = this.#stage;
    head.filtering = !head.filtering;
    if (!head.filtering && columns.query.filters.length) this.#listed(() => columns.arrange({ filters: {} }));
    this.#stage.draw();
    const active = this.#active();
    if (head.filtering && active) head.focusFilter(active);
  }

  leave(): void {
    this.#stage.focus();
  }

  resized(): void {
    this.#keep(this.#stage.columns.layout);
    this.layOut();
    this.#stage.schedule();
  }

  moved(): void {
    this.#keep(this.#stage.columns.layout);
    this.#stage.rebuild();
  }

  // What keys ask for: it is about the column of the active cell.

  sortActive(also: boolean): void {
    const name = this.#active();
    if (name !== undefined) this.sort(name, also);
  }

  resizeActive(by: number): void {
    const { columns, head, selection } = this.#stage;
    const column = columns.visible[selection.active.column];
    if (!column) return;
    const width = head.cell(selection.active.column)?.offsetWidth || columns.width(column);
    columns.resize(column.name, width + by);
    this.resized();
  }

  openMenu(): void {
    const name = this.#active();
    if (name !== undefined) this.menu(name);
  }

  #active(): string | undefined {
    return this.#stage.columns.visible[this.#stage.selection.active.column]?.name;
  }

  // Menus.

  menu(name: string): void {
    const { columns, head } = this.#stage;
    const place = columns.indexOf(name);
    const sort = (direction: "ascending" | "descending" | null) => () => this.#listed(() => columns.sort(name, direction));
    const arrange = (change: () => void) => () => {
      change();
      this.moved();
    };
    this.#menu(head.cell(place)!.getBoundingClientRect(), `Column ${name}`, [
      { text: "Sort ascending", checked: columns.sorted(name) === "ascending", run: sort("ascending") },
      { text: "Sort descending", checked: columns.sorted(name) === "descending", run: sort("descending") },
      { text: "Not sorted", disabled: !columns.sorted(name), run: sort(null) },
      { text: "Filter…", run: () => this.#filterBy(name) },
      { text: "Move left", disabled: place === 0, run: arrange(() => columns.move(name, place - 1)) },
      { text: "Move right", disabled: place === columns.visible.length - 1, run: arrange(() => columns.move(name, place + 1)) },
      { text: "Width as it comes", run: arrange(() => columns.resize(name, null)) },
      { text: "Hide", disabled: columns.visible.length === 1, run: arrange(() => columns.hide(name, true)) },
    ]);
  }

  #filterBy(name: string): void {
    this.#stage.head.filtering = true;
    this.#stage.draw();
    this.#stage.head.focusFilter(name);
  }

  chooseColumns(anchor: DOMRect): void {
    const { columns } = this.#stage;
    const each = columns.all.map(({ name }) => ({
      text: name,
      checked: !columns.isHidden(name),
      disabled: !columns.isHidden(name) && columns.visible.length === 1,
      run: () => {
        columns.hide(name, !columns.isHidden(name));
        this.moved();
      },
    }));
    this.#menu(anchor, "Columns", [...each, { text: "Everything as it comes", run: () => this.#reset() }]);
  }

  #reset(): void {
    const { columns, table, bar, head } = this.#stage;
    columns.reset();
    columns.take(table.columns);
    bar.search("");
    head.filtering = false;
    this.#listed(() => {});
    this.moved();
  }

  #menu(anchor: DOMRect, label: string, items: Parameters<typeof openMenu>[3]): void {
    openMenu(this.#stage.root, anchor, label, items, () => this.#stage.focus());
  }

  /** Something about which rows are listed, and in which order, is new. */
  #listed(change: () => void): void {
    change();
    this.#keep(this.#stage.columns.layout);
    this.#stage.relist();
  }

  /** The widths, where grid.css reads them. */
  layOut(): void {
    const { root, grid, columns } = this.#stage;
    root.style.setProperty("--ps-columns", columns.template);
    root.style.setProperty("--ps-width", `${columns.total}px`);
    grid.setAttribute("aria-colcount", String(columns.visible.length + 1));
  }
}

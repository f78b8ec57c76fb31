// regular-table draws its own <table>, cells pooled by place. A style listener adds what the other grids have: the
// index, the key of each row, and roles where the native ones would not do. All columns fit, so that virtual mode "both"
// draws them all; "vertical" never ends (finos/regular-table#129, still so in 0.9.2).

import "regular-table";
import "regular-table/dist/css/sub-cell-scrolling.css";
import type { RegularTableElement } from "regular-table";
import { ROW } from "../../src/grid/window";
import { COLUMNS, offer, type Grid, type Row } from "./grid";

class RegularGrid implements Grid {
  readonly scroller = document.createElement("regular-table") as RegularTableElement;
  #edited = { id: "", field: null as HTMLElement | null };

  async mount(root: HTMLElement, rows: Row[]): Promise<void> {
    root.append(this.scroller);
    this.scroller.restoreColumnSizes(Object.fromEntries(COLUMNS.map((_, column) => [column, 90])));
    this.scroller.setDataListener(async (x0: number, y0: number, x1: number, y1: number) => {
      const end = Math.min(x1, COLUMNS.length);
      const part = rows.slice(y0, y1);
      const data = Array.from({ length: Math.max(0, end - x0) }, (_, x) => part.map((row) => this.#cell(row, x0 + x)));
      return {
        num_rows: rows.length,
        num_columns: COLUMNS.length,
        row_height: ROW,
        column_headers: COLUMNS.slice(x0, end).map((name) => [name]),
        data,
      };
    });
    this.scroller.addStyleListener(() => {
      const table = this.scroller.querySelector("table")!;
      table.setAttribute("role", "grid");
      table.setAttribute("aria-rowcount", String(rows.length + 1));
      for (const tr of table.tBodies[0]!.rows) {
        const meta = this.scroller.getMeta(tr.cells[0]!);
        const index = meta && "y" in meta ? meta.y : undefined;
        const row = index === undefined ? undefined : rows[index];
        if (!row) continue;
        tr.dataset["id"] = row[0];
        tr.setAttribute("aria-rowindex", String(index! + 2));
        for (const [column, td] of [...tr.cells].entries()) td.id = `${row[0]}-${COLUMNS[column]}`;
      }
    });
    await this.draw();
  }

  draw(): Promise<void> {
    return this.scroller.draw();
  }

  reveal(index: number): Promise<void> {
    return this.scroller.scrollToCell(0, index);
  }

  /** Its own way to place an element: hand it over as the cell's value. */
  async edit(id: string, field: HTMLElement): Promise<void> {
    this.#edited = { id, field };
    await this.draw();
  }

  #cell(row: Row, column: number): any { // its types know scalars, its code elements, too
    return column === 1 && row[0] === this.#edited.id ? this.#edited.field : row[column + 1];
  }
}

offer(new RegularGrid());

// The columns: their headers, and how wide each stands.

import type { Column } from "../values";
import { make } from "./element";

const TOOLS = 32; // px for the button that deletes the row
const LEAST: Record<Column["type"], number> = {
  boolean: 64, integer: 88, real: 88, bytes: 88, choice: 110, date: 120, json: 160, text: 160, datetime: 190,
};

/** Fill the header row, and give `root` the widths that grid.css lays rows out by. */
export function drawHead(head: HTMLElement, columns: readonly Column[], root: HTMLElement): void {
  const tools = make("div", "ps-cell", { role: "columnheader", "aria-label": "Delete" });
  head.replaceChildren(...columns.map(header), tools);
  const widths = columns.map((column) => Math.max(LEAST[column.type], 24 + 8 * column.name.length));
  root.style.setProperty("--ps-columns", [...widths.map((width) => `minmax(${width}px, 1fr)`), `${TOOLS}px`].join(" "));
  root.style.setProperty("--ps-width", `${widths.reduce((sum, width) => sum + width, TOOLS)}px`);
}

function header(column: Column): HTMLElement {
  const title = `${column.name}: ${column.type}${column.required ? ", required" : ""}`;
  return make("div", `ps-cell ps-${column.type}`, { role: "columnheader", title }, column.name);
}

// What the pointer does over the rows: a press makes a cell the active one, a drag selects, two clicks edit; a checkbox is
// ticked where it stands, and a row's own buttons do what they say. A finger that drags, scrolls.

import { can } from "./bar";
import { duplicate } from "./clipboard";
import type { Editing } from "./editing";
import type { Stage } from "./stage";

export function listenForPointer(stage: Stage, editing: Editing, signal: AbortSignal): void {
  const { grid, table, columns, selection } = stage;

  /** The row and column under an event; null outside the rows, column -1 beside the columns. */
  const at = (event: Event): { id: string; row: number; column: number } | null => {
    const target = event.target as HTMLElement;
    const id = target.closest<HTMLElement>(".ps-row")?.dataset["id"];
    const name = target.closest<HTMLElement>("[role=gridcell]")?.dataset["column"];
    const row = id === undefined ? -1 : stage.listing.indexOf(id);
    return id === undefined || row < 0 ? null : { id, row, column: name === undefined ? -1 : columns.indexOf(name) };
  };

  const sweep = () => {
    const stop = new AbortController();
    grid.addEventListener("pointermove", (move) => {
      const over = at(move);
      if (!over || over.column < 0 || editing.active) return;
      const { active } = selection;
      if (over.row === active.row && over.column === active.column) return;
      getSelection()?.removeAllRanges(); // of text
      selection.set({ id: over.id, row: over.row, column: over.column }, true);
      stage.schedule();
    }, { signal: stop.signal });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => stop.abort(), { signal: stop.signal });
  };

  grid.addEventListener("pointerdown", (event) => {
    const pressed = at(event);
    if (!pressed || pressed.column < 0 || event.button !== 0 || (event.target as HTMLElement).closest(".ps-editor")) return;
    stage.activate(pressed.row, pressed.column, event.shiftKey);
    if (event.pointerType !== "touch") sweep();
  }, { signal });

  grid.addEventListener("dblclick", (event) => {
    const pressed = at(event);
    if (pressed && pressed.column >= 0) editing.open();
  }, { signal });

  grid.addEventListener("click", (event) => {
    const tool = (event.target as HTMLElement).closest(".ps-tool");
    const row = tool && table.rows.get(at(event)?.id ?? "");
    if (!tool || !row) return;
    const deletes = tool.classList.contains("ps-delete");
    if (can(table.status, deletes ? "delete" : "insert")) stage.make([deletes ? { delete: row.id } : duplicate(row, table.columns)]);
    stage.focus();
  }, { signal });

  grid.addEventListener("change", (event) => {
    const box = event.target as HTMLInputElement;
    const ticked = at(event);
    if (box.type !== "checkbox" || !ticked || ticked.column < 0) return;
    stage.make([{ update: ticked.id, values: { [columns.visible[ticked.column]!.name]: box.checked } }]);
    stage.focus();
  }, { signal });
}

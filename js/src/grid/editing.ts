// The one open editor of a grid: opened on the active cell, seen by the others as it is typed into, committed or taken back.

import type { Column } from "../values";
import { can } from "./bar";
import { canEdit, Editor } from "./editor";
import { focused } from "./menu";
import type { RowView } from "./row";
import type { Stage } from "./stage";
import { Typing } from "./typing";

interface Open {
  readonly editor: Editor;
  readonly row: RowView;
  readonly column: Column;
  readonly typing: Typing;
  /** Why what stands there cannot be taken. */
  why: string | null;
}

export class Editing {
  #stage: Stage;
  #serial: string;
  #count = 0;
  #open: Open | null = null;

  constructor(stage: Stage, serial: string) {
    this.#stage = stage;
    this.#serial = serial;
  }

  get active(): boolean {
    return this.#open !== null;
  }

  /** The row whose editor is open. */
  get row(): RowView | undefined {
    return this.#open?.row;
  }

  get why(): string | null {
    return this.#open?.why ?? null;
  }

  /** Open the editor of the active cell; with `typed`, on that text instead of the value. A checkbox is ticked. */
  open(typed?: string): void {
    const { selection, columns, table, pane, listing, notices } = this.#stage;
    const { active } = selection;
    const column = columns.visible[active.column];
    const row = table.rows.get(active.id);
    if (!column || !row || this.#open || !canEdit(column)) return;
    if (!can(table.status, "update")) return notices.say("This table is read-only.");
    if (column.type === "boolean") {
      if (typed === undefined || typed === " ") this.#stage.make([{ update: row.id, values: { [column.name]: row[column.name] !== true } }]);
      return;
    }
    pane.reveal(active.row, listing.size);
    this.#stage.draw();
    const view = pane.row(row.id);
    if (!view) return;
    const typing = new Typing(table, `${this.#serial}-${++this.#count}-${table.page}`, { id: row.id, column: column.name });
    this.#show({ editor: new Editor(column, row[column.name], typed), row: view, column, typing, why: null }, active.column, typed);
  }

  #show(open: Open, place: number, typed: string | undefined): void {
    this.#open = open;
    const { editor, row, column, typing } = open;
    row.editing = column;
    row.cell(place)!.replaceChildren(editor.field);
    const heard = () => {
      typing.typed(editor.field.value);
      open.why = editor.check();
      this.#stage.say();
    };
    editor.field.addEventListener("input", heard);
    editor.field.addEventListener("blur", () => this.#open === open && this.commit());
    editor.focus(typed === undefined);
    if (typed !== undefined) heard();
  }

  /** Take what was typed. Returns false, and leaves the editor open, when it cannot be. */
  commit(): boolean {
    if (!this.#open) return true;
    const { editor, row, column, typing } = this.#open;
    if (!editor.changed) {
      this.close(false);
      return true;
    }
    this.#open.why = editor.check();
    if (this.#open.why !== null) {
      this.#stage.say();
      return false;
    }
    const value = editor.read();
    this.close(true);
    this.#stage.make([{ update: row.id, values: { [column.name]: value } }], typing.told ? typing.key : undefined);
    return true;
  }

  /** Close the editor; unless what was typed is `taken`, the others see no more of it. */
  close(taken: boolean): void {
    const open = this.#open;
    if (!open) return;
    this.#open = null; // first: removing the field fires blur
    open.typing.end(taken);
    const had = focused(this.#stage.root) === open.editor.field;
    open.row.stopEditing();
    if (had) this.#stage.focus();
    this.#stage.schedule();
  }
}

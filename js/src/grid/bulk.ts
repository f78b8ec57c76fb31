// Edits of many cells and of whole rows, and the clipboard. Each is one mutation: all of it, or nothing and a sentence.

import { MOST } from "../listing";
import type { Column, Row } from "../values";
import { can } from "./bar";
import { blankRow, count, duplicate, fromText, planClear, planFill, planPaste, reach, told, toText, type Plan } from "./clipboard";
import type { Editing } from "./editing";
import { canEdit } from "./editor";
import { focused } from "./menu";
import type { Stage } from "./stage";

export class Bulk {
  #stage: Stage;
  #editing: Editing;

  constructor(stage: Stage, editing: Editing) {
    this.#stage = stage;
    this.#editing = editing;
  }

  clear(): void {
    this.#perform(planClear, "emptied");
  }

  fillDown(): void {
    this.#perform(planFill, "filled");
  }

  undo(): void {
    this.#tookBack(this.#stage.table.undo(), "Undone", "There is nothing to undo.");
  }

  redo(): void {
    this.#tookBack(this.#stage.table.redo(), "Done again", "There is nothing to redo.");
  }

  #tookBack(others: number | undefined, done: string, nothing: string): void {
    const { notices } = this.#stage;
    if (others === undefined) notices.say(nothing);
    else if (others) notices.complain(`${done}, but for ${count(others, "cell")} that somebody else has changed since.`);
    else notices.say(`${done}.`);
  }

  addRow(): void {
    const { table, columns, listing, selection } = this.#stage;
    if (!this.#editing.commit() || !table.ready || !can(table.status, "insert")) return;
    const [id] = this.#stage.make([blankRow(table.columns, new Date())]);
    const row = listing.indexOf(id!);
    if (row < 0) return this.#stage.notices.complain("The new row is not in sight: the filters leave it out.");
    const first = columns.visible.findIndex(canEdit);
    this.#stage.activate(row, Math.max(0, first));
    this.#stage.focus();
    if (first >= 0 && selection.active.id === id) this.#editing.open();
  }

  duplicateRows(): void {
    const { table, listing, selection, notices } = this.#stage;
    const rows = can(table.status, "insert") ? this.#chosen() : null;
    if (!rows?.length) return;
    const [first] = this.#stage.make(rows.map((row) => duplicate(row, table.columns)));
    notices.say(`${count(rows.length, "row")} duplicated.`);
    const place = listing.indexOf(first!);
    if (place >= 0) this.#stage.activate(place, selection.active.column);
  }

  deleteRows(): void {
    const { table, selection, notices } = this.#stage;
    const rows = can(table.status, "delete") ? this.#chosen() : null;
    if (!rows?.length) return;
    this.#stage.make(rows.map(({ id }) => ({ delete: id })));
    notices.say(`${count(rows.length, "row")} deleted.`);
    selection.collapse();
  }

  /** The selected rows, or null and a notice when they are not all here. */
  #chosen(): Row[] | null {
    const { selection, listing } = this.#stage;
    const { top, bottom } = selection.range;
    const rows: Row[] = [];
    for (let index = top; index <= Math.min(bottom, listing.size - 1); index++) {
      const row = listing.at(index);
      if (!row) {
        this.#fetch(top, bottom + 1);
        return null;
      }
      rows.push(row);
    }
    return rows;
  }

  /** Have rows brought that were selected out of sight. */
  #fetch(first: number, end: number): void {
    const { notices, listing } = this.#stage;
    if (end - first > MOST) {
      const most = `at most ${count(MOST, "row")} can be changed or copied at once`;
      return notices.complain(`${count(end - first, "row")} are selected; ${most}. In Python there is no such limit.`);
    }
    notices.complain("The selected rows were out of sight and are being fetched; do that again in a moment.");
    void listing.fetch(first, end).then(() => notices.settle());
  }

  #perform(plan: (rows: readonly Row[], columns: readonly Column[]) => Plan, done: string): void {
    const { selection, table, columns } = this.#stage;
    if (selection.active.row < 0 || !can(table.status, "update")) return;
    const rows = this.#chosen();
    if (!rows?.length) return;
    const { left, right } = selection.range;
    this.#carryOut(plan(rows, columns.visible.slice(left, right + 1)), done);
  }

  #carryOut(plan: Plan, done: string): boolean {
    const { notices } = this.#stage;
    if (plan.problems.length) {
      notices.complain(`Nothing was changed. ${told(plan.problems)}`);
      return false;
    }
    this.#stage.make(plan.edits);
    notices.say(`${count(plan.height * plan.width, "cell")} ${done}.`);
    return true;
  }

  // The clipboard. The browser's own events: they ask nobody for permission. They begin where text is selected, or at the
  // body, and not at what has the focus (w3.org/TR/clipboard-apis, "fire a clipboard event").

  listen(signal: AbortSignal): void {
    document.addEventListener("copy", (event) => this.#copied(event), { signal });
    document.addEventListener("cut", (event) => this.#copied(event) && this.clear(), { signal });
    document.addEventListener("paste", (event) => this.#pasted(event), { signal });
  }

  get #mine(): boolean {
    return !this.#editing.active && focused(this.#stage.grid) === this.#stage.grid;
  }

  #copied(event: ClipboardEvent): boolean {
    if (!this.#mine) return false;
    event.preventDefault();
    const { selection, columns, notices } = this.#stage;
    const { left, right } = selection.range;
    const chosen = columns.visible.slice(left, right + 1);
    if (selection.active.row < 0) {
      event.clipboardData?.setData("text/plain", chosen.map(({ name }) => name).join("\t"));
      return false;
    }
    const rows = this.#chosen();
    if (!rows) return false;
    event.clipboardData?.setData("text/plain", toText(rows, chosen));
    notices.say(`${count(rows.length * chosen.length, "cell")} copied.`);
    return true;
  }

  #pasted(event: ClipboardEvent): void {
    const { selection, table } = this.#stage;
    if (!this.#mine || selection.active.row < 0) return;
    event.preventDefault();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text !== "" && can(table.status, "update")) void this.paste(text);
  }

  async paste(text: string): Promise<void> {
    const { selection, listing, notices, columns, table } = this.#stage;
    const block = fromText(text);
    const { top, bottom, left, right } = selection.range;
    const height = reach(block, bottom - top + 1);
    if (height > MOST) {
      const most = `at most ${count(MOST, "row")} can be pasted at once`;
      return notices.complain(`What you paste has ${count(height, "row")}; ${most}. In Python, insert_many takes as many as there are.`);
    }
    const end = Math.min(top + height, listing.size);
    if (!listing.want(top, end)) await listing.fetch(top, end);
    const rows: Row[] = [];
    for (let index = top; index < end; index++) {
      const row = listing.at(index);
      if (!row) return notices.complain("Nothing was changed. The rows below have moved meanwhile; paste again.");
      rows.push(row);
    }
    const plan = planPaste(block, {
      columns: columns.visible.slice(left), all: table.columns, rows, number: top + 1,
      height: bottom - top + 1, width: right - left + 1,
      grows: can(table.status, "insert"),
    });
    if (!this.#carryOut(plan, "pasted")) return;
    const last = Math.min(top + plan.height, listing.size) - 1;
    const spot = (row: number, column: number) => ({ id: listing.at(row)?.id ?? "", row, column });
    selection.span(spot(top, left), spot(last, left + plan.width - 1));
    this.#stage.draw();
  }
}

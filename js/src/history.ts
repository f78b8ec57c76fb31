// Undo and redo of the edits made on this page. What takes an edit back names what it wrote, so that the room leaves
// alone whatever somebody else has written since (`put_back` in partysync_widget/core/built_in.py).

import { toWire, type Column, type Row } from "./values";
import type { Change, Edit, WireValues } from "./wire";

const KEPT = 200; // edits

type Back = Extract<Change, { op: "back" }>;

export class History {
  #undo: { n: string; back: readonly Back[] }[] = [];
  #redo: { n: string; back: readonly Back[] }[] = [];

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }

  get canRedo(): boolean {
    return this.#redo.length > 0;
  }

  /** Note an edit that was just made, with what takes it back. */
  made(edit: Edit, back: readonly Back[]): void {
    if (back.length === 0) return;
    this.#undo.push({ n: edit.n, back });
    if (this.#undo.length > KEPT) this.#undo.shift();
    this.#redo = [];
  }

  /** The newest edit to take back; `undone` says under which number that is done. */
  undo(): readonly Back[] | undefined {
    return this.#undo.at(-1)?.back;
  }

  redo(): readonly Back[] | undefined {
    return this.#redo.at(-1)?.back;
  }

  undone(n: string): void {
    const last = this.#undo.pop();
    if (last) this.#redo.push({ n, back: reversed(last.back) });
  }

  redone(n: string): void {
    const last = this.#redo.pop();
    if (last) this.#undo.push({ n, back: reversed(last.back) });
  }

  /** An edit was refused: there is nothing to take back. */
  refused(n: string): void {
    this.#undo = this.#undo.filter((each) => each.n !== n);
    this.#redo = this.#redo.filter((each) => each.n !== n);
  }
}

function reversed(backs: readonly Back[]): Back[] {
  return backs.map((back) => ({ ...back, before: back.after, after: back.before })).reverse();
}

/** What takes `change` back, given the row before it and where that stood. Undefined if it changes nothing. */
export function backOf(change: Change, row: Row | undefined, at: number | null, columns: readonly Column[]): Back | undefined {
  const values = (names: readonly string[], from: Row): WireValues => {
    const types = new Map(columns.map((column) => [column.name, column.type]));
    return Object.fromEntries(names.map((name) => [name, toWire(types.get(name) ?? "json", from[name] ?? null)]));
  };
  const { id } = change;
  switch (change.op) {
    case "back": return undefined;
    case "delete": return row && { op: "back", id, at, before: values(columns.map(({ name }) => name), row), after: null };
    case "update": return row && { op: "back", id, at, before: values(Object.keys(change.values), row), after: change.values };
    case "insert": {
      // What was left empty must still be, but for what the room fills in.
      const left = columns.filter(({ name, filled }) => !filled && !Object.hasOwn(change.values, name));
      const after = { ...Object.fromEntries(left.map(({ name }) => [name, null])), ...change.values };
      return { op: "back", id, at, before: null, after };
    }
  }
}

// What keys do, after the WAI-ARIA grid pattern: arrows move, Enter or typing edits, Escape takes it back. One table: the
// help sheet is drawn from it, so it cannot leave a key out.
//
// A key that is ours must not go on to JupyterLab, where a plain "a" puts in a cell and "d d" deletes one. Lab knows text
// fields, but not that a select is one; and Shift+Enter, which breaks a line here, would run the cell there.

import type { Arranging } from "./arranging";
import type { Bar } from "./bar";
import type { Bulk } from "./bulk";
import type { Editing } from "./editing";
import type { Selection } from "./selection";

/** What keys act upon. */
export interface KeyTarget {
  readonly editing: Editing;
  readonly bulk: Bulk;
  readonly arranging: Arranging;
  readonly bar: Bar;
  readonly selection: Selection;
  readonly onHeader: boolean;
  readonly page: number;
  move(rows: number, columns: number, extend?: boolean): void;
  selectAll(): void;
  selectRows(): void;
  selectColumn(): void;
  draw(): void;
  help(): void;
}

interface Shortcut {
  readonly chords: readonly string[];
  readonly help: string;
  run(target: KeyTarget, chord: string): void;
}

const FAR = Number.MAX_SAFE_INTEGER;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

/** Chords are written as Ctrl+Alt+Shift+Key; Ctrl stands for Cmd, too. */
export const SHORTCUTS: readonly { title: string; keys: readonly Shortcut[] }[] = [
  { title: "Move", keys: [
    { chords: Object.keys(ARROWS), help: "one cell; up from the first row to the header", run: (t, chord) => t.move(...ARROWS[chord]!) },
    { chords: arrows("Ctrl+"), help: "to the edge", run: (t, chord) => far(t, chord) },
    { chords: ["PageUp", "PageDown"], help: "one screen", run: (t, chord) => t.move(chord === "PageUp" ? -t.page : t.page, 0) },
    { chords: ["Home", "End"], help: "to the first or last column", run: (t, chord) => t.move(0, chord === "Home" ? -FAR : FAR) },
    { chords: ["Ctrl+Home", "Ctrl+End"], help: "to the first or last cell", run: (t, chord) => corner(t, chord) },
  ] },
  { title: "Select", keys: [
    { chords: arrows("Shift+"), help: "more cells", run: (t, chord) => t.move(...ARROWS[last(chord)]!, true) },
    { chords: arrows("Ctrl+Shift+"), help: "to the edge", run: (t, chord) => far(t, chord, true) },
    { chords: ["Shift+PageUp", "Shift+PageDown"], help: "one screen more", run: (t, chord) => t.move(chord.endsWith("Up") ? -t.page : t.page, 0, true) },
    { chords: ["Shift+Home", "Shift+End"], help: "to the first or last column", run: (t, chord) => t.move(0, chord.endsWith("Home") ? -FAR : FAR, true) },
    { chords: ["Ctrl+A"], help: "everything", run: (t) => t.selectAll() },
    { chords: ["Shift+Space"], help: "whole rows", run: (t) => t.selectRows() },
    { chords: ["Ctrl+Space"], help: "the whole column", run: (t) => t.selectColumn() },
  ] },
  { title: "Edit", keys: [
    { chords: ["Enter", "F2"], help: "edit the cell (on the header: sort)", run: (t) => (t.onHeader ? t.arranging.sortActive(false) : t.editing.open()) },
    { chords: ["Space"], help: "tick a checkbox (on the header: sort)", run: (t) => (t.onHeader ? t.arranging.sortActive(false) : t.editing.open(" ")) },
    { chords: ["Escape"], help: "take back what is being typed; select one cell only", run: (t) => collapse(t) },
    { chords: ["Delete", "Backspace"], help: "empty the cells", run: (t) => t.bulk.clear() },
    { chords: ["Ctrl+D"], help: "fill down", run: (t) => t.bulk.fillDown() },
    { chords: ["Ctrl+Z"], help: "undo your last edit", run: (t) => t.bulk.undo() },
    { chords: ["Ctrl+Y", "Ctrl+Shift+Z"], help: "redo it", run: (t) => t.bulk.redo() },
  ] },
  { title: "Rows", keys: [
    { chords: ["Alt+Enter", "Insert"], help: "a new row", run: (t) => t.bulk.addRow() },
    { chords: ["Ctrl+Shift+D"], help: "duplicate the rows", run: (t) => t.bulk.duplicateRows() },
    { chords: ["Ctrl+Delete", "Ctrl+Backspace"], help: "delete the rows", run: (t) => t.bulk.deleteRows() },
  ] },
  { title: "Columns", keys: [
    { chords: ["Alt+ArrowDown", "ContextMenu", "Shift+F10"], help: "menu: sort, filter, hide, move", run: (t) => t.arranging.openMenu() },
    { chords: ["Shift+Enter"], help: "on the header: sort by this, too", run: (t) => t.arranging.sortActive(true) },
    { chords: ["Alt+Shift+ArrowLeft", "Alt+Shift+ArrowRight"], help: "narrower, wider", run: (t, chord) => t.arranging.resizeActive(chord.endsWith("Left") ? -16 : 16) },
  ] },
  { title: "Table", keys: [
    { chords: ["Ctrl+F"], help: "search", run: (t) => t.bar.search() },
    { chords: ["Ctrl+Shift+F"], help: "filters above the columns", run: (t) => t.arranging.toggleFilters() },
    { chords: ["?"], help: "this sheet", run: (t) => t.help() },
  ] },
];

/** Keys that the browser turns into copy, cut and paste; the sheet names them too. */
export const CLIPBOARD = { chords: ["Ctrl+C", "Ctrl+X", "Ctrl+V"], help: "copy, cut, paste, to and from spreadsheets" };

const BY_CHORD = new Map(SHORTCUTS.flatMap(({ keys }) => keys.flatMap((key) => key.chords.map((chord) => [chord, key] as const))));

export function listenForKeys(target: KeyTarget, grid: HTMLElement, signal: AbortSignal): void {
  grid.addEventListener("keydown", (event) => {
    const editing = target.editing.active;
    const from = event.target as HTMLElement;
    if (!editing && from !== grid) return; // a filter's, or a checkbox's
    const handled = editing ? whileEditing(target, event) : whileMoving(target, event);
    if (handled) event.preventDefault();
    if (handled || (editing && !event.ctrlKey && !event.metaKey)) event.stopPropagation();
  }, { signal });
}

/** Returns whether the key was ours. */
function whileMoving(target: KeyTarget, event: KeyboardEvent): boolean {
  if (event.isComposing) return false;
  const chord = chordOf(event);
  if (chord === "Shift+Enter" && !target.onHeader) return false; // the notebook's: it runs the cell
  const found = BY_CHORD.get(chord);
  if (found) {
    found.run(target, chord);
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || [...event.key].length !== 1) return false;
  if (!target.onHeader) target.editing.open(event.key);
  return true;
}

function whileEditing(target: KeyTarget, event: KeyboardEvent): boolean {
  if (event.isComposing) return false; // Enter ends the composition, not the edit
  switch (event.key) {
    case "Escape": target.editing.close(false); return true;
    case "Enter":
      if (event.shiftKey || event.altKey) return false; // a line break, in a text
      if (target.editing.commit()) target.move(1, 0);
      return true;
    case "Tab":
      if (target.editing.commit()) target.move(0, event.shiftKey ? -1 : 1);
      return true;
  }
  return false;
}

export function chordOf(event: KeyboardEvent): string {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const shift = event.shiftKey && (key.length > 1 || /[A-Z]/.test(key));
  return [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", shift ? "Shift" : "", key].filter(Boolean).join("+");
}

function arrows(modifiers: string): string[] {
  return Object.keys(ARROWS).map((arrow) => modifiers + arrow);
}

function last(chord: string): string {
  return chord.slice(chord.lastIndexOf("+") + 1);
}

function far(target: KeyTarget, chord: string, extend = false): void {
  const [rows, columns] = ARROWS[last(chord)]!;
  target.move(rows * FAR, columns * FAR, extend);
}

function collapse(target: KeyTarget): void {
  target.selection.collapse();
  target.draw();
}

function corner(target: KeyTarget, chord: string): void {
  const far = chord.endsWith("Home") ? -FAR : FAR;
  target.move(far, far);
}

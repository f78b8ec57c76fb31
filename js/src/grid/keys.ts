// What keys do, after the WAI-ARIA grid pattern: arrows move, Enter or typing edits, Escape takes it back.
//
// A key that is ours must not go on to JupyterLab, where a plain "a" puts in a cell and "d d" deletes one. Lab knows text
// fields, but not that a select is one; and Shift+Enter, which breaks a line here, would run the cell there. Keys with
// Ctrl or Meta stay Lab's, so that Ctrl+S still saves.

export interface KeyTarget {
  readonly editing: boolean;
  readonly page: number;
  move(rows: number, columns: number): void;
  edit(typed?: string): void;
  commit(): boolean;
  cancel(): void;
}

const FAR = Number.MAX_SAFE_INTEGER;

export function listenForKeys(target: KeyTarget, grid: HTMLElement, signal: AbortSignal): void {
  grid.addEventListener("keydown", (event) => {
    const { editing } = target;
    const handled = editing ? whileEditing(target, event) : whileMoving(target, event);
    if (handled) event.preventDefault();
    if (handled || (editing && !event.ctrlKey && !event.metaKey)) event.stopPropagation();
  }, { signal });
}

/** Returns whether the key was ours. */
function whileMoving(target: KeyTarget, event: KeyboardEvent): boolean {
  const far = event.ctrlKey || event.metaKey;
  switch (event.key) {
    case "ArrowUp": target.move(far ? -FAR : -1, 0); return true;
    case "ArrowDown": target.move(far ? FAR : 1, 0); return true;
    case "ArrowLeft": target.move(0, far ? -FAR : -1); return true;
    case "ArrowRight": target.move(0, far ? FAR : 1); return true;
    case "PageUp": target.move(-target.page, 0); return true;
    case "PageDown": target.move(target.page, 0); return true;
    case "Home": target.move(far ? -FAR : 0, -FAR); return true;
    case "End": target.move(far ? FAR : 0, FAR); return true;
    case "F2": target.edit(); return true;
    case "Enter":
      if (far || event.shiftKey) return false; // the notebook's
      target.edit();
      return true;
  }
  if (far || event.altKey || event.isComposing || [...event.key].length !== 1) return false;
  target.edit(event.key);
  return true;
}

function whileEditing(target: KeyTarget, event: KeyboardEvent): boolean {
  if (event.isComposing) return false; // Enter ends the composition, not the edit
  switch (event.key) {
    case "Escape": target.cancel(); return true;
    case "Enter":
      if (event.shiftKey || event.altKey) return false; // a line break, in a text
      if (target.commit()) target.move(1, 0);
      return true;
    case "Tab":
      if (target.commit()) target.move(0, event.shiftKey ? -1 : 1);
      return true;
  }
  return false;
}

// What keys do, after the WAI-ARIA grid pattern: arrows move, Enter or typing edits, Escape takes it back.

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
    const handled = target.editing ? whileEditing(target, event) : whileMoving(target, event);
    if (!handled) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  keepPlainKeys(grid, signal);
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

/**
 * JupyterLab hears keys before any widget does, and outside text fields a plain "a" puts in a cell and "d d" deletes one.
 * Its commands skip whatever carries this attribute. Keys with Ctrl or Meta stay Lab's, so that Ctrl+S still saves.
 */
function keepPlainKeys(grid: HTMLElement, signal: AbortSignal): void {
  const keep = (event: KeyboardEvent) => {
    grid.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
  };
  // On the window and in the capture phase: before Lab's own listener, which is on the document.
  window.addEventListener("keydown", keep, { capture: true, signal });
}

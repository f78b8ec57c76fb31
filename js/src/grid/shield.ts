// Keeps the keys of a grid from the notebook around it, where that hears them first.
//
// JupyterLab hears a key after the page has (it bubbles), and `stopPropagation` is enough. Notebook 7 listens in the
// capturing phase: there an arrow would go to the next cell before the grid knew of it. Both leave alone what is pressed on
// an element with this attribute (its ancestors are asked too late), so it comes and goes with each key: the notebook
// still has those that save and run.

import { chordOf, SHORTCUTS } from "./keys";

const MARK = "data-lm-suppress-shortcuts";
const CHORDS = new Set(SHORTCUTS.flatMap(({ keys }) => keys.flatMap(({ chords }) => chords)));

export function shieldKeys(el: HTMLElement, signal: AbortSignal): void {
  addEventListener("keydown", (event) => {
    const from = event.composedPath()[0];
    if (!(from instanceof HTMLElement && el.contains(from))) return;
    from.toggleAttribute(MARK, isOurs(event, from));
    setTimeout(() => from.removeAttribute(MARK)); // when all have heard the key
  }, { capture: true, signal }); // on the window: before anyone who listens on the document
}

function isOurs(event: KeyboardEvent, from: HTMLElement): boolean {
  const control = event.ctrlKey || event.metaKey;
  if (!from.matches(".ps-grid")) return !control; // an editor's, a filter's, a menu's
  const chord = chordOf(event);
  if (chord === "Shift+Enter") return onHeader(from);
  return CHORDS.has(chord) || !(control || event.altKey);
}

function onHeader(grid: HTMLElement): boolean {
  const active = grid.getAttribute("aria-activedescendant");
  return active !== null && grid.querySelector(`#${CSS.escape(active)}`)?.getAttribute("role") === "columnheader";
}

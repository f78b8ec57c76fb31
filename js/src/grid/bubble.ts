// A word at a cell: why what is being typed cannot be taken, or why the room refused what was written, with "try again".
// It stands in the browser's top layer, next to its cell, and right after the grid in the order of Tab.

import type { LiveTable } from "../table";
import type { Refusal } from "../wire";
import { make } from "./element";
import { stand } from "./menu";
import { answers } from "./notices";

export class Bubble {
  readonly element = make("div", "ps-bubble", { popover: "manual" });
  #table: LiveTable;
  #shown: Refusal | string | null = null;

  constructor(table: LiveTable) {
    this.#table = table;
  }

  /** Show `what` at `cell`; null shows nothing. */
  show(what: Refusal | string | null, cell: HTMLElement | undefined): void {
    if (!cell) what = null;
    if (what !== this.#shown) {
      this.#shown = what;
      this.element.setAttribute("role", "alert");
      if (what === null) {
        this.element.replaceChildren();
        this.element.hidePopover?.();
        return;
      }
      if (typeof what === "string") this.element.replaceChildren(what);
      else this.element.replaceChildren(make("span", "", {}, what.why), ...answers(this.#table, what));
      this.element.showPopover?.();
    }
    if (what !== null) stand(this.element, cell!.getBoundingClientRect());
  }
}

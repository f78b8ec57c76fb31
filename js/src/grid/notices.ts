// Below the grid: one notice for each edit that was refused, what could not be pasted, and what a screen reader is told.

import type { LiveTable } from "../table";
import type { Change, Refusal } from "../wire";
import { button, make } from "./element";

const SHOWN = 3; // notices at once; the others are counted

export class Notices {
  readonly list = make("div", "ps-notices", { role: "alert" });
  readonly said = make("div", "ps-hidden", { role: "status" });
  #table: LiveTable;
  #drawn: readonly Refusal[] = [];
  #refusals = make("div", "");
  #own = make("div", "");

  constructor(table: LiveTable) {
    this.#table = table;
    this.list.append(this.#own, this.#refusals);
  }

  /** For those who do not see the grid. */
  say(text: string): void {
    this.said.textContent = text;
  }

  /** Something that a person asked for was not done. */
  complain(text: string): void {
    const dismiss = button("ps-dismiss", "Dismiss");
    const notice = make("div", "ps-notice", {}, make("span", "", {}, text), dismiss);
    dismiss.addEventListener("click", () => notice.remove());
    this.#own.replaceChildren(notice);
  }

  /** What was wrong is mended. */
  settle(): void {
    this.#own.replaceChildren();
  }

  draw(): void {
    const refusals = this.#table.rejections;
    // Redrawn only when the list changed: a button under the pointer must stay the same button.
    if (refusals.length === this.#drawn.length && refusals.every((each, i) => each === this.#drawn[i])) return;
    this.#drawn = refusals;
    const more = refusals.length - SHOWN;
    this.#refusals.replaceChildren(...refusals.slice(-SHOWN).map((refusal) => this.#notice(refusal)));
    if (more > 0) this.#refusals.append(`and ${more} more`);
  }

  #notice(refusal: Refusal): HTMLElement {
    return make("div", "ps-notice", { "data-id": refusal.changes[0]?.id ?? "" },
      make("span", "", {}, `${describe(refusal)} was refused: ${refusal.why}`), ...answers(this.#table, refusal));
  }
}

/** What a person can do about a refusal. */
export function answers(table: LiveTable, refusal: Refusal): HTMLElement[] {
  const retry = button("ps-retry", "Try again");
  const dismiss = button("ps-dismiss", "Dismiss");
  retry.addEventListener("click", () => table.retry(refusal));
  dismiss.addEventListener("click", () => table.dismiss(refusal));
  return [retry, dismiss];
}

export function describe({ changes }: Refusal): string {
  const [change] = changes;
  if (changes.length !== 1 || !change) return `An edit of ${changes.length} rows`;
  return describeOne(change);
}

function describeOne(change: Change): string {
  switch (change.op) {
    case "insert": return "A new row";
    case "delete": return `Deleting row ${change.id}`;
    case "back": return `Undoing the edit of row ${change.id}`;
    case "update": {
      const written = Object.entries(change.values).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
      return `${written.join(", ")} in row ${change.id}`;
    }
  }
}

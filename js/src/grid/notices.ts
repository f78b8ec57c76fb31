// Around the grid: the badge that says whether edits get through, and one notice for each edit that was refused.

import type { LiveTable, Status } from "../table";
import type { Refusal } from "../wire";
import { button, make } from "./element";

const SHOWN = 3; // notices at once; the others are counted

export type Badge = "live" | "reconnecting" | "offline" | "closed" | "silent";

export function badgeOf(status: Status): { badge: Badge; text: string } {
  if (status.kernel === "silent") return { badge: "silent", text: "kernel does not answer" };
  const waiting = status.waiting ? ` · ${status.waiting} waiting` : "";
  switch (status.room) {
    case "live": return { badge: "live", text: `live${waiting}` };
    case "offline": return { badge: "offline", text: `offline${waiting}` };
    case "closed":
    case "failed": return { badge: "closed", text: status.room };
    default: return { badge: "reconnecting", text: `${status.room === "connecting" ? "connecting" : "reconnecting"}${waiting}` };
  }
}

export class Notices {
  readonly status = make("span", "ps-status", { role: "status" });
  readonly list = make("div", "ps-notices", { role: "alert" });
  #table: LiveTable;
  #drawn: readonly Refusal[] = [];

  constructor(table: LiveTable) {
    this.#table = table;
  }

  draw(): void {
    const { badge, text } = badgeOf(this.#table.status);
    this.status.dataset["status"] = badge;
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.title = this.#table.status.trouble;
    const refusals = this.#table.rejections;
    // Redrawn only when the list changed: a button under the pointer must stay the same button.
    if (refusals.length === this.#drawn.length && refusals.every((each, i) => each === this.#drawn[i])) return;
    this.#drawn = refusals;
    const more = refusals.length - SHOWN;
    this.list.replaceChildren(...refusals.slice(-SHOWN).map((refusal) => this.#notice(refusal)));
    if (more > 0) this.list.append(`and ${more} more`);
  }

  #notice(refusal: Refusal): HTMLElement {
    const why = make("span", "", {}, `${describe(refusal)} was refused: ${refusal.why}`);
    const retry = button("ps-retry", "Try again");
    const dismiss = button("ps-dismiss", "Dismiss");
    retry.addEventListener("click", () => this.#table.retry(refusal));
    dismiss.addEventListener("click", () => this.#table.dismiss(refusal));
    return make("div", "ps-notice", { "data-id": refusal.id }, why, retry, dismiss);
  }
}

function describe({ op, id, values }: Refusal): string {
  if (op === "insert") return "A new row";
  if (op === "delete") return `Deleting row ${id}`;
  const written = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return `${written.join(", ")} in row ${id}`;
}

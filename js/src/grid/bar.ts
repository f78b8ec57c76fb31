// Above the grid: a new row, search, filters, columns, undo and redo; who is here; and the badge that says whether edits
// get through.

import type { LiveTable, Status } from "../table";
import type { Person } from "../wire";
import type { Arranging } from "./arranging";
import type { Bulk } from "./bulk";
import { button, make } from "./element";

const SEARCH_PAUSE = 120; // ms after the last key, for a table that the kernel has to search
const FACES = 5; // people shown; the others are counted

/** What the bar's buttons act upon. */
export interface BarTarget {
  readonly bulk: Bulk;
  readonly arranging: Arranging;
  focus(): void;
  help(): void;
}

export type Badge = "live" | "reconnecting" | "offline" | "closed" | "silent" | "read-only";

export function badgeOf(status: Status): { badge: Badge; text: string; title: string } {
  const title = status.trouble;
  if (status.kernel === "gone") return { badge: "closed", text: "kernel gone", title: "The kernel has ended. Run the cell again to bring the table back." };
  if (status.kernel === "silent") return { badge: "silent", text: "kernel does not answer", title: "It may be busy, or gone. What you do is kept and sent again." };
  const waiting = status.waiting ? ` · ${status.waiting} waiting` : "";
  switch (status.room) {
    case "live":
      return isReadOnly(status) ? { badge: "read-only", text: "read-only", title: "This room takes no edits of rows from here." } : { badge: "live", text: `live${waiting}`, title };
    case "offline": return { badge: "offline", text: `offline${waiting}`, title };
    case "closed":
    case "failed": return { badge: "closed", text: status.room, title };
    default: return { badge: "reconnecting", text: `${status.room === "connecting" ? "connecting" : "reconnecting"}${waiting}`, title };
  }
}

export function can(status: Status, verb: "insert" | "update" | "delete"): boolean {
  return status.kernel !== "gone" && status.room !== "closed" && status.room !== "failed" && status.verbs.includes(verb);
}

function isReadOnly(status: Status): boolean {
  return !["insert", "update", "delete"].some((verb) => status.verbs.includes(verb));
}

export class Bar {
  readonly element: HTMLElement;
  #table: LiveTable;
  #add = button("ps-add", "Add row", { title: "A new row (Alt+Enter)" });
  #search = make("input", "ps-search", { type: "search", placeholder: "Search", "aria-label": "Search the table", spellcheck: "false" });
  #filters = button("ps-filter-toggle", "Filter", { "aria-pressed": "false", title: "Filters above the columns (Ctrl+Shift+F)" });
  #undo = button("ps-undo", "↶", { "aria-label": "Undo", title: "Undo your last edit (Ctrl+Z)" });
  #redo = button("ps-redo", "↷", { "aria-label": "Redo", title: "Redo (Ctrl+Y)" });
  #people = make("span", "ps-people", { role: "group", "aria-label": "Who else is here" });
  #status = make("span", "ps-status", { role: "status" });
  #count = make("span", "ps-count");
  #drawnPeople: readonly Person[] = [];

  constructor(table: LiveTable, target: BarTarget, signal: AbortSignal) {
    this.#table = table;
    const columns = button("ps-columns", "Columns", { "aria-haspopup": "menu", title: "Which columns are shown" });
    const help = button("ps-help-open", "?", { "aria-label": "Help", title: "Keys and what else there is (?)" });
    const tools = make("span", "ps-tools-bar", { role: "toolbar", "aria-label": "Table tools" },
      this.#add, this.#undo, this.#redo, this.#filters, columns, help);
    const room = make("span", "ps-room", {}, this.#people, this.#status);
    this.element = make("div", "ps-bar", {}, tools, this.#search, this.#count, room);

    this.#add.addEventListener("click", () => target.bulk.addRow());
    this.#undo.addEventListener("click", () => target.bulk.undo());
    this.#redo.addEventListener("click", () => target.bulk.redo());
    this.#filters.addEventListener("click", () => target.arranging.toggleFilters());
    columns.addEventListener("click", () => target.arranging.chooseColumns(columns.getBoundingClientRect()));
    help.addEventListener("click", () => target.help());
    let due: ReturnType<typeof setTimeout> | undefined;
    this.#search.addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(() => target.arranging.searched(this.#search.value), table.whole ? 0 : SEARCH_PAUSE);
    });
    signal.addEventListener("abort", () => clearTimeout(due));
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "ArrowDown") target.focus();
      else if (event.key === "Escape" && this.#search.value) {
        this.#search.value = "";
        target.arranging.searched("");
      } else if (event.key === "Escape") target.focus();
      else return;
      event.preventDefault();
    });
  }

  search(text?: string): void {
    if (text !== undefined) this.#search.value = text;
    else {
      this.#search.focus();
      this.#search.select();
    }
  }

  draw(filtering: boolean, listed: number, narrowed: boolean): void {
    const { badge, text, title } = badgeOf(this.#table.status);
    this.#status.dataset["status"] = badge;
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#status.title = title;
    this.#add.disabled = !this.#table.ready || !can(this.#table.status, "insert");
    this.#undo.disabled = !this.#table.canUndo;
    this.#redo.disabled = !this.#table.canRedo;
    this.#filters.setAttribute("aria-pressed", String(filtering));
    const rows = `${listed.toLocaleString("en")} ${listed === 1 ? "row" : "rows"}${narrowed ? " found" : ""}`;
    if (this.#count.textContent !== rows) this.#count.textContent = rows;
    if (this.#drawnPeople !== this.#table.people) this.#drawPeople(this.#table.people);
  }

  #drawPeople(people: readonly Person[]): void {
    this.#drawnPeople = people;
    const faces = people.slice(0, FACES).map((person) => {
      const face = make("span", "ps-face", { role: "img", "aria-label": person.name, title: person.name }, initials(person.name));
      face.style.setProperty("--ps-peer", person.color || "var(--ps-brand)");
      return face;
    });
    const more = people.length - FACES;
    const rest = people.slice(FACES).map(({ name }) => name).join(", ");
    this.#people.replaceChildren(...faces, ...(more > 0 ? [make("span", "ps-more", { title: rest }, `+${more}`)] : []));
  }
}

/** Two letters for a name; what stands in brackets behind it, as a guest's, is none of it. */
export function initials(name: string): string {
  const words = name.replace(/(?<=\S)\s*\([^)]*\)$/, "").trim().split(/[\s._@-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!].map((word) => [...word][0]!) : [...(words[0] ?? "?")].slice(0, 2);
  return letters.join("").toUpperCase();
}

// What the others see of one's typing: the text of the open editor, as it grows, at most twenty times a second (R11).

import type { LiveTable } from "../table";
import type { Place } from "../wire";

const PAUSE = 50; // ms

export class Typing {
  readonly key: string;
  #table: LiveTable;
  #at: Place;
  #text = "";
  #told = false;
  #due: ReturnType<typeof setTimeout> | undefined;

  constructor(table: LiveTable, key: string, at: Place) {
    this.#table = table;
    this.key = key;
    this.#at = at;
  }

  /** Whether anything was told. */
  get told(): boolean {
    return this.#told;
  }

  typed(text: string): void {
    this.#text = text;
    this.#due ??= setTimeout(() => this.#tell(), this.#told ? PAUSE : 0);
  }

  #tell(): void {
    this.#due = undefined;
    this.#told = true;
    this.#table.draft(this.key, this.#at, this.#text);
  }

  /** It has become an edit, which carries its key, or was taken back. */
  end(taken: boolean): void {
    clearTimeout(this.#due);
    if (!taken && this.#told) this.#table.draft(this.key, this.#at, null);
  }
}

// The ids of the rows in sight, sorted by position. Finding a place is a binary search; a row that only changed its
// cells costs nothing, and a new last row, the usual case, is a push.

export class Order implements Iterable<string> {
  #ids: string[] = [];
  #at = new Map<string, number>();

  get size(): number {
    return this.#ids.length;
  }

  at(index: number): string | undefined {
    return this.#ids[index];
  }

  has(id: string): boolean {
    return this.#at.has(id);
  }

  /** The index of `id`, or -1. */
  indexOf(id: string): number {
    const at = this.#at.get(id);
    return at === undefined ? -1 : this.#search(at, id);
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#ids[Symbol.iterator]();
  }

  /** Put `id` at position `at`, or move it there. */
  place(id: string, at: number): void {
    if (this.#at.get(id) === at) return;
    this.remove(id);
    this.#at.set(id, at);
    this.#ids.splice(this.#search(at, id), 0, id);
  }

  remove(id: string): void {
    const index = this.indexOf(id);
    if (index < 0) return;
    this.#ids.splice(index, 1);
    this.#at.delete(id);
  }

  /** Replace everything at once: one sort instead of a search per row. */
  load(entries: Iterable<readonly [string, number]>): void {
    this.#at = new Map(entries);
    this.#ids = [...this.#at.keys()].sort((a, b) => this.#compare(a, this.#at.get(b)!, b));
  }

  /** The index of the first id that does not come before (at, id). */
  #search(at: number, id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#ids[middle]!, at, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Equal positions fall back to the id, so that every page sorts alike. */
  #compare(a: string, at: number, id: string): number {
    return this.#at.get(a)! - at || (a < id ? -1 : a > id ? 1 : 0);
  }
}

// Ids, sorted by a key each. Finding a place is a binary search; a row that only changed its cells costs nothing, and a
// new last row, the usual case, is a push.

export class Order<K> implements Iterable<string> {
  #compareKeys: (a: K, b: K) => number;
  #ids: string[] = [];
  #keys = new Map<string, K>();

  constructor(compare: (a: K, b: K) => number) {
    this.#compareKeys = compare;
  }

  get size(): number {
    return this.#ids.length;
  }

  at(index: number): string | undefined {
    return this.#ids[index];
  }

  has(id: string): boolean {
    return this.#keys.has(id);
  }

  keyOf(id: string): K | undefined {
    return this.#keys.get(id);
  }

  /** The index of `id`, or -1. */
  indexOf(id: string): number {
    const key = this.#keys.get(id);
    return key === undefined ? -1 : this.#search(key, id);
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#ids[Symbol.iterator]();
  }

  /** Put `id` where `key` belongs, or move it there. */
  place(id: string, key: K): void {
    const before = this.#keys.get(id);
    if (before !== undefined && this.#compareKeys(before, key) === 0) {
      this.#keys.set(id, key);
      return;
    }
    this.remove(id);
    this.#keys.set(id, key);
    this.#ids.splice(this.#search(key, id), 0, id);
  }

  remove(id: string): void {
    const index = this.indexOf(id);
    if (index < 0) return;
    this.#ids.splice(index, 1);
    this.#keys.delete(id);
  }

  /** Replace everything at once: one sort instead of a search per row. */
  load(entries: Iterable<readonly [string, K]>): void {
    this.#keys = new Map(entries);
    this.#ids = [...this.#keys.keys()].sort((a, b) => this.#compare(a, this.#keys.get(b)!, b));
  }

  /** The index of the first id that does not come before (key, id). */
  #search(key: K, id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#ids[middle]!, key, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Equal keys fall back to the id, so that every page sorts alike. */
  #compare(a: string, key: K, id: string): number {
    return this.#compareKeys(this.#keys.get(a)!, key) || (a < id ? -1 : a > id ? 1 : 0);
  }
}

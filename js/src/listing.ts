// What one view lists: rows by index, in the order and by the conditions of its query.
//
// A table that is here whole is sorted here, and mended row by row. Of a large one the kernel is asked for windows, each
// wider than what is in sight, so that a scroll finds its rows already there; one question is on the way at a time.

import { Order } from "./order";
import { comparer, listsAll, matcher, standing, type Query, type Standing } from "./query";
import type { Rows } from "./rows";
import type { Column, Row } from "./values";
import type { WindowNews } from "./wire";

export interface Listing {
  readonly size: number;
  /** The row at `index`, undefined if it is not here (yet). */
  at(index: number): Row | undefined;
  /** The index of row `id`, or -1 if it is not listed, or not here. */
  indexOf(id: string): number;
  /** Say which rows are in sight, so that they come. Returns whether all of them are here. */
  want(first: number, end: number): boolean;
  /** Resolves once these rows are here, or cannot be. For a copy or a paste that reaches out of sight. */
  fetch(first: number, end: number): Promise<void>;
  close(): void;
}

/** What the store tells a listing of its own. */
export interface Followed extends Listing {
  changed(ids: ReadonlySet<string>): void;
}

/** Every row, in the order of insertion: the rows themselves. */
class Everything implements Followed {
  #rows: Rows;

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#rows.size;
  }

  at(index: number): Row | undefined {
    return this.#rows.at(index);
  }

  indexOf(id: string): number {
    return this.#rows.indexOf(id);
  }

  want(): boolean {
    return true;
  }

  async fetch(): Promise<void> {}
  changed(): void {}
  close(): void {}
}

/** Rows that are all here, sorted and chosen here. */
class Sorted implements Followed {
  #rows: Rows;
  #passes: (row: Row) => boolean;
  #stands: (row: Row, at: number) => Standing;
  #order: Order<Standing>;

  constructor(rows: Rows, columns: readonly Column[], query: Query) {
    this.#rows = rows;
    this.#passes = matcher(query, columns);
    this.#stands = standing(query, columns);
    this.#order = new Order(comparer(query, columns));
    const chosen = [...rows].filter(this.#passes);
    this.#order.load(chosen.map((row) => [row.id, this.#stands(row, rows.position(row.id)!)]));
  }

  get size(): number {
    return this.#order.size;
  }

  at(index: number): Row | undefined {
    const id = this.#order.at(index);
    return id === undefined ? undefined : this.#rows.get(id);
  }

  indexOf(id: string): number {
    return this.#order.indexOf(id);
  }

  want(): boolean {
    return true;
  }

  async fetch(): Promise<void> {}

  changed(ids: ReadonlySet<string>): void {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row && this.#passes(row)) this.#order.place(id, this.#stands(row, this.#rows.position(id)!));
      else this.#order.remove(id);
    }
  }

  close(): void {}
}

export function listHere(rows: Rows, columns: readonly Column[], query: Query): Followed {
  return listsAll(query) && query.sort.length === 0 ? new Everything(rows) : new Sorted(rows, columns, query);
}

const MARGIN = 300; // rows asked for beyond each edge of what is in sight
const NEAR = 120; // rows from the edge of what is here, when more are asked for
export const MOST = 5_000; // rows in one window; the kernel gives no more

export interface Question {
  readonly ask: number;
  readonly first: number;
  readonly count: number;
}

/** A window over rows that the kernel has. */
export class Windowed implements Followed {
  #rows: Rows;
  #say: (question: Question) => void;
  #done: () => void;
  #first = 0;
  #told: readonly string[] = []; // ids of the window, as the kernel has said
  #size = 0;
  #heard = false;
  #ids: string[] = []; // those that are in sight, by index from #first
  #places = new Map<string, number>();
  #fresh: readonly string[] = []; // made here, and still without a place: after all others
  #ask = 0;
  #asked: Question | null = null; // on its way
  #next: { first: number; end: number } | null = null;
  #held = false; // what was fetched stays while it is in sight, however near its edge
  #waiting: { ask: number; first: number; end: number; done: () => void }[] = [];

  constructor(rows: Rows, say: (question: Question) => void, done: () => void) {
    this.#rows = rows;
    this.#say = say;
    this.#done = done;
  }

  /** Ids that somebody may look at: the rest may be forgotten. */
  get ids(): readonly string[] {
    return this.#told;
  }

  get size(): number {
    return this.#size - (this.#told.length - this.#ids.length) + this.#fresh.length;
  }

  at(index: number): Row | undefined {
    const listed = this.size - this.#fresh.length;
    const id = index < listed ? this.#ids[index - this.#first] : this.#fresh[index - listed];
    return id === undefined ? undefined : this.#rows.get(id);
  }

  indexOf(id: string): number {
    const place = this.#places.get(id);
    if (place !== undefined) return this.#first + place;
    const fresh = this.#fresh.indexOf(id);
    return fresh < 0 ? -1 : this.size - this.#fresh.length + fresh;
  }

  want(first: number, end: number): boolean {
    const listed = this.size - this.#fresh.length;
    const last = Math.min(end, listed);
    const here = this.#heard && this.#covers(first, last);
    const ample = here && this.#covers(Math.max(0, first - NEAR), Math.min(last + NEAR, listed));
    if (!here || !(ample || this.#held)) this.#request(first, end);
    return here;
  }

  fetch(first: number, end: number): Promise<void> {
    const last = Math.min(end, this.size - this.#fresh.length, first + MOST);
    if (this.#covers(first, last)) return Promise.resolve();
    return new Promise((done) => this.#bring(first, last, done));
  }

  #bring(first: number, end: number, done: () => void): void {
    this.#send(first, end - first);
    this.#held = true;
    this.#waiting.push({ ask: this.#ask, first, end, done });
  }

  #covers(first: number, end: number): boolean {
    return end <= first || (first >= this.#first && end <= this.#first + this.#ids.length);
  }

  #request(first: number, end: number): void {
    const asked = this.#asked;
    if (asked) {
      const enough = first - NEAR >= asked.first || asked.first === 0;
      if (!(enough && end + NEAR <= asked.first + asked.count && first >= asked.first)) this.#next = { first, end };
      return;
    }
    this.#send(Math.max(0, first - MARGIN), end - first + 2 * MARGIN);
  }

  #send(first: number, count: number): void {
    this.#asked = { ask: ++this.#ask, first, count: Math.min(count, MOST) };
    this.#next = null;
    this.#held = false;
    this.#say(this.#asked);
  }

  /** The kernel was lost for a while: whatever was asked is asked again. */
  again(): void {
    const last = this.#asked ?? { first: this.#first, count: Math.max(this.#told.length, 2 * MARGIN) };
    this.#send(last.first, last.count);
  }

  /** The kernel says what is in the window. */
  answer(news: WindowNews): void {
    this.#heard = true;
    this.#first = news.first;
    this.#told = news.ids;
    this.#size = news.size;
    this.#look();
    if (this.#asked && news.ask >= this.#asked.ask) {
      this.#asked = null;
      const next = this.#next;
      this.#next = null;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { ask, first, end, done } of waiting) {
        if (ask === news.ask || this.#covers(first, end)) done();
        else this.#bring(first, end, done); // another question came between
      }
      if (next) this.want(next.first, next.end);
    }
  }

  changed(): void {
    this.#look();
  }

  /** Rows deleted here, or told to be gone, leave at once; the rest moves up until the kernel says the same. */
  #look(): void {
    this.#ids = this.#told.filter((id) => this.#rows.get(id) !== undefined);
    this.#places = new Map(this.#ids.map((id, place) => [id, place]));
    this.#fresh = this.#rows.fresh.filter((id) => !this.#places.has(id));
  }

  close(): void {
    this.#done();
    for (const each of this.#waiting) each.done();
  }
}

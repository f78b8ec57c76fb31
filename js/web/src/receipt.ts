// A receipt: what an edit gives at once, and what became of it later.

import { NotConnected } from "./errors";
import type { Json } from "./frames";
import type { Pending, Settled } from "./step";

export class Receipt {
  /** The mutator's name. */
  readonly name: string;
  /** Of the row, where the edit was of one. */
  readonly id: string | undefined;
  /** Whether the room has decided. */
  done = false;
  #pending: Pending;
  #result: Promise<Json>;
  #settle!: { resolve: (value: Json) => void; reject: (error: Error) => void };

  constructor(pending: Pending, id?: string) {
    this.name = pending.mutation.name;
    this.id = id;
    this.#pending = pending;
    this.#result = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#result.catch(() => {}); // nobody has to wait for it
  }

  get mid(): number {
    return this.#pending.mutation.mid;
  }

  /** What the mutator returned, or throws MutationRejected, or OutcomeUnknown (R6). */
  result(): Promise<Json> {
    return this.#result;
  }

  /** For this package: the room's word. */
  settle({ value, error }: Settled): void {
    this.done = true;
    if (error) this.#settle.reject(error);
    else this.#settle.resolve(value);
  }

  /** For this package: nobody will hear the room's word. */
  dismiss(why: string): void {
    if (!this.done) this.#settle.reject(new NotConnected(why));
  }
}

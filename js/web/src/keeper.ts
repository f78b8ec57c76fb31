// A keeper: holds a replica and its copy over a reload in step, and lets an edit go only when it is on the disk.

import { Base } from "./base";
import { Keeping, MANY, type Kept, type Platform } from "./keeping";
import type { Replica } from "./replica";
import type { Pending, Step } from "./step";

export interface Owner {
  /** What was kept is in the replica now, or there is nothing, or (`why`) it cannot be kept. */
  opened(why?: string): void;
  /** More edits may go. */
  freed(): void;
}

export class Keeper {
  /** Whether edits and rows survive a reload; if not, why. */
  state: true | string = "It is not open yet.";
  #replica: Replica;
  #owner: Owner;
  #keeping: Keeping | undefined;
  #closed = false;
  #being = new Set<Pending>(); // kept at this moment

  constructor(replica: Replica, owner: Owner) {
    this.#replica = replica;
    this.#owner = owner;
    replica.keeping = true;
  }

  async open(name: string, { indexedDB = globalThis.indexedDB, locks = globalThis.navigator?.locks }: Platform): Promise<void> {
    const opened = await Keeping.open(name, { indexedDB, locks }).catch(String);
    if (typeof opened === "string") return this.#giveUp(opened);
    try {
      const kept = await opened.read();
      if (this.#closed) return opened.close();
      if (kept) this.#adopt(kept);
      this.#keeping = opened;
      this.state = true;
      if (kept && kept.changes > MANY) this.#write((keeping) => keeping.copied(this.#replica), []);
      this.#owner.opened();
    } catch (error) {
      opened.close();
      this.#giveUp(String(error));
    }
  }

  /** Edits that were made: each may go when it is kept. */
  add(): void {
    if (!this.#keeping) return;
    const some = this.#replica.pending.filter((each) => !each.kept && !this.#being.has(each));
    if (!some.length) return;
    for (const each of some) this.#being.add(each);
    this.#write((keeping) => keeping.added(this.#replica, some), some);
  }

  follow(step: Step): void {
    const some = step.renumbered ? [...this.#replica.pending] : [];
    this.#write((keeping) => keeping.followed(this.#replica, step), some);
  }

  close(): void {
    this.#closed = true;
    this.#keeping?.close();
    this.#keeping = undefined;
    this.state = "The room is closed.";
  }

  #adopt(kept: Kept): void {
    const base = new Base();
    const columns = new Map(kept.specs.map((spec) => [spec.name, spec.columns.map((column) => column.name)]));
    base.apply(Array.from(kept.rows, ([table, put]) => ({ table, columns: columns.get(table) ?? [], put })), kept.specs);
    this.#replica.adoptBase(base, kept.epoch, kept.version, kept.sight);
    this.#replica.adopt(kept.client, kept.settled, kept.outbox);
  }

  #write(write: (keeping: Keeping) => Promise<void>, some: readonly Pending[]): void {
    const keeping = this.#keeping;
    if (!keeping) return;
    new Promise<void>((resolve) => resolve(write(keeping))).then(
      () => {
        for (const each of some) {
          each.kept = true;
          this.#being.delete(each);
        }
        if (some.length) this.#owner.freed();
      },
      (error: unknown) => {
        if (!this.#closed) this.#giveUp(`IndexedDB failed: ${String(error)}`);
      },
    );
  }

  /** From now on edits are in memory only; the room goes on. */
  #giveUp(why: string): void {
    this.close();
    this.state = why;
    this.#being.clear();
    this.#replica.keeping = false;
    for (const each of this.#replica.pending) each.kept = true;
    this.#owner.opened(why);
  }
}

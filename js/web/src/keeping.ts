// Keeping: what of a room survives a reload, in IndexedDB. The edits that it has not decided, and a copy of its rows.
//
//   identity   one record: whose edits these are, what the copy is of, the tables
//   outbox     mid -> mutation
//   blocks     (table, n) -> rows of the last whole copy, a thousand at a time
//   changes    (table, id) -> a row that has changed since, or null: gone
//
// An edit leaves the outbox in the transaction that brings its rows (R2), and is on the disk before it is sent: else a
// crash could give its mid to another one (R5). One page at a time has it, by a Web Lock; a second one does without.

import type { Base } from "./base";
import type { Mutation, Row, TableSpec } from "./frames";
import type { Replica } from "./replica";
import type { Pending, Step } from "./step";

const FORMAT = 1; // of the database; another is made anew
const BLOCK = 1000; // rows
export const MANY = 1000; // rows beside a whole copy, after which there is to be another

/** What of the platform it needs. */
export interface Platform {
  readonly indexedDB?: IDBFactory | undefined;
  readonly locks?: Pick<LockManager, "request"> | undefined;
}

interface Identity {
  readonly client: string;
  readonly settled: number;
  readonly epoch: string;
  readonly version: number;
  readonly sight: string;
  readonly specs: readonly TableSpec[];
}

export interface Kept extends Identity {
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly outbox: readonly { readonly mutation: Mutation; readonly via: unknown }[];
  /** How many rows lie beside the last whole copy. */
  readonly changes: number;
}

export class Keeping {
  #database: IDBDatabase;
  #release: () => void;

  private constructor(database: IDBDatabase, release: () => void) {
    this.#database = database;
    this.#release = release;
    database.onversionchange = () => this.close(); // somebody deletes it
  }

  /** The store called `name`; undefined, and why, if this page cannot have it. */
  static async open(name: string, { indexedDB, locks }: Platform): Promise<Keeping | string> {
    if (!indexedDB) return "There is no IndexedDB here.";
    if (!locks) return "There are no Web Locks here (they need https, or localhost) to tell one page from another.";
    const release = await lock(locks, name);
    if (!release) return "Another page holds this room's store.";
    try {
      return new Keeping(await open(indexedDB, name), release);
    } catch (error) {
      release();
      return `IndexedDB does not open: ${String(error)}`;
    }
  }

  async read(): Promise<Kept | undefined> {
    const tx = this.#database.transaction(["identity", "outbox", "blocks", "changes"], "readonly");
    const [identity, outbox, blocks, keys, changes] = await Promise.all([
      answer<Identity | undefined>(tx.objectStore("identity").get("identity")),
      answer<Kept["outbox"][number][]>(tx.objectStore("outbox").getAll()),
      answer<{ table: string; rows: Row[] }[]>(tx.objectStore("blocks").getAll()),
      answer<IDBValidKey[]>(tx.objectStore("changes").getAllKeys()),
      answer<(Row | null)[]>(tx.objectStore("changes").getAll()),
    ]);
    if (!identity) return undefined;
    const tables = new Map<string, Map<string, Row>>();
    const of = (table: string) => tables.get(table) ?? tables.set(table, new Map()).get(table)!;
    for (const { table, rows } of blocks) for (const row of rows) of(table).set(row[1], row);
    keys.forEach((key, i) => {
      const [table, id] = key as [string, string];
      const row = changes[i];
      if (row) of(table).set(id, row);
      else of(table).delete(id);
    });
    const rows = new Map(Array.from(tables, ([table, some]) => [table, [...some.values()]] as const));
    return { ...identity, outbox, changes: keys.length, rows };
  }

  /** Edits that were made; they are on the disk when this is done. The first time, also who made them. */
  added(replica: Replica, some: readonly Pending[]): Promise<void> {
    const tx = this.#database.transaction(["identity", "outbox"], "readwrite", { durability: "strict" });
    tx.objectStore("identity").put(identityOf(replica), "identity");
    for (const { mutation, via } of some) tx.objectStore("outbox").put({ mutation, via }, mutation.mid);
    return done(tx);
  }

  /** Follow the replica after `step`: all of it, or nothing. */
  followed(replica: Replica, step: Step): Promise<void> {
    const { settled, renumbered, rebased, based } = step;
    if (!settled.length && !renumbered && !rebased && !based.length) return Promise.resolve();
    const durability = renumbered ? "strict" : "relaxed"; // rows can be fetched again
    const tx = this.#database.transaction(["identity", "outbox", "blocks", "changes"], "readwrite", { durability });
    tx.objectStore("identity").put(identityOf(replica), "identity");
    const outbox = tx.objectStore("outbox");
    if (renumbered) {
      outbox.clear();
      for (const { mutation, via } of replica.pending) outbox.put({ mutation, via }, mutation.mid);
    } else if (settled.length) {
      outbox.delete(IDBKeyRange.upperBound(replica.settled));
    }
    if (rebased || based.some((delta) => delta.schema?.length)) copy(tx, replica.base);
    else for (const delta of based) for (const change of delta.tables ?? []) {
      const rows = replica.base.tables.get(change.table)!.rows;
      const ids = [...(change.gone ?? []), ...(change.put ?? []).map((row) => row[1])];
      for (const id of ids) tx.objectStore("changes").put(rows.get(id) ?? null, [change.table, id]);
    }
    return done(tx);
  }

  /** A whole copy anew: what has changed since the last one has become much. */
  copied(replica: Replica): Promise<void> {
    const tx = this.#database.transaction(["identity", "blocks", "changes"], "readwrite", { durability: "relaxed" });
    tx.objectStore("identity").put(identityOf(replica), "identity");
    copy(tx, replica.base);
    return done(tx);
  }

  close(): void {
    this.#database.close();
    this.#release();
  }
}

function identityOf({ client, settled, epoch, version, sight, base }: Replica): Identity {
  return { client, settled, epoch, version, sight, specs: base.specs };
}

function copy(tx: IDBTransaction, base: Base): void {
  const blocks = tx.objectStore("blocks");
  blocks.clear();
  tx.objectStore("changes").clear();
  for (const [table, { rows }] of base.tables) {
    const all = [...rows.values()];
    for (let n = 0; n < all.length; n += BLOCK) blocks.put({ table, rows: all.slice(n, n + BLOCK) }, [table, n]);
  }
}

function open(indexedDB: IDBFactory, name: string): Promise<IDBDatabase> {
  const opening = indexedDB.open(name, FORMAT);
  opening.onupgradeneeded = () => {
    const { result } = opening;
    for (const old of [...result.objectStoreNames]) result.deleteObjectStore(old);
    for (const store of ["identity", "outbox", "blocks", "changes"]) result.createObjectStore(store);
  };
  return answer(opening);
}

/** What lets go of the lock; undefined if somebody else has it. */
function lock(locks: Pick<LockManager, "request">, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const asked = locks.request(name, { ifAvailable: true }, (held) => {
      if (!held) return resolve(undefined);
      return new Promise<void>((release) => resolve(release));
    });
    Promise.resolve(asked).catch(reject);
  });
}

function answer<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
  });
}

function done(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = tx.onerror = () => reject(tx.error ?? new Error("IndexedDB failed"));
  });
}

// A view: the rows as a person should see them, base with pending replayed over it (R7).
//
//   base      the rows at (epoch, version), as the room told them
//   pending   mutations that the room has not decided, in order
//   overlay   what those make of the base; made anew whenever the base moves
//
// Nothing here waits or calls back: each call gives a Step that says what changed and what was decided.

import { Base, Misfit, same } from "./base";
import { plain, type Given } from "./columns";
import { MutationRejected, ProtocolError } from "./errors";
import type { Args, Delta, End, Limits, Mutation, Result, Row, TableSpec } from "./frames";
import { bytes, stringify } from "./json";
import { batch, BUILT_IN } from "./mutators";
import { Overlay } from "./overlay";
import { changed, emptyStep, type Pending, type Step } from "./step";
import { Transaction, type Mutator } from "./transaction";

const OVERHEAD = 256; // bytes of a push beside its one mutation, generously

type Decided = Pick<Delta | End, "acks" | "results">;

export class View {
  client: string;
  user: string;
  role = "owner";
  base = new Base();
  epoch = "";
  version = 0;
  /** Every mutation of ours up to this one is decided. */
  settled = 0;
  limits: Limits = { frame: 1 << 20, mutations: 256 };
  /** Names of the mutators that the room takes; undefined before it said so. */
  takes: ReadonlySet<string> | undefined;
  pending: Pending[] = [];
  /** Whether what is made is to be kept somewhere before it is sent. */
  keeping = false;
  protected overlay = new Overlay(this.base);
  #mutators: ReadonlyMap<string, Mutator>;
  #main: boolean;
  #tickets = 0;

  /** `main`: the room's party is known to have the built-in mutators, so a wrong call of one is refused here. */
  constructor(client: string, mutators: ReadonlyMap<string, Mutator> = new Map(), { user = "", main = true } = {}) {
    this.client = client;
    this.user = user;
    this.#mutators = mutators;
    this.#main = main;
  }

  // --- looking and editing --------------------------------------------------------------------------------------------

  get specs(): TableSpec[] {
    return this.overlay.specs;
  }

  spec(table: string): TableSpec | undefined {
    return this.overlay.spec(table);
  }

  row(table: string, id: string): Row | undefined {
    return this.overlay.get(table, id);
  }

  /** In order. Looks at every row. */
  rows(table: string): Row[] {
    return this.overlay.rows(table);
  }

  /** The same, without what some of the pending mutations make of them. */
  rowsWithout(table: string, leaveOut: (pending: Pending) => boolean): Row[] {
    if (!this.pending.some((each) => each.shown && leaveOut(each))) return this.rows(table);
    const overlay = new Overlay(this.base);
    for (const each of this.pending) if (each.shown && !leaveOut(each)) this.#play(each.mutation, overlay);
    return overlay.rows(table);
  }

  /** Ids of the rows that an undecided edit of ours touches. */
  touched(table: string): ReadonlySet<string> {
    return new Set(this.pending.flatMap((each) => [...(each.touched.get(table) ?? [])]));
  }

  get nextMid(): number {
    return (this.pending.at(-1)?.mutation.mid ?? this.settled) + 1;
  }

  /** Make an edit: it is in the view when this returns. Throws, and then nothing is shown and nothing queued (R7). */
  mutate(name: string, given: { readonly [name: string]: Given }, via?: unknown): [Pending, Step] {
    const args = plain(given) as Args;
    const size = weight(name, args);
    if (size > this.limits.frame) throw tooLarge(size, this.limits.frame);
    if (this.takes && !this.takes.has(name)) throw this.#untaken(name, this.takes);
    const made = this.#pending({ mid: this.nextMid, name, args }, size, via);
    const shape = this.#shape();
    const touched = new Map<string, Set<string>>();
    if (this.#guessable(name, args)) {
      try {
        this.#play(made.mutation, this.overlay, made.touched);
      } catch (error) {
        // Before the room has said which tables it has, it has the word.
        if (this.epoch || !(error instanceof MutationRejected && error.code === "unknown-table")) throw error;
        made.shown = false;
      }
      for (const [table, ids] of made.touched) touched.set(table, new Set(ids));
    } else {
      made.shown = false;
    }
    this.pending.push(made);
    const said = emptyStep();
    for (const [table, ids] of touched) said.changed.set(table, ids);
    said.reset = this.#shape() !== shape;
    return [made, said];
  }

  #untaken(name: string, takes: ReadonlySet<string>): MutationRejected {
    if (this.role === "viewer") {
      const text = `You are a viewer of this room, and viewers change nothing, so ${name} was refused.`;
      return new MutationRejected("forbidden", text);
    }
    if (this.#mutators.has(name)) {
      return new MutationRejected("forbidden", `The mutator ${name} is not for the role ${this.role} in this room.`);
    }
    return new MutationRejected("unknown-mutator", `The room has no mutator "${name}". It has: ${[...takes].sort().join(", ")}.`);
  }

  #pending(mutation: Mutation, size: number, via?: unknown): Pending {
    const ticket = ++this.#tickets;
    return { ticket, mutation, size, sent: false, tried: false, kept: !this.keeping, shown: true, touched: new Map(), via };
  }

  /** Whether its code is here. A party may have a mutator of its own that is called as a built-in one is. */
  #guessable(name: string, args: Args): boolean {
    if (this.#mutators.has(name)) return true;
    if (name === "batch" && Array.isArray(args["steps"])) {
      return (args["steps"] as [string, Args][]).every(([each, its]) => this.#guessable(each, its));
    }
    return BUILT_IN.has(name) && (this.#main || "table" in args || name === "create_table");
  }

  #code(name: string): Mutator | undefined {
    return this.#mutators.get(name) ?? BUILT_IN.get(name);
  }

  /** Run a mutation over the view; if it throws, nothing of it stays. Which rows it wrote goes into `touched`. */
  #play({ name, args }: Mutation, overlay: Overlay, touched?: Map<string, Set<string>>): void {
    const tx = new Transaction(overlay, this.user, this.role);
    const written = overlay.whole(() => {
      if (name === "batch" && !this.#mutators.has(name)) batch(tx, args, (each) => this.#code(each));
      else this.#code(name)!(tx, args);
    });
    for (const [table, id] of written) {
      const ids = touched?.get(table) ?? new Set();
      touched?.set(table, ids.add(id));
    }
  }

  /** All that is pending, over the base. One that throws shows nothing and stays pending: the room decides. */
  protected replay(): void {
    this.overlay = new Overlay(this.base);
    for (const each of this.pending) {
      each.touched.clear();
      each.shown = false;
      if (!this.#guessable(each.mutation.name, each.mutation.args)) continue;
      try {
        this.#play(each.mutation, this.overlay, each.touched);
        each.shown = true;
      } catch {
        // Whatever it threw: here it is only a guess.
      }
    }
  }

  // --- the base moves -------------------------------------------------------------------------------------------------

  /** Move the base: put the rows, drop what is decided, replay the rest. False, and nothing has moved, if they do not fit. */
  protected advance(delta: Delta, said: Step): boolean {
    const was = this.#touchedNow();
    const before = new Map(Array.from(was, ([table, ids]) => [table, this.#rowsOf(table, ids)] as const));
    for (const { table, gone = [], put = [] } of delta.tables ?? []) {
      const rows = this.#rowsOf(table, [...gone, ...put.map((row) => row[1])]);
      before.set(table, new Map([...(before.get(table) ?? []), ...rows]));
    }
    const shape = this.#shape();
    try {
      this.base.apply(delta.tables ?? [], delta.schema);
    } catch (error) {
      if (error instanceof Misfit) return false;
      throw error;
    }
    this.epoch = delta.epoch;
    this.version = delta.version;
    this.#decide(delta, said);
    this.replay();
    said.based.push(delta);
    said.reset ||= this.#shape() !== shape;
    const now = this.#touchedNow();
    for (const table of new Set([...before.keys(), ...now.keys()])) {
      const seen = before.get(table) ?? new Map<string, Row | undefined>();
      for (const id of new Set([...seen.keys(), ...(now.get(table) ?? [])])) {
        // What only the replay has touched was shown as the base has it, before and after.
        const old = seen.has(id) ? seen.get(id) : this.base.tables.get(table)?.rows.get(id);
        const turned = has(was, table, id) !== has(now, table, id);
        if (turned || !same(old, this.row(table, id))) changed(said, table, id);
      }
    }
    return true;
  }

  /** Take a whole new base. What was in sight stays so until this (R4). */
  protected replace(building: Base, epoch: string, end: End, said: Step): void {
    building.keep(this.base);
    const old = new Map(this.base.specs.map((spec) => [spec.name, new Map(this.rows(spec.name).map((row) => [row[1], row]))]));
    const was = this.#touchedNow();
    this.base = building;
    this.epoch = epoch;
    this.version = end.version;
    this.#decide(end, said);
    this.replay();
    said.reset = said.rebased = true;
    const now = this.#touchedNow();
    for (const name of new Set([...old.keys(), ...building.tables.keys(), ...now.keys()])) {
      const before = old.get(name) ?? new Map<string, Row>();
      const after = new Map(this.rows(name).map((row) => [row[1], row]));
      for (const id of new Set([...before.keys(), ...after.keys()])) {
        const turned = has(was, name, id) !== has(now, name, id);
        if (turned || !same(before.get(id), after.get(id))) changed(said, name, id);
      }
    }
  }

  /** Drop what the room has decided: its rows are in the base already, so nothing flickers (R2). */
  #decide({ acks = {}, results = [] }: Decided, said: Step): void {
    const acked = acks[this.client] ?? 0;
    const mine = new Map<number, Result>();
    for (const result of results) if (result.client === this.client) mine.set(result.mid, result);
    const decided = this.pending.filter(({ mutation }) => mutation.mid <= acked);
    this.pending = this.pending.slice(decided.length);
    for (const { ticket, mutation } of decided) {
      const result = mine.get(mutation.mid);
      const settled = { ticket, mid: mutation.mid, mutation, value: result?.value ?? null };
      if (!result?.code) said.settled.push(settled);
      else said.settled.push({ ...settled, error: new MutationRejected(result.code, result.message ?? "") });
    }
    this.settled = Math.max(this.settled, acked);
    if (mine.size) said.send.push({ type: "seen", mid: this.settled });
  }

  // --- a copy that outlives the page ------------------------------------------------------------------------------------

  /** Go on as the client that made these. The room may have them already (R5). What was made here comes after them. */
  adopt(client: string, settled: number, outbox: readonly { readonly mutation: Mutation; readonly via: unknown }[]): void {
    this.client = client;
    this.settled = settled;
    const kept = outbox.map(({ mutation, via }) => {
      const each = this.#pending(mutation, weight(mutation.name, mutation.args), via);
      return { ...each, tried: true, kept: true };
    });
    const last = outbox.at(-1)?.mutation.mid ?? settled;
    this.pending.forEach((each, i) => (each.mutation = { ...each.mutation, mid: last + 1 + i }));
    this.pending = [...kept, ...this.pending];
    this.replay();
  }

  /** Begin with these rows. */
  protected begin(base: Base, epoch: string, version: number): void {
    this.base = base;
    this.epoch = epoch;
    this.version = version;
    this.replay();
  }

  // --- what changed -----------------------------------------------------------------------------------------------------

  #touchedNow(): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>();
    for (const each of this.pending) {
      for (const [table, ids] of each.touched) {
        const known = found.get(table) ?? new Set();
        for (const id of ids) known.add(id);
        found.set(table, known);
      }
    }
    return found;
  }

  #rowsOf(table: string, ids: Iterable<string>): Map<string, Row | undefined> {
    return new Map(Array.from(ids, (id) => [id, this.row(table, id)]));
  }

  /** Changes whenever tables or columns do. */
  #shape(): string {
    return stringify(this.specs);
  }
}

function has(touched: ReadonlyMap<string, ReadonlySet<string>>, table: string, id: string): boolean {
  return touched.get(table)?.has(id) ?? false;
}

export function tooLarge(size: number, most: number): ProtocolError {
  const text = `This edit is ${size} bytes, and the room takes at most ${most} in one. Split it into smaller edits.`;
  return new ProtocolError("too-large", text);
}

/** Bytes of a mutation in a frame, at most. */
export function weight(name: string, args: Args): number {
  return bytes(stringify(args)) + bytes(name) + OVERHEAD;
}

// A room as a page has it: its tables, who is there, and the edits that are on their way.
//
// Everything that is told is told from here, in one order: frames to the room first, then to whoever listens, then to
// receipts (R8). What a listener throws is reported, and stops nobody else.

import { mint } from "../../src/mint";
import type { Address } from "./address";
import type { Given } from "./columns";
import { Connection, TIMING, type Socket, type Status, type Talk, type Timing } from "./connection";
import { NotConnected, PermissionDenied, ProtocolError, type PartySyncError } from "./errors";
import { SUBPROTOCOL, type Bye, type Down, type Draft, type ErrorFrame, type Peer, type Up } from "./frames";
import { Keeper } from "./keeper";
import type { Platform } from "./keeping";
import { Showing } from "./presence";
import { Receipt } from "./receipt";
import { Replica } from "./replica";
import { emptyStep, type Step } from "./step";
import { Table } from "./table";
import type { Mutator } from "./transaction";

const UNDECIDED = 150; // milliseconds after which others are shown an edit that the room has not decided (D5)
const MOST_REJECTIONS = 100; // kept until somebody dismisses them

export interface Options extends Platform {
  /** What we call ourselves, and the colour in which others may draw us. */
  readonly user?: string;
  readonly color?: string;
  /** What the party's own mutators make of the view until the room has decided; without one, the room's word is waited for. */
  readonly mutators?: { readonly [name: string]: Mutator };
  /** Keep the room's rows, and edits that are not decided, over a reload. */
  readonly keep?: boolean;
  readonly timing?: Partial<Timing>;
  readonly WebSocket?: new (url: string, protocols: string[]) => Socket;
}

/** An edit that was not accepted: by the room, or because nobody can know. */
export interface Rejection {
  readonly name: string;
  readonly args: unknown;
  /** MutationRejected or OutcomeUnknown; of an action that was refused at once, whatever the mutator here threw. */
  readonly error: Error;
}

export interface Change {
  /** Ids of rows that changed, or became pending or settled, by table. */
  readonly rows: ReadonlyMap<string, ReadonlySet<string>>;
  /** Which of the others wrote a row, by table and id, as far as that is known. */
  readonly authors: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** It may be any of them, and the columns. */
  readonly reset: boolean;
  readonly peers: boolean;
  readonly drafts: boolean;
  /** `status`, `trouble` or `kept`. */
  readonly status: boolean;
  readonly rejections: readonly Rejection[];
  /** Why the room's history is not the one we knew; empty if it is (R10). */
  readonly rewound: string;
}

export class Room {
  readonly address: Address;
  /** Counts changes of the rows, and of which are pending. */
  generation = 0;
  /** For this package. */
  readonly replica: Replica;
  #connection: Connection;
  #showing: Showing;
  #keeper: Keeper | undefined;
  #platform: Platform;
  #tables = new Map<string, Table>();
  #listeners = new Set<(change: Change) => void>();
  #receipts = new Map<number, Receipt>();
  #rejections: readonly Rejection[] = [];
  #barriers = new Map<number, { sent: boolean; resolve: () => void; reject: (error: Error) => void }>();
  #asked = 0; // barriers, ever
  #flushing = false;
  #wanted = false;
  #opening: Promise<void> | undefined;

  constructor(address: Address, options: Options = {}) {
    this.address = address;
    const { user = "", color = "", mutators = {}, timing } = options;
    const own = new Map(Object.entries(mutators));
    this.replica = new Replica(mint(), { user, color, main: address.party === "main", mutators: own });
    this.#showing = new Showing(this.replica);
    const Dial = options.WebSocket ?? (globalThis.WebSocket as unknown as NonNullable<Options["WebSocket"]> | undefined);
    const open = () => {
      if (!Dial) throw new NotConnected("There is no WebSocket here; pass one as an option.");
      return new Dial(address.socket, [SUBPROTOCOL, ...address.offers]);
    };
    this.#connection = new Connection(open, address, this.#talk(), { ...TIMING, ...timing });
    this.#platform = options;
    if (options.keep) {
      const opened = () => this.#tell({ ...emptyStep(), reset: true }, true);
      this.#keeper = new Keeper(this.replica, { opened: () => (opened(), this.#soon()), freed: () => this.#flush() });
    }
  }

  get name(): string {
    return this.address.room;
  }

  get status(): Status {
    return this.#wanted && this.#connection.status === "offline" ? "connecting" : this.#connection.status;
  }

  /** Why it is not live. */
  get trouble(): PartySyncError | undefined {
    return this.#connection.trouble;
  }

  /** Whether edits and rows survive a reload; if not, why. */
  get kept(): true | string {
    return this.#keeper?.state ?? "It was not asked for: connect(…, {keep: true}).";
  }

  get version(): number {
    return this.replica.version;
  }

  /** What the room calls us, and what we may do. */
  get user(): string {
    return this.replica.user;
  }

  get role(): string {
    return this.replica.role;
  }

  get tables(): readonly string[] {
    return this.replica.specs.map((spec) => spec.name);
  }

  /** Who else is here, by client. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.replica.peers;
  }

  /** What others are typing, or have done and the room has not decided. */
  get drafts(): readonly { readonly client: string; readonly draft: Draft }[] {
    return this.replica.drafts;
  }

  /** How many of our edits the room has not decided. */
  get pending(): number {
    return this.replica.pending.length;
  }

  /** Edits that were not accepted, until they are dismissed; the newest last. */
  get rejections(): readonly Rejection[] {
    return this.#rejections;
  }

  dismiss(rejection: Rejection): void {
    this.#rejections = this.#rejections.filter((each) => each !== rejection);
    this.#tell(emptyStep());
  }

  table(name: string): Table {
    let table = this.#tables.get(name);
    if (!table) this.#tables.set(name, (table = new Table(this, name)));
    return table;
  }

  /** Hear of every change. Gives what ends it. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Make an edit: it is in the view when this returns. Throws MutationRejected, and then nothing was shown or queued (R7). */
  mutate(name: string, args: { readonly [name: string]: Given }, { id, via }: { id?: string; via?: unknown } = {}): Receipt {
    if (this.status === "closed" || this.status === "failed") {
      throw new NotConnected(`The room ${this.name} is ${this.status}. ${this.trouble?.message ?? "Connect again."}`);
    }
    const [pending, step] = this.replica.mutate(name, args, via);
    const receipt = new Receipt(pending, id);
    this.#receipts.set(pending.ticket, receipt);
    this.generation += 1; // a hook may show what the view does not
    this.#soon();
    this.#tell(step);
    return receipt;
  }

  /** For this package: an edit that was refused at once, and whose caller is not told otherwise. */
  refused(name: string, args: unknown, error: unknown): void {
    this.#reject([{ name, args, error: error as Error }]);
    this.#tell(emptyStep());
  }

  /** Done when everything sent so far is decided, and everything decided is here. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#barriers.set(++this.#asked, { sent: false, resolve, reject });
      this.#soon();
    });
  }

  /** Show `state` of ourselves to the others, as long as we are here. */
  present(state: { readonly [key: string]: Given }): void {
    this.#showing.present(state);
    this.#show();
  }

  /** Show others what rows would be (id -> column -> value; null: deleted), under a key; none: it is over.
   *  `mid`: it is that edit of ours by now, and ends when that is decided. */
  draft(key: string, table: string, rows: { readonly [id: string]: Given } = {}, mid = 0): void {
    this.#showing.draft(key, table, rows, mid);
    this.#show();
  }

  /** Connect, or mend a line that was cut on purpose. */
  online(): void {
    this.#wanted = true;
    const go = () => {
      if (this.#wanted) this.#connection.go();
    };
    if (!this.#keeper) return go();
    this.#opening ??= this.#keeper.open(storeOf(this.address), this.#platform);
    void this.#opening.then(go);
  }

  /** Cut the line on purpose: to teach, to test. Edits go on. */
  offline(): void {
    this.#wanted = false;
    this.#connection.rest();
  }

  /** Let go of the room. What it has not decided is told so; if it is kept, it is sent the next time. */
  close(): void {
    this.#wanted = false;
    this.#connection.close();
    this.#keeper?.add(); // what was made just now
    this.#keeper?.close();
  }

  // --- the line -----------------------------------------------------------------------------------------------------------

  #talk(): Talk {
    return {
      opened: () => {
        this.#showing.dialled();
        this.#after(this.replica.opened(mint(), Date.now()));
      },
      heard: (frame) => this.#heard(frame),
      cut: () => {
        for (const barrier of this.#barriers.values()) barrier.sent = false;
        this.#after(this.replica.closed());
      },
      ping: () => (this.replica.link === "live" ? this.replica.ping() : undefined),
      turned: () => this.#turned(),
    };
  }

  #heard(frame: Down): void {
    let step: Step;
    try {
      step = this.replica.receive(frame);
    } catch (error) {
      // A frame that is none, or a mistake of ours: the next line begins with hello.
      return this.#connection.hang(new ProtocolError("bad-frame", `A frame of the room cannot be taken: ${String(error)}`));
    }
    this.#after(step);
    this.#soon();
  }

  #after(step: Step): void {
    if (step.renumbered) this.#showing.renumbered();
    if (step.send.some((frame) => frame.type === "hello")) {
      this.#showing.greeted();
      for (const barrier of this.#barriers.values()) barrier.sent = false;
    }
    this.#connection.send(step.send);
    this.#keeper?.follow(step);
    this.#show();
    if (this.replica.link === "live" && this.#connection.status === "connecting") this.#connection.live();
    this.#tell(step);
    for (const { n } of step.barriers) {
      this.#barriers.get(n)?.resolve();
      this.#barriers.delete(n);
    }
    if (step.failed) this.#connection.fail(step.failed);
    if (step.ended) this.#ended(step.ended);
  }

  #ended(frame: ErrorFrame | Bye): void {
    if (frame.type === "bye") return this.#connection.hang(new NotConnected(frame.reason), (frame.after ?? 0) * 1000);
    const Kind = frame.kind === "forbidden" ? PermissionDenied : undefined;
    const error = Kind ? new Kind(frame.message) : new ProtocolError(frame.kind, frame.message);
    if (frame.retry === "never") this.#connection.fail(error);
    else this.#connection.hang(error);
  }

  #turned(): void {
    if (this.status === "closed" || this.status === "failed") {
      const why = `The room ${this.name} is ${this.status}: ${this.trouble?.message ?? "it had not decided this."}`;
      for (const receipt of this.#receipts.values()) receipt.dismiss(why);
      for (const barrier of this.#barriers.values()) barrier.reject(new NotConnected(why));
      this.#receipts.clear();
      this.#barriers.clear();
    }
    this.#tell(emptyStep(), true);
  }

  /** What gathers until the caller has done is sent together. */
  #soon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#keeper?.add();
    const pushes = this.replica.outgoing();
    this.#connection.send(pushes);
    const last = pushes.at(-1)?.mutations.at(-1)?.mid;
    if (last !== undefined) setTimeout(() => this.#late(last), UNDECIDED);
    if (this.replica.link !== "live" || this.replica.pending.some((each) => !each.sent)) return;
    const barriers: Up[] = [];
    for (const [n, barrier] of this.#barriers) {
      if (!barrier.sent) barriers.push({ type: "barrier", n });
      barrier.sent = true;
    }
    this.#connection.send(barriers);
  }

  /** By now our edits up to `mid` are decided, or others are shown them (D5). */
  #late(mid: number): void {
    if (mid <= this.replica.settled) return;
    this.#showing.late(mid);
    this.#show();
  }

  /** Only when live: before that, the room would forget it. */
  #show(): void {
    if (this.replica.link === "live") this.#connection.send(this.#showing.due());
  }

  #reject(some: readonly Rejection[]): void {
    if (some.length) this.#rejections = [...this.#rejections, ...some].slice(-MOST_REJECTIONS);
  }

  #tell(step: Step, status = false): void {
    if (step.changed.size || step.reset || step.settled.length) this.generation += 1;
    const rejections: Rejection[] = [];
    for (const { error, mutation: { name, args } } of step.settled) if (error) rejections.push({ name, args, error });
    this.#reject(rejections);
    const { changed: rows, authors, reset, peers, drafts, rewound } = step;
    for (const listener of [...this.#listeners]) {
      try {
        listener({ rows, authors, reset, peers, drafts, status, rejections, rewound });
      } catch (error) {
        console.error(error);
      }
    }
    for (const settled of step.settled) {
      this.#receipts.get(settled.ticket)?.settle(settled);
      this.#receipts.delete(settled.ticket);
    }
  }
}

/** One for each room and each token: what one person has not sent is never sent as another. */
function storeOf({ url, token }: Address): string {
  let hash = 0xcbf29ce484222325n; // FNV-1a: to tell tokens apart, not to hide them
  for (const byte of new TextEncoder().encode(token)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return `partysync ${url} ${token ? hash.toString(36) : ""}`;
}

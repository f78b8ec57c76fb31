// A replica: a page's copy of a room, and what it says to the room when.
//
//           opened            welcome               first delta, or whole snapshot
//     idle ────────▶ greeting ────────▶ welcomed ────────────────────────────────▶ live
//      ▲  closed        ▲                   │ a frame is missing, or does not fit    │
//      └────────────────┴───────────────────┴─────────── hello again ◀──────────────┘
//
// What core/replica.py is in Python; tests/vectors has conversations that both must answer alike. Frames go in, a Step
// comes out; no clock, no chance, no socket.

import { Base, Misfit } from "./base";
import { OutcomeUnknown, ProtocolError } from "./errors";
import type {
  Begin, Delta, Down, Draft, Drafts, End, Part, Peer, Peers, Ping, Push, TableChange, TableSpec, Welcome,
} from "./frames";
import { PROTOCOL } from "./frames";
import { emptyStep, type Pending, type Step } from "./step";
import type { Mutator } from "./transaction";
import { tooLarge, View } from "./view";

const MOST_RESYNCS = 3; // in a row without a frame that helped; a loop of resets is worse than an error (C2)

export type Link = "idle" | "greeting" | "welcomed" | "live";

export interface Self {
  readonly user?: string;
  readonly color?: string;
  readonly main?: boolean;
  readonly mutators?: ReadonlyMap<string, Mutator>;
}

export class Replica extends View {
  link: Link = "idle";
  /** Whose base this is: what our role was shown when it was told. */
  sight = "";
  /** Everybody else in the room. */
  readonly peers = new Map<string, Peer>();
  #drafts = new Map<string, { client: string; draft: Draft }>();
  #name: string;
  #color: string;
  #spare = "";
  #line = 0;
  #shown = ""; // the sight of the welcome
  #talking = ""; // the epoch of the welcome; the base is of it only once rows of it are here
  #resyncs = 0;
  #begun: Begin | undefined;
  #building: Base | undefined;
  #parts: TableChange[] = [];
  #grown: TableSpec[] = [];
  #counted = 0;

  constructor(client: string, { user = "", color = "", main = true, mutators }: Self = {}) {
    super(client, mutators, { user, main });
    this.#name = user; // as we say it; `user` is what the room calls us
    this.#color = color;
  }

  /** What others are about to change, each with its client. */
  get drafts(): readonly { readonly client: string; readonly draft: Draft }[] {
    return [...this.#drafts.values()];
  }

  // --- out --------------------------------------------------------------------------------------------------------------

  /** Pushes for what has not been sent on this connection, each within the room's limits. */
  outgoing(): Push[] {
    if (this.link !== "live") return [];
    const pushes: Push[] = [];
    let some: Push["mutations"][number][] = [];
    let room = 0;
    for (const each of this.pending) {
      if (each.sent) continue;
      if (!each.kept) break; // and nothing goes before it
      if (each.size > room || some.length === this.limits.mutations) {
        some = [];
        pushes.push({ type: "push", epoch: this.#talking, mutations: some });
        room = this.limits.frame;
      }
      some.push(each.mutation);
      each.sent = each.tried = true;
      room -= each.size;
    }
    return pushes;
  }

  /** A connection is open. `spare` is a fresh client id, should the room's history not be ours; `line` a time, or what grows. */
  opened(spare: string, line = 0): Step {
    this.#spare = spare;
    this.#line = Math.max(line, this.#line + 1);
    this.#resyncs = 0;
    const said = emptyStep();
    this.#greet(said);
    return said;
  }

  /** The connection is gone. Edits go on. */
  closed(): Step {
    const said = emptyStep();
    said.peers = true;
    said.drafts = this.#drafts.size > 0;
    this.link = "idle";
    this.#forgetParts();
    this.peers.clear();
    this.#drafts.clear();
    return said;
  }

  ping(): Ping {
    return { type: "ping", version: this.version };
  }

  #greet(said: Step): void {
    this.link = "greeting";
    this.#forgetParts();
    for (const each of this.pending) each.sent = false;
    const { client, epoch, settled, sight } = this;
    const version = epoch ? this.version : 0;
    const known = { epoch, version, settled, sight, name: this.#name, color: this.#color, line: this.#line };
    const given = Object.entries(known).filter(([, value]) => value); // what is empty is left out (S8)
    said.send.push({ type: "hello", protocol: PROTOCOL, client, ...Object.fromEntries(given) });
  }

  // --- in ---------------------------------------------------------------------------------------------------------------

  /** Take a frame. */
  receive(frame: Down): Step {
    const said = emptyStep();
    this.#take(frame, said);
    return said;
  }

  #take(frame: Down, said: Step): void {
    switch (frame.type) {
      case "error":
      case "bye":
        said.ended = frame;
        return;
      case "peers": return this.#meet(frame, said);
      case "drafts": return this.#told(frame.drafts, said);
      case "answer": return; // nothing here asks
      case "welcome":
        if (this.link === "greeting") return this.#welcomed(frame, said);
    }
    if (this.link === "greeting" && frame.type !== "pong") return; // of the conversation before this hello (H8)
    switch (frame.type) {
      case "delta":
        if (this.#talks() && !this.#begun && frame.epoch === this.#talking && frame.base === this.version) {
          return this.#advance(frame, said);
        }
        break;
      case "begin":
        if (frame.epoch === this.#talking && (frame.base ?? this.version) === this.version) return this.#begin(frame, said);
        break;
      case "part":
        if (this.#begun) return this.#part(frame, said);
        break;
      case "end":
        if (this.#begun) return this.#end(this.#begun, frame, said);
        break;
      case "barrier":
        if ((frame.version ?? 0) === this.version) return void said.barriers.push(frame);
        break;
      case "pong":
        if (frame.version === this.version && !this.#begun && (this.link === "idle" || this.link === "live")) return;
    }
    this.#resync(said);
  }

  #talks(): boolean {
    return this.link === "welcomed" || this.link === "live";
  }

  /** Something is missing: say what we hold, and be told the rest (R3). */
  #resync(said: Step): void {
    this.#resyncs += 1;
    if (this.#resyncs <= MOST_RESYNCS) return this.#greet(said);
    const text = `The room's frames did not fit this copy ${MOST_RESYNCS} times in a row. Connect again.`;
    said.failed = new ProtocolError("resync", text);
  }

  /** This copy cannot take what it was sent: ask for everything anew. */
  #refetch(said: Step): void {
    this.epoch = "";
    this.#resync(said);
  }

  #welcomed(welcome: Welcome, said: Step): void {
    if (welcome.protocol !== PROTOCOL) {
      const older = welcome.protocol < PROTOCOL ? "server" : "package partysync-web in this page";
      const text = `The server speaks protocol ${welcome.protocol}, this page ${PROTOCOL}. Update the ${older}.`;
      said.failed = new ProtocolError("protocol", text);
      return;
    }
    this.limits = welcome.limits;
    this.takes = new Set(welcome.mutators);
    this.user = welcome.user || this.#name;
    this.role = welcome.role ?? "owner";
    this.#shown = welcome.sight ?? "";
    this.peers.clear();
    for (const [client, peer] of Object.entries(welcome.peers ?? {})) if (client !== this.client) this.peers.set(client, peer);
    this.#over(() => true, said);
    this.#told(welcome.drafts ?? {}, said);
    said.peers = true;
    if (welcome.known ?? true) {
      this.#talking = welcome.epoch;
      this.link = "welcomed";
      this.#shed(welcome.last_mid, said);
    } else {
      this.#rewound(welcome.reason ?? "", said);
    }
  }

  /** Let go of edits made under a larger limit: they could never be sent, nor anything after them. */
  #shed(lastMid: number, said: Step): void {
    if (!this.pending.some((each) => each.mutation.mid > lastMid && each.size > this.limits.frame)) return;
    const kept: Pending[] = [];
    for (const each of this.pending) {
      if (each.mutation.mid > lastMid && each.size > this.limits.frame) {
        const error = tooLarge(each.size, this.limits.frame);
        said.settled.push({ ticket: each.ticket, mid: each.mutation.mid, mutation: each.mutation, value: null, error });
      } else {
        each.mutation = { ...each.mutation, mid: (kept.at(-1)?.mutation.mid ?? this.settled) + 1 };
        kept.push(each);
      }
    }
    this.pending = kept;
    said.renumbered = said.reset = true;
    this.replay();
  }

  /**
   * The history we knew is gone (R10). What was never sent is made again, under an id that nothing confuses (C5). The old
   * rows stay in sight until the new ones are whole (R4).
   */
  #rewound(reason: string, said: Step): void {
    said.rewound = reason;
    const kept: Pending[] = [];
    for (const each of this.pending) {
      const { mid, name, args } = each.mutation;
      if (each.tried) {
        const text = `${reason} Whether ${name} was decided before that cannot be known; look, and make it again.`;
        const error = new OutcomeUnknown(text, name, args);
        said.settled.push({ ticket: each.ticket, mid, mutation: each.mutation, value: null, error });
      } else {
        each.mutation = { mid: kept.length + 1, name, args };
        kept.push(each);
      }
    }
    this.client = this.#spare;
    this.epoch = "";
    this.settled = 0;
    this.pending = kept;
    said.reset = said.renumbered = true;
    this.replay();
    this.#greet(said);
  }

  // --- rows arrive ------------------------------------------------------------------------------------------------------

  #begin(begin: Begin, said: Step): void {
    this.#forgetParts();
    this.#begun = begin;
    if (begin.base != null) {
      this.#grown = [...(begin.schema ?? [])];
      return;
    }
    this.#building = new Base();
    this.#build(this.#building, { type: "part", tables: [], schema: begin.schema ?? [] }, said);
  }

  #part(part: Part, said: Step): void {
    this.#counted += 1;
    if (this.#building) return this.#build(this.#building, part, said);
    this.#parts.push(...part.tables);
    this.#grown.push(...(part.schema ?? []));
  }

  #build(building: Base, part: Part, said: Step): void {
    try {
      building.apply(part.tables, part.schema);
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      this.#refetch(said);
    }
  }

  #end(begun: Begin, end: End, said: Step): void {
    if ((end.parts ?? this.#counted) !== this.#counted) return this.#resync(said);
    const [parts, grown, building] = [this.#parts, this.#grown, this.#building];
    this.#forgetParts();
    if (!building) {
      const whole = { ...end, type: "delta", epoch: begun.epoch, base: this.version, tables: parts, schema: grown } as const;
      return this.#advance(whole, said);
    }
    this.replace(building, this.#talking, end, said);
    this.sight = this.#shown;
    this.#decided(end.acks ?? {}, said);
    this.#arrived();
  }

  #advance(delta: Delta, said: Step): void {
    if (!this.advance(delta, said)) return this.#refetch(said);
    this.#decided(delta.acks ?? {}, said);
    this.#sign(delta.tables ?? [], said);
    this.#arrived();
  }

  /** Which others wrote what has changed (V8). */
  #sign(changes: readonly TableChange[], said: Step): void {
    for (const { table, put = [], by = [] } of changes) {
      const authors = said.authors.get(table) ?? new Map<string, string>();
      put.forEach((row, i) => {
        const author = by.length === 1 ? by[0] : by[i];
        if (author && author !== this.client) authors.set(row[1], author);
      });
      if (authors.size) said.authors.set(table, authors);
    }
  }

  #arrived(): void {
    this.#resyncs = 0;
    this.link = "live";
  }

  #forgetParts(): void {
    this.#begun = this.#building = undefined;
    this.#parts = [];
    this.#grown = [];
    this.#counted = 0;
  }

  /** Begin with rows that were told before this page was loaded, under that sight. */
  adoptBase(base: Base, epoch: string, version: number, sight: string): void {
    this.begin(base, epoch, version);
    this.sight = sight;
  }

  // --- the others -------------------------------------------------------------------------------------------------------

  #meet(frame: Peers, said: Step): void {
    for (const [client, peer] of Object.entries(frame.peers)) {
      if (peer === null) {
        this.peers.delete(client);
        this.#over((each) => each.client === client, said);
      } else if (client !== this.client) {
        this.peers.set(client, peer);
      }
    }
    said.peers = true;
  }

  #told(drafts: Drafts["drafts"], said: Step): void {
    for (const [client, some] of Object.entries(drafts)) {
      for (const draft of some) {
        if (!Object.keys(draft.rows ?? {}).length) {
          this.#over((each) => each.client === client && each.draft.key === draft.key, said);
        } else if (client !== this.client) {
          this.#drafts.set(JSON.stringify([client, draft.key]), { client, draft });
          said.drafts = true;
        }
      }
    }
  }

  /** A draft ends with the frame that carries what became of it (R11). */
  #decided(acks: { readonly [client: string]: number }, said: Step): void {
    this.#over(({ client, draft }) => (draft.mid ?? 0) > 0 && draft.mid! <= (acks[client] ?? 0), said);
  }

  #over(which: (each: { client: string; draft: Draft }) => boolean, said: Step): void {
    for (const [key, each] of this.#drafts) if (which(each)) said.drafts = this.#drafts.delete(key) || said.drafts;
  }
}

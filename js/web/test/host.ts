// A room as the tests need one: slow and obvious. It keeps its whole state at every version, and compares states to tell
// what changed. Frames pass as JSON text, as on a wire.

import type {
  Args, Delta, Down, Draft, Hello, Json, Mutation, Part, Result, Row, Stored, TableChange, TableSpec, Up,
} from "../src/frames";
import { parse, stringify } from "../src/json";

export interface State {
  readonly specs: TableSpec[];
  readonly rows: { [table: string]: Row[] };
}

export class Refused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`Refused: ${code}.`);
    this.code = code;
  }
}

export const TODOS: TableSpec = {
  name: "todos",
  columns: [{ name: "text", type: "text", required: true }, { name: "done", type: "boolean" }],
};

export type Naive = (state: State, args: Args) => void;

/** What the built-in mutators do, row by row. Texts and booleans only. */
export const NAIVE: { [name: string]: Naive } = {
  insert(state, { table, id, values }) {
    const { spec, rows } = of(state, table);
    if (rows.some((row) => row[1] === id)) throw new Refused("constraint");
    const given = stored(values as Args);
    if (spec.columns.some((column) => column.required && given[column.name] === undefined)) throw new Refused("missing-value");
    const last = Math.max(0, ...rows.map((row) => Number(row[0])));
    rows.push([last + 1, id as string, ...spec.columns.map((column) => given[column.name] ?? null)]);
  },
  update(state, { table, id, values }) {
    const { spec, rows } = of(state, table);
    const at = rows.findIndex((row) => row[1] === id);
    if (at < 0) throw new Refused("unknown-row");
    const given = stored(values as Args);
    const row = rows[at]!;
    rows[at] = [row[0], row[1], ...spec.columns.map((column, i) => given[column.name] ?? (row[i + 2] as Stored))];
  },
  upsert(state, args) {
    const there = of(state, args["table"]).rows.some((row) => row[1] === args["id"]);
    (there ? NAIVE["update"]! : NAIVE["insert"]!)(state, args);
  },
  delete(state, { table, id }) {
    const { rows } = of(state, table);
    const at = rows.findIndex((row) => row[1] === id);
    if (at >= 0) rows.splice(at, 1);
  },
  batch(state, { steps }) {
    for (const [name, args] of steps as unknown as [string, Args][]) NAIVE[name]!(state, args);
  },
  /** As the ancestor's example has it. */
  create(state, { id, ...values }) {
    NAIVE["insert"]!(state, { table: "todos", id: id!, values });
  },
  /** One that reads. */
  append(state, { id, text }) {
    const row = of(state, "todos").rows.find((each) => each[1] === id);
    if (!row) throw new Refused("unknown-row");
    NAIVE["update"]!(state, { table: "todos", id: id!, values: { text: `${String(row[2])}${String(text)}` } });
  },
};

function of(state: State, table: Json | undefined): { spec: TableSpec; rows: Row[] } {
  const spec = state.specs.find((each) => each.name === table);
  if (!spec) throw new Refused("unknown-table");
  return { spec, rows: (state.rows[spec.name] ??= []) };
}

function stored(values: Args): { [column: string]: Stored } {
  const as = (value: Json): Stored => (typeof value === "boolean" ? Number(value) : (value as Stored));
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, as(value)]));
}

/** A mutation, whole or not at all: the state after it. */
export function after(state: State, { name, args }: Mutation): State {
  const next = structuredClone(state);
  const naive = NAIVE[name];
  if (!naive) throw new Refused("unknown-mutator");
  naive(next, args);
  for (const rows of Object.values(next.rows)) rows.sort((a, b) => Number(a[0]) - Number(b[0]));
  return next;
}

interface Decision { readonly client: string; readonly mid: number; readonly result?: Result }

export class Host {
  limits = { frame: 1 << 20, mutations: 256 };
  /** The mutators that it takes, and what everybody may do. */
  takes: readonly string[] = Object.keys(NAIVE);
  role = "owner";
  /** Decide at once. */
  prompt = true;
  /** Why a mutation is refused, if it is. */
  refuse: (mutation: Mutation, client: string) => string | undefined = () => undefined;
  epochs = ["e1"];
  horizon = 0;
  /** The state at every version. */
  states: State[];
  log: (Decision | undefined)[] = [undefined]; // by version
  visits = new Set<Visit>();
  #queue: { client: string; mutation: Mutation }[] = [];
  #openings = 1;
  #barriers: { visit: Visit; n: number }[] = [];

  constructor(specs: TableSpec[] = [TODOS]) {
    this.states = [{ specs, rows: {} }];
  }

  get version(): number {
    return this.states.length - 1;
  }

  get state(): State {
    return this.states.at(-1)!;
  }

  get epoch(): string {
    return this.epochs.at(-1)!;
  }

  last(client: string): number {
    return Math.max(0, ...this.log.map((each) => (each?.client === client ? each.mid : 0)));
  }

  /** Somebody else's edit. */
  edit(name: string, args: Args, client = "you"): void {
    this.#decide(client, { mid: this.last(client) + 1, name, args });
    this.publish();
  }

  /** The server's own doing: tables that come or grow. */
  shape(...specs: TableSpec[]): void {
    const next = structuredClone(this.state);
    for (const spec of specs) {
      const at = next.specs.findIndex((each) => each.name === spec.name);
      if (at < 0) next.specs.push(spec);
      else next.specs[at] = spec;
      const fill = spec.columns.map((column) => (column.default ?? null) as Stored);
      next.rows[spec.name] = (next.rows[spec.name] ?? []).map((row) => [...row, ...fill.slice(row.length - 2)] as unknown as Row);
    }
    this.states.push(next);
    this.log.push(undefined);
    this.publish();
  }

  push(visit: Visit, mutations: readonly Mutation[]): void {
    for (const mutation of mutations) {
      const queued = this.#queue.filter((each) => each.client === visit.client).length;
      const next = this.last(visit.client) + queued + 1;
      if (mutation.mid > next) return visit.tell({ type: "error", kind: "gap", message: "One is missing.", retry: "now" });
      if (mutation.mid === next) this.#queue.push({ client: visit.client, mutation });
    }
    if (this.prompt) this.turn();
  }

  barrier(visit: Visit, n: number): void {
    this.#barriers.push({ visit, n });
    if (this.prompt) this.turn();
  }

  /** Decide what has arrived, at most so many, and tell everybody. */
  turn(most = Infinity): void {
    for (const { client, mutation } of this.#queue.splice(0, most)) this.#decide(client, mutation);
    this.publish();
    if (this.#queue.length) return;
    for (const { visit, n } of this.#barriers.splice(0)) visit.tell({ type: "barrier", n, version: visit.sent });
  }

  publish(): void {
    for (const visit of this.visits) visit.catchUp();
  }

  /** The room's file is another, older one: versions after `version` have never been. */
  restore(version: number): void {
    this.states.length = this.log.length = version + 1;
    this.epochs = [this.#epoch()];
    this.#queue = [];
    this.cut();
  }

  /** The server has started anew. */
  reopen(): void {
    this.epochs.push(this.#epoch());
    this.#queue = [];
    this.cut();
  }

  #epoch(): string {
    return `e${++this.#openings}`;
  }

  cut(): void {
    for (const visit of [...this.visits]) visit.end();
  }

  /** From one version to another, as the room tells it; from none: every row. */
  change(base: number | undefined): TableChange[] {
    const before = base === undefined ? { specs: [], rows: {} } : this.states[base]!;
    return this.state.specs.flatMap((spec): TableChange[] => {
      const old = new Map((before.rows as State["rows"])[spec.name]?.map((row) => [row[1], stringify(row)]));
      const now = this.state.rows[spec.name] ?? [];
      const put = now.filter((row) => old.get(row[1]) !== stringify(row));
      const gone = [...old.keys()].filter((id) => !now.some((row) => row[1] === id));
      const columns = spec.columns.map((column) => column.name);
      return put.length || gone.length ? [{ table: spec.name, columns, put, gone }] : [];
    });
  }

  decided(base: number): { acks: { [client: string]: number }; results: Result[] } {
    const some = this.log.slice(base + 1).flatMap((each) => each ?? []);
    return {
      acks: Object.fromEntries(some.map(({ client, mid }) => [client, mid])),
      results: some.flatMap(({ result }) => result ?? []),
    };
  }

  #decide(client: string, mutation: Mutation): void {
    const { mid } = mutation;
    let result: Result | undefined;
    let next = structuredClone(this.state);
    try {
      const code = this.refuse(mutation, client);
      if (code) throw new Refused(code);
      next = after(this.state, mutation);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      result = { client, mid, code: error.code, message: error.message };
    }
    this.states.push(next);
    this.log.push(result ? { client, mid, result } : { client, mid });
  }
}

/** One connection, as the room sees it. */
export class Visit {
  client = "";
  sent = 0;
  live = false;
  heard: Up[] = [];
  #host: Host;
  #deliver: (text: string | undefined) => void;

  /** `deliver` takes what is sent, and undefined when the line is cut. */
  constructor(host: Host, deliver: (text: string | undefined) => void) {
    this.#host = host;
    this.#deliver = deliver;
    host.visits.add(this);
  }

  tell(frame: Down): void {
    this.#deliver(stringify(frame));
    if (frame.type === "error" || frame.type === "bye") this.end();
  }

  end(): void {
    if (!this.#host.visits.delete(this)) return;
    this.#others({ type: "peers", peers: { [this.client]: null } });
    this.#deliver(undefined);
  }

  hear(text: string): void {
    if (!this.#host.visits.has(this)) return;
    const frame = parse(text) as Up;
    this.heard.push(frame);
    switch (frame.type) {
      case "hello": return this.#greet(frame);
      case "push":
        if (!this.live || frame.epoch !== this.#host.epoch) {
          return this.tell({ type: "error", kind: "stale-epoch", message: "Greet again.", retry: "now" });
        }
        return this.#host.push(this, frame.mutations);
      case "barrier": return this.#host.barrier(this, frame.n);
      case "ping": return this.tell({ type: "pong", version: this.sent });
      case "draft": return this.#others({ type: "drafts", drafts: { [this.client]: [frame as Draft] } });
      case "presence": return this.#others({ type: "peers", peers: { [this.client]: { name: this.client, state: frame.state } } });
    }
  }

  catchUp(): void {
    if (!this.live || this.sent === this.#host.version) return;
    const base = this.sent;
    this.sent = this.#host.version;
    this.tell(this.#delta(base));
  }

  #delta(base: number): Delta {
    const host = this.#host;
    const old = host.states[base]!.specs.map(stringify);
    const schema = host.state.specs.filter((spec) => !old.includes(stringify(spec)));
    const { epoch, version } = host;
    return { type: "delta", epoch, base, version, tables: host.change(base), schema, ...host.decided(base) };
  }

  #greet(hello: Hello): void {
    const host = this.#host;
    const { client, epoch = "", version = 0, settled = 0 } = hello;
    this.client = client;
    const known = !epoch || (host.epochs.includes(epoch) && version <= host.version && settled <= host.last(client));
    const greeted = [...host.visits].filter((each) => each.client);
    this.tell({
      type: "welcome", protocol: 1, epoch: host.epoch, version: host.version, last_mid: host.last(client), limits: host.limits,
      party: "p", mutators: host.takes, role: host.role,
      peers: Object.fromEntries(greeted.map((each) => [each.client, { name: each.client }])),
      ...(known ? {} : { known, reason: "The room was restored." }),
    });
    this.live = known;
    if (!known) return;
    this.sent = host.version;
    if (epoch && version >= host.horizon) return this.tell(this.#delta(version));
    const parts: Part[] = host.change(undefined).map((change) => ({ type: "part", tables: [change] }));
    this.tell({ type: "begin", epoch: host.epoch, schema: host.state.specs });
    for (const part of parts) this.tell(part);
    const results = host.log.flatMap((each) => (each?.client === client && each.mid > settled ? (each.result ?? []) : []));
    this.tell({ type: "end", version: host.version, acks: { [client]: host.last(client) }, results, parts: parts.length });
    this.#others({ type: "peers", peers: { [client]: { name: client } } });
  }

  #others(frame: Down): void {
    for (const visit of this.#host.visits) if (visit !== this && visit.live) visit.tell(frame);
  }
}

/** Random numbers that a seed gives again. */
export { anySeed, chance } from "../../test/kernel";

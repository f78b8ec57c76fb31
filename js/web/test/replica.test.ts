// Whatever happens to a line, a page shows what the room had decided at the version it holds, with its own undecided edits
// played over that, and never anything else (R1 to R8, R10). The model is slow and obvious, and is asked after every step.

import { describe, expect, it } from "vitest";
import { MutationRejected, OutcomeUnknown } from "../src/errors";
import type { Args, Down, Row } from "../src/frames";
import { parse, stringify } from "../src/json";
import { Replica } from "../src/replica";
import type { Step } from "../src/step";
import type { Mutator } from "../src/transaction";
import { after, anySeed, chance, Host, Refused, Visit, type State } from "./host";

const MUTATORS: ReadonlyMap<string, Mutator> = new Map<string, Mutator>([
  ["append", (tx, { id, text }: { id: string; text: string }) => {
    const row = tx.get("todos", id);
    if (!row) throw new MutationRejected("unknown-row", `There is no row ${id}.`);
    tx.update("todos", id, { text: `${row["text"] as string}${text}` });
  }],
]);

/** A page and its line: what the room has said and the page has not heard waits in `down`. */
class Page {
  replica: Replica;
  visit: Visit | undefined;
  down: string[] = [];
  made = 0;
  outcomes = new Map<number, string>(); // what was said of each edit
  shown = new Map<string, string>(); // what an observer has drawn, by table and id
  #host: Host;
  #lines = 0;
  #spares = 0;
  #name: string;

  constructor(host: Host, name: string) {
    this.#host = host;
    this.#name = name;
    this.replica = new Replica(name, { mutators: MUTATORS });
  }

  dial(): void {
    const visit: Visit = new Visit(this.#host, (text) => {
      if (this.visit !== visit) return;
      if (text === undefined) this.cut();
      else this.down.push(text);
    });
    this.visit = visit;
    this.after(this.replica.opened(`${this.#name}-${++this.#spares}`, ++this.#lines));
  }

  cut(): void {
    const { visit } = this;
    this.visit = undefined;
    this.down = [];
    visit?.end();
    this.after(this.replica.closed());
  }

  hear(): void {
    const text = this.down.shift();
    if (text !== undefined) this.after(this.replica.receive(parse(text) as Down));
  }

  hearAll(): void {
    for (let most = 10_000; this.down.length && most; most--) this.hear();
    expect(this.down.length, "the page and the room never end").toBe(0);
  }

  ask(): void {
    if (this.replica.link === "live") this.visit?.hear(stringify(this.replica.ping()));
  }

  after(step: Step): void {
    for (const { ticket, mutation, error } of step.settled) {
      expect(this.outcomes.has(ticket), `${stringify(mutation)} was settled twice`).toBe(false);
      this.outcomes.set(ticket, error instanceof OutcomeUnknown ? "unknown" : error ? (error as MutationRejected).code : "accepted");
    }
    this.draw(step);
    for (const frame of [...step.send, ...this.replica.outgoing()]) this.visit?.hear(stringify(frame));
    if (step.ended || step.failed) this.cut();
  }

  /** As a careful observer: only the rows that it was told of, and after a reset all of them. */
  draw(step: Step): void {
    if (step.reset) this.shown.clear();
    if (step.reset) for (const row of this.replica.rows("todos")) this.shown.set(`todos ${row[1]}`, stringify(row));
    for (const [table, ids] of step.changed) {
      for (const id of ids) {
        const row = this.replica.row(table, id);
        if (row) this.shown.set(`${table} ${id}`, stringify(row));
        else this.shown.delete(`${table} ${id}`);
      }
    }
  }

  /** What must be seen: the room's state at this version, and the pending edits, each whole or not at all. */
  expected(history: Map<string, State>): State {
    const { epoch, version, pending } = this.replica;
    let state = history.get(`${epoch} ${version}`)!;
    for (const { mutation } of pending) {
      try {
        state = after(state, mutation);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
    return state;
  }
}

describe("a page whose line loses, repeats and stops", () => {
  const pinned = [1, 7, 4242, 99_999, 8800560, 382046670];
  it.each([...pinned, ...Array.from({ length: 40 }, anySeed)])("always shows what the model does, seed %i", (seed) => run(seed));
});

function run(seed: number): void {
  const random = chance(seed);
  const host = new Host();
  host.prompt = false;
  host.refuse = (mutation) => (stringify(mutation.args).includes("nope") ? "forbidden" : undefined);
  const pages = [new Page(host, "ann"), new Page(host, "ben")];
  let history = new Map<string, State>();
  let made = 0;
  const note = () => {
    for (const epoch of host.epochs) host.states.forEach((state, version) => history.set(`${epoch} ${version}`, state));
  };
  const edit = (): [string, Args] => {
    const id = `r${random(6)}`;
    const text = `${random(9) === 0 ? "nope" : "t"}${++made}`;
    switch (random(6)) {
      case 0: case 1: return ["insert", { table: "todos", id, values: { text, done: random(2) === 0 } }];
      case 2: return ["update", { table: "todos", id, values: random(2) ? { text } : { done: random(2) === 0, text } }];
      case 3: return ["append", { id, text }];
      case 4: return ["upsert", { table: "todos", id, values: { text } }];
      default: return random(2)
        ? ["delete", { table: "todos", id }]
        : ["batch", { steps: [["delete", { table: "todos", id }], ["insert", { table: "todos", id: `r${random(6)}`, values: { text } }]] }];
    }
  };
  const check = (where: string) => {
    note();
    for (const page of pages) {
      const { replica } = page;
      if (!replica.epoch && !page.replica.specs.length) continue; // nothing was told yet
      if (!history.has(`${replica.epoch} ${replica.version}`)) continue; // restored, and not told yet
      const rows = page.expected(history).rows["todos"] ?? [];
      expect(replica.rows("todos"), where).toEqual(rows);
      const drawn = [...page.shown].filter(([key]) => key.startsWith("todos ")).map(([, row]) => row);
      expect(drawn.sort(), `${where}: an observer was not told`).toEqual(rows.map((row: Row) => stringify(row)).sort());
    }
  };
  for (let step = 0; step < 300; step++) {
    const where = `seed ${seed}, step ${step}`;
    const page = pages[random(2)]!;
    switch (random(14)) {
      case 0: case 1: case 2: {
        if (!page.replica.epoch) break; // without a table nothing can be guessed
        const [name, args] = edit();
        const { pending } = page.replica;
        const count = pending.length;
        try {
          page.after(page.replica.mutate(name, args)[1]);
          page.made += 1;
        } catch (error) {
          expect((error as MutationRejected).code, where).toBeDefined();
          expect(page.replica.pending.length, where).toBe(count); // nothing was queued (R7)
        }
        break;
      }
      case 3: case 4: case 5: case 6: page.hear(); break;
      case 7: host.turn(1 + random(3)); break;
      case 8: host.turn(); break;
      case 9: if (!page.visit) page.dial(); break;
      case 10: if (random(4) === 0 && page.visit) page.cut(); else if (!page.visit) page.dial(); break;
      case 11: // a frame is lost, or comes twice
        if (random(3) === 0) page.down.shift();
        else if (random(3) === 0 && page.down.length) page.down.unshift(page.down[0]!);
        break;
      case 12: {
        const [name, args] = edit();
        host.edit(name, args, "cy");
        break;
      }
      default:
        if (random(6) === 0) host.reopen();
        else if (random(12) === 0) {
          host.restore(random(host.version + 1));
          history = new Map(); // what was after it has never been
        } else if (random(4) === 0) host.horizon = host.version;
    }
    check(where);
  }
  for (let tries = 0; tries < 10; tries++) {
    host.turn();
    for (const page of pages) {
      if (!page.visit) page.dial();
      page.hearAll();
      if (page.visit && page.replica.link !== "live") page.cut(); // its welcome was lost, and a silent line is dead (C7)
      page.ask(); // a frame that was lost last is noticed by a ping (R3)
      page.hearAll();
    }
  }
  check(`seed ${seed}, at the end`);
  for (const page of pages) {
    expect(page.replica.pending, `seed ${seed}`).toEqual([]);
    expect(page.outcomes.size, `seed ${seed}: each edit has one outcome (R6)`).toBe(page.made);
    expect(page.replica.rows("todos"), `seed ${seed}`).toEqual(host.state.rows["todos"] ?? []);
  }
}

describe("an undecided edit", () => {
  it("costs as much as there are edits, not rows", () => {
    const host = new Host();
    host.states[0]!.rows["todos"] = Array.from({ length: 20_000 }, (_, i): Row => [i + 1, `r${i}`, "x", 0]);
    const page = new Page(host, "ann");
    page.dial();
    page.hearAll();
    const before = page.replica.row("todos", "r7");

    page.after(page.replica.mutate("update", { table: "todos", id: "r9", values: { done: true } })[1]);

    expect(page.replica.row("todos", "r7")).toBe(before);
  });
});

describe("a row that others wrote", () => {
  it("comes with who that was, as far as the room says, and never with ourselves (V8)", () => {
    const host = new Host();
    const page = new Page(host, "ann");
    page.dial();
    page.hearAll();
    const { replica } = page;
    const hear = (put: readonly Row[], by: readonly string[]) => {
      const tables = [{ table: "todos", columns: ["text", "done"], put, by }];
      const { version, epoch } = replica;
      return replica.receive({ type: "delta", epoch, base: version, version: version + 1, tables }).authors.get("todos");
    };
    const rows: Row[] = [[1, "a", "x", 0], [2, "b", "x", 0], [3, "c", "x", 0]];

    expect(hear(rows, ["bea"])).toEqual(new Map([["a", "bea"], ["b", "bea"], ["c", "bea"]]));
    expect(hear(rows, ["bea", "ann", ""])).toEqual(new Map([["a", "bea"]]));
    expect(hear(rows, ["ann"])).toBeUndefined();
    expect(hear(rows, [])).toBeUndefined();
  });
});

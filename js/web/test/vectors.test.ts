// The replica of a page answers every vector as it must; that of a kernel does in tests/vectors/test_vectors.py.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MutationRejected, OutcomeUnknown, ProtocolError } from "../src/errors";
import type { Args, Down } from "../src/frames";
import { parse } from "../src/json";
import { Replica } from "../src/replica";
import type { Step } from "../src/step";
import type { Mutator } from "../src/transaction";

const FOLDER = new URL("../../../tests/vectors/", import.meta.url);

/** As player.py has them. */
const TODOS: ReadonlyMap<string, Mutator> = new Map<string, Mutator>([
  ["toggle", (tx, { id }: { id: string }) => tx.update("todos", id, { done: !tx.get("todos", id)!["done"] })],
  ["append", (tx, { id, text }: { id: string; text: string }) => {
    const row = tx.get("todos", id);
    if (!row) throw new MutationRejected("unknown-row", `There is no row ${id}.`);
    tx.update("todos", id, { text: `${row["text"] as string}${text}` });
  }],
]);

interface VectorStep {
  readonly open?: { readonly line: number; readonly spare: string };
  readonly close?: true;
  readonly receive?: readonly Down[];
  readonly mutate?: readonly [string, Args];
  readonly expect: Record<string, unknown>;
}

interface Vector {
  readonly about: string;
  readonly party?: string;
  readonly steps: readonly VectorStep[];
}

describe("a page answers as the vector says", () => {
  for (const name of readdirSync(FOLDER).filter((each) => each.endsWith(".json"))) {
    const vector = parse(readFileSync(new URL(name, FOLDER), "utf8")) as Vector;

    it(`${name.replace(".json", "")}: ${vector.about}`, () => {
      const todos = vector.party === "todos";
      const replica = new Replica("me", { user: "Me", main: !todos, mutators: todos ? TODOS : new Map() });
      vector.steps.forEach((step, i) => {
        const seen = play(replica, step);
        if (todos) delete seen["columns"];
        expect(seen, `step ${i + 1}`).toEqual(step.expect);
      });
    });
  }
});

/** What is so after a step, in the words of `expect`; what is empty is left out. */
function play(replica: Replica, step: VectorStep): Record<string, unknown> {
  const seen: Record<string, unknown> = {};
  const steps: Step[] = [];
  if (step.open) steps.push(replica.opened(step.open.spare, step.open.line));
  if (step.close) steps.push(replica.closed());
  for (const frame of step.receive ?? []) steps.push(replica.receive(frame));
  if (step.mutate) {
    try {
      steps.push(replica.mutate(step.mutate[0], step.mutate[1])[1]);
    } catch (error) {
      seen["refused"] = code(error as Error);
    }
  }
  for (const each of steps) {
    if (each.rewound) seen["rewound"] = each.rewound;
    if (each.failed) seen["failed"] = code(each.failed);
    if (each.ended) seen["ended"] = each.ended.type;
  }
  const tables = replica.specs.map((spec) => spec.name);
  Object.assign(seen, {
    link: replica.link,
    client: replica.client,
    epoch: replica.epoch,
    version: replica.epoch ? replica.version : 0,
    sent: [...steps.flatMap((each) => each.send), ...replica.outgoing()],
    columns: byTable(tables, (table) => replica.spec(table)!.columns.map((column) => column.name)),
    rows: byTable(tables, (table) => replica.rows(table)),
    pending: replica.pending.map(({ mutation }) => [mutation.mid, mutation.name]),
    touched: byTable(tables, (table) => [...replica.touched(table)].sort()),
    changed: byTable(
      new Set(steps.flatMap((each) => [...each.changed.keys()])),
      (table) => [...new Set(steps.flatMap((each) => [...(each.changed.get(table) ?? [])]))].sort(),
    ),
    settled: steps.flatMap((each) => each.settled).map(({ mid, value, error }) => (error ? [mid, null, code(error)] : [mid, value])),
    barriers: steps.flatMap((each) => each.barriers).map((barrier) => barrier.n),
    peers: Object.fromEntries(Array.from(replica.peers, ([client, peer]) => [client, peer.name])),
    drafts: replica.drafts.map(({ client, draft }) => [client, draft.key]),
  });
  return Object.fromEntries(Object.entries(seen).filter(([key, value]) => key === "version" || !empty(value)));
}

function byTable<T extends readonly unknown[]>(tables: Iterable<string>, of: (table: string) => T): Record<string, T> {
  return Object.fromEntries(Array.from(tables, (table) => [table, of(table)] as const).filter(([, found]) => found.length));
}

function empty(value: unknown): boolean {
  return value === "" || (typeof value === "object" && Object.keys(value!).length === 0);
}

function code(error: Error): string {
  if (error instanceof OutcomeUnknown) return "unknown";
  if (error instanceof MutationRejected) return error.code;
  if (error instanceof ProtocolError) return error.kind;
  throw error;
}

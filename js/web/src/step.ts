// What goes from floor to floor: an undecided mutation, what became of it, and what came of one call.

import type { PartySyncError } from "./errors";
import type { Barrier, Bye, Delta, ErrorFrame, Json, Mutation, Up } from "./frames";

/** A mutation that the room has not decided. `ticket` stays the same when `mid` must change. */
export interface Pending {
  readonly ticket: number;
  mutation: Mutation;
  readonly size: number;
  sent: boolean; // on this connection
  tried: boolean; // on any: the room may have it
  kept: boolean; // where it survives a reload, if there is such a place: not sent before
  shown: boolean; // false: it shows nothing, and waits for the room
  readonly touched: Map<string, Set<string>>; // rows, by table
  readonly via: unknown; // whoever made it may mark it
}

/** One of our mutations, decided: what its mutator returned, or why not. */
export interface Settled {
  readonly ticket: number;
  readonly mid: number;
  readonly mutation: Mutation;
  readonly value: Json;
  readonly error?: PartySyncError;
}

/** What came of one call. */
export interface Step {
  readonly send: Up[];
  /** Rows whose view, or whose being pending, changed; by table. */
  readonly changed: Map<string, Set<string>>;
  /** Which others wrote what has changed, as far as that is known: by table, and the row's id. */
  readonly authors: Map<string, Map<string, string>>;
  /** Tables or columns changed, or the whole base. */
  reset: boolean;
  readonly settled: Settled[];
  /** How the base moved, for a copy of it. */
  readonly based: Delta[];
  rebased: boolean;
  renumbered: boolean;
  peers: boolean;
  drafts: boolean;
  readonly barriers: Barrier[];
  /** Why the room's history is not the one we knew (R10). */
  rewound: string;
  ended?: ErrorFrame | Bye;
  failed?: PartySyncError;
}

export function emptyStep(): Step {
  return {
    send: [], changed: new Map(), authors: new Map(), reset: false, settled: [], based: [], rebased: false, renumbered: false, peers: false,
    drafts: false, barriers: [], rewound: "",
  };
}

export function changed(step: Step, table: string, id: string): void {
  const known = step.changed.get(table) ?? new Set();
  step.changed.set(table, known.add(id));
}

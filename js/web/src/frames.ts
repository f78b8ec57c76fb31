// Every frame between a client and a room, as docs/protocol.md has them (F1 to F20). Version 1.
//
//   up     hello  push  seen  presence  draft  barrier  ask  ping
//   down   welcome  delta  begin part end  peers  drafts  barrier  answer  pong  error  bye
//
// A field with a default may be left out (S8), so it is optional here.

export const PROTOCOL = 1;
export const SUBPROTOCOL = "partysync.v1+json";

/** Bytes of one presence, and of one draft, as JSON (L4); drafts of one session that are not over (L5). */
export const PRESENCE_BYTES = 4096;
export const DRAFT_BYTES = 8192;
export const MOST_DRAFTS = 32;

/** Plain data. Integers beyond 2^53 are bigints (S7). */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };
export type Args = { readonly [name: string]: Json };

/** A value as SQLite stores it (V3): bytes are base64 text, a boolean is 0 or 1. */
export type Stored = string | number | bigint | null;
export type Position = number | bigint;
/** `[position, id, value, …]`, the values in the order of the table's columns (V1). */
export type Row = readonly [position: Position, id: string, ...values: Stored[]];

export type ColumnType =
  | "text" | "integer" | "real" | "boolean" | "json" | "datetime" | "date" | "choice" | "bytes";

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly required?: boolean;
  readonly default?: Json;
  readonly choices?: readonly string[];
}

export interface TableSpec {
  readonly name: string;
  readonly columns: readonly Column[];
}

export interface TableChange {
  readonly table: string;
  readonly columns: readonly string[];
  readonly put?: readonly Row[];
  readonly gone?: readonly string[];
  readonly by?: readonly string[];
}

export interface Mutation {
  readonly mid: number;
  readonly name: string;
  readonly args: Args;
}

export interface Result {
  readonly client: string;
  readonly mid: number;
  readonly value?: Json;
  readonly code?: string | null;
  readonly message?: string | null;
}

export interface Peer {
  readonly name: string;
  readonly color?: string;
  readonly state?: { readonly [key: string]: Json };
  readonly role?: string;
}

export interface Limits {
  readonly frame: number;
  readonly mutations: number;
}

// --- up ---------------------------------------------------------------------------------------------------------------

export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly client: string;
  readonly party?: string;
  readonly epoch?: string;
  readonly version?: number;
  readonly settled?: number;
  readonly name?: string;
  readonly color?: string;
  readonly line?: number;
  readonly sight?: string;
  readonly schema?: number;
}

export interface Push { readonly type: "push"; readonly epoch: string; readonly mutations: readonly Mutation[] }
export interface Seen { readonly type: "seen"; readonly mid: number }
export interface Presence { readonly type: "presence"; readonly state: { readonly [key: string]: Json } }

/** Row by id, value by column, as in arguments (V4); null: the row would be deleted. */
export type DraftRows = { readonly [id: string]: { readonly [column: string]: Json } | null };

export interface Draft {
  readonly type: "draft";
  readonly key: string;
  readonly table?: string;
  readonly rows?: DraftRows;
  readonly mid?: number;
}

export interface Barrier { readonly type: "barrier"; readonly n: number; readonly version?: number }
export interface Ask {
  readonly type: "ask";
  readonly n: number;
  readonly what: "people" | "revoke" | "share";
  readonly args?: Args;
}
export interface Ping { readonly type: "ping"; readonly version: number }

export type Up = Hello | Push | Seen | Presence | Draft | Barrier | Ask | Ping;

// --- down -------------------------------------------------------------------------------------------------------------

export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  readonly epoch: string;
  readonly version: number;
  readonly last_mid: number;
  readonly limits: Limits;
  readonly party: string;
  readonly mutators: readonly string[];
  readonly known?: boolean;
  readonly reason?: string;
  readonly peers?: { readonly [client: string]: Peer };
  readonly drafts?: { readonly [client: string]: readonly Draft[] };
  readonly user?: string;
  readonly role?: string;
  readonly sight?: string;
  readonly schema?: number;
}

/** What was decided: in a delta, and at the end of what comes in parts. */
interface Decided {
  readonly version: number;
  readonly acks?: { readonly [client: string]: number };
  readonly results?: readonly Result[];
}

export interface Delta extends Decided {
  readonly type: "delta";
  readonly epoch: string;
  readonly base: number;
  readonly tables?: readonly TableChange[];
  readonly schema?: readonly TableSpec[];
}

export interface Begin {
  readonly type: "begin";
  readonly epoch: string;
  readonly base?: number | null;
  readonly schema?: readonly TableSpec[];
}
export interface Part {
  readonly type: "part";
  readonly tables: readonly TableChange[];
  readonly schema?: readonly TableSpec[];
}
export interface End extends Decided { readonly type: "end"; readonly parts?: number | null }

export interface Peers { readonly type: "peers"; readonly peers: { readonly [client: string]: Peer | null } }
export interface Drafts { readonly type: "drafts"; readonly drafts: { readonly [client: string]: readonly Draft[] } }
export interface Answer {
  readonly type: "answer";
  readonly n: number;
  readonly value?: Json;
  readonly code?: string | null;
  readonly message?: string | null;
}
export interface Pong { readonly type: "pong"; readonly version: number }
export interface ErrorFrame {
  readonly type: "error";
  readonly kind: string;
  readonly message: string;
  readonly retry: "backoff" | "never" | "now";
}
export interface Bye { readonly type: "bye"; readonly reason: string; readonly after?: number }

export type Down =
  | Welcome | Delta | Begin | Part | End | Peers | Drafts | Barrier | Answer | Pong | ErrorFrame | Bye;

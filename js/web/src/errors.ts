// Everything that can go wrong, in the words of the person it happens to.
//
//   PartySyncError
//   ├── MutationRejected(code)   the edit broke a rule; nothing of it was kept
//   ├── ProtocolError(kind)      the two sides do not understand each other
//   ├── NotConnected             no server, or no answer from it
//   ├── PermissionDenied         the server says no
//   └── OutcomeUnknown           the room's history was replaced before it told us

import type { Args } from "./frames";

// Names are written out: a bundler may rename the classes.
export class PartySyncError extends Error {
  override name = "PartySyncError";
}

export class MutationRejected extends PartySyncError {
  override name = "MutationRejected";
  /** Short and stable, for programs (B4). */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class ProtocolError extends PartySyncError {
  override name = "ProtocolError";
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

export class NotConnected extends PartySyncError {
  override name = "NotConnected";
}

export class PermissionDenied extends PartySyncError {
  override name = "PermissionDenied";
  /** Of the room's error, or of the refusal of the server (S4). */
  readonly kind: string;

  constructor(message: string, kind = "forbidden") {
    super(message);
    this.kind = kind;
  }
}

/** Of a mutation that may have been decided, or not (R10): with its name and arguments, to be made again. */
export class OutcomeUnknown extends PartySyncError {
  override name = "OutcomeUnknown";
  readonly mutator: string;
  readonly args: Args;

  constructor(message: string, mutator: string, args: Args) {
    super(message);
    this.mutator = mutator;
    this.args = args;
  }
}

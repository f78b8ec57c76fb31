// A connection: keeps a line to the room, dials again when it is cut, and notices when it is dead.
//
//   connecting ─▶ live ──cut──▶ waiting ─▶ connecting …        offline (on purpose)        closed, failed (for good)
//
// It knows sockets and time, and nothing of rows: frames go to whoever talks.

import type { Address } from "./address";
import { NotConnected, ProtocolError, type PartySyncError } from "./errors";
import { SUBPROTOCOL, type Down, type Up } from "./frames";
import { parse, stringify } from "./json";
import { reasonOf } from "./reason";

export type Status = "connecting" | "live" | "waiting" | "offline" | "closed" | "failed";

/** Milliseconds. C7, E11. */
export const TIMING = {
  first: 500, // between attempts to reconnect, at most; doubles, full jitter
  last: 30_000,
  open: 10_000, // for a socket to open
  ping: 10_000, // of silence before asking whether the room is still there
  silence: 10_000, // without an answer before the line counts as dead
};
export type Timing = typeof TIMING;

/** What of a WebSocket is used. */
export interface Socket {
  readonly protocol: string;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(text: string): void;
  close(): void;
}

/** Whoever talks. */
export interface Talk {
  opened(): void;
  heard(frame: Down): void;
  cut(): void;
  /** To be sent into a silence; undefined if there is nothing to ask yet. */
  ping(): Up | undefined;
  turned(): void;
}

export class Connection {
  status: Status = "offline";
  /** Why it is not live. */
  trouble: PartySyncError | undefined;
  #open: () => Socket;
  #address: Address;
  #talk: Talk;
  #timing: Timing;
  #socket: Socket | undefined;
  #attempt = 0;
  #patience = 0; // milliseconds that a server on its way down asked for
  #heard = 0;
  #asked = 0; // when it was asked whether it is still there
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopListening: () => void;

  constructor(open: () => Socket, address: Address, talk: Talk, timing: Timing) {
    this.#open = open;
    this.#address = address;
    this.#talk = talk;
    this.#timing = timing;
    this.#stopListening = whenBack(() => this.#back());
  }

  /** Connect, and stay connected. */
  go(): void {
    if (this.#over || this.status !== "offline") return;
    this.#attempt = 0;
    this.#dial();
  }

  /** Cut the line on purpose. */
  rest(): void {
    if (!this.#over) this.#end("offline");
  }

  /** For good. */
  close(): void {
    if (!this.#over) this.#end("closed");
    this.#stopListening();
  }

  /** For good, because a person has to do something first. */
  fail(trouble: PartySyncError): void {
    this.trouble = trouble;
    this.#end("failed");
    this.#stopListening();
  }

  /** The room has taken us in. */
  live(): void {
    this.#attempt = 0;
    this.trouble = undefined;
    this.#become("live");
  }

  /** Cut this line and come again: because of `trouble`, after `patience` milliseconds. */
  hang(trouble: PartySyncError, patience = 0): void {
    this.trouble = trouble;
    this.#patience = patience;
    this.#drop();
  }

  send(frames: readonly Up[]): void {
    for (const frame of frames) this.#socket?.send(stringify(frame));
  }

  get #over(): boolean {
    return this.status === "closed" || this.status === "failed";
  }

  #end(status: Status): void {
    this.status = status;
    if (this.#socket) this.#drop();
    clearTimeout(this.#timer);
    this.#talk.turned();
  }

  #become(status: Status): void {
    if (this.status === status) return;
    this.status = status;
    this.#talk.turned();
  }

  #dial(): void {
    this.#become("connecting");
    let opened = false;
    let socket: Socket;
    try {
      socket = this.#open();
    } catch (error) {
      const why = error instanceof NotConnected ? error.message : (error as Error).name; // its message may have the token
      return this.fail(new NotConnected(`This page cannot open ${this.#address.url}: ${why}`));
    }
    this.#socket = socket;
    const mine = (take: () => void) => () => {
      if (this.#socket === socket) take();
    };
    socket.onopen = mine(() => {
      opened = true;
      this.#heard = Date.now();
      this.#asked = 0;
      if (socket.protocol !== SUBPROTOCOL) {
        return this.hang(new ProtocolError("protocol", `The server does not speak ${SUBPROTOCOL}; it is another, or older.`));
      }
      this.#watch();
      this.#talk.opened();
    });
    socket.onmessage = (event) => mine(() => this.#take(event.data))();
    socket.onerror = () => {};
    socket.onclose = mine(() => {
      this.trouble ??= new NotConnected("The line to the room was cut.");
      if (!opened) this.#explain();
      this.#drop();
    });
    this.#at(this.#timing.open, mine(() => this.hang(new NotConnected("There is no answer from the server."))));
  }

  /** A socket does not say why it was refused; the same address does, to a plain request, where we may ask. */
  #explain(): void {
    this.trouble = new NotConnected("There is no room server at this address, or it does not let this page in.");
    void reasonOf(this.#address).then((reason) => {
      if (!reason || this.status !== "waiting") return;
      this.trouble = reason;
      this.#talk.turned();
    });
  }

  #take(data: unknown): void {
    this.#heard = Date.now();
    this.#asked = 0;
    let frame: Down;
    try {
      frame = parse(String(data)) as Down;
    } catch {
      return this.hang(new ProtocolError("bad-frame", "The room has sent what is no JSON."));
    }
    this.#talk.heard(frame);
  }

  /** Let go of the socket, at once: one that is dead takes its time to close. */
  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    clearTimeout(this.#timer);
    this.#talk.cut();
    if (this.#over || this.status === "offline") return;
    const most = Math.min(this.#timing.last, this.#timing.first * 2 ** Math.min(this.#attempt++, 10));
    this.#become("waiting");
    this.#at(this.#patience + Math.random() * most, () => this.#dial());
    this.#patience = 0;
  }

  #watch(): void {
    const now = Date.now();
    if (this.#asked && now - this.#asked >= this.#timing.silence) {
      return this.hang(new NotConnected("The server has stopped answering."));
    }
    if (!this.#asked && now - this.#heard >= this.#timing.ping) this.#ask();
    const next = this.#asked ? this.#asked + this.#timing.silence : this.#heard + this.#timing.ping;
    this.#at(Math.max(next - now, 10), () => this.#watch());
  }

  /** One at a time: each answer that is not as expected asks for everything. */
  #ask(): void {
    const ping = this.#talk.ping();
    this.#asked = Date.now();
    if (ping) this.send([ping]);
  }

  /** The network is back, or somebody looks at the page: do not wait for a timer that slept. */
  #back(): void {
    if (this.status === "waiting") {
      clearTimeout(this.#timer);
      this.#dial();
    } else if (this.status === "live" && !this.#asked) {
      this.#ask();
      this.#watch();
    }
  }

  #at(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, milliseconds);
  }
}

function whenBack(then: () => void): () => void {
  const { document, addEventListener, removeEventListener } = globalThis as Partial<typeof globalThis>;
  if (!document || !addEventListener || !removeEventListener) return () => {};
  const seen = () => {
    if (document.visibilityState === "visible") then();
  };
  addEventListener("online", then);
  document.addEventListener("visibilitychange", seen);
  return () => {
    removeEventListener("online", then);
    document.removeEventListener("visibilitychange", seen);
  };
}

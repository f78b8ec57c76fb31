// The platform's side of a line, for tests: a WebSocket class whose other end is a host, and Web Locks of one browser.

import type { Socket } from "../src/connection";
import { SUBPROTOCOL, type Up } from "../src/frames";
import { type Host, Visit } from "./host";

export class Line {
  /** Whether a socket that is dialled opens. */
  up = true;
  /** Nothing passes, either way, and nobody is told. */
  dead = false;
  /** When, of each attempt to connect. */
  readonly dialled: number[] = [];
  readonly addresses: string[] = [];
  readonly offers: (readonly string[])[] = [];
  /** Sees what is sent at the moment it is. */
  onsend: (text: string) => void = () => {};
  readonly WebSocket: new (url: string, protocols: string[]) => Socket;
  host: Host;
  visits: Visit[] = [];

  constructor(host: Host) {
    this.host = host;
    const line = this;
    this.WebSocket = class implements Socket {
      protocol = "";
      onopen: Socket["onopen"] = null;
      onmessage: Socket["onmessage"] = null;
      onclose: Socket["onclose"] = null;
      onerror: Socket["onerror"] = null;
      #visit: Visit | undefined;
      #closed = false;

      constructor(url: string, protocols: string[]) {
        line.dialled.push(Date.now());
        line.addresses.push(url);
        line.offers.push(protocols);
        setTimeout(() => {
          if (this.#closed) return;
          if (!line.up) return this.#end();
          if (line.dead) return;
          this.protocol = protocols.includes(SUBPROTOCOL) ? SUBPROTOCOL : "";
          this.#visit = new Visit(line.host, (text) => setTimeout(() => this.#get(text)));
          line.visits.push(this.#visit);
          this.onopen?.();
        });
      }

      send(text: string): void {
        line.onsend(text);
        setTimeout(() => {
          if (!line.dead) this.#visit?.hear(text);
        });
      }

      close(): void {
        this.#closed = true;
        this.#visit?.end();
      }

      #get(text: string | undefined): void {
        if (this.#closed || line.dead) return;
        if (text === undefined) this.#end();
        else this.onmessage?.({ data: text });
      }

      #end(): void {
        this.#closed = true;
        this.onclose?.();
      }
    };
  }

  /** All that the room was told over this line. */
  get heard(): Up[] {
    return this.visits.flatMap((visit) => visit.heard);
  }

  heardOf<T extends Up["type"]>(type: T): Extract<Up, { type: T }>[] {
    return this.heard.filter((frame) => frame.type === type) as Extract<Up, { type: T }>[];
  }
}

/** Of one browser: what one page holds, another does not get. */
export function locksOfABrowser(): Pick<LockManager, "request"> & { readonly held: ReadonlySet<string> } {
  const held = new Set<string>();
  const request = async (name: string, _options: unknown, callback: (lock: unknown) => unknown): Promise<unknown> => {
    if (held.has(name)) return callback(null);
    held.add(name);
    try {
      return await callback({ name });
    } finally {
      held.delete(name);
    }
  };
  return { request, held } as unknown as ReturnType<typeof locksOfABrowser>;
}

/** What `there()` gives once it is true; the only place in these tests that waits. */
export async function until<T>(there: () => T, what = "What the test waits for"): Promise<NonNullable<T>> {
  const deadline = Date.now() + 4000;
  for (;;) {
    const found = there();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what} did not happen within 4 s.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

// Rooms that hooks share: one for each address, opened by the first that holds it and closed a moment after the last.
//
// A moment, because React's StrictMode lets go of everything once, only to take it again.

import { addressOf, type Address } from "./address";
import { Room, type Options } from "./room";

const LINGER = 1000; // milliseconds

/** What of a PartySocket, or a WebSocket, is looked at: only where it leads. Nothing is sent over it. */
export interface SocketLike {
  readonly url: string;
  /** Of a PartySocket, whose `url` is empty until it is open. */
  readonly roomUrl?: string;
  readonly partySocketOptions?: { readonly query?: unknown };
  addEventListener(type: "open", listener: () => void): void;
  removeEventListener(type: "open", listener: () => void): void;
}

/** A room of one's own, a socket to one, or its address. */
export type Source = Room | SocketLike | string;

export class Shared {
  /** While somebody holds it. */
  room: Room | undefined;
  #address: Address;
  #options: Options;
  #holders = 0;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(address: Address, options: Options) {
    this.#address = address;
    this.#options = options;
  }

  hold(): () => void {
    clearTimeout(this.#closing);
    this.#holders += 1;
    if (!this.room) {
      this.room = new Room(this.#address, this.#options);
      this.room.online();
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holders -= 1;
      if (!this.#holders) this.#closing = setTimeout(() => this.#close(), LINGER);
    };
  }

  #close(): void {
    this.room?.close();
    this.room = undefined;
  }
}

export interface Holder {
  readonly room: Room | undefined;
  hold(): () => void;
}

const shared = new Map<string, Shared>();
const own = new WeakMap<Room, Holder>();
let defaults: Options = { keep: true };

/** How rooms that hooks open by themselves are opened: who we are, the mutators, whether they are kept. */
export function configure(options: Options): void {
  defaults = { keep: true, ...options };
}

/** Who holds the room of `source`; undefined if it cannot be told yet where it leads. */
export function holderOf(source: Source): Holder | undefined {
  if (source instanceof Room) {
    let holder = own.get(source);
    if (!holder) own.set(source, (holder = { room: source, hold: () => () => {} }));
    return holder;
  }
  const url = typeof source === "string" ? source : whereTo(source);
  if (!url) return undefined;
  const address = addressOf(url);
  const key = `${address.socket}#${address.token}`;
  let found = shared.get(key);
  if (!found) shared.set(key, (found = new Shared(address, defaults)));
  return found;
}

function whereTo({ url, roomUrl, partySocketOptions }: SocketLike): string {
  const query = partySocketOptions?.query;
  const token = typeof query === "object" && query !== null && "token" in query ? query.token : undefined;
  const known = url ? new URL(url).searchParams.get("token") : undefined;
  const plain = (roomUrl || url).split("?")[0]!;
  const secret = String(token ?? known ?? "");
  return plain && secret ? `${plain}#${encodeURIComponent(secret)}` : plain;
}

// For React: `useSync`, with the ancestor's signature and what it gives, on our own protocol. Moving over is one import.
//
// The socket says only where the room is: its frames are the ancestor's, ours travel on a line of their own, which all
// hooks of one address share. Pass a room of `connect()` instead, and there is no other.

import { useCallback, useEffect, useMemo, useReducer, useSyncExternalStore } from "react";
import type { Status } from "./connection";
import { NotConnected } from "./errors";
import type { Peer } from "./frames";
import { Lens, send, type Action, type Reducer } from "./records";
import type { Rejection, Room } from "./room";
import { holderOf, type Holder, type Source } from "./shared";

export { isOptimistic } from "./records";
export { configure, type SocketLike, type Source } from "./shared";

const NOBODY: ReadonlyMap<string, Peer> = new Map();
const NONE: readonly never[] = [];
const heeded = new WeakMap<Room, number>(); // how many look at a room's rejections

/**
 * The records of the table `key`, live, and what sends an action: its type is the mutator, its payload the arguments.
 *
 * `optimisticReducer` says what records look like until the room has decided; without one, the built-in mutators show what
 * they will do. Why an action was refused is with `useRejections`.
 */
export function useSync<RecordType extends unknown[], ActionType extends { type: string; payload: unknown }>(
  key: string,
  socket: Source,
  optimisticReducer?: Reducer<RecordType, ActionType>,
): [RecordType[], (action: ActionType) => void] {
  const holder = useHolder(socket);
  const lens = useMemo(() => new Lens<RecordType, ActionType>(key), [holder, key]);
  lens.reducer = optimisticReducer; // the last one drawn with: it is pure, so which it is does not matter
  const records = useRoom(holder, (room) => lens.records(room), () => lens.records(undefined));
  const sendAction = useCallback((action: ActionType) => act(holder?.room, key, action), [holder, key]);
  return [records, sendAction];
}

/** Whether the room is live, and if not, what it waits for. */
export function useStatus(socket: Source): Status {
  return useRoom(useHolder(socket), (room) => room?.status ?? "connecting", () => "connecting");
}

/** Who else is in the room, by client. */
export function usePeers(socket: Source): readonly (Peer & { readonly client: string })[] {
  const holder = useHolder(socket);
  const glance = useMemo(() => new Glance(), [holder]);
  return useRoom(holder, (room) => glance.peers(room?.peers ?? NOBODY), () => NONE);
}

/** Actions that were refused, with the reason, and what dismisses one. */
export function useRejections(socket: Source): [readonly Rejection[], (rejection: Rejection) => void] {
  const holder = useHolder(socket);
  const rejections = useRoom(holder, (room) => room?.rejections ?? NONE, () => NONE);
  useEffect(() => {
    const room = holder?.room;
    if (!room) return undefined;
    heeded.set(room, (heeded.get(room) ?? 0) + 1);
    return () => void heeded.set(room, heeded.get(room)! - 1);
  }, [holder]);
  const dismiss = useCallback((rejection: Rejection) => holder?.room?.dismiss(rejection), [holder]);
  return [rejections, dismiss];
}

/** As the ancestor's, it throws nothing at its caller. Where nobody looks at the rejections, the console has them. */
function act(room: Room | undefined, key: string, action: Action): void {
  if (!room) return warn(room, `${action.type} was not sent: its room is not open yet, or its component is gone.`);
  const say = (error: unknown) => {
    if (!(error instanceof NotConnected)) warn(room, `${action.type} was not accepted: ${String(error)}`);
  };
  try {
    send(room, key, action).result().catch(say);
  } catch (error) {
    room.refused(action.type, action.payload, error);
    say(error);
  }
}

function warn(room: Room | undefined, text: string): void {
  if (!room || !heeded.get(room)) console.warn(`partysync-web: ${text}`);
}

function useHolder(socket: Source): Holder | undefined {
  const [, again] = useReducer((count: number) => count + 1, 0);
  const holder = holderOf(socket);
  useEffect(() => {
    if (holder || typeof socket === "string" || !("addEventListener" in socket)) return undefined;
    socket.addEventListener("open", again); // now it knows where it leads
    return () => socket.removeEventListener("open", again);
  }, [holder, socket]);
  return holder;
}

/** Hold the room as long as the component is there, and draw again when `look` gives something else. */
function useRoom<T>(holder: Holder | undefined, look: (room: Room | undefined) => T, onServer: () => T): T {
  const subscribe = useCallback((changed: () => void) => {
    if (!holder) return () => {};
    const release = holder.hold();
    const end = holder.room!.subscribe(changed);
    return () => {
      end();
      release();
    };
  }, [holder]);
  return useSyncExternalStore(subscribe, () => look(holder?.room), onServer);
}

/** The same list until somebody comes, changes or leaves. */
class Glance {
  #seen: readonly (Peer & { readonly client: string })[] = NONE;
  #of: readonly Peer[] = NONE;

  peers(peers: ReadonlyMap<string, Peer>): readonly (Peer & { readonly client: string })[] {
    const now = [...peers.values()];
    if (now.length !== this.#of.length || now.some((peer, i) => peer !== this.#of[i])) {
      this.#of = now;
      this.#seen = Array.from(peers, ([client, peer]) => ({ ...peer, client }));
    }
    return this.#seen;
  }
}

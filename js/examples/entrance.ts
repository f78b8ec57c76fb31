// The entrance of an example page: `<server>/examples/<page>/<room>#token`, or without a room, for who has no link in hand.

import { Kept, type Place } from "../page/place";
import { addressOf } from "../web/src/address";
import { connect, type Options, type Room } from "../web/src/index";

const PAGE = /^(?<above>.*)\/examples\/(?<page>[^/]+)(?:\/(?<room>[^/]+))?$/;

/** What this tab was let in to. */
export interface Entered {
  readonly room: Room;
  /** The link is good no more: a reload asks for another. */
  forget(): void;
}

/** Enter the room of `party` that the page's address names; undefined if this tab was never given its link. */
export function enter(party: string, options: Options): Entered | undefined {
  const { above, room } = PAGE.exec(location.pathname)?.groups ?? {};
  if (!room) return undefined;
  const server = `${location.origin}${above}`;
  const place: Place = { server, party, room: decodeURIComponent(room), table: "", name: "" };
  const kept = new Kept(place);
  kept.take(location, history);
  addEventListener("hashchange", () => kept.take(location, history) && location.reload()); // another link, in the same tab
  if (!kept.token) return undefined;
  const entered = connect({ url: server, party, room: place.room, token: kept.token }, options);
  return { room: entered, forget: () => kept.forget() };
}

/** Where this page shows the room that a link leads to. Throws what says what is wrong with the link. */
export function pageOf(link: string, party: string): string {
  const { party: kind, room, token } = addressOf(link.trim());
  if (kind !== party) throw new Error(`This is a room of ${kind}, and this page is for rooms of ${party}.`);
  if (!token) throw new Error("The part behind # is missing. Ask whoever made the link for all of it.");
  const { above, page } = PAGE.exec(location.pathname)!.groups!;
  return `${above}/examples/${page}/${encodeURIComponent(room)}#${encodeURIComponent(token)}`;
}

/** Delete what this browser has of a room that is closed. */
export async function clear({ address }: Room): Promise<void> {
  for (const { name } of await indexedDB.databases()) {
    if (!name?.startsWith(`partysync ${address.url} `)) continue;
    await new Promise((resolve, reject) => {
      const deleting = indexedDB.deleteDatabase(name);
      deleting.onsuccess = resolve;
      deleting.onerror = () => reject(deleting.error);
    });
  }
}

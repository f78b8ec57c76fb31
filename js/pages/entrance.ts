// The entrance of an example page: which room its address means, and the token that lets it in.
//
//   https://rooms.example.org/examples/todo/groceries#TOKEN
//
// The token stands behind `#`, which no browser sends anywhere. It is taken out of the address at once, so that it is in no
// history, bookmark or picture of the screen, and kept for this tab alone: a reload still opens the room.

import { addressOf } from "../web/src/address";
import type { Room } from "../web/src/index";

const PAGE = /^(?<above>.*)\/examples\/(?<page>[^/]+)(?:\/(?<room>[^/]+))?$/;

/** The address of the page's room of `party`, with its token; undefined if this tab was never given one. */
export function entrance(party: string): string | undefined {
  const { origin, pathname, hash } = location;
  const { above, room } = PAGE.exec(pathname)?.groups ?? {};
  const place = `partysync ${pathname}`;
  if (hash.length > 1) {
    sessionStorage.setItem(place, hash);
    history.replaceState(null, "", pathname);
  }
  addEventListener("hashchange", () => location.reload()); // another link, opened in the same tab
  const token = sessionStorage.getItem(place);
  return room && token ? `${origin}${above}/parties/${party}/${room}${token}` : undefined;
}

/** Where this page shows the room that a link leads to; throws PartySyncError, or says what is wrong with the link. */
export function pageOf(link: string, party: string): string {
  const { party: kind, room, token } = addressOf(link.trim());
  if (kind !== party) throw new Error(`This is a room of ${kind}, and this page is for rooms of ${party}.`);
  if (!token) throw new Error("The part behind # is missing. Ask whoever made the link for all of it.");
  const { above, page } = PAGE.exec(location.pathname)!.groups!;
  return `${above}/examples/${page}/${encodeURIComponent(room)}#${encodeURIComponent(token)}`;
}

/** Delete what this browser keeps of a room that is closed. */
export async function forget(room: Room): Promise<void> {
  for (const { name } of await indexedDB.databases()) {
    if (!name?.startsWith(`partysync ${room.address.url} `)) continue;
    await new Promise((resolve, reject) => {
      const deleting = indexedDB.deleteDatabase(name);
      deleting.onsuccess = resolve;
      deleting.onerror = () => reject(deleting.error);
    });
  }
}

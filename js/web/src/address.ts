// Where a room is, and how to be let in: `https://rooms.example.org/parties/main/genetics-101`, with the token of a link
// behind `#` (S1, S2).
//
// A browser cannot send a header with a WebSocket, so the token travels among the sub-protocols that are offered: an
// address would be in the logs of every proxy.

import { PartySyncError } from "./errors";

export interface Place {
  /** The server's address: `https://rooms.example.org`, or of Jupyter `https://…/partysync`. The page's own if left out. */
  readonly url?: string;
  readonly room: string;
  /** As in the address: in kebab-case. */
  readonly party?: string;
  readonly token?: string;
}

export interface Address {
  /** The room's, without credentials: what it is known by. */
  readonly url: string;
  readonly party: string;
  readonly room: string;
  readonly token: string;
  /** Of the socket, without credentials. */
  readonly socket: string;
  /** What the socket offers beside the protocol it talks: the token, if there is one. */
  readonly offers: readonly string[];
}

/** Of a room's address, or of its parts. Throws PartySyncError with how it is written. */
export function addressOf(given: string | Place): Address {
  if (typeof given !== "string") {
    const base = (given.url ?? globalThis.location?.origin ?? "").replace(/\/$/, "");
    if (!base) throw new PartySyncError("Say which server has the room: connect({url: 'https://…', room: '…'}).");
    const path = `/parties/${encodeURIComponent(given.party ?? "main")}/${encodeURIComponent(given.room)}`;
    return addressOf(`${base}${path}${given.token ? `#${encodeURIComponent(given.token)}` : ""}`);
  }
  let url: URL;
  try {
    url = new URL(given, globalThis.location?.href);
  } catch {
    throw wrong(given);
  }
  const [, party, room] = /\/parties\/([^/]+)\/([^/]+)\/?$/.exec(url.pathname) ?? [];
  if (!party || !room) throw wrong(given);
  const token = decodeURIComponent(url.hash.slice(1)) || url.searchParams.get("token") || "";
  url.hash = "";
  url.searchParams.delete("token");
  url.protocol = url.protocol.replace("http", "ws");
  const socket = url.href;
  url.search = "";
  url.protocol = url.protocol.replace("ws", "http");
  const offers = token ? [`partysync.token.${base64url(token)}`] : [];
  return { url: url.href, party: decodeURIComponent(party), room: decodeURIComponent(room), token, socket, offers };
}

/** Without padding: what a sub-protocol may be called is narrower than what a token may be. */
function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const plain = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return plain.replace(/[+/=]/g, (char) => ({ "+": "-", "/": "_" })[char] ?? "");
}

function wrong(given: string): PartySyncError {
  const said = given.split("#")[0]!.slice(0, 200); // never the token
  const how = "Write https://server/parties/<party>/<room>, or {url, party, room}.";
  return new PartySyncError(`"${said}" is no address of a room. ${how}`);
}

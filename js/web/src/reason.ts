// Why a room's address refuses us, in the server's own words (S4), where a page may ask.

import type { Address } from "./address";
import { NotConnected, PermissionDenied, ProtocolError, type PartySyncError } from "./errors";

/** The server's sentence; undefined if it has none, or does not tell this page. */
export async function reasonOf({ socket, token }: Address): Promise<PartySyncError | undefined> {
  try {
    const answer = await fetch(socket.replace(/^ws/, "http"), {
      cache: "no-store",
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(5000),
    });
    const said: unknown = await answer.json();
    if (typeof said !== "object" || said === null || !("error" in said) || !("message" in said)) return undefined;
    const [kind, message] = [String(said.error), String(said.message)];
    if (kind === "websocket") return undefined; // it would let us in
    if (answer.status === 403) return new PermissionDenied(message, kind);
    return kind === "storage" || kind === "busy" ? new NotConnected(message) : new ProtocolError(kind, message);
  } catch {
    return undefined; // no answer, none that this page may read, or none of ours
  }
}

// What a page says of its line to the room, and when it is over.

import { PermissionDenied, ProtocolError } from "../web/src/errors";
import type { Room } from "../web/src/room";

/** `live` is all right, `trying` will be by itself, `over` never will be without a person. */
export type Light = "live" | "trying" | "over";

export interface Said {
  readonly light: Light;
  readonly text: string;
  /** What happened and what to do, in whole sentences; empty while it is live. */
  readonly why: string;
}

export const NO_TOKEN =
  "This page is opened by its link, all of it, with the part behind the #. Whoever shared the room has it: " +
  'print(room.share("viewer").page_url("…")).';
const NOT_GOOD = "The link of this page is good no more: it has expired, or was taken back. Ask whoever shared the room for a new one.";
const ENDS = ["token", "role", "forbidden"]; // of a refusal: nothing that this page has will be let in again

/** `since`: when it was last live, undefined if it never was. */
export function say({ status, trouble, role }: Pick<Room, "status" | "trouble" | "role">, since: Date | undefined): Said {
  if (status === "live") return { light: "live", text: role === "viewer" ? "live, read-only" : "live", why: "" };
  if (trouble instanceof PermissionDenied && ENDS.includes(trouble.kind)) {
    const what = trouble.kind === "token" ? NOT_GOOD : trouble.message;
    return { light: "over", text: "closed", why: `${what} Open the new link here.` };
  }
  if (status === "failed" || status === "closed") {
    return { light: "over", text: "closed", why: trouble?.message ?? "The room has closed this page." };
  }
  const text = since ? `not live since ${at(since)}` : "connecting";
  return { light: "trying", text, why: trouble ? `${trouble.message} Trying again.` : "" };
}

/** Whether loading the page anew, later and by itself, may help: another server, or a newer one. */
export function mayPass({ status, trouble }: Pick<Room, "status" | "trouble">): boolean {
  return status === "failed" && trouble instanceof ProtocolError;
}

/** A time of today by the clock, another one with its day. */
export function at(time: Date, now = new Date()): string {
  const clock = time.toLocaleTimeString("en-GB");
  return time.toDateString() === now.toDateString() ? clock : `${time.toLocaleDateString("sv")} ${clock}`;
}

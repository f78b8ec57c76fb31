// What the package gives: connect to a room, and work with its tables. docs/web.md is the guide.

import { addressOf, type Place } from "./address";
import { Room, type Options } from "./room";

/**
 * A room, live: `connect("https://rooms.example.org/parties/main/genetics-101#token")`. It connects by itself, and again
 * whenever the line is cut; edits show at once, and are sent when there is a line.
 */
export function connect(place: string | Place, options: Options = {}): Room {
  const room = new Room(addressOf(place), options);
  room.online();
  return room;
}

export { Room, type Change, type Options, type Rejection } from "./room";
export type { Place } from "./address";
export type { Given, Value } from "./columns";
export type { Status } from "./connection";
export { MutationRejected, NotConnected, OutcomeUnknown, PartySyncError, PermissionDenied, ProtocolError } from "./errors";
export type { Column, ColumnType, Draft, Peer } from "./frames";
export type { Receipt } from "./receipt";
export type { Table } from "./table";
export type { GivenValues, Mutator, Transaction, Values } from "./transaction";

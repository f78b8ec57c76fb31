// What survives a reload. A page that ends is closed here, or its room is left as it is while the browser lets go of its lock.

import { IDBFactory } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect, type Options, type Room } from "../src/index";
import { isOptimistic, Lens, send } from "../src/records";
import { Host } from "./host";
import { Line, locksOfABrowser, until } from "./line";

const ADDRESS = "https://rooms.example/parties/main/genetics";

let host: Host;
let line: Line;
let browser: { indexedDB: IDBFactory; locks: ReturnType<typeof locksOfABrowser> };
let rooms: Room[];

beforeEach(() => {
  host = new Host();
  line = new Line(host);
  browser = { indexedDB: new IDBFactory(), locks: locksOfABrowser() };
  rooms = [];
});

afterEach(() => {
  for (const room of rooms) room.close();
});

async function load(address = ADDRESS, options: Options = {}): Promise<Room> {
  const room = connect(address, { WebSocket: line.WebSocket, timing: { first: 1, last: 5 }, keep: true, ...browser, ...options });
  rooms.push(room);
  await until(() => room.kept === true || !room.kept.startsWith("It is not open"));
  return room;
}

async function live(address?: string): Promise<Room> {
  const room = await load(address);
  await until(() => room.status === "live");
  return room;
}

/** The page is gone, and the browser has let go of its lock. */
async function unload(room: Room): Promise<void> {
  const before = browser.locks.held.size;
  room.close();
  await until(() => browser.locks.held.size < before);
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
}

function texts(room: Room): unknown[] {
  return room.table("todos").rows.map((row) => row["text"]);
}

describe("over a reload", () => {
  it("rows are there before the room is, and it tells only what has changed since (R4)", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    host.edit("insert", { table: "todos", id: "b", values: { text: "bread" } });
    const first = await live();
    host.edit("insert", { table: "todos", id: "c", values: { text: "rice" } });
    host.edit("delete", { table: "todos", id: "a" });
    await until(() => texts(first).join() === "bread,rice");
    await unload(first);
    line.up = false;

    const second = await load();
    expect(texts(second)).toEqual(["bread", "rice"]);
    host.edit("update", { table: "todos", id: "b", values: { text: "rye" } });
    line.up = true;
    await until(() => texts(second).join() === "rye,rice");

    expect(line.heardOf("hello").at(-1)).toMatchObject({ epoch: "e1", version: 4 });
  });

  it("edits that were made offline are there, and are sent later, once, with their mids (R5)", async () => {
    const first = await live();
    line.up = false;
    host.cut();
    first.table("todos").insert({ text: "milk" });
    first.table("todos").insert({ text: "bread" });
    await unload(first);

    const second = await load();
    expect([texts(second), second.pending]).toEqual([["milk", "bread"], 2]);
    line.up = true;
    await second.sync();
    await unload(second);
    const third = await live();

    expect(host.state.rows["todos"]?.map((row) => row[2])).toEqual(["milk", "bread"]);
    expect(third.pending).toBe(0);
    expect(new Set(line.heardOf("hello").map((hello) => hello.client)).size).toBe(1);
  });

  it("an edit that was decided while the page was gone is not made twice (R5)", async () => {
    const first = await live();
    host.prompt = false;
    first.table("todos").insert({ text: "milk" });
    await until(() => line.heardOf("push").length);
    line.dead = true;
    host.turn();
    await unload(first);
    line.dead = false;
    host.prompt = true;

    const second = await live();
    await until(() => !second.pending);

    expect(texts(second)).toEqual(["milk"]);
    expect(host.state.rows["todos"]).toHaveLength(1);
  });

  it("an edit is on the disk before it is sent, or a crash could give its mid to another (R5)", async () => {
    const room = await live();
    const order: string[] = [];
    const transaction = IDBDatabase.prototype.transaction;
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...how) {
      const tx = transaction.apply(this, how);
      if (how[1] === "readwrite" && how[2]?.durability === "strict") tx.addEventListener("complete", () => order.push("kept"));
      return tx;
    });
    line.onsend = (text) => text.includes("push") && order.push("sent");

    await room.table("todos").insert({ text: "milk" }).result();

    expect(order).toEqual(["kept", "sent"]);
    vi.restoreAllMocks();
  });

  it("edits made before the store is open come after those in it", async () => {
    const first = await live();
    line.up = false;
    host.cut();
    first.table("todos").insert({ text: "first" });
    await unload(first);
    const second = connect(ADDRESS, { WebSocket: line.WebSocket, timing: { first: 1, last: 5 }, keep: true, ...browser });
    rooms.push(second);

    second.table("todos").insert({ text: "second" });
    line.up = true;
    await until(() => host.state.rows["todos"]?.length === 2);

    expect(host.state.rows["todos"]!.map((row) => row[2])).toEqual(["first", "second"]);
  });

  it("rows are copied anew when many have changed since", async () => {
    const first = await live();
    const steps = Array.from({ length: 1100 }, (_, i) => ["insert", { table: "todos", id: `r${i}`, values: { text: `t${i}` } }] as const);
    host.edit("batch", { steps });
    await until(() => texts(first).length === 1100);
    const count = async () => {
      const database = await answer(browser.indexedDB.open(`partysync ${ADDRESS} `));
      const found = await answer(database.transaction("changes").objectStore("changes").count());
      database.close();
      return found;
    };
    await unload(first);
    expect(await count()).toBe(1100);

    await unload(await live());

    expect(await count()).toBe(0);
    line.up = false;
    expect(texts(await load())).toHaveLength(1100);
  });

  it("a room that was restored is told so, and its rows are new (R10)", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await unload(await live());
    host.restore(0);
    const rewound: string[] = [];

    const room = await load();
    room.subscribe((change) => change.rewound && rewound.push(change.rewound));
    await until(() => room.status === "live");
    await unload(room);
    const again = await live();

    expect([rewound, texts(again)]).toEqual([["The room was restored."], []]);
  });

  it("tables that grew, and large numbers, are as they were", async () => {
    host.shape({ name: "counts", columns: [{ name: "n", type: "integer" }] });
    const first = await live();
    host.shape({ name: "counts", columns: [{ name: "n", type: "integer" }, { name: "of", type: "text", default: "x" }] });
    first.table("counts").insert({ id: "a", n: 2n ** 60n });
    await until(() => first.table("counts").columns.length === 2 && first.table("counts").size);
    await first.sync();
    await unload(first);
    line.up = false;

    const second = await load();

    expect(second.table("counts").get("a")?.["n"]).toBe(2n ** 60n);
    expect(second.table("counts").columns.map((column) => column.name)).toEqual(["n", "of"]);
  });

  it("an action of a hook still shows what the hook's reducer makes of it", async () => {
    const first = await live();
    line.up = false;
    host.cut();
    send(first, "todos", { type: "create", payload: { id: "a", text: "made there" } });
    await unload(first);
    const second = await load();
    const lens = new Lens<[string, ...unknown[]], { type: string; payload: { id: string } }>("todos");
    lens.reducer = (records, { payload }) => [...records, [payload.id, "made here", 0, null, null, null]];

    const records = lens.records(second);

    expect(records).toEqual([["a", "made here", 0, null, null, null]]);
    expect(isOptimistic(records[0]!)).toBe(true);
  });
});

describe("a store", () => {
  it("is of one page at a time: a second one does without, and says so", async () => {
    const first = await live();
    const second = await load();

    expect(second.kept).toBe("Another page holds this room's store.");
    await until(() => second.status === "live");
    await second.table("todos").insert({ text: "milk" }).result();
    await until(() => texts(first).length);
    expect(new Set(line.heardOf("hello").map((hello) => hello.client)).size).toBe(2);

    await unload(first);
    expect((await live()).kept).toBe(true);
  });

  it("is not used where nobody could tell two pages apart", async () => {
    const room = await load(ADDRESS, { locks: undefined });

    expect(room.kept).toContain("Web Locks");
    await until(() => room.status === "live");
    await room.table("todos").insert({ text: "milk" }).result();
  });

  it("is one for each room and each token: nobody's edits are sent as somebody else", async () => {
    const ann = await live(`${ADDRESS}#ann`);
    line.up = false;
    host.cut();
    ann.table("todos").insert({ text: "Ann's" });
    await unload(ann);

    const ben = await load(`${ADDRESS}#ben`);
    const other = await load("https://rooms.example/parties/main/physics#ann");
    const again = await load(`${ADDRESS}#ann`);

    expect([ben.pending, other.pending, again.pending]).toEqual([0, 0, 1]);
  });

  it("that fails is given up, and the room goes on with what it has in memory", async () => {
    const room = await live();
    await new Promise((resolve) => {
      const deleting = browser.indexedDB!.deleteDatabase(`partysync ${ADDRESS} `);
      deleting.onsuccess = resolve;
    });

    await room.table("todos").insert({ text: "milk" }).result();

    expect(room.kept).toContain("IndexedDB failed");
    expect(texts(room)).toEqual(["milk"]);
  });
});

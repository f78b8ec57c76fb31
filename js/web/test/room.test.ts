import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MutationRejected, NotConnected, OutcomeUnknown, PermissionDenied, connect, type Change, type Options, type Room } from "../src/index";
import { Host } from "./host";
import { Line, until } from "./line";

const ADDRESS = "https://rooms.example/parties/main/genetics#s3cret";

let host: Host;
let line: Line;
let rooms: Room[];

beforeEach(() => {
  host = new Host();
  line = new Line(host);
  rooms = [];
});

afterEach(() => {
  for (const room of rooms) room.close();
});

function enter(options: Options = {}, through = line): Room {
  const room = connect(ADDRESS, { WebSocket: through.WebSocket, timing: { first: 1, last: 5 }, ...options });
  rooms.push(room);
  return room;
}

async function live(options: Options = {}, through = line): Promise<Room> {
  const room = enter(options, through);
  await until(() => room.status === "live");
  return room;
}

function texts(room: Room): unknown[] {
  return room.table("todos").rows.map((row) => row["text"]);
}

describe("a room", () => {
  it("is dialled where its address leads, with the token where the server looks for it, and no log does", async () => {
    const room = await live();

    expect(line.addresses).toEqual(["wss://rooms.example/parties/main/genetics"]);
    expect(line.offers[0]).toEqual(["partysync.v1+json", "partysync.token.czNjcmV0"]);
    expect([room.name, room.address.url]).toEqual(["genetics", "https://rooms.example/parties/main/genetics"]);
  });

  it("shows its rows as people work with them, in order", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk", done: true } });

    const todos = (await live()).table("todos");

    expect(todos.rows.map((row) => ({ ...row }))).toEqual([{ id: "a", text: "milk", done: true }]);
    expect([todos.get("a")?.["text"], todos.get("b"), todos.size]).toEqual(["milk", undefined, 1]);
  });

  it("follows what others do, and tells once which rows", async () => {
    const room = await live();
    const told: Change[] = [];
    room.subscribe((change) => told.push(change));

    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await until(() => texts(room).length);

    expect(told.filter((change) => change.rows.size).map((change) => [...change.rows.get("todos")!])).toEqual([["a"]]);
  });

  it("keeps the objects of rows that stay", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    const room = await live();
    const [before] = room.table("todos").rows;

    room.table("todos").insert({ text: "bread" });

    expect(room.table("todos").rows[0]).toBe(before);
    expect(room.table("todos").rows).toBe(room.table("todos").rows);
  });

  it("keeps them over a reset, too, which changes but one (R4)", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    host.edit("insert", { table: "todos", id: "b", values: { text: "bread" } });
    const room = await live();
    const [before] = room.table("todos").rows;
    line.up = false;
    host.cut();
    host.edit("update", { table: "todos", id: "b", values: { text: "rye" } });
    host.horizon = host.version;

    line.up = true;
    await until(() => texts(room).join() === "milk,rye");

    expect(room.table("todos").rows[0]).toBe(before);
  });
});

describe("an edit", () => {
  it("shows at once, and never flickers when it is decided (R2)", async () => {
    const room = await live();
    host.prompt = false;
    const seen: unknown[][] = [];
    room.subscribe(() => seen.push(texts(room)));

    const receipt = room.table("todos").insert({ text: "milk" });
    expect(texts(room)).toEqual(["milk"]);
    expect(room.table("todos").pending(receipt.id!)).toBe(true);
    await until(() => line.heardOf("push").length);
    host.turn();

    expect(await receipt.result()).toBe(null);
    expect(room.table("todos").pending(receipt.id!)).toBe(false);
    expect(new Set(seen.map(String))).toEqual(new Set(["milk"]));
  });

  it("that is refused by the room is taken back, and its reason is at the caller (R6)", async () => {
    const room = await live();
    host.refuse = () => "forbidden";

    const receipt = room.table("todos").insert({ text: "milk" });

    await expect(receipt.result()).rejects.toMatchObject({ name: "MutationRejected", code: "forbidden" });
    expect(texts(room)).toEqual([]);
    expect(room.rejections.map(({ name, error }) => [name, (error as MutationRejected).code])).toEqual([["insert", "forbidden"]]);
    room.dismiss(room.rejections[0]!);
    expect(room.rejections).toEqual([]);
  });

  it("that breaks a rule of the table is thrown at the caller, and nothing is queued (R7)", async () => {
    const room = await live();

    expect(() => room.table("todos").insert({ done: true })).toThrow(MutationRejected);
    expect(() => room.table("todos").update("zz", { text: "x" })).toThrow("There is no row");
    expect(room.pending).toBe(0);
  });

  it("goes out with all others of its burst in one push", async () => {
    const room = await live();

    for (const text of ["a", "b", "c"]) room.table("todos").insert({ text });
    await room.sync();

    expect(line.heardOf("push").map((push) => push.mutations.length)).toEqual([3]);
  });

  it("made while the line is down is sent when it is back, once (R5)", async () => {
    const room = await live();
    line.up = false;
    host.cut();
    await until(() => room.status === "waiting");

    room.table("todos").insert({ text: "milk" });
    expect(texts(room)).toEqual(["milk"]);
    line.up = true;
    await room.sync();

    expect(host.state.rows["todos"]?.map((row) => row[2])).toEqual(["milk"]);
  });

  it("whose delta was lost with the line is settled by the next, and is not made twice (R5, R6)", async () => {
    const room = await live();
    host.prompt = false;
    const receipt = room.table("todos").insert({ text: "milk" });
    await until(() => line.heardOf("push").length);
    line.dead = true;
    host.turn();
    host.cut();
    line.dead = false;
    room.offline();
    room.online();

    await receipt.result();
    expect(host.state.rows["todos"]).toHaveLength(1);
  });

  it("of a mutator of the party shows what its code here makes of it, and is played over what comes (R7)", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    const room = await live({
      mutators: { append: (tx, { id, text }: { id: string; text: string }) => tx.update("todos", id, { text: `${tx.get("todos", id)!["text"] as string}${text}` }) },
    });
    host.prompt = false;

    room.mutate("append", { id: "a", text: "!" });
    host.edit("update", { table: "todos", id: "a", values: { text: "oat milk" } });

    expect(texts(room)).toEqual(["milk!"]);
    await until(() => texts(room)[0] === "oat milk!");
  });

  it("that nobody can know of says so, when the room was restored (R10)", async () => {
    const room = await live();
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await until(() => texts(room).length);
    host.prompt = false;
    const sent = room.table("todos").insert({ text: "sent" });
    await until(() => line.heardOf("push").length);
    const rewound: string[] = [];
    room.subscribe((change) => change.rewound && rewound.push(change.rewound));
    host.prompt = true;

    host.restore(0);

    await expect(sent.result()).rejects.toBeInstanceOf(OutcomeUnknown);
    await until(() => room.status === "live" && !texts(room).length);
    expect(rewound).toEqual(["The room was restored."]);
  });
});

describe("a listener", () => {
  it("that throws stops neither the others nor the receipt", async () => {
    const reported = vi.spyOn(console, "error").mockImplementation(() => {});
    const room = await live();
    const end = room.subscribe(() => { throw new Error("a view's mistake"); });
    const told: unknown[] = [];
    room.subscribe((change) => told.push(change));

    await room.table("todos").insert({ text: "milk" }).result();

    expect(told.length).toBeGreaterThan(0);
    expect(reported).toHaveBeenCalled();
    end();
    reported.mockRestore();
  });
});

describe("the end of a room", () => {
  it("is told to whoever waits for an edit", async () => {
    const room = await live();
    host.prompt = false;
    const receipt = room.table("todos").insert({ text: "milk" });

    room.close();

    await expect(receipt.result()).rejects.toBeInstanceOf(NotConnected);
    expect(() => room.table("todos").insert({ text: "x" })).toThrow(NotConnected);
  });

  it("comes when the server says never, with its sentence", async () => {
    const room = await live();

    for (const visit of host.visits) visit.tell({ type: "error", kind: "forbidden", message: "Your link was taken back.", retry: "never" });
    await until(() => room.status === "failed");

    expect(room.trouble).toBeInstanceOf(PermissionDenied);
    expect(room.trouble?.message).toBe("Your link was taken back.");
    expect(line.dialled).toHaveLength(1);
  });
});

describe("what others see of us", () => {
  it("is our presence and our drafts, told again after a cut (R11)", async () => {
    const [ann, ben] = [await live(), await live()];
    ann.present({ at: { table: "todos", id: "a" } });
    ann.draft("k", "todos", { a: { text: "mil" } });
    await until(() => ben.drafts.length && [...ben.peers.values()].some((peer) => peer.state));

    host.cut();
    await until(() => !ben.drafts.length);
    await until(() => ben.drafts.length && [...ben.peers.values()].some((peer) => peer.state));

    ann.draft("k", "todos");
    await until(() => !ben.drafts.length);
  });

  it("is an edit that the room is slow to decide, and it ends in the delta that decides it (D5, R11)", async () => {
    const [ann, ben] = [await live(), await live()];
    host.prompt = false;
    ann.table("todos").insert({ id: "a", text: "milk" });

    const [{ draft }] = await until(() => ben.drafts.length && ben.drafts) as typeof ben.drafts & [(typeof ben.drafts)[number]];
    expect([draft.mid, draft.rows]).toEqual([1, { a: { text: "milk", done: null } }]);
    const together: [number, number][] = [];
    ben.subscribe(() => together.push([ben.drafts.length, texts(ben).length]));
    host.turn();
    await until(() => texts(ben).length);

    expect(together.filter(([drafts, rows]) => drafts === rows)).toEqual([]); // never both, never neither
  });

  it("is nothing of an edit that is none any more, after the room was restored (R10, R11)", async () => {
    const room = await live();
    host.prompt = false;
    room.table("todos").insert({ id: "a", text: "milk" });
    await until(() => line.heardOf("draft").length);

    host.restore(0);
    await until(() => room.status === "live" && !room.pending);
    host.prompt = true;
    await room.sync();

    expect(line.visits.at(-1)!.heard.filter((frame) => frame.type === "draft")).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Changed, LiveTable } from "../../src/table";
import { connect, type Room } from "../../web/src/index";
import { anySeed, chance, Host, TODOS } from "../../web/test/host";
import { Line, until } from "../../web/test/line";
import { PageFeed } from "../feed";

const ADDRESS = "https://rooms.example/parties/main/genetics#s3cret";

let host: Host;
let line: Line;
let rooms: Room[];
let feeds: PageFeed[];

beforeEach(() => {
  host = new Host();
  line = new Line(host);
  rooms = [];
  feeds = [];
});

afterEach(() => {
  for (const feed of feeds) feed.close();
  for (const room of rooms) room.close();
});

function enter(user = "", through = line): Room {
  const room = connect(ADDRESS, { user, WebSocket: through.WebSocket, timing: { first: 1, last: 5 } });
  rooms.push(room);
  return room;
}

async function page(table = "todos"): Promise<{ room: Room; feed: PageFeed; store: LiveTable; told: Changed[] }> {
  const room = enter("a page");
  const feed = new PageFeed(room, table);
  feeds.push(feed);
  const told: Changed[] = [];
  feed.store.subscribe((change) => told.push(change));
  await until(() => room.status === "live" && (feed.store.ready || !feed.there));
  return { room, feed, store: feed.store, told };
}

function add(id: string, text = id, done: boolean | null = null): void {
  host.edit("insert", { table: "todos", id, values: { text, ...(done !== null && { done }) } });
}

function texts(store: LiveTable): unknown[] {
  return [...store.rows].map((row) => row["text"]);
}

describe("the feed of a page", () => {
  it("shows the rows that the room has, in order, and what they hold as people work with it", async () => {
    add("a", "milk", true);
    add("b", "bread");

    const { store } = await page();

    expect([...store.rows].map((row) => ({ ...row }))).toEqual([
      { id: "a", text: "milk", done: true }, { id: "b", text: "bread", done: null },
    ]);
    expect(store.columns).toEqual([
      { name: "text", type: "text", choices: [], required: true, filled: false },
      { name: "done", type: "boolean", choices: [], required: false, filled: false },
    ]);
    expect(store.whole).toBe(true);
  });

  it("follows what others do, and tells once of what came together (R8)", async () => {
    add("a");
    add("b");
    const { store, told } = await page();
    told.length = 0;

    host.edit("batch", { steps: [
      ["update", { table: "todos", id: "a", values: { text: "A" } }],
      ["delete", { table: "todos", id: "b" }],
      ["insert", { table: "todos", id: "c", values: { text: "C" } }],
    ] });
    await until(() => texts(store).join() === "A,C");

    expect(told.filter(({ ids }) => ids.size).map(({ ids }) => [...ids].sort())).toEqual([["a", "b", "c"]]);
  });

  it("tells at most once a frame, however much others do", async () => {
    add("a");
    const { store, told } = await page();
    told.length = 0;
    const began = performance.now();

    for (let n = 1; n <= 300; n++) host.edit("update", { table: "todos", id: "a", values: { text: `${n}` } });
    await until(() => texts(store).join() === "300");

    expect(told.length).toBeLessThanOrEqual(2 + (performance.now() - began) / 16);
  });

  it("makes of an edit one mutation, shows it at once, and keeps it pending until the room has decided (R2)", async () => {
    add("a");
    const { room, store } = await page();
    room.offline();

    store.edit([{ update: "a", values: { text: "mine" } }, { insert: { text: "new" }, id: "n" }]);

    expect(texts(store)).toEqual(["mine", "new"]);
    expect([store.pending("a"), store.pending("n")]).toEqual([true, true]);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect([store.pending("a"), store.pending("n"), texts(store).join()]).toEqual([true, true, "mine,new"]);
    room.online();
    await until(() => !store.pending("a") && !store.pending("n"));
    expect(line.heardOf("push").flatMap((push) => push.mutations).map(({ name }) => name)).toEqual(["batch"]);
    expect(texts(store)).toEqual(["mine", "new"]);
    expect((host.state.rows["todos"] ?? []).map((row) => row[2])).toEqual(["mine", "new"]);
  });

  it("never shows an old value between an edit and its row (R2)", async () => {
    add("a", "old");
    const { store } = await page();
    const seen = new Set<unknown>();
    store.subscribe(() => seen.add(store.rows.get("a")?.["text"]));

    store.update("a", { text: "new" });
    await until(() => !store.pending("a"));

    expect([...seen]).toEqual(["new"]);
  });

  it("takes back what the room refuses, with the reason, and lets it be tried again (R6)", async () => {
    add("a", "old");
    const { room, store } = await page();
    room.offline();
    store.update("a", { text: "too late" });
    host.edit("delete", { table: "todos", id: "a" });
    room.online();

    await until(() => store.rejections.length);
    expect(texts(store)).toEqual([]);
    expect(store.rejected("a")?.why).toContain("unknown-row");
    expect(store.pending("a")).toBe(false);
    store.dismiss(store.rejections[0]!);
    expect(store.rejections).toEqual([]);
  });

  it("refuses at once what the table forbids, and queues nothing of it (R7)", async () => {
    add("a", "old");
    const { room, store } = await page();

    store.update("a", { text: null });
    await until(() => store.rejections.length);

    expect(texts(store)).toEqual(["old"]);
    expect(room.pending).toBe(0);
  });

  it("undoes by asking the room to put back what the edit wrote", async () => {
    add("a", "old");
    host.takes = [...host.takes, "put_back"];
    const { store } = await page();
    store.update("a", { text: "new" });
    await until(() => !store.pending("a"));

    store.undo();

    expect(texts(store)).toEqual(["old"]);
    const pushed = await until(() => line.heardOf("push").flatMap((push) => push.mutations).at(1));
    expect([pushed.name, pushed.args]).toEqual([
      "put_back", { table: "todos", rows: [["a", { text: "old" }, { text: "new" }, 1]] },
    ]);
  });

  it("says who else is here, where they are and what they type (D1)", async () => {
    add("a");
    const { room, store } = await page();
    const ada = enter("Ada", new Line(host));
    await until(() => ada.status === "live" && store.people.length);

    ada.present({ at: { table: "todos", id: "a", column: "text" } });
    ada.draft("k", "todos", { a: { text: "typing…", unknown: 1 } });
    ada.draft("elsewhere", "others", { a: { text: "x" } });
    await until(() => store.drafts("a").length && store.people[0]!.at);

    const { client } = ada.replica;
    expect(store.people.map(({ name, at }) => [name, at])).toEqual([[client, { id: "a", column: "text" }]]);
    expect(store.drafts("a").map(({ typing, values, by }) => [typing, values, by.key])).toEqual([[true, { text: "typing…" }, client]]);
    ada.present({ at: { table: "others", id: "a", column: "text" } });
    await until(() => store.people[0]!.at === null);
    ada.close();
    await until(() => !store.people.length && !store.drafts("a").length);
    expect(room.status).toBe("live");
  });

  it("shows where one is and what one types, and ends a draft with its edit (D5)", async () => {
    add("a");
    const { store } = await page();

    store.look({ id: "a", column: "text" });
    store.draft("k", { id: "a", column: "text" }, "ty");
    await until(() => line.heardOf("draft").length);
    expect(line.heardOf("presence").at(-1)?.state).toEqual({ at: { table: "todos", id: "a", column: "text" } });
    expect(line.heardOf("draft").at(-1)).toMatchObject({ key: "k", table: "todos", rows: { a: { text: "ty" } } });
    store.edit([{ update: "a", values: { text: "typed" } }], "k");
    await until(() => !store.pending("a"));

    expect(line.heardOf("draft").at(-1)).toMatchObject({ key: "k", rows: { a: { text: "typed" } }, mid: 1 });
  });

  it("takes new columns as they come, and keeps what is undecided over them", async () => {
    add("a");
    const { store, told } = await page();
    told.length = 0;

    host.shape({ ...TODOS, columns: [...TODOS.columns, { name: "n", type: "integer", default: 7 }] });
    await until(() => store.columns.length === 3);

    expect(told.some(({ reset }) => reset)).toBe(true);
    expect(store.columns[2]).toMatchObject({ name: "n", filled: true });
  });

  it("keeps integers whole that are beyond 2^53, both ways", async () => {
    host.shape({ name: "big", columns: [{ name: "n", type: "integer" }] });
    host.state.rows["big"] = [[1, "a", 9007199254740993n]];
    const { store } = await page("big");

    expect(store.rows.get("a")?.["n"]).toBe(9007199254740993n);
    store.update("a", { n: 9007199254740995n });
    const pushed = await until(() => line.heardOf("push").flatMap((push) => push.mutations)[0]);
    expect(pushed.args).toEqual({ table: "big", id: "a", values: { n: 9007199254740995n } });
    const ada = enter("Ada", new Line(host));
    await until(() => ada.status === "live");
    ada.draft("k", "big", { a: { n: 9007199254740997n } });
    expect((await until(() => store.drafts("a")[0])).values).toEqual({ n: "9007199254740997" });
  });

  it("says that a table is not there, and shows it when it is made", async () => {
    const { feed, store } = await page("later");
    expect([feed.there, store.ready]).toEqual([false, false]);

    host.shape({ name: "later", columns: [{ name: "x", type: "text" }] });

    await until(() => store.ready);
    expect(feed.there).toBe(true);
  });

  it("offers a viewer nothing, and tells the room nothing of where they look", async () => {
    add("a");
    host.takes = [];
    host.role = "viewer";
    const { store } = await page();

    expect(store.status.verbs).toEqual([]);
    store.look({ id: "a", column: "text" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(line.heardOf("presence")).toEqual([]);
  });
});

describe("whatever happens to the line", () => {
  it.each([4242, 815, anySeed()])("a page ends with the room's rows, in order, and nothing undecided, seed %i", async (seed) => {
    const any = chance(seed);
    const { room, store } = await page();
    const drawn = new Map<string, unknown>(); // what somebody sees who draws what is told, and nothing else
    const draw = ({ ids, reset }: { ids: ReadonlySet<string>; reset: boolean }) => {
      for (const id of reset ? [...drawn.keys(), ...[...store.rows].map((row) => row.id)] : ids) {
        const row = store.rows.get(id);
        if (row) drawn.set(id, row["text"]);
        else drawn.delete(id);
      }
    };
    store.subscribe(draw);
    for (let step = 0; step < 150; step++) {
      const id = `r${any(6)}`;
      switch (any(10)) {
        case 0: case 1: add(id, `theirs ${step}`); break;
        case 2: host.edit("update", { table: "todos", id, values: { text: `theirs ${step}` } }); break;
        case 3: host.edit("delete", { table: "todos", id }); break;
        case 4: store.edit([{ insert: { text: `ours ${step}` }, id: `n${step}` }]); break;
        case 5: if (store.rows.get(id)) store.edit([{ update: id, values: { text: `ours ${step}` } }, { insert: { text: "with it" } }]); break;
        case 6: if (store.rows.get(id)) store.delete(id); break;
        case 7: line.visits.at(-1)?.end(); break;
        case 8: await new Promise((then) => setTimeout(then, any(12))); break;
        case 9: if (any(4) === 0) host.restore(any(host.version + 1)); // another history (R10)
      }
      expect([...drawn].sort(), `seed ${seed}, step ${step}`).toEqual([...store.rows].map((row) => [row.id, row["text"]]).sort());
    }

    await until(() => room.status === "live" && room.pending === 0 && ![...store.rows].some((row) => store.pending(row.id)));
    await room.sync();
    await new Promise((then) => setTimeout(then, 40));
    expect([...store.rows].map((row) => [row.id, row["text"]]), `seed ${seed}`).toEqual((host.state.rows["todos"] ?? []).map((row) => [row[1], row[2]]));
    expect(new Map([...store.rows].map((row) => [row.id, row["text"]])), `seed ${seed}`).toEqual(drawn);
  });
});

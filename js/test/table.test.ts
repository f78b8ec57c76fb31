import { beforeEach, describe, expect, it } from "vitest";
import type { Changed } from "../src/table";
import { ADA, BOB, column, ids, Kernel, refused } from "./kernel";

let kernel: Kernel;
let changes: Changed[];

beforeEach(() => {
  kernel = new Kernel();
  kernel.load([[1, "a", "milk", false], [2, "b", "bread", true]]);
  changes = [];
  kernel.table.subscribe((change) => changes.push(change));
});

describe("rows from the kernel", () => {
  it("stand in order of position, whatever order they come in", () => {
    kernel.tell({ rows: [[9, "z", "last", false], [1.5, "m", "middle", false]] });

    expect(ids(kernel.table)).toEqual(["a", "m", "b", "z"]);
    expect(kernel.table.rows.indexOf("b")).toBe(2);
    expect(kernel.table.rows.at(1)).toMatchObject({ id: "m", text: "middle" });
  });

  it("move when their position does", () => {
    kernel.tell({ rows: [[3, "a", "milk", false]] });

    expect(ids(kernel.table)).toEqual(["b", "a"]);
  });

  it("become visible together, and are told once", () => {
    const seen: string[][] = [];
    kernel.table.subscribe(() => seen.push(ids(kernel.table)));

    kernel.tell({ rows: [[3, "c", "rice", false]], gone: ["a"] });

    expect(seen).toEqual([["b", "c"]]);
    expect(changes).toEqual([{ ids: new Set(["c", "a"]), reset: false, by: new Map() }]);
  });

  it("are new objects when they changed and the same when they did not", () => {
    const [a, b] = [kernel.table.rows.get("a"), kernel.table.rows.get("b")];

    kernel.tell({ rows: [[1, "a", "oat milk", false]] });

    expect(kernel.table.rows.get("a")).not.toBe(a);
    expect(kernel.table.rows.get("b")).toBe(b);
  });

  it("say which are pending", () => {
    kernel.tell({ on: ["a"] });
    expect([kernel.table.pending("a"), kernel.table.pending("b")]).toEqual([true, false]);

    kernel.tell({ off: ["a"] });
    expect(kernel.table.pending("a")).toBe(false);
  });

  it("reach every listener though one of them throws", () => {
    const error = console.error;
    console.error = () => {};
    kernel.table.subscribe(() => { throw new Error("a view's mistake"); });
    let heard = 0;
    kernel.table.subscribe(() => heard++);

    kernel.tell({ on: ["a"] });

    console.error = error;
    expect(heard).toBe(1);
  });
});

describe("an edit made here", () => {
  it("shows at once, pending, before the kernel has said anything", () => {
    kernel.table.update("a", { done: true });

    expect(kernel.table.rows.get("a")).toEqual({ id: "a", text: "milk", done: true });
    expect(kernel.table.pending("a")).toBe(true);
    expect(changes).toEqual([{ ids: new Set(["a"]), reset: false, by: new Map() }]);
    expect(kernel.edits).toMatchObject([{ k: "edit", changes: [{ op: "update", id: "a", values: { done: true } }] }]);
  });

  it("stays in sight over rows of others until the kernel took it, then gives way in that frame (R2)", () => {
    kernel.table.update("a", { text: "oat milk" });
    const seen: unknown[] = [];
    kernel.table.subscribe(() => seen.push(kernel.table.rows.get("a")?.["text"]));

    kernel.tell({ rows: [[1, "a", "soy milk", true]] }); // somebody else's, before ours arrived
    kernel.tell({ rows: [[1, "a", "OAT MILK", true]], took: [kernel.edits[0]!.n], on: ["a"] });

    expect(seen).toEqual(["oat milk", "OAT MILK"]);
    expect(kernel.table.rows.get("a")).toEqual({ id: "a", text: "OAT MILK", done: true });
  });

  it("of a new row stands last, and never twice", () => {
    const id = kernel.table.insert({ text: "rice", done: false });
    expect(id).toMatch(/^[0-9a-z]{16}$/);
    expect(ids(kernel.table)).toEqual(["a", "b", id]);

    kernel.tell({ rows: [[3, "c", "tea", false]] });
    expect(ids(kernel.table)).toEqual(["a", "b", "c", id]);

    kernel.tell({ rows: [[4, id, "rice", false]], took: [kernel.edits[0]!.n] });
    expect(ids(kernel.table)).toEqual(["a", "b", "c", id]);
  });

  it("of a new row has a value for every column", () => {
    const id = kernel.table.insert({ text: "rice" });

    expect(kernel.table.rows.get(id)).toEqual({ id, text: "rice", done: null });
  });

  it("that deletes hides the row, and a refusal brings it back to its place", () => {
    kernel.table.delete("a");
    expect(ids(kernel.table)).toEqual(["b"]);
    expect(kernel.table.rows.get("a")).toBeUndefined();

    kernel.refuse(kernel.edits[0]!, "You may not delete here.");

    expect(ids(kernel.table)).toEqual(["a", "b"]);
    expect(kernel.table.rejected("a")).toMatchObject({ changes: [{ op: "delete" }], why: "You may not delete here." });
  });

  it("is laid over the next one of the same row, in order, and each gives way alone", () => {
    kernel.table.update("a", { text: "one" });
    kernel.table.update("a", { text: "two" });
    kernel.tell({ rows: [[1, "a", "one", false]], took: [kernel.edits[0]!.n] });

    expect(kernel.table.rows.get("a")).toMatchObject({ text: "two" });
    expect(kernel.table.pending("a")).toBe(true);
  });

  it("survives a new snapshot that does not know it yet (R4)", () => {
    kernel.table.update("a", { text: "mine" });
    const id = kernel.table.insert({ text: "new" });

    kernel.load([[1, "a", "theirs", false]], { page: null });

    expect(kernel.table.rows.get("a")).toMatchObject({ text: "mine" });
    expect(ids(kernel.table)).toEqual(["a", id]);
  });

  it("of a new row gives way to the kernel's row, though the answer comes later than the row", () => {
    const id = kernel.table.insert({ text: "rice" });

    kernel.load([[1, id, "RICE", true]], { page: null });
    expect(kernel.table.rows.get(id)).toEqual({ id, text: "RICE", done: true });

    kernel.tell({ took: [kernel.edits[0]!.n] });
    expect(ids(kernel.table)).toEqual([id]);
    expect(kernel.table.pending(id)).toBe(false);
  });

  it("carries numbers no other page of the same notebook uses", () => {
    const other = new Kernel();
    other.load([[1, "a", "milk", false]]);

    kernel.table.update("a", { done: true });
    other.table.update("a", { done: true });

    expect(kernel.edits[0]!.n).not.toBe(other.edits[0]!.n);
  });
});

describe("a refused edit", () => {
  it("is rolled back, marked with its reason, and can be dismissed", () => {
    kernel.table.update("a", { text: "x".repeat(300) });
    kernel.refuse(kernel.edits[0]!, "text is too long.");

    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk" });
    expect(kernel.table.pending("a")).toBe(false);
    expect(kernel.table.rejections).toMatchObject([{ changes: [{ id: "a" }], why: "text is too long." }]);

    kernel.table.dismiss(kernel.table.rejected("a")!);
    expect(kernel.table.rejections).toEqual([]);
  });

  it("may come long after the kernel took it, from the room", () => {
    kernel.table.update("a", { text: "taken" });
    const edit = kernel.edits[0]!;
    kernel.tell({ rows: [[1, "a", "taken", false]], took: [edit.n], on: ["a"] });

    kernel.tell({ rows: [[1, "a", "milk", false]], off: ["a"], refused: [refused(edit, "no")] });

    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk" });
    expect(kernel.table.rejected("a")).toMatchObject({ changes: [{ values: { text: "taken" } }], why: "no" });
  });

  it("is forgotten once a newer edit covers it, and only then", () => {
    kernel.table.update("a", { text: "bad" });
    kernel.refuse(kernel.edits[0]!, "no");

    kernel.table.update("a", { done: true });
    expect(kernel.table.rejections).toHaveLength(1);

    kernel.table.update("a", { text: "good" });
    expect(kernel.table.rejections).toEqual([]);
  });

  it("can be made once more as it was, as a new edit", () => {
    kernel.table.insert({ text: "rice" });
    kernel.refuse(kernel.edits[0]!, "the room is closed");

    kernel.table.retry(kernel.table.rejections[0]!);

    const [first, second] = kernel.edits;
    expect(second!.changes).toMatchObject([{ op: "insert", id: first!.changes[0]!.id, values: { text: "rice" } }]);
    expect(second!.n).not.toBe(first!.n);
    expect(kernel.table.rejections).toEqual([]);
  });
});

it("sends and shows what JSON has no number for", () => {
  kernel.load([[1, "a", "9007199254740993"]], { columns: [column("n", "integer")], page: null });
  expect(kernel.table.rows.get("a")).toEqual({ id: "a", n: 9007199254740993n });

  kernel.table.update("a", { n: 9007199254740995n });

  expect(kernel.change("update").values).toEqual({ n: "9007199254740995" });
  expect(kernel.table.rows.get("a")).toEqual({ id: "a", n: 9007199254740995n });
});

describe("an edit of several changes", () => {
  it("is one message, and is seen whole by whoever subscribes (R8)", () => {
    const seen: string[] = [];
    kernel.table.subscribe(() => seen.push([...kernel.table.rows].map((row) => `${row.id}=${row["text"]}`).join(" ")));

    const [a, made, b] = kernel.table.edit([{ update: "a", values: { text: "oat" } }, { insert: { text: "tea" }, id: "t" }, { delete: "b" }]);

    expect([a, made, b]).toEqual(["a", "t", "b"]);
    expect(seen).toEqual(["a=oat t=tea"]);
    expect(changes.at(-1)!.ids).toEqual(new Set(["a", "t", "b"]));
    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes.map(({ op, id }) => [op, id])).toEqual([["update", "a"], ["insert", "t"], ["delete", "b"]]);
  });

  it("gives way whole, in the frame that carries its rows (R2)", () => {
    kernel.table.edit([{ update: "a", values: { text: "oat" } }, { delete: "b" }]);
    const seen: string[][] = [];
    kernel.table.subscribe(() => seen.push([...kernel.table.rows].map((row) => String(row["text"]))));

    kernel.tell({ rows: [[1, "a", "OAT", false]], gone: ["b"], took: [kernel.edit.n] });
    expect(seen).toEqual([["OAT"]]);
  });

  it("is taken back whole when it is refused, and marks all of its rows", () => {
    kernel.table.edit([{ update: "a", values: { text: "oat" } }, { insert: { text: "tea" }, id: "t" }, { delete: "b" }]);
    kernel.refuse(kernel.edit, "Not b.");

    expect([...kernel.table.rows].map((row) => row["text"])).toEqual(["milk", "bread"]);
    expect(changes.at(-1)!.ids).toEqual(new Set(["a", "t", "b"]));
    for (const id of ["a", "t", "b"]) expect(kernel.table.rejected(id)?.why).toBe("Not b.");
    expect(kernel.table.rejections).toHaveLength(1);
  });

  it("that was refused is forgotten only when newer edits cover each part of it in one", () => {
    kernel.table.edit([{ update: "a", values: { text: "x" } }, { update: "b", values: { text: "y" } }]);
    kernel.refuse(kernel.edit, "no");

    kernel.table.update("a", { text: "better" });
    expect(kernel.table.rejections).toHaveLength(1);
    kernel.table.edit([{ delete: "b" }, { update: "a", values: { text: "best", done: true } }]);
    expect(kernel.table.rejections).toEqual([]);
  });

  it("of nothing says nothing", () => {
    expect(kernel.table.edit([])).toEqual([]);
    expect([kernel.edits, changes, kernel.table.canUndo]).toEqual([[], [], false]);
  });

  it("says under which key it was seen being typed", () => {
    kernel.table.edit([{ update: "a", values: { text: "oat" } }], "key");
    kernel.table.update("a", { text: "soy" });

    expect(kernel.edits.map((edit) => edit.draft)).toEqual(["key", undefined]);
    expect(Object.keys(kernel.edit)).not.toContain("draft");
  });
});

describe("refusals", () => {
  it("of one row: the newest counts, until it is dismissed", () => {
    kernel.table.update("a", { text: "x" });
    kernel.refuse(kernel.edit, "first");
    kernel.table.update("a", { done: true });
    kernel.refuse(kernel.edit, "second");
    expect(kernel.table.rejected("a")?.why).toBe("second");

    kernel.table.dismiss(kernel.table.rejected("a")!);
    expect(kernel.table.rejected("a")?.why).toBe("first");
    expect(kernel.table.rejected("b")).toBeUndefined();
  });

  it("that are dismissed twice are told once", () => {
    kernel.table.update("a", { text: "x" });
    kernel.refuse(kernel.edit, "no");
    const refusal = kernel.table.rejected("a")!;
    const before = changes.length;

    kernel.table.dismiss(refusal);
    kernel.table.dismiss(refusal);
    expect(changes).toHaveLength(before + 1);
  });

  it("of another page's edit are shown here, too: the row is the same", () => {
    kernel.tell({ refused: [{ n: "elsewhere-1", changes: [{ op: "update", id: "a", values: { text: "x" } }], why: "no" }] });

    expect(kernel.table.rejected("a")?.why).toBe("no");
    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk" });
    expect(changes.at(-1)!.ids).toEqual(new Set(["a"]));
  });

  it("of several changes can be tried again, all of them as one", () => {
    kernel.table.edit([{ update: "a", values: { text: "oat" } }, { delete: "b" }]);
    const first = kernel.edit;
    kernel.refuse(first, "no");

    kernel.table.retry(kernel.table.rejections[0]!);
    expect(kernel.edit.n).not.toBe(first.n);
    expect(kernel.edit.changes).toMatchObject(first.changes);
    expect(ids(kernel.table)).toEqual(["a"]);
    kernel.table.undo();
    expect(ids(kernel.table)).toEqual(["a", "b"]);
  });
});

describe("the others in the room", () => {
  it("are there from the snapshot on, and change only when they are told", () => {
    kernel.tell({ people: [ADA, BOB] });
    const { people } = kernel.table;
    expect(people.map(({ name }) => name)).toEqual(["Ada Lovelace", "Bob"]);

    kernel.tell({ on: ["a"] });
    expect(kernel.table.people).toBe(people); // a view draws them anew only if they are others

    kernel.load([[1, "a", "milk", false]], { page: null });
    expect(kernel.table.people).toEqual([ADA, BOB]);
  });

  it("are named as who wrote a row, if they are known and still here", () => {
    kernel.tell({ people: [ADA, BOB] });
    kernel.tell({ rows: [[1, "a", "oat", false], [2, "b", "rye", true]], by: { a: "ada", b: "nobody" } });
    expect(changes.at(-1)!.by).toEqual(new Map([["a", ADA]]));

    kernel.tell({ rows: [[1, "a", "soy", false]], by: { a: "ada" }, people: [BOB] });
    expect(changes.at(-1)!.by).toEqual(new Map());
  });

  it("may write rows with ids that JavaScript has uses for", () => {
    kernel.tell({ people: [ADA] });
    kernel.tell({ rows: [[5, "__proto__", "x", false]], by: JSON.parse('{"__proto__": "ada"}') });

    expect(changes.at(-1)!.by).toEqual(new Map([["__proto__", ADA]]));
  });

  it("hear where one is, and what one types", () => {
    kernel.table.look({ id: "a", column: "text" });
    kernel.table.draft("k", { id: "a", column: "text" }, "oa");
    kernel.table.draft("k", { id: "a", column: "text" }, null);
    kernel.table.look(null);

    expect(kernel.said.slice(1)).toEqual([
      { k: "look", at: { id: "a", column: "text" } },
      { k: "draft", key: "k", id: "a", column: "text", text: "oa" },
      { k: "draft", key: "k", id: "a", column: "text", text: null },
      { k: "look", at: null },
    ]);
  });

  it("hear that one has left when the page goes away", () => {
    dispatchEvent(new Event("pagehide"));

    expect(kernel.said.at(-1)).toEqual({ k: "look", at: null });
  });
});

describe("drafts", () => {
  beforeEach(() => kernel.tell({ people: [ADA, BOB] }));

  it("say who is about to write what, row by row, until they say no more", () => {
    kernel.tell({ drafts: [
      { by: "ada", typing: true, rows: { a: { text: "oa" } } },
      { by: "bob", typing: false, rows: { a: { done: true }, b: null } },
    ] });
    expect(kernel.table.drafts("a")).toEqual([
      { by: ADA, typing: true, values: { text: "oa" } }, { by: BOB, typing: false, values: { done: true } },
    ]);
    expect(kernel.table.drafts("b")).toEqual([{ by: BOB, typing: false, values: null }]);
    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk", done: false }); // ephemera are not data (R11)

    kernel.tell({ drafts: [] });
    expect(changes.at(-1)!.ids).toEqual(new Set(["a", "b"]));
    expect([kernel.table.drafts("a"), kernel.table.drafts("b")]).toEqual([[], []]);
  });

  it("of a row that is not there are a ghost, and become the row in one step (R11)", () => {
    kernel.tell({ drafts: [{ by: "ada", typing: false, rows: { new: { text: "tea" } } }] });
    expect(kernel.table.ghosts).toEqual([{ id: "new", text: null, done: null }]);
    const seen: string[] = [];
    kernel.table.subscribe(() => seen.push(`${ids(kernel.table)} / ${kernel.table.ghosts.map(({ id }) => id)}`));

    kernel.tell({ rows: [[3, "new", "tea", null]], drafts: [], by: { new: "ada" } });
    expect(seen).toEqual(["a,b,new / "]);
  });

  it("are no ghost while somebody only types, or deletes", () => {
    kernel.tell({ drafts: [
      { by: "ada", typing: true, rows: { typed: { text: "x" } } }, { by: "bob", typing: false, rows: { deleted: null } },
    ] });

    expect(kernel.table.ghosts).toEqual([]);
  });

  it("of somebody who is not here count for nothing", () => {
    kernel.tell({ drafts: [{ by: "stranger", typing: true, rows: { a: { text: "x" } } }] });

    expect(kernel.table.drafts("a")).toEqual([]);
  });

  it("come with a snapshot, too", () => {
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: { a: { text: "oa" } } }] });
    const other = new Kernel();
    other.tell({}); // nothing yet
    other.post({ k: "snapshot", seq: 2, part: 0, of: 1, for: other.page }, {
      columns: [column("text")], pending: [], whole: true, ids: ["a"], at: [1], cols: [["milk"]],
      people: [ADA], drafts: [{ by: "ada", typing: true, rows: { a: { text: "oa" } } }],
    });

    expect(other.table.drafts("a")).toEqual([{ by: ADA, typing: true, values: { text: "oa" } }]);
  });

  it.each(["__proto__", "constructor"])("may be of a row and a column called %s", (name) => {
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: JSON.parse(`{"${name}": {"${name}": "x"}}`) }] });

    expect(kernel.table.drafts(name)[0]!.by).toEqual(ADA);
    expect(kernel.table.drafts("toString")).toEqual([]);
  });
});

describe("status", () => {
  it("is what the room says, and what the kernel does", () => {
    expect(kernel.table.status).toEqual({ room: "live", waiting: 0, trouble: "", verbs: expect.arrayContaining(["update"]), kernel: "answering" });

    kernel.tell({ status: { room: "offline", waiting: 2, trouble: "The line is cut.", verbs: ["insert"] } });
    expect(kernel.table.status).toEqual({ room: "offline", waiting: 2, trouble: "The line is cut.", verbs: ["insert"], kernel: "answering" });
    kernel.end();
    expect(kernel.table.status).toMatchObject({ kernel: "gone", waiting: 2 });
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import { backOf, History } from "../src/history";
import { column, ids, Kernel, refused, type WireRow } from "./kernel";

const COLUMNS = [column("text"), column("n", "integer"), column("at", "datetime"), column("made", "text", { required: true, filled: true })];
const ROWS: WireRow[] = [[1, "a", "milk", 1, null, "x"], [2, "b", "bread", 2, null, "y"], [3, "c", "rice", null, null, "z"]];

let kernel: Kernel;

beforeEach(() => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
});

/** The kernel takes the newest edit, and the room has stored it so. */
function take(...rows: WireRow[]): void {
  kernel.tell({ took: [kernel.edit.n], rows });
}

describe("undo", () => {
  it("has nothing to take back at first", () => {
    expect([kernel.table.canUndo, kernel.table.undo(), kernel.table.canRedo, kernel.table.redo()]).toEqual([false, undefined, false, undefined]);
    expect(kernel.edits).toEqual([]);
  });

  it("of an update says what was written and what was there, and shows it at once", () => {
    kernel.table.update("a", { text: "oat milk", n: 5 });

    expect(kernel.table.undo()).toBe(0);
    expect(kernel.change("back")).toEqual({ op: "back", id: "a", at: 1, before: { text: "milk", n: 1 }, after: { text: "oat milk", n: 5 } });
    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk", n: 1 });
    expect(kernel.table.pending("a")).toBe(true);
  });

  it("of an insert takes the row away again, if nobody has written into it", () => {
    const id = kernel.table.insert({ text: "tea" });
    take([4, id, "tea", null, null, "now"]); // the room fills in when

    expect(kernel.table.undo()).toBe(0);
    expect(kernel.change("back")).toMatchObject({ id, before: null, after: { text: "tea", n: null, at: null } });
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);
  });

  it("of a deletion puts the row back whole, where it stood", () => {
    kernel.table.delete("b");
    take();
    kernel.tell({ gone: ["b"] });

    kernel.table.undo();
    expect(kernel.change("back")).toEqual({
      op: "back", id: "b", at: 2, before: { text: "bread", n: 2, at: null, made: "y" }, after: null,
    });
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);
    expect(kernel.table.rows.get("b")).toMatchObject({ text: "bread", n: 2 });
  });

  it("of a paste takes back all of it in one edit, last change first", () => {
    const [id] = kernel.table.edit([{ insert: { text: "tea" } }, { update: "a", values: { n: 7 } }, { delete: "c" }]);
    take([4, id!, "tea", null, null, "now"], [1, "a", "milk", 7, null, "x"]);
    kernel.tell({ gone: ["c"] });
    const seen: string[][] = [];
    kernel.table.subscribe(() => seen.push(ids(kernel.table)));

    kernel.table.undo();
    expect(kernel.edit.changes.map((change) => [change.op, change.id])).toEqual([["back", "c"], ["back", "a"], ["back", id]]);
    expect(seen).toEqual([["a", "b", "c"]]);
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 1 });
  });

  it("takes back the newest first, each once", () => {
    kernel.table.update("a", { n: 10 });
    kernel.table.update("a", { n: 11 });

    kernel.table.undo();
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 10 });
    kernel.table.undo();
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 1 });
    expect([kernel.table.canUndo, kernel.table.undo()]).toEqual([false, undefined]);
    expect(kernel.edits).toHaveLength(4);
  });

  it("of two changes of one row in one edit ends as it began", () => {
    kernel.table.edit([{ update: "a", values: { n: 10 } }, { update: "a", values: { n: 11, text: "x" } }]);
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 11, text: "x" });

    kernel.table.undo();
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 1, text: "milk" });
  });

  it("of a new row that the same edit changed takes it away", () => {
    kernel.table.edit([{ insert: { text: "tea" }, id: "d" }, { update: "d", values: { text: "green tea" } }]);
    expect(kernel.table.rows.get("d")).toMatchObject({ text: "green tea" });

    kernel.table.undo();
    expect(kernel.table.rows.get("d")).toBeUndefined();
    kernel.table.redo();
    expect(kernel.table.rows.get("d")).toMatchObject({ text: "green tea" });
  });

  it("remembers two hundred edits", () => {
    for (let i = 0; i < 250; i++) kernel.table.update("a", { n: 100 + i });
    let undone = 0;
    while (kernel.table.undo() !== undefined) undone++;

    expect(undone).toBe(200);
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 149 });
  });
});

describe("what somebody else has written since", () => {
  it("is not undone, in that cell alone, and is counted", () => {
    kernel.table.update("a", { text: "mine", n: 5 });
    take([1, "a", "mine", 5, null, "x"]);
    kernel.tell({ rows: [[1, "a", "theirs", 5, null, "x"]] });

    expect(kernel.table.undo()).toBe(1);
    expect(kernel.table.rows.get("a")).toMatchObject({ text: "theirs", n: 1 });
  });

  it("keeps a row of one's own that they wrote into", () => {
    const id = kernel.table.insert({ text: "tea" });
    take([4, id, "tea", 3, null, "now"]);

    expect(kernel.table.undo()).toBe(1);
    expect(kernel.table.rows.get(id)).toMatchObject({ text: "tea", n: 3 });
  });

  it("wins over a deletion that is taken back, when they have put the row there again", () => {
    kernel.table.delete("b");
    take();
    kernel.tell({ rows: [[2, "b", "theirs", 9, null, "y"]] });

    kernel.table.undo();
    expect(kernel.table.rows.get("b")).toMatchObject({ text: "theirs", n: 9 });
  });

  it("stays gone when they have deleted it", () => {
    kernel.table.update("a", { n: 5 });
    take();
    kernel.tell({ gone: ["a"] });

    kernel.table.undo();
    expect(kernel.table.rows.get("a")).toBeUndefined();
  });

  it("is not the same value in other words: what the room makes of a moment or a number is one's own", () => {
    kernel.table.update("a", { n: 5n, at: "2026-11-23 14:30+02:00" });
    take([1, "a", "milk", 5, "2026-11-23T12:30:00.000000Z", "x"]);

    expect(kernel.table.undo()).toBe(0);
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 1, at: null });
  });

  it("is not undone by what comes to the page while the undo is on its way", () => {
    kernel.table.update("a", { n: 5 });
    take([1, "a", "milk", 5, null, "x"]);
    kernel.table.undo();

    kernel.tell({ rows: [[1, "a", "milk", 77, null, "x"]] });
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 77 });
  });
});

describe("redo", () => {
  it("does again what was undone, to and fro", () => {
    kernel.table.update("a", { n: 5 });
    for (let i = 0; i < 3; i++) {
      kernel.table.undo();
      expect([kernel.table.rows.get("a")!["n"], kernel.table.canUndo, kernel.table.canRedo]).toEqual([1, false, true]);
      kernel.table.redo();
      expect([kernel.table.rows.get("a")!["n"], kernel.table.canUndo, kernel.table.canRedo]).toEqual([5, true, false]);
    }
    expect(kernel.change("back")).toMatchObject({ before: { n: 5 }, after: { n: 1 } });
  });

  it("of an insert and of a deletion", () => {
    const id = kernel.table.insert({ text: "tea", n: 4 });
    kernel.table.delete("a");
    kernel.table.undo();
    kernel.table.undo();
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);

    kernel.table.redo();
    expect(kernel.table.rows.get(id)).toMatchObject({ text: "tea", n: 4 });
    kernel.table.redo();
    expect(ids(kernel.table)).toEqual(["b", "c", id]);
  });

  it("is over once something else is written", () => {
    kernel.table.update("a", { n: 5 });
    kernel.table.undo();

    kernel.table.update("b", { n: 6 });
    expect([kernel.table.canRedo, kernel.table.redo()]).toEqual([false, undefined]);
  });
});

describe("a refused edit", () => {
  it("leaves nothing to undo: the one before it is next", () => {
    kernel.table.update("a", { n: 5 });
    kernel.table.update("b", { n: 6 });
    kernel.refuse(kernel.edit, "no");

    kernel.table.undo();
    expect(kernel.change("back")).toMatchObject({ id: "a" });
    expect(kernel.table.canUndo).toBe(false);
  });

  it("that was an undo cannot be redone", () => {
    kernel.table.update("a", { n: 5 });
    kernel.table.undo();
    kernel.refuse(kernel.edit, "Somebody has changed it since, so it stays as it is.");

    expect([kernel.table.canRedo, kernel.table.canUndo]).toEqual([false, false]);
    expect(kernel.table.rejected("a")?.changes).toMatchObject([{ op: "back" }]);
  });

  it("that was an undo can be tried again, and leaves no empty edit to undo", () => {
    kernel.table.update("a", { n: 5 });
    take([1, "a", "milk", 5, null, "x"]);
    kernel.table.undo();
    kernel.refuse(kernel.edit, "not now");

    kernel.table.retry(kernel.table.rejected("a")!);
    expect(kernel.table.rows.get("a")).toMatchObject({ n: 1 });
    kernel.table.undo();
    expect(kernel.edits.every(({ changes }) => changes.length > 0)).toBe(true);
  });

  it("may be refused long after it was taken", () => {
    kernel.table.update("a", { n: 5 });
    const { edit } = kernel;
    take([1, "a", "milk", 5, null, "x"]);
    kernel.tell({ refused: [refused(edit, "The room says no.")], rows: [[1, "a", "milk", 1, null, "x"]] });

    expect(kernel.table.canUndo).toBe(false);
  });
});

describe("what takes a change back", () => {
  const columns = [column("__proto__"), column("constructor"), column("n", "integer")];

  it("names columns whatever they are called", () => {
    const row = Object.assign(Object.create(null), { id: "a", constructor: "c", n: 9007199254740993n });
    Object.defineProperty(row, "__proto__", { value: "p", enumerable: true });
    const values = JSON.parse('{"__proto__": "P", "constructor": "C"}');

    const back = backOf({ op: "update", id: "a", values }, row, 3, columns)!;
    expect(JSON.stringify(back)).toBe(
      '{"op":"back","id":"a","at":3,"before":{"__proto__":"p","constructor":"c"},"after":{"__proto__":"P","constructor":"C"}}',
    );
    const gone = backOf({ op: "delete", id: "a", values: {} }, row, 3, columns)!;
    expect(JSON.stringify(gone.before)).toBe('{"__proto__":"p","constructor":"c","n":"9007199254740993"}');
    const made = backOf({ op: "insert", id: "a", values }, undefined, null, columns)!;
    expect(JSON.stringify(made.after)).toBe('{"n":null,"__proto__":"P","constructor":"C"}');
  });

  it("is nothing for a row that is not here", () => {
    expect(backOf({ op: "update", id: "x", values: { n: 1 } }, undefined, null, columns)).toBeUndefined();
    expect(backOf({ op: "delete", id: "x", values: {} }, undefined, null, columns)).toBeUndefined();
  });

  it("of nothing is no edit to undo", () => {
    const history = new History();
    history.made({ n: "1", changes: [] }, []);

    expect(history.canUndo).toBe(false);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import type { Change } from "../src/table";
import { column, ids, Kernel } from "./kernel";

let kernel: Kernel;
let changes: Change[];

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
    expect(changes).toEqual([{ ids: new Set(["c", "a"]), reset: false }]);
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
    expect(changes).toEqual([{ ids: new Set(["a"]), reset: false }]);
    expect(kernel.edits).toMatchObject([{ k: "edit", op: "update", id: "a", values: { done: true } }]);
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
    expect(kernel.table.rejected("a")).toMatchObject({ op: "delete", why: "You may not delete here." });
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
    expect(kernel.table.rejections).toMatchObject([{ id: "a", why: "text is too long." }]);

    kernel.table.dismiss(kernel.table.rejected("a")!);
    expect(kernel.table.rejections).toEqual([]);
  });

  it("may come long after the kernel took it, from the room", () => {
    kernel.table.update("a", { text: "taken" });
    const edit = kernel.edits[0]!;
    kernel.tell({ rows: [[1, "a", "taken", false]], took: [edit.n], on: ["a"] });

    kernel.tell({ rows: [[1, "a", "milk", false]], off: ["a"], refused: [{ ...edit, why: "no" }] });

    expect(kernel.table.rows.get("a")).toMatchObject({ text: "milk" });
    expect(kernel.table.rejected("a")).toMatchObject({ values: { text: "taken" }, why: "no" });
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
    expect(second).toMatchObject({ op: "insert", id: first!.id, values: { text: "rice" } });
    expect(second!.n).not.toBe(first!.n);
    expect(kernel.table.rejections).toEqual([]);
  });
});

it("sends and shows what JSON has no number for", () => {
  kernel.load([[1, "a", "9007199254740993"]], { columns: [column("n", "integer")], page: null });
  expect(kernel.table.rows.get("a")).toEqual({ id: "a", n: 9007199254740993n });

  kernel.table.update("a", { n: 9007199254740995n });

  expect(kernel.edits[0]!.values).toEqual({ n: "9007199254740995" });
  expect(kernel.table.rows.get("a")).toEqual({ id: "a", n: 9007199254740995n });
});

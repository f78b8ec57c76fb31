import { beforeEach, describe, expect, it } from "vitest";
import { Rows } from "../src/rows";
import type { Json } from "../src/values";
import type { Change, RowBlock, WireValues } from "../src/wire";
import { anySeed, chance, column } from "./kernel";

const COLUMNS = [column("t"), column("n", "integer")];

let rows: Rows;
let made = 0;

beforeEach(() => {
  rows = new Rows();
  rows.load(COLUMNS, [block([1, "a", "x", 1], [2, "b", "y", 2], [3, "c", "z", 3])]);
});

function block(...told: [at: number, id: string, ...cells: Json[]][]): RowBlock {
  const width = Math.max(0, ...told.map((row) => row.length - 2));
  return {
    ids: told.map(([, id]) => id), at: told.map(([at]) => at),
    cols: Array.from({ length: width }, (_, c) => told.map((row) => row[c + 2] as Json)),
  };
}

function lay(...changes: Change[]): { n: string; changes: Change[] } {
  const edit = { n: `e${++made}`, changes };
  rows.lay(edit);
  for (const { id } of changes) rows.show(id);
  return edit;
}

function back(id: string, before: WireValues | null, after: WireValues | null, at: number | null = null): Change {
  return { op: "back", id, at, before, after };
}

function order(): string[] {
  return Array.from(rows, (row) => row.id);
}

describe("a change that takes back", () => {
  it("writes what was there into the cells that are still as they were left", () => {
    lay(back("a", { t: "old", n: 0 }, { t: "x", n: 99 }));

    expect(rows.get("a")).toEqual({ id: "a", t: "old", n: 1 });
  });

  it("empties a cell of which nothing is known", () => {
    lay(back("a", {}, { t: "x" }));

    expect(rows.get("a")).toEqual({ id: "a", t: null, n: 1 });
  });

  it("takes a row away only if every cell is still as it was written", () => {
    lay(back("a", null, { t: "x", n: 1 }), back("b", null, { t: "y", n: 1 }));

    expect(order()).toEqual(["b", "c"]);
  });

  it("brings a row back, whole, to where it stood", () => {
    lay({ op: "delete", id: "b", values: {} });
    rows.drop("b");
    rows.show("b");
    lay(back("b", { t: "again" }, null, 2));

    expect(order()).toEqual(["a", "b", "c"]);
    expect(rows.get("b")).toEqual({ id: "b", t: "again", n: null });
  });

  it("brings no row back over one that is there, nor one that another has deleted", () => {
    lay(back("a", { t: "mine" }, null, 1), back("x", { t: "old" }, { t: "new" }), back("y", null, { t: "new" }));

    expect(rows.get("a")).toEqual({ id: "a", t: "x", n: 1 });
    expect([rows.get("x"), rows.get("y"), order()]).toEqual([undefined, undefined, ["a", "b", "c"]]);
  });

  it("is looked at anew when the row is told anew", () => {
    lay(back("a", { t: "old" }, { t: "x" }));
    rows.put(block([1, "a", "theirs", 1]));
    rows.show("a");

    expect(rows.get("a")).toMatchObject({ t: "theirs" });
  });

  it("compares integers exactly, in whatever words", () => {
    rows.put(block([1, "a", "x", "9007199254740993"]));
    rows.show("a");
    lay(back("a", { n: 0 }, { n: "9007199254740992" }));
    expect(rows.get("a")).toMatchObject({ n: 9007199254740993n });

    lay(back("a", { n: 0 }, { n: "9007199254740993" }));
    expect(rows.get("a")).toMatchObject({ n: 0 });
  });
});

describe("edits over the base", () => {
  it("leave one by one, whichever was answered first", () => {
    const first = lay({ op: "update", id: "a", values: { t: "1" } });
    const second = lay({ op: "update", id: "a", values: { n: 7 } });
    rows.lift(first);
    rows.show("a");
    expect([rows.get("a"), rows.edited("a")]).toEqual([{ id: "a", t: "x", n: 7 }, true]);

    rows.lift(second);
    rows.show("a");
    expect([rows.get("a"), rows.edited("a")]).toEqual([{ id: "a", t: "x", n: 1 }, false]);
  });

  it("of a row that is not here show nothing, and show when it comes", () => {
    lay({ op: "update", id: "later", values: { t: "mine" } });
    expect(rows.get("later")).toBeUndefined();

    rows.put(block([9, "later", "theirs", 5]));
    rows.show("later");
    expect(rows.get("later")).toEqual({ id: "later", t: "mine", n: 5 });
  });

  it("stand last in the order they were made, after everything the kernel has", () => {
    lay({ op: "insert", id: "new2", values: {} });
    lay({ op: "insert", id: "new1", values: {} });
    rows.put(block([2 ** 51, "far", "q", 0]));
    rows.show("far");

    expect(order()).toEqual(["a", "b", "c", "far", "new2", "new1"]);
    expect(rows.fresh).toEqual(["new2", "new1"]);
    expect([rows.known("new1"), rows.known("a")]).toEqual([false, true]);
  });

  it("are replayed as obviously as can be, after each of many random steps", () => {
    const seed = anySeed();
    const random = chance(seed);
    const base = new Map<string, { at: number; cells: WireValues }>([
      ["a", { at: 1, cells: { t: "x", n: 1 } }], ["b", { at: 2, cells: { t: "y", n: 2 } }], ["c", { at: 3, cells: { t: "z", n: 3 } }],
    ]);
    const laid: { n: string; changes: Change[] }[] = [];

    /** Everything from the beginning. */
    const model = (id: string): WireValues | undefined => {
      let row = base.get(id)?.cells;
      for (const change of laid.flatMap((edit) => edit.changes)) {
        if (change.id !== id) continue;
        if (change.op === "delete") row = undefined;
        else if (change.op === "insert") row ??= { t: null, n: null, ...change.values };
        else if (change.op === "update") row = row && { ...row, ...change.values };
        else if (change.op === "back") {
          const { before, after } = change;
          if (!row) row = before && !after ? { t: null, n: null, ...before } : undefined;
          else if (after) {
            const now: WireValues = row;
            const still = Object.keys(after).filter((name) => now[name] === after[name]);
            if (before) row = { ...row, ...Object.fromEntries(still.map((name) => [name, before[name] ?? null])) };
            else if (still.length === Object.keys(after).length) row = undefined;
          }
        }
      }
      return row;
    };

    for (let step = 0; step < 1_000; step++) {
      const id = ["a", "b", "c", "d", "e"][random(5)]!;
      const values: WireValues = [{ t: "x" }, { n: 1 }, { t: "y", n: 2 }][random(3)]!;
      const kind = random(7);
      if (kind === 0) {
        base.set(id, { at: base.get(id)?.at ?? 10 + step, cells: { t: "x", n: 1, ...values } });
        rows.put(block([base.get(id)!.at, id, base.get(id)!.cells["t"]!, base.get(id)!.cells["n"]!]));
      } else if (kind === 1) {
        base.delete(id);
        rows.drop(id);
      } else if (kind === 2 && laid.length) {
        const [edit] = laid.splice(random(laid.length), 1);
        rows.lift(edit!);
        for (const change of edit!.changes) rows.show(change.id);
      } else {
        const changes: Change[] = [[
          { op: "insert" as const, id, values }, { op: "update" as const, id, values }, { op: "delete" as const, id, values: {} },
          back(id, [null, { t: "q", n: 9 }][random(2)]!, [null, values][random(2)]!),
        ][random(4)]!];
        laid.push(lay(...changes));
      }
      rows.show(id);

      const all = ["a", "b", "c", "d", "e"];
      const known = order().filter((each) => base.has(each));
      expect([all.map((each) => rows.get(each)), known, rows.size], `seed ${seed}, step ${step}`).toEqual([
        all.map((each) => model(each) && { id: each, ...model(each) }),
        [...known].sort((x, y) => base.get(x)!.at - base.get(y)!.at), order().length,
      ]);
    }
  });
});

describe("names that JavaScript has uses for", () => {
  const ODD = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"];

  it("are columns like any other", () => {
    const odd = new Rows();
    odd.load(ODD.map((name) => column(name)), [block([1, "a", ...ODD.map((name) => `${name}!`)])]);

    for (const name of ODD) expect(odd.get("a")![name]).toBe(`${name}!`);
    expect(Object.keys(odd.get("a")!)).toEqual(["id", ...ODD]);
    odd.lay({ n: "1", changes: [{ op: "update", id: "a", values: JSON.parse('{"__proto__": "P", "constructor": null}') }] });
    odd.show("a");
    expect([odd.get("a")!["__proto__"], odd.get("a")!["constructor"], odd.get("a")!["toString"]]).toEqual(["P", null, "toString!"]);

    odd.lay({ n: "2", changes: [back("a", JSON.parse('{"__proto__": "was"}'), JSON.parse('{"__proto__": "P"}'))] });
    odd.show("a");
    expect(odd.get("a")!["__proto__"]).toBe("was");
    expect(Object.getPrototypeOf(odd.get("a"))).toBeNull();
    expect(odd.imagine("x")["constructor"]).toBeNull();
  });

  it("are ids like any other", () => {
    for (const id of ODD) expect([rows.get(id), rows.indexOf(id), rows.known(id), rows.edited(id)]).toEqual([undefined, -1, false, false]);

    rows.put(block(...ODD.map((id, i) => [10 + i, id, id, i] as [number, string, string, number])));
    for (const id of ODD) rows.show(id);
    lay({ op: "update", id: "__proto__", values: { t: "changed" } }, { op: "delete", id: "constructor", values: {} });

    expect(order()).toEqual(["a", "b", "c", ...ODD.filter((id) => id !== "constructor")]);
    expect(rows.get("__proto__")).toEqual({ id: "__proto__", t: "changed", n: 0 });
    expect(({} as Record<string, unknown>)["t"]).toBeUndefined();
  });

  it("are missing where a column is: a row has only its own", () => {
    expect(rows.get("a")!["constructor"]).toBeUndefined();
    expect("toString" in rows.get("a")!).toBe(false);
  });
});

describe("a large table's rows", () => {
  it("stay in sight when the stream begins anew, unless the columns are others", () => {
    rows.loadWindows(COLUMNS);
    expect(order()).toEqual(["a", "b", "c"]);

    rows.loadWindows([...COLUMNS, column("more")]);
    expect(order()).toEqual([]);
  });

  it("are forgotten but for those that somebody looks at or has edited", () => {
    lay({ op: "update", id: "b", values: { t: "mine" } });
    rows.keep(new Set(["c"]));

    expect([order(), rows.loaded]).toEqual([["b", "c"], 2]);
  });
});

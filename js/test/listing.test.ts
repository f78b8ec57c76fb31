import { beforeEach, describe, expect, it } from "vitest";
import { MOST, Windowed, type Question } from "../src/listing";
import type { Query } from "../src/query";
import { Rows } from "../src/rows";
import type { Listing } from "../src/listing";
import type { Row, Value } from "../src/values";
import type { WindowNews } from "../src/wire";
import { anySeed, chance, column, Kernel, type WireRow } from "./kernel";

function listed(listing: Listing): (string | undefined)[] {
  return Array.from({ length: listing.size }, (_, index) => listing.at(index)?.id);
}

describe("a listing of rows that are all here", () => {
  const COLUMNS = [column("word"), column("n", "integer"), column("done", "boolean")];
  const QUERIES: Query[] = [
    { sort: [], filters: [], search: "" },
    { sort: [["n", false]], filters: [], search: "" },
    { sort: [["word", true], ["n", false]], filters: [], search: "" },
    { sort: [["done", true], ["id", false]], filters: [{ column: "n", op: "gt", value: "3" }], search: "" },
    { sort: [], filters: [{ column: "word", op: "has", value: "A" }, { column: "done", op: "not", value: true }], search: "" },
    { sort: [["n", true]], filters: [], search: "b" },
  ];

  /** The slow obvious model: look at every row, and sort them all. */
  function model(rows: readonly Row[], { sort, filters, search }: Query): string[] {
    const lower = (value: Value | undefined) => String(value ?? "").toLowerCase();
    const value = (row: Row, name: string) => (typeof row[name] === "string" ? lower(row[name]) : row[name]) as string | number | null;
    const chosen = rows.filter((row) =>
      filters.every(({ column: name, op, value: wanted }) => {
        if (op === "gt") return row[name] !== null && Number(row[name]) > Number(wanted);
        return op === "has" ? lower(row[name]).includes(lower(wanted)) : row[name] !== wanted;
      }) && Object.values(row).some((each) => lower(typeof each === "boolean" ? Number(each) : each).includes(search)),
    );
    const place = new Map(rows.map((row, index) => [row.id, index]));
    return chosen.sort((a, b) => {
      for (const [name, down] of sort) {
        const [x, y] = [value(a, name), value(b, name)];
        if (x === y) continue;
        if (x === null || y === null) return x === null ? 1 : -1;
        return (x < y ? -1 : 1) * (down ? -1 : 1);
      }
      return (place.get(a.id)! - place.get(b.id)!) * (sort[0]?.[1] ? -1 : 1);
    }).map((row) => row.id);
  }

  it("is what choosing and sorting all rows would give, after each of many random edits of everybody", () => {
    const seed = anySeed();
    const random = chance(seed);
    const kernel = new Kernel();
    const pick = <T>(things: readonly T[]): T => things[random(things.length)]!;
    const cells = () => [pick(["ape", "Ape", "bat", "", null]), pick([0, 1, 5, 9, null]), pick([true, false, null])] as const;
    const base = new Map<string, WireRow>();
    for (let i = 0; i < 30; i++) base.set(`r${i}`, [i + 1, `r${i}`, ...cells()]);
    kernel.load([...base.values()], { columns: COLUMNS });
    const listings = QUERIES.map((query) => kernel.table.listing(query));

    for (let step = 0; step < 200; step++) {
      const id = `r${random(40)}`;
      const [word, n, done] = cells();
      switch (random(7)) {
        case 0: kernel.table.edit([{ insert: { word, n, done }, id }]); break;
        case 1: kernel.table.update(id, pick([{ word }, { n }, { word, done }])); break;
        case 2: kernel.table.delete(id); break;
        case 3: kernel.table.undo(); break;
        case 4: { // the kernel answers some of what was said: taken, and somebody else was there
          const open = kernel.edits.slice(-1 - random(3));
          base.set(id, [base.get(id)?.[0] ?? 100 + step, id, word, n, done]);
          kernel.tell({ rows: [base.get(id)!], took: open.map((edit) => edit.n) });
          break;
        }
        case 5: kernel.refuse(kernel.edit ?? { n: "", changes: [] }, "no"); break;
        case 6:
          base.delete(id);
          kernel.tell({ gone: [id] });
      }
      const rows = [...kernel.table.rows];
      QUERIES.forEach((query, q) => {
        const expected = model(rows, query);
        const where = `seed ${seed}, step ${step}, query ${q}`;
        expect([...listed(listings[q]!), listings[q]!.indexOf(id)], where).toEqual([...expected, expected.indexOf(id)]);
        if (step % 20) return;
        const anew = kernel.table.listing(query);
        expect(listed(anew), where).toEqual(expected);
        anew.close();
      });
    }
  });

  it("has all it is asked for, at once, and hears nothing after it is closed", async () => {
    const kernel = new Kernel();
    kernel.load([[1, "a", "milk", true], [2, "b", "bread", true]]);
    const listing = kernel.table.listing({ sort: [["text", false]], filters: [], search: "" });
    expect([listing.want(0, 100), listed(listing)]).toEqual([true, ["b", "a"]]);
    await listing.fetch(0, 100);

    listing.close();
    kernel.table.update("a", { text: "apple" });
    expect(listed(listing)).toEqual(["b", "a"]);
    expect(kernel.questions).toEqual([]);
  });
});

describe("a window over rows that the kernel has", () => {
  const TEXT = [column("text")];
  let all: string[];
  let rows: Rows;
  let asked: Question[];
  let closed: number;
  let view: Windowed;

  beforeEach(() => {
    all = Array.from({ length: 10_000 }, (_, i) => `r${i}`);
    rows = new Rows();
    rows.loadWindows(TEXT);
    asked = [];
    closed = 0;
    view = new Windowed(rows, (question) => asked.push(question), () => closed++);
  });

  /** What the kernel would say, of the newest question unless told which. */
  function answer(question: Question = asked.at(-1)!): void {
    const ids = all.slice(question.first, question.first + question.count);
    rows.put({ ids, at: ids.map((id) => Number(id.slice(1)) + 1), cols: [ids.map((id) => `text of ${id}`)] });
    for (const id of ids) rows.show(id);
    const news: WindowNews = { view: "v", ask: question.ask, first: question.first, size: all.length, ids };
    view.answer(news);
    view.changed();
  }

  const seen = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => view.at(first + i)?.id);

  it("asks for more than is in sight, and knows what it was told", () => {
    expect(view.want(0, 20)).toBe(false);
    expect(asked).toEqual([{ ask: 1, first: 0, count: 620 }]);

    answer();
    expect(view.want(0, 20)).toBe(true);
    expect([view.size, seen(0, 3), view.indexOf("r7"), view.indexOf("r9999")]).toEqual([10_000, ["r0", "r1", "r2"], 7, -1]);
    expect(view.at(0)?.["text"]).toBe("text of r0");
    expect(asked).toHaveLength(1);
  });

  it("asks again well before a scroll reaches the edge, and says that the rows are here", () => {
    view.want(0, 20);
    answer();

    expect(view.want(400, 420)).toBe(true);
    expect(asked).toHaveLength(1);
    expect(view.want(550, 570)).toBe(true);
    expect(asked.at(-1)).toEqual({ ask: 2, first: 250, count: 620 });
  });

  it("has one question on the way at a time, then asks for where one is by then", () => {
    view.want(0, 20);
    for (let top = 100; top <= 5_000; top += 100) view.want(top, top + 20);
    expect(asked).toHaveLength(1);

    answer();
    expect(asked).toEqual([expect.anything(), { ask: 2, first: 4_700, count: 620 }]);
    answer();
    expect(view.want(5_000, 5_020)).toBe(true);
    expect(seen(5_000, 5_002)).toEqual(["r5000", "r5001"]);
    expect(asked).toHaveLength(2);
  });

  it("jumps to the end and back", () => {
    view.want(0, 20);
    answer();

    expect(view.want(9_980, 10_000)).toBe(false);
    answer();
    expect([view.want(9_980, 10_000), seen(9_998, 10_000), view.at(0)]).toEqual([true, ["r9998", "r9999"], undefined]);

    expect(view.want(0, 20)).toBe(false);
    answer();
    expect([view.want(0, 20), seen(0, 1)]).toEqual([true, ["r0"]]);
    expect(asked).toHaveLength(3);
  });

  it("asks for no more than the kernel gives", () => {
    view.want(0, 50_000);

    expect(asked[0]!.count).toBe(MOST);
  });

  it("moves up at once over a row that was deleted here, and stays when the kernel says the same", () => {
    view.want(0, 20);
    answer();
    rows.lay({ n: "1", changes: [{ op: "delete", id: "r1", values: {} }] });
    rows.show("r1");
    view.changed();
    expect([view.size, seen(0, 3), view.indexOf("r1"), view.indexOf("r2")]).toEqual([9_999, ["r0", "r2", "r3"], -1, 1]);

    all.splice(1, 1);
    rows.drop("r1");
    answer(asked[0]);
    expect([view.size, seen(0, 3)]).toEqual([9_999, ["r0", "r2", "r3"]]);
  });

  it("shows a new row of one's own last, until the kernel gives it its place", () => {
    view.want(9_980, 10_000);
    answer();
    const edit = { n: "1", changes: [{ op: "insert", id: "r10000", values: { text: "new" } }] } as const;
    rows.lay(edit);
    rows.show("r10000");
    view.changed();
    expect([view.size, view.indexOf("r10000"), view.at(10_000)?.["text"]]).toEqual([10_001, 10_000, "new"]);

    all.splice(9_990, 0, "r10000"); // sorted by something
    rows.lift(edit);
    answer();
    expect([view.size, view.indexOf("r10000"), seen(9_990, 9_991)]).toEqual([10_001, 9_990, ["r10000"]]);
  });

  it("does not count a new row twice while its edit is unanswered and the window has it", () => {
    view.want(9_980, 10_000);
    answer();
    rows.lay({ n: "1", changes: [{ op: "insert", id: "r10000", values: { text: "new" } }] });
    rows.show("r10000");
    view.changed();

    all.push("r10000");
    answer();
    expect([view.size, view.indexOf("r10000")]).toEqual([10_001, 10_000]);
  });

  it("takes a window that the kernel mends by itself", () => {
    view.want(0, 20);
    answer();
    all.unshift("r10000");

    answer(asked[0]);
    expect([seen(0, 2), view.size]).toEqual([["r10000", "r0"], 10_001]);
    expect(asked).toHaveLength(1);
  });

  it("is not done with a question because an older one is answered late", () => {
    view.want(0, 20);
    const first = asked[0]!;
    answer();
    view.want(5_000, 5_020);

    answer(first);
    view.want(5_000, 5_020);
    expect(asked).toHaveLength(2); // still on its way
    answer();
    expect(view.want(5_000, 5_020)).toBe(true);
  });

  it("asks once more when the kernel was lost, with a higher number", () => {
    view.want(5_000, 5_020);
    view.again();
    expect(asked.at(-1)).toEqual({ ...asked[0], ask: 2 });

    answer();
    view.again();
    expect(asked.at(-1)).toEqual({ ...asked[0], ask: 3 });
  });

  it("shows an empty table as empty", () => {
    all = [];
    view.want(0, 20);
    answer();

    expect([view.want(0, 20), view.size, view.at(0)]).toEqual([true, 0, undefined]);
  });

  describe("fetch", () => {
    beforeEach(() => {
      view.want(0, 20);
      answer();
    });

    it("is done at once when the rows are here", async () => {
      await view.fetch(0, 100);

      expect(asked).toHaveLength(1);
    });

    it("brings rows out of sight, and is done when they are here", async () => {
      let done = false;
      const fetched = view.fetch(3_000, 5_000).then(() => (done = true));
      await Promise.resolve();
      expect([done, asked.at(-1)!.first <= 3_000]).toEqual([false, true]);

      answer();
      await fetched;
      expect([view.at(3_000)?.id, view.at(4_999)?.id]).toEqual(["r3000", "r4999"]);
    });

    it("keeps the rows while one of them is in sight: what was selected is still here when a person asks again", async () => {
      const fetched = view.fetch(0, 2_000);
      answer();
      await fetched;

      for (let frame = 0; frame < 5; frame++) {
        if (!view.want(1_985, 2_000)) answer();
        else if (asked.length > 2) answer();
      }
      expect(asked).toHaveLength(2);
      expect([view.at(0)?.id, view.at(1_999)?.id]).toEqual(["r0", "r1999"]);
    });

    it("waits for its own rows, not for those of a question before it", async () => {
      let done = false;
      view.want(7_000, 7_020);
      const scroll = asked.at(-1)!;
      const fetched = view.fetch(3_000, 3_500).then(() => (done = true));

      answer(scroll);
      await Promise.resolve();
      await Promise.resolve();
      expect(done).toBe(false);

      answer();
      await fetched;
      expect(view.at(3_400)?.id).toBe("r3400");
    });

    it("of two places brings both, one after the other", async () => {
      const done: string[] = [];
      const first = view.fetch(3_000, 3_500).then(() => done.push(`3000 ${view.at(3_400)?.id}`));
      const second = view.fetch(8_000, 8_500).then(() => done.push(`8000 ${view.at(8_400)?.id}`));

      answer();
      await second;
      expect(done).toEqual(["8000 r8400"]);
      answer();
      await first;
      expect(done).toEqual(["8000 r8400", "3000 r3400"]);
    });

    it("is done, too, when the kernel was lost in between", async () => {
      const fetched = view.fetch(3_000, 3_500);
      view.again();

      answer();
      await fetched;
      expect(view.at(3_400)?.id).toBe("r3400");
    });

    it("is done when there are fewer rows by then", async () => {
      const fetched = view.fetch(9_000, 9_500);
      all = all.slice(0, 9_100);

      answer();
      await fetched;
      expect([view.at(9_099)?.id, view.at(9_100)]).toEqual(["r9099", undefined]);
    });

    it("ends when the view is closed, and says so to the kernel", async () => {
      const fetched = view.fetch(3_000, 3_500);
      view.close();

      await fetched;
      expect(closed).toBe(1);
    });
  });
});

describe("a table too large to be told whole", () => {
  let kernel: Kernel;
  let all: WireRow[];

  beforeEach(() => {
    all = Array.from({ length: 30_000 }, (_, i) => [i + 1, `r${i}`, `text ${i}`, false]);
    kernel = new Kernel();
    kernel.load([], { whole: false });
  });

  it("tells the kernel what is asked for, in its own words, and when it is over", () => {
    const query: Query = { sort: [["text", true]], filters: [{ column: "done", op: "is", value: true }], search: "x" };
    const listing = kernel.table.listing(query);
    expect(kernel.table.whole).toBe(false);

    listing.want(0, 20);
    expect(kernel.question).toEqual({ k: "window", view: expect.stringContaining(kernel.page), ask: 1, query, first: 0, count: 620 });
    const { view } = kernel.question;
    listing.close();
    expect(kernel.said.at(-1)).toEqual({ k: "forget", view });
  });

  it("gives every view a name of its own", () => {
    for (let i = 0; i < 2; i++) kernel.table.listing({ sort: [], filters: [], search: "" }).want(0, 20);

    const [first, second] = kernel.questions;
    expect(first!.view).not.toBe(second!.view);
  });

  it("asks again after the kernel was lost", () => {
    const listing = kernel.table.listing({ sort: [], filters: [], search: "" });
    listing.want(0, 20);
    kernel.answer(all);
    kernel.lose();
    kernel.tell({ gone: ["r5"] });
    kernel.load([], { whole: false });

    expect(kernel.questions).toHaveLength(2);
    all.splice(5, 1);
    kernel.answer(all);
    expect(listing.at(5)?.id).toBe("r6");
    expect(listing.size).toBe(29_999);
  });

  it("forgets rows that nobody looks at any more, and keeps those that are edited", () => {
    const listing = kernel.table.listing({ sort: [], filters: [], search: "" });
    listing.want(0, 20);
    kernel.answer(all);
    kernel.table.update("r3", { done: true });
    for (let top = 1_000; top < 25_000; top += 600) {
      listing.want(top, top + 20);
      kernel.answer(all);
    }

    expect(kernel.table.rows.get("r4")).toBeUndefined();
    expect(kernel.table.rows.get("r3")).toMatchObject({ done: true });
    expect(kernel.table.rows.size).toBeLessThan(6_000);
    expect(listing.at(24_400)?.id).toBe("r24400");
  });

  it("shows a row that somebody else changed, and the window and the rows in one step (R8)", () => {
    const listing = kernel.table.listing({ sort: [], filters: [], search: "" });
    listing.want(0, 20);
    kernel.answer(all);
    const sums: string[] = [];
    kernel.table.subscribe(() => sums.push(`${listing.size} ${listing.at(0)?.["text"]} ${listing.at(1)?.["text"]}`));

    all.splice(0, 2, [1, "r0", "changed", false]);
    kernel.answer(all, kernel.question, { gone: ["r1"] });

    expect(sums).toEqual(["29999 changed text 2"]);
  });

  it("does not show a peer's new row as a ghost: it may be there already", () => {
    kernel.tell({ people: [{ key: "ada", name: "Ada", color: "", at: null }], drafts: [{ by: "ada", typing: false, rows: { new: { text: "x" } } }] });

    expect(kernel.table.ghosts).toEqual([]);
  });
});

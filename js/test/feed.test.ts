import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ids, Kernel, type WireRow } from "./kernel";

const ROWS: WireRow[] = [[1, "a", "milk", false], [2, "b", "bread", true], [3, "c", "rice", false]];
const MINUTES = 60_000;

let kernel: Kernel;

beforeEach(() => {
  vi.useFakeTimers();
  kernel = new Kernel();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("a snapshot", () => {
  it("is asked for at once, and shown only when all of its parts are here (R4)", () => {
    expect(kernel.said).toEqual([{ k: "hello", for: kernel.page }]);
    const [first, second, third] = kernel.snapshot(ROWS, { parts: 3 });

    first!();
    second!();
    expect([kernel.table.ready, kernel.table.rows.size]).toEqual([false, 0]);

    third!();
    expect([kernel.table.ready, ids(kernel.table)]).toEqual([true, ["a", "b", "c"]]);
  });

  it("leaves the old rows in sight until the new ones are whole (R4)", () => {
    kernel.load(ROWS);
    const [first, second] = kernel.snapshot([[1, "x", "new", false], [2, "y", "new", false]], { parts: 2, page: null });

    first!();
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);

    second!();
    expect(ids(kernel.table)).toEqual(["x", "y"]);
  });

  it("with a lost part is asked for again", () => {
    const [first, , third] = kernel.snapshot(ROWS, { parts: 3 });
    first!();
    third!();
    expect(kernel.table.ready).toBe(false);

    vi.advanceTimersByTime(1 * MINUTES);
    kernel.load(ROWS);

    expect(kernel.hellos).toBeGreaterThan(1);
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);
  });

  it("with a part that comes twice is not taken for whole", () => {
    const [first, second] = kernel.snapshot(ROWS, { parts: 3 });

    first!();
    second!();
    second!();
    expect(kernel.table.ready).toBe(false);
  });

  it("meant for another page costs this one nothing and breaks no numbering", () => {
    kernel.load(ROWS);
    let told = 0;
    kernel.table.subscribe(() => told++);

    kernel.load([[1, "x", "same rows, read later", false]], { page: "another", parts: 2 });
    expect(told).toBe(0);

    kernel.tell({ rows: [[4, "d", "tea", false]] });
    expect(ids(kernel.table)).toEqual(["a", "b", "c", "d"]);
    expect(kernel.hellos).toBe(1);
  });
});

describe("a gap", () => {
  beforeEach(() => {
    kernel.load(ROWS);
    kernel.tell({ gone: ["c"] });
  });

  it("is noticed at the next delta, which is not applied, and mended by a snapshot (R3)", () => {
    kernel.lose();
    kernel.tell({ rows: [[5, "e", "after the gap", false]] });
    expect(ids(kernel.table)).toEqual(["a", "b"]);
    expect(kernel.hellos).toBe(2);

    kernel.load([[1, "a", "milk", false], [5, "e", "after the gap", false]]);
    kernel.tell({ rows: [[6, "f", "tea", false]] });
    expect(ids(kernel.table)).toEqual(["a", "e", "f"]);
    expect(kernel.hellos).toBe(2);
  });

  it("at the very end is noticed at the beat that follows (R3)", () => {
    kernel.post({ k: "beat", seq: kernel.seq });
    expect(kernel.hellos).toBe(1);

    kernel.lose();
    kernel.post({ k: "beat", seq: kernel.seq });
    expect(kernel.hellos).toBe(2);
  });

  it("that comes back after every snapshot is asked about less and less often", () => {
    for (let second = 0; second < 120; second++) {
      kernel.lose();
      kernel.tell({ gone: ["a"] });
      if (kernel.said.at(-1)?.k === "hello") kernel.load(ROWS);
      vi.advanceTimersByTime(1_000);
    }

    expect(kernel.hellos).toBeLessThan(12);
  });

  it("makes unanswered edits go once more, under the number they had (R5)", () => {
    kernel.table.update("a", { done: true });
    kernel.lose();
    kernel.tell({ gone: ["c"] });

    const [first, again] = kernel.edits;
    expect(again).toEqual(first);
  });

  it("does not repeat a delta that comes twice", () => {
    kernel.tell({ rows: [[4, "d", "tea", false]] });
    kernel.seq -= 1;
    kernel.tell({ gone: ["d"] }); // the same number: not ours to apply

    expect(ids(kernel.table)).toEqual(["a", "b", "d"]);
    expect(kernel.hellos).toBe(1);
  });
});

describe("a kernel that says nothing", () => {
  it("is asked ten times, and listened to when it speaks again", () => {
    vi.advanceTimersByTime(60 * MINUTES);
    expect(kernel.hellos).toBe(10);
    expect(kernel.table.status.kernel).toBe("silent");

    kernel.tell({});
    expect(kernel.hellos).toBe(11);
    expect(kernel.table.status.kernel).toBe("answering");
  });

  it("is called silent some seconds after an edit, not while nobody asks anything", () => {
    kernel.load(ROWS);
    vi.advanceTimersByTime(60 * MINUTES);
    expect(kernel.table.status.kernel).toBe("answering");

    kernel.table.update("a", { done: true });
    vi.advanceTimersByTime(4_900);
    expect(kernel.table.status.kernel).toBe("answering");
    vi.advanceTimersByTime(200);
    expect(kernel.table.status.kernel).toBe("silent");
  });

  it("hears unanswered edits once more when it is back", () => {
    kernel.load(ROWS);
    kernel.table.update("a", { done: true });
    vi.advanceTimersByTime(6_000);

    kernel.tell({ rows: [[4, "d", "tea", false]] });

    expect(kernel.edits).toHaveLength(2);
    expect(kernel.table.status.kernel).toBe("answering");
  });
});

describe("a kernel that has ended", () => {
  it("is called gone at once, and nothing is asked of it any more", () => {
    kernel.load(ROWS);
    kernel.table.update("a", { done: true });
    kernel.end();
    vi.advanceTimersByTime(60 * MINUTES);

    expect([kernel.table.status.kernel, kernel.hellos, kernel.edits.length]).toEqual(["gone", 1, 1]);
    expect(ids(kernel.table)).toEqual(["a", "b", "c"]);
  });

  it("is gone though it never answered", () => {
    kernel.end();
    vi.advanceTimersByTime(60 * MINUTES);

    expect([kernel.table.status.kernel, kernel.hellos]).toEqual(["gone", 1]);
  });

  it("is heard if it speaks after all", () => {
    kernel.load(ROWS);
    kernel.end();
    kernel.tell({ gone: ["a"] });

    expect([kernel.table.status.kernel, ids(kernel.table)]).toEqual(["answering", ["b", "c"]]);
  });

  it("is asked again when it speaks before it ever sent a snapshot", () => {
    kernel.end();
    kernel.tell({});
    kernel.load(ROWS);

    expect([kernel.hellos, kernel.table.ready]).toEqual([2, true]);
  });

  it("is asked again when it speaks and something was lost meanwhile", () => {
    kernel.load(ROWS);
    kernel.lose();
    kernel.tell({ gone: ["a"] }); // hello is due
    kernel.end();
    kernel.lose();
    kernel.tell({ gone: ["b"] });

    expect(kernel.hellos).toBe(2);
    kernel.load(ROWS.slice(2));
    expect(ids(kernel.table)).toEqual(["c"]);
  });
});

describe("a window that was asked for", () => {
  it("is asked for again with every new snapshot, after it (R3)", () => {
    kernel.load([], { whole: false });
    kernel.table.listing({ sort: [], filters: [], search: "" }).want(0, 20);
    kernel.lose();
    kernel.tell({ gone: ["c"] });
    expect(kernel.questions).toHaveLength(1);

    kernel.load([], { whole: false });
    expect(kernel.questions.map(({ ask }) => ask)).toEqual([1, 2]);
    expect(kernel.said.at(-1)).toMatchObject({ k: "window", ask: 2 });
  });

  it("makes a kernel that does not answer silent", () => {
    kernel.load([], { whole: false });
    kernel.table.listing({ sort: [], filters: [], search: "" }).want(0, 20);
    vi.advanceTimersByTime(6_000);

    expect(kernel.table.status.kernel).toBe("silent");
  });
});

describe("what is only said in passing", () => {
  it("is not waited for: where one is, and what one types", () => {
    kernel.load(ROWS);
    kernel.table.look({ id: "a", column: "text" });
    kernel.table.draft("k", { id: "a", column: "text" }, "oa");
    vi.advanceTimersByTime(60 * MINUTES);

    expect(kernel.table.status.kernel).toBe("answering");
    expect(kernel.said.filter(({ k }) => k === "look" || k === "draft")).toHaveLength(2);
  });
});

it("leaves no listener and no timer behind", () => {
  kernel.leave.abort();

  expect(kernel.listening).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

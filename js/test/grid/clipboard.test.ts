import { describe, expect, it } from "vitest";
import { blankRow, count, duplicate, fromText, planClear, planFill, planPaste, reach, told, toText, type Target } from "../../src/grid/clipboard";
import { anySeed, chance, column } from "../kernel";
import type { Row } from "../../src/values";

const COLUMNS = [
  column("text"), column("n", "integer"), column("due", "date", { required: true }),
  column("made", "datetime", { required: true, filled: true }),
];
const NOW = new Date("2026-11-23T04:05:06Z");

function row(id: string, values: Record<string, unknown> = {}): Row {
  return { id, text: "t", n: 1, due: "2026-11-23", made: null, ...values } as Row;
}

function target(more: Partial<Target> = {}): Target {
  return { columns: COLUMNS, all: COLUMNS, rows: [row("a"), row("b")], height: 1, width: 1, number: 1, grows: true, ...more };
}

describe("text to and from a spreadsheet", () => {
  it.each([
    ["a tab", "a\tb"], ["a line break", "a\nb"], ["a quote", 'say "hi"'], ["only a quote", '"'], ["quotes at both ends", '"x"'],
    ["nothing", ""], ["spaces", "  x  "], ["a carriage return", "a\rb"], ["a comma", "a,b;c"], ["an emoji", "😀"],
  ])("keeps %s as it is", (_, text) => {
    const rows = [row("a", { text }), row("b", { text: "next" })];
    const copied = toText(rows, COLUMNS.slice(0, 2));

    expect(fromText(copied)).toEqual([[text.replace(/\r\n?/g, "\n"), "1"], ["next", "1"]]);
  });

  it("keeps random text as it is, both ways", () => {
    const seed = anySeed();
    const random = chance(seed);
    const some = () => Array.from({ length: random(6) }, () => '"\t\n, ab'[random(7)]).join("");
    for (let step = 0; step < 2_000; step++) {
      const rows = Array.from({ length: 1 + random(3) }, (_, i) => row(`r${i}`, { text: some(), other: some() }));
      const columns = [column("text"), column("other")].slice(random(2));
      const expected = rows.map((each) => columns.map(({ name }) => each[name]));

      expect(fromText(toText(rows, columns)), `seed ${seed}, step ${step}`).toEqual(expected);
    }
  });

  it("quotes as Excel, LibreOffice and Google Sheets do", () => {
    expect(toText([row("a", { text: 'two\nlines "quoted"' })], COLUMNS.slice(0, 2))).toBe('"two\nlines ""quoted"""\t1');
  });

  it("reads what Windows writes, with and without a last line break", () => {
    expect(fromText("a\tb\r\nc\td\r\n")).toEqual([["a", "b"], ["c", "d"]]);
    expect(fromText("a\tb\nc\td")).toEqual([["a", "b"], ["c", "d"]]);
    expect(fromText('"a\r\nb"\tc\r\n')).toEqual([["a\nb", "c"]]);
    expect(fromText("a\r\n\r\n")).toEqual([["a"], [""]]);
    expect(fromText("\r\n")).toEqual([[""]]);
  });

  it("copies values so that they come back: no value, a moment, JSON, an integer beyond doubles", () => {
    const columns = [column("n", "integer"), column("j", "json"), column("at", "datetime"), column("x")];
    const held = { id: "a", n: 9007199254740993n, j: { a: ["\t"] }, at: "2026-11-23T04:05:06.000000Z", x: null } as Row;

    const [line] = fromText(toText([held], columns));
    expect(line).toEqual(["9007199254740993", '{"a":["\\t"]}', "2026-11-23T04:05:06.000000Z", ""]);
    const plan = planPaste([line!], target({ columns, all: columns, rows: [row("b")] }));
    expect(plan.edits).toEqual([{ update: "b", values: { n: 9007199254740993n, j: { a: ["\t"] }, at: expect.any(String), x: "" } }]);
  });

  it("copies rows that are not here as empty ones", () => {
    expect(toText([undefined, row("a")], COLUMNS.slice(0, 2))).toBe("\t\nt\t1");
  });
});

describe("a paste", () => {
  it("writes each cell as its column reads it", () => {
    const plan = planPaste([["milk", " 7 "], ["", ""]], target());

    expect(plan).toEqual({
      edits: [{ update: "a", values: { text: "milk", n: 7 } }, { update: "b", values: { text: "", n: null } }],
      problems: [], height: 2, width: 2,
    });
  });

  it("that is too wide changes nothing and says by how much", () => {
    const plan = planPaste([["1", "2", "3"]], target({ columns: COLUMNS.slice(2) }));

    expect(plan.edits).toEqual([]);
    expect(plan.problems).toEqual(["What you paste has 3 columns; from due on the table has 2."]);
  });

  it("says which cells are of a wrong type, and changes none", () => {
    const plan = planPaste([["milk", "many"], ["bread", "1.5"], ["rice", "3"]], target({ number: 4 }));

    expect(plan.edits).toEqual([]);
    expect(plan.problems.slice(0, 2)).toEqual(["Row 4, n: many is not a whole number.", "Row 5, n: 1.5 is not a whole number."]);
  });

  it("says where a cell is missing, and changes none", () => {
    const plan = planPaste([["milk", "1"], ["bread"]], target());

    expect(plan.edits).toEqual([]);
    expect(plan.problems).toEqual(["Row 2 has 1 cell where the others have 2."]);
  });

  it("beyond the end makes rows, if what they must have is among it", () => {
    const block = [["milk", "1", "2026-11-24"], ["bread", "2", "2026-11-25"]];

    expect(planPaste(block, target({ rows: [row("a")] })).edits).toEqual([
      { update: "a", values: { text: "milk", n: 1, due: "2026-11-24" } },
      { insert: { text: "bread", n: 2, due: "2026-11-25" } },
    ]);
    expect(planPaste([["milk"], ["bread"]], target({ rows: [row("a")], number: 9 }))).toMatchObject({
      edits: [], problems: ["Row 10 (new): due must have a value, and what you paste has no column for it."],
    });
  });

  it("beyond the end changes nothing where the room takes no new rows", () => {
    expect(planPaste([["milk"], ["bread"]], target({ rows: [row("a")], grows: false }))).toMatchObject({
      edits: [], problems: ["Row 2 (new): this room takes no new rows."],
    });
  });

  it("fills a selection that it fits into several times", () => {
    const rows = [row("a"), row("b"), row("c"), row("d")];
    const columns = [column("x"), column("y"), column("z"), column("w")];

    const plan = planPaste([["1", "2"], ["3", "4"]], target({ rows, columns, all: columns, height: 4, width: 4 }));
    expect(plan.edits).toEqual([
      { update: "a", values: { x: "1", y: "2", z: "1", w: "2" } }, { update: "b", values: { x: "3", y: "4", z: "3", w: "4" } },
      { update: "c", values: { x: "1", y: "2", z: "1", w: "2" } }, { update: "d", values: { x: "3", y: "4", z: "3", w: "4" } },
    ]);
    expect([plan.height, plan.width]).toEqual([4, 4]);
  });

  it("that does not fit into the selection goes as far as it goes", () => {
    const rows = [row("a"), row("b"), row("c")];
    const plan = planPaste([["1", "2"], ["3", "4"]], target({ rows, height: 3, width: 1, columns: [column("x"), column("y")], all: [] }));

    expect([plan.height, plan.width, plan.edits.length]).toEqual([2, 2, 2]);
    expect([reach([["1"], ["2"]], 3), reach([["1"], ["2"]], 4), reach([["1"]], 3)]).toEqual([2, 4, 3]);
  });

  it("writes no id and no bytes, and says so", () => {
    expect(planPaste([["x"]], target({ columns: [column("id")] })).problems).toEqual(["Row 1, id: the id of a row cannot be written."]);
    expect(planPaste([["x"]], target({ columns: [column("raw", "bytes")] })).problems).toEqual(["Row 1, raw: bytes cannot be pasted."]);
  });

  it("into a required column of nothing is a wrong cell", () => {
    expect(planPaste([[""]], target({ columns: [COLUMNS[2]!] })).problems).toEqual(["Row 1, due: due cannot be empty."]);
  });

  it.each([
    [column("d", "date"), "2026-02-30"], [column("b", "boolean"), "perhaps"], [column("c", "choice", { choices: ["S"] }), "M"],
    [column("x", "real"), "1e999"], [column("j", "json"), "{"], [column("at", "datetime"), "tomorrow"],
  ])("of what is no %o says so: %s", (col, text) => {
    const plan = planPaste([[text]], target({ columns: [col], all: [col] }));

    expect(plan.edits).toEqual([]);
    expect(plan.problems).toHaveLength(1);
  });

  it("into columns called __proto__ and constructor writes them", () => {
    const odd = [column("__proto__"), column("constructor")];
    const plan = planPaste([["p", "c"]], target({ columns: odd, all: odd }));

    expect(JSON.stringify(plan.edits)).toBe('[{"update":"a","values":{"__proto__":"p","constructor":"c"}}]');
    expect(JSON.stringify(planClear([row("a")], odd).edits)).toBe('[{"update":"a","values":{"__proto__":null,"constructor":null}}]');
  });
});

describe("other edits of many cells", () => {
  const rows = [row("a", { text: "one", n: 1 }), row("b"), row("c")];

  it("clear: no value, but no text where a text must be", () => {
    expect(planClear(rows.slice(0, 2), COLUMNS.slice(0, 2)).edits).toEqual([
      { update: "a", values: { text: null, n: null } }, { update: "b", values: { text: null, n: null } },
    ]);
    expect(planClear([rows[0]!], [column("t", "text", { required: true })]).edits).toEqual([{ update: "a", values: { t: "" } }]);
    expect(planClear(rows, COLUMNS)).toMatchObject({ edits: [], problems: ["due cannot be empty.", "made cannot be empty."] });
    expect(planClear(rows, [column("id")])).toMatchObject({ edits: [], problems: ["The id of a row cannot be emptied."] });
  });

  it("fill down: the first row's cells into the others", () => {
    expect(planFill(rows, COLUMNS.slice(0, 2)).edits).toEqual([
      { update: "b", values: { text: "one", n: 1 } }, { update: "c", values: { text: "one", n: 1 } },
    ]);
    expect(planFill(rows, [column("id")])).toMatchObject({ edits: [], problems: ["The id of a row cannot be written."] });
    expect(planFill(rows.slice(0, 1), COLUMNS).edits).toEqual([]);
  });

  it("duplicate: every cell but the id", () => {
    expect(duplicate(row("a", { made: "2026" }), [column("id"), ...COLUMNS])).toEqual({ insert: { text: "t", n: 1, due: "2026-11-23", made: "2026" } });
  });

  it("a new row: what it must have and the room does not fill in", () => {
    expect(blankRow([column("id", "text", { required: true }), ...COLUMNS], NOW)).toEqual({ insert: { due: "2026-11-23" } });
  });
});

it("problems are told up to four, and the others counted", () => {
  expect(told(["One.", "Two."])).toBe("One. Two.");
  expect(told(["1.", "2.", "3.", "4.", "5.", "6."])).toBe("1. 2. 3. 4. And 2 more.");
  expect([count(1, "row"), count(0, "row"), count(1_234, "cell")]).toEqual(["1 row", "0 rows", "1,234 cells"]);
});

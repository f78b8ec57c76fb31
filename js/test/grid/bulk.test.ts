// @vitest-environment happy-dom

import { beforeEach, describe, expect, it } from "vitest";
import { column, ids, Kernel, LIVE, type WireRow } from "../kernel";
import { frame, Page } from "../page";

const COLUMNS = [column("text"), column("n", "integer"), column("done", "boolean"), column("due", "date", { required: true })];
const ROWS: WireRow[] = ["a", "b", "c", "d"].map((id, i) => [i + 1, id, `text ${id}`, i, false, "2026-11-23"]);

let kernel: Kernel;
let page: Page;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  page = await new Page(kernel).show();
});

function values(name: string): unknown[] {
  return Array.from(kernel.table.rows, (row) => row[name]);
}

describe("copy", () => {
  it("takes the selected cells, quoted as spreadsheets do", async () => {
    kernel.table.update("a", { text: 'tab\tand "quotes"' });
    await page.select(["b", "n"], ["a", "text"]);

    expect(page.copy()).toBe('"tab\tand ""quotes"""\t0\ntext b\t1');
    expect(page.said).toBe("4 cells copied.");
    expect(kernel.edits).toHaveLength(1);
  });

  it("takes the active cell alone, and the name of a column from the header", () => {
    page.click(page.cell("c", "n"));
    expect(page.copy()).toBe("2");

    page.chord("Ctrl+Home");
    page.chord("ArrowUp");
    expect([page.active, page.copy()]).toEqual(["header text", "text"]);
  });

  it("takes what is shown first, first, and what is hidden not at all", async () => {
    await page.set("arrangement", { order: ["n", "text"], hidden: ["id", "done"], sort: [["n", true]] });
    await frame();
    page.grid.focus();
    page.chord("Ctrl+A");

    expect(page.copy().split("\n")[0]).toBe("3\ttext d\t2026-11-23");
  });

  it("leaves the clipboard to an open editor", () => {
    page.open("a", "text");

    expect(page.copy()).toBe("");
  });

  it("is the notebook's while the focus is elsewhere, or in another grid", async () => {
    const other = await new Page(kernel).show();
    page.click(page.cell("a", "text"));
    other.click(other.cell("b", "text"));
    expect(other.copy()).toBe("text b");
    await page.paste("x");
    expect(kernel.change("update").id).toBe("b");

    other.get(".ps-search").focus();
    expect(page.copy()).toBe("");
    await page.paste("y");
    expect(kernel.edits).toHaveLength(1);
  });

  it("then paste elsewhere gives the same values", async () => {
    await page.select(["a", "text"], ["b", "due"]);
    const text = page.copy();
    page.click(page.cell("c", "text"));
    await page.paste(text);

    expect(values("text")).toEqual(["text a", "text b", "text a", "text b"]);
    expect(values("n")).toEqual([0, 1, 0, 1]);
  });
});

describe("cut", () => {
  it("copies and empties, in one edit", async () => {
    await page.select(["a", "text"], ["b", "n"]);

    expect(page.copy("cut")).toBe("text a\t0\ntext b\t1");
    expect(kernel.edits).toHaveLength(1);
    expect([values("text").slice(0, 2), values("n").slice(0, 2)]).toEqual([[null, null], [null, null]]);
  });

  it("of what cannot be emptied empties nothing", async () => {
    page.click(page.cell("a", "due"));
    page.copy("cut");
    await frame();

    expect(kernel.edits).toEqual([]);
    expect(page.notices).toContain("due cannot be empty.");
  });

  it("of a header empties nothing", () => {
    page.click(page.cell("a", "text"));
    page.chord("ArrowUp");

    expect(page.copy("cut")).toBe("text");
    expect(kernel.edits).toEqual([]);
  });
});

describe("paste", () => {
  it("is one mutation, shown at once, and selects what it wrote", async () => {
    page.click(page.cell("b", "text"));
    await page.paste("milk\t10\nbread\t11\n");

    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes).toEqual([
      { op: "update", id: "b", values: { text: "milk", n: 10 } }, { op: "update", id: "c", values: { text: "bread", n: 11 } },
    ]);
    expect(page.cell("b", "text").textContent).toBe("milk");
    expect(page.selected).toEqual(["b text", "b n", "c text", "c n"]);
    expect(page.said).toBe("4 cells pasted.");

    page.chord("Ctrl+Z");
    expect(kernel.edits).toHaveLength(2);
    expect(values("text")).toEqual(["text a", "text b", "text c", "text d"]);
  });

  it.each([
    ["is too wide", "due", "2026-11-24\tx", "What you paste has 2 columns; from due on the table has 1."],
    ["has a cell of a wrong type", "text", "milk\tten", "Row 2, n: ten is not a whole number."],
    ["is ragged", "text", "milk\t1\nbread", "Row 3 has 1 cell where the others have 2."],
    ["makes rows without what they must have", "text", "1\n2\n3\n4", "Row 5 (new): due must have a value"],
    ["empties what may not be empty", "done", "yes\t", "Row 2, due: due cannot be empty."],
  ])("that %s changes nothing, and says which cells", async (_, name, text, why) => {
    page.click(page.cell("b", name));
    await page.paste(text);

    expect(kernel.edits).toEqual([]);
    expect(page.notices).toMatch(/^Nothing was changed\. /);
    expect(page.notices).toContain(why);

    page.get(".ps-notice .ps-dismiss").click();
    expect(page.notices).toBe("");
  });

  it("that is mended takes the complaint with it", async () => {
    page.click(page.cell("b", "n"));
    await page.paste("ten");
    expect(page.notices).not.toBe("");

    await page.paste("10");
    expect(page.notices).toBe("");
  });

  it("beyond the end makes rows", async () => {
    page.click(page.cell("d", "text"));
    await page.paste("last\t9\tyes\t2026-12-01\nnew\t10\tno\t2026-12-02\n");

    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes).toMatchObject([
      { op: "update", id: "d", values: { text: "last", n: 9, done: true, due: "2026-12-01" } },
      { op: "insert", values: { text: "new", n: 10, done: false, due: "2026-12-02" } },
    ]);
    expect(ids(kernel.table)).toHaveLength(5);
  });

  it("beyond the end is taken back whole, new rows and all", async () => {
    page.click(page.cell("d", "text"));
    await page.paste("last\t9\tyes\t2026-12-01\nnew\t10\tno\t2026-12-02\n");

    page.chord("Ctrl+Z");
    expect([ids(kernel.table), values("text").at(-1)]).toEqual([["a", "b", "c", "d"], "text d"]);
    page.chord("Ctrl+Y");
    expect(values("text").slice(-2)).toEqual(["last", "new"]);
  });

  it("of one cell fills the selection", async () => {
    await page.select(["a", "text"], ["c", "text"]);
    await page.paste("x");

    expect(values("text")).toEqual(["x", "x", "x", "text d"]);
    expect(kernel.edits).toHaveLength(1);
  });

  it("that fits twice fills the selection twice; one that does not, goes as far as it goes", async () => {
    await page.select(["a", "text"], ["d", "text"]);
    await page.paste("x\ny");
    expect(values("text")).toEqual(["x", "y", "x", "y"]);

    await page.select(["a", "text"], ["c", "text"]);
    await page.paste("1\n2");
    expect(values("text")).toEqual(["1", "2", "x", "y"]);
  });

  it("goes into the rows as they are sorted and filtered", async () => {
    await page.set("arrangement", { sort: [["n", true]], filters: { n: ">0" } });
    await frame();
    page.click(page.cell("d", "text"));
    await page.paste("first\nsecond");

    expect(kernel.edit.changes.map(({ id }) => id)).toEqual(["d", "c"]);
  });

  it("of nothing does nothing, and on the header neither", async () => {
    page.click(page.cell("a", "text"));
    await page.paste("");
    page.chord("ArrowUp");
    await page.paste("x");

    expect(kernel.edits).toEqual([]);
  });

  it("of an empty cell empties one", async () => {
    page.click(page.cell("a", "text"));
    await page.paste("\r\n");

    expect(kernel.change("update").values).toEqual({ text: "" });
  });

  it("into an open editor is the browser's", async () => {
    const field = page.open("a", "text");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: new DataTransfer(), bubbles: true, cancelable: true }));
    await frame();

    expect([page.editor, kernel.edits]).toEqual([field, []]);
  });

  it("of more rows than can be sent says so", async () => {
    page.click(page.cell("a", "text"));
    await page.paste("x\n".repeat(5_001));

    expect(kernel.edits).toEqual([]);
    expect(page.notices).toContain("5,001 rows; at most 5,000 rows");
  });

  it("of text that looks like markup or a formula is text", async () => {
    page.click(page.cell("a", "text"));
    await page.paste("<img src=x onerror=alert(1)>\n=HYPERLINK(\"x\")");

    expect(values("text").slice(0, 2)).toEqual(["<img src=x onerror=alert(1)>", '=HYPERLINK("x")']);
    expect(page.find("img")).toBeNull();
  });
});

describe("many cells at once", () => {
  it("are emptied", async () => {
    await page.select(["a", "text"], ["b", "done"]);
    page.chord("Delete");

    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes).toMatchObject([
      { op: "update", id: "a", values: { text: null, n: null, done: null } }, { op: "update", id: "b", values: { text: null, n: null, done: null } },
    ]);
    expect(page.said).toBe("6 cells emptied.");
  });

  it("are filled from the first row", async () => {
    await page.select(["b", "text"], ["d", "n"]);
    page.chord("Ctrl+D");

    expect(kernel.edits).toHaveLength(1);
    expect(values("text")).toEqual(["text a", "text b", "text b", "text b"]);
    expect(values("n")).toEqual([0, 1, 1, 1]);
  });
});

describe("whole rows", () => {
  it("are duplicated, and the first copy is the active one", async () => {
    await page.select(["b", "text"], ["c", "n"]);
    page.chord("Ctrl+Shift+D");
    await frame();

    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes).toMatchObject([
      { op: "insert", values: { text: "text b", n: 1, done: false, due: "2026-11-23" } }, { op: "insert", values: { text: "text c", n: 2 } },
    ]);
    expect(page.active).toBe(`${kernel.edit.changes[0]!.id} n`);
    expect(values("text")).toEqual(["text a", "text b", "text c", "text d", "text b", "text c"]);
  });

  it("are deleted, in one edit that can be undone", async () => {
    await page.select(["b", "n"], ["c", "n"]);
    page.chord("Ctrl+Delete");
    await frame();
    expect([ids(kernel.table), kernel.edits.length, page.said]).toEqual([["a", "d"], 1, "2 rows deleted."]);

    page.get(".ps-undo").click();
    await frame();
    expect([page.ids, page.said]).toEqual([["a", "b", "c", "d"], "Undone."]);
    page.get(".ps-redo").click();
    expect([ids(kernel.table), page.said]).toEqual([["a", "d"], "Done again."]);
  });

  it("have buttons of their own", () => {
    page.click(page.row("b").querySelector<HTMLElement>(".ps-duplicate")!);
    expect(kernel.change("insert").values).toMatchObject({ text: "text b", n: 1 });

    page.click(page.row("b").querySelector<HTMLElement>(".ps-delete")!);
    expect(kernel.change("delete").id).toBe("b");
    expect(kernel.edits).toHaveLength(2);
  });

  it("are neither deleted nor duplicated from the header", () => {
    page.click(page.cell("a", "text"));
    page.chord("ArrowUp");
    for (const chord of ["Ctrl+Delete", "Ctrl+Shift+D", "Delete", "Ctrl+D"]) page.chord(chord);

    expect(kernel.edits).toEqual([]);
  });
});

describe("undo", () => {
  it("says how many cells stay as others wrote them", async () => {
    page.click(page.cell("a", "text"));
    await page.paste("mine\t5");
    kernel.tell({ rows: [[1, "a", "theirs", 5, false, "2026-11-23"]], took: [kernel.edit.n] });

    page.chord("Ctrl+Z");
    expect(page.notices).toBe("Undone, but for 1 cell that somebody else has changed since.");
    expect(kernel.table.rows.get("a")).toMatchObject({ text: "theirs", n: 0 });
  });

  it("says when there is nothing to undo, or to redo; the buttons say so first", async () => {
    expect([page.get<HTMLButtonElement>(".ps-undo").disabled, page.get<HTMLButtonElement>(".ps-redo").disabled]).toEqual([true, true]);
    page.chord("Ctrl+Z");
    expect(page.said).toBe("There is nothing to undo.");
    page.chord("Ctrl+Y");
    expect(page.said).toBe("There is nothing to redo.");

    kernel.table.update("a", { n: 7 });
    await frame();
    expect(page.get<HTMLButtonElement>(".ps-undo").disabled).toBe(false);
  });
});

describe("a table too large to be told whole", () => {
  const many: WireRow[] = Array.from({ length: 30_000 }, (_, i) => [i + 1, `r${i}`, `text ${i}`, i, false, "2026-11-23"]);

  beforeEach(async () => {
    kernel.load([], { columns: COLUMNS, whole: false, page: null });
    await frame();
    kernel.answer(many);
    await frame();
  });

  it("shows its first rows and counts all", () => {
    expect(page.ids.slice(0, 2)).toEqual(["r0", "r1"]);
    expect(page.get(".ps-count").textContent).toBe("30,000 rows");
    expect(page.grid.getAttribute("aria-rowcount")).toBe("30001");
  });

  it("copies rows that had to be fetched, when asked once more", async () => {
    page.click(page.cell("r0", "text"));
    for (let i = 0; i < 800; i += 14) page.chord("Shift+PageDown");
    await frame();
    while (kernel.question.ask !== 0 && page.grid.getAttribute("aria-busy") === "true") {
      kernel.answer(many);
      await frame();
    }

    expect(page.copy()).toBe("");
    kernel.answer(many);
    await frame();
    const copied = page.copy().split("\n");
    expect([copied[0], copied.length > 700]).toEqual(["text 0", true]);
  });

  it("pastes into rows that had to be fetched, in one mutation", async () => {
    page.click(page.cell("r10", "text"));
    await page.paste(Array.from({ length: 1_000 }, (_, i) => `new ${i}`).join("\n"));
    expect(kernel.edits).toEqual([]);

    kernel.answer(many);
    await frame();
    expect(kernel.edits).toHaveLength(1);
    expect(kernel.edit.changes.map(({ id }) => id)).toEqual(many.slice(10, 1_010).map(([, id]) => id));
    expect(kernel.edit.changes.at(-1)).toMatchObject({ op: "update", values: { text: "new 999" } });
  });

  it("pastes nothing when the rows are others by then", async () => {
    kernel.load([], { columns: [column("text")], whole: false, page: null }); // nothing that a new row must have
    await frame();
    kernel.answer(many);
    await frame();
    page.click(page.cell("r10", "text"));
    await page.paste(Array.from({ length: 1_000 }, (_, i) => `new ${i}`).join("\n"));
    await page.set("arrangement", { sort: [["n", true]] });
    await frame();

    expect(kernel.edits).toEqual([]);
  });

  it("refuses to change everything at once, and says where that can be done", async () => {
    page.click(page.cell("r0", "text"));
    page.chord("Ctrl+A");
    page.chord("Delete");
    await frame();

    expect(kernel.edits).toEqual([]);
    expect(page.notices).toContain("30,000 rows are selected; at most 5,000 rows");
  });
});

describe("where edits are not taken", () => {
  const STATES: [string, Parameters<Kernel["tell"]>[0] | "end"][] = [
    ["read-only", { status: { ...LIVE, verbs: ["create"] } }],
    ["closed", { status: { ...LIVE, room: "closed" } }],
    ["failed", { status: { ...LIVE, room: "failed", trouble: "The token is wrong." } }],
    ["of a kernel that is gone", "end"],
  ];

  it.each(STATES)("a table that is %s takes none, by any way, and is still shown", async (_, state) => {
    if (state === "end") kernel.end();
    else kernel.tell(state);
    await frame();
    page.click(page.cell("a", "text"));
    page.cell("a", "text").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    for (const chord of ["x", "Enter", "F2", "Delete", "Ctrl+D", "Ctrl+Delete", "Ctrl+Shift+D", "Alt+Enter", "Insert"]) page.chord(chord);
    await page.paste("milk");
    page.copy("cut");
    page.click(page.cell("b", "done"));
    page.chord("Space");
    for (const button of page.all(".ps-tool, .ps-add")) button.click();
    await frame();

    expect(page.find(".ps-editor")).toBeNull();
    expect(kernel.edits).toEqual([]);
    expect(page.cell("a", "done").querySelector("input")!.disabled).toBe(true);
    expect(page.get<HTMLButtonElement>(".ps-add").disabled).toBe(true);
    expect(page.get(".ps-table").dataset["can"]).toBe("");
    expect(page.ids).toEqual(["a", "b", "c", "d"]);
    expect(page.copy()).not.toBe("");
  });

  it("the badge says which", async () => {
    const badge = () => [page.get(".ps-status").dataset["status"], page.get(".ps-status").textContent];
    kernel.tell({ status: { ...LIVE, verbs: [] } });
    await frame();
    expect(badge()).toEqual(["read-only", "read-only"]);

    kernel.end();
    await frame();
    expect(badge()).toEqual(["closed", "kernel gone"]);
    expect(page.get(".ps-status").title).toContain("Run the cell again");
  });

  it("a room that takes updates alone offers no others", async () => {
    kernel.tell({ status: { ...LIVE, verbs: ["update"] } });
    await frame();
    page.click(page.cell("a", "text"));
    for (const chord of ["Ctrl+Delete", "Ctrl+Shift+D", "Alt+Enter"]) page.chord(chord);
    expect([kernel.edits, page.get<HTMLButtonElement>(".ps-add").disabled]).toEqual([[], true]);

    page.open("a", "text");
    page.type("oat milk");
    page.press("Enter");
    expect(kernel.change("update").values).toEqual({ text: "oat milk" });
  });

  it("a paste that would make rows changes nothing where rows cannot be made", async () => {
    kernel.tell({ status: { ...LIVE, verbs: ["update"] } });
    page.click(page.cell("d", "text"));
    await page.paste("x\t1\tyes\t2026-11-23\ny\t2\tno\t2026-11-24");

    expect(kernel.edits).toEqual([]);
    expect(page.notices).toContain("Row 5 (new): this room takes no new rows.");
  });

  it("offline edits are made, and wait", async () => {
    kernel.tell({ status: { ...LIVE, room: "offline", waiting: 1 } });
    await frame();
    page.open("a", "text");
    page.type("oat milk");
    page.press("Enter");

    expect(kernel.edits).toHaveLength(1);
  });
});

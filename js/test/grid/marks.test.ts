// @vitest-environment happy-dom
// What a cell tells of how far it has come, and of whom: pending, refused, drafts, presence, a flash.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ADA, BOB, column, Kernel, LIVE, type WireRow } from "../kernel";
import { COLUMNS, frame, isShown, Page, ROWS } from "../page";

let kernel: Kernel;
let page: Page;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  page = await new Page(kernel).show();
});

afterEach(() => {
  vi.useRealTimers();
});

const at = (id: string, name: string) => ({ id, column: name });

function has(cell: HTMLElement, mark: string): boolean {
  return cell.classList.contains(mark);
}

describe("the others in the room", () => {
  it("stand in the bar, by their letters, colours and names", async () => {
    kernel.tell({ people: [ADA, BOB, { ...BOB, key: "x", name: "", color: "" }, { ...BOB, key: "y", name: "李 小龙", color: "" }] });
    await frame();

    const faces = page.all(".ps-face");
    expect(faces.map((face) => face.textContent)).toEqual(["AL", "BO", "?", "李小"]);
    expect(faces[0]!.style.getPropertyValue("--ps-peer")).toBe("#c2185b");
    expect([faces[0]!.getAttribute("aria-label"), faces[1]!.title]).toEqual(["Ada Lovelace", "Bob"]);
  });

  it("have the letters of their name, and none of what marks a guest", async () => {
    kernel.tell({ people: ["ann (guest)", "Ada Lovelace (guest)", "(guest)"].map((name, i) => ({ ...BOB, key: `g${i}`, name })) });
    await frame();

    expect(page.all(".ps-face").map((face) => face.textContent)).toEqual(["AN", "AL", "(G"]);
  });

  it("are counted beyond five", async () => {
    kernel.tell({ people: Array.from({ length: 8 }, (_, i) => ({ ...ADA, key: `p${i}`, name: `Person ${i}` })) });
    await frame();

    expect([page.all(".ps-face").length, page.get(".ps-more").textContent]).toEqual([5, "+3"]);
    expect(page.get(".ps-more").title).toBe("Person 5, Person 6, Person 7");
  });

  it("are marked at the cell they are at, together, until they move", async () => {
    kernel.tell({ people: [{ ...ADA, at: at("a", "text") }, { ...BOB, at: at("a", "text") }] });
    await frame();
    expect([has(page.cell("a", "text"), "ps-peer"), page.cell("a", "text").dataset["peer"]]).toEqual([true, "AL BO"]);
    expect(page.cell("a", "text").title).toBe("Ada Lovelace, Bob");
    expect(page.cell("a", "text").style.getPropertyValue("--ps-peer")).toBe("#c2185b");

    kernel.tell({ people: [{ ...ADA, at: at("b", "n") }, BOB] });
    await frame();
    expect([has(page.cell("a", "text"), "ps-peer"), page.cell("a", "text").dataset["peer"]]).toEqual([false, undefined]);
    expect(has(page.cell("b", "n"), "ps-peer")).toBe(true);
    expect(page.all(".ps-peer")).toHaveLength(1);

    kernel.tell({ people: [] });
    await frame();
    expect([page.all(".ps-peer").length, page.all(".ps-face").length]).toEqual([0, 0]);
  });

  it("may be at a row or a column that is not here", async () => {
    kernel.tell({ people: [{ ...ADA, at: at("nowhere", "text") }, { ...BOB, at: at("a", "nothing") }] });
    await frame();

    expect([page.all(".ps-peer").length, page.all(".ps-face").length]).toEqual([0, 2]);
  });

  it("hear where one is, at most ten times a second, and when one leaves", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const looks = () => kernel.said.filter((message) => message.k === "look").map((message) => (message.at ? `${message.at.id} ${message.at.column}` : null));
    page.click(page.cell("a", "text"));
    for (let i = 0; i < 5; i++) page.chord(i % 2 ? "ArrowUp" : "ArrowDown");
    expect(looks()).toEqual([]);
    vi.advanceTimersByTime(150);
    expect(looks()).toEqual(["b text"]);
    page.chord("ArrowUp");
    page.chord("ArrowDown");
    vi.advanceTimersByTime(150);
    expect(looks()).toEqual(["b text"]); // one is where one was

    page.chord("ArrowUp");
    page.chord("ArrowUp");
    vi.advanceTimersByTime(150);
    expect(looks()).toEqual(["b text", null]); // the header is no cell
    page.chord("ArrowDown");
    vi.advanceTimersByTime(150);
    page.grid.blur();
    vi.advanceTimersByTime(150);
    expect(looks()).toEqual(["b text", null, "a text", null]);
  });
});

describe("drafts", () => {
  beforeEach(() => kernel.tell({ people: [ADA, BOB] }));

  it("show what somebody types where they type it, by name, and go with it", async () => {
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: { a: { text: "oat mi" } } }] });
    await frame();
    const cell = page.cell("a", "text");
    expect([cell.textContent, has(cell, "ps-draft"), has(cell, "ps-typing"), cell.dataset["by"], cell.title]).toEqual([
      "oat mi", true, true, "AL", "Ada Lovelace is typing",
    ]);
    expect(page.all(".ps-draft")).toHaveLength(1);

    kernel.tell({ rows: [[1, "a", "oat milk", false, 1, "S", null]], drafts: [], by: { a: "ada" } });
    await frame();
    expect([cell.textContent, has(cell, "ps-draft"), has(cell, "ps-typing"), cell.dataset["by"]]).toEqual(["oat milk", false, false, undefined]);
    expect(cell.title).toBe("");
  });

  it("show that somebody types though it is, so far, what stands there", async () => {
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: { a: { text: "milk" } } }] });
    await frame();

    expect(has(page.cell("a", "text"), "ps-typing")).toBe(true);
  });

  it("that are taken back leave the value as it was", async () => {
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: { a: { text: "oat", n: "7" } } }] });
    await frame();
    kernel.tell({ drafts: [] });
    await frame();

    expect([page.cell("a", "text").textContent, page.cell("a", "n").textContent, page.all(".ps-draft").length]).toEqual(["milk", "1", 0]);
  });

  it("that are done and not decided show as values, in the words of their column", async () => {
    kernel.tell({ drafts: [{ by: "bob", typing: false, rows: { a: { done: true, at: "2027-01-01T00:00:00.000000Z", text: "milk" } } }] });
    await frame();

    expect(page.cell("a", "done").querySelector("input")!.checked).toBe(true);
    expect(page.cell("a", "at").textContent).toBe("2027-01-01 00:00:00Z");
    expect(has(page.cell("a", "text"), "ps-draft")).toBe(false); // it is what stands there
    expect(page.cell("a", "at").title).toBe("Bob has written this; the room has not decided it");
  });

  it("of a new row show it after all others, and of a deletion strike it through", async () => {
    kernel.tell({ drafts: [{ by: "bob", typing: false, rows: { new: { text: "tea" }, b: null } }] });
    await frame();
    expect(page.ids).toEqual(["a", "b", "c", "new"]);
    expect(page.cell("new", "text").textContent).toBe("tea");
    expect([has(page.row("b"), "ps-ghost"), page.cell("b", "text").textContent]).toEqual([true, "bread"]);

    kernel.tell({ rows: [[4, "new", "tea", null, null, null, null]], gone: ["b"], drafts: [] });
    await frame();
    expect(page.ids).toEqual(["a", "c", "new"]);
  });

  it("do not disturb the editor in the same cell", async () => {
    page.open("a", "text");
    page.type("mine");
    kernel.tell({ drafts: [{ by: "ada", typing: true, rows: { a: { text: "hers" } } }] });
    await frame();
    expect(page.editor.value).toBe("mine");

    page.press("Escape");
    expect(page.cell("a", "text").textContent).toBe("hers");
  });

  it("of text that is markup are text", async () => {
    kernel.tell({ people: [{ ...ADA, name: "<b>Ada</b>" }], drafts: [{ by: "ada", typing: true, rows: { a: { text: "<img src=x>" } } }] });
    await frame();

    expect([page.find("img"), page.find("b"), page.cell("a", "text").textContent]).toEqual([null, null, "<img src=x>"]);
  });

  it("of one's own are told as they grow, at most twenty times a second, and end with the edit", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const drafts = () => kernel.said.flatMap((message) => (message.k === "draft" ? [message] : []));
    page.open("a", "text");
    for (const text of ["o", "oa", "oat"]) page.type(text);
    vi.advanceTimersByTime(1);
    for (const text of ["oat ", "oat m", "oat mi"]) page.type(text);
    vi.advanceTimersByTime(60);
    expect(drafts().map(({ id, column: name, text }) => [id, name, text])).toEqual([["a", "text", "oat"], ["a", "text", "oat mi"]]);

    page.press("Enter");
    vi.advanceTimersByTime(1_000);
    expect(kernel.edit.draft).toBe(drafts()[0]!.key);
    expect(drafts()).toHaveLength(2); // the edit itself carries the key
  });

  it("of one's own that became an edit at once are not told afterwards", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    page.open("a", "text");
    page.type("oat");
    page.press("Enter");
    vi.advanceTimersByTime(1_000);

    expect([kernel.edit.draft, kernel.said.filter(({ k }) => k === "draft")]).toEqual([undefined, []]);
  });

  it("of one's own end when they are taken back, and are not begun by looking", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const drafts = () => kernel.said.flatMap((message) => (message.k === "draft" ? [message.text] : []));
    page.open("a", "text");
    page.press("Escape");
    vi.advanceTimersByTime(1_000);
    expect(drafts()).toEqual([]);

    page.open("a", "text");
    page.type("oat");
    vi.advanceTimersByTime(1);
    page.press("Escape");
    vi.advanceTimersByTime(1_000);
    expect(drafts()).toEqual(["oat", null]);
  });

  it("of one's own end when the view is closed in the middle of a word", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    page.open("a", "text");
    page.type("oat");
    vi.advanceTimersByTime(1);
    page.leave();

    expect(kernel.said.at(-1)).toMatchObject({ k: "draft", text: null });
  });

  it("of every piece of typing have a key of their own, also on two pages", async () => {
    const other = await new Page(kernel).show();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    for (const each of [page, other, page]) {
      each.open("a", "text");
      each.type("x");
      vi.advanceTimersByTime(1);
      each.press("Escape");
    }

    const keys = kernel.said.flatMap((message) => (message.k === "draft" && message.text !== null ? [message.key] : []));
    expect(new Set(keys).size).toBe(3);
  });
});

describe("a flash", () => {
  const flashing = () => page.all("[class*=ps-flash]").map((cell) => `${cell.closest<HTMLElement>("[data-id]")!.dataset["id"]} ${cell.dataset["column"]}`);

  it("shows what another has changed, in their colour, that cell alone", async () => {
    kernel.tell({ people: [ADA] });
    kernel.tell({ rows: [[1, "a", "oat milk", false, 1, "S", "2026-11-23T04:05:06.000000Z"]], by: { a: "ada" } });
    await frame();

    expect(flashing()).toEqual(["a text"]);
    expect(page.cell("a", "text").style.getPropertyValue("--ps-by")).toBe("#c2185b");
  });

  it("shows all of a row that another has made", async () => {
    kernel.tell({ people: [ADA] });
    kernel.tell({ rows: [[9, "z", "tea", false, 1, "S", null]], by: { z: "ada" } });
    await frame();

    expect(flashing()).toHaveLength(5);
  });

  it("does not show for what one has done oneself, nor for what nobody is named for", async () => {
    page.open("a", "text");
    page.type("oat milk");
    page.press("Enter");
    await frame();
    kernel.tell({ rows: [[1, "a", "oat milk", false, 1, "S", null]], took: [kernel.edit.n] });
    kernel.tell({ rows: [[2, "b", "rye", true, 2, null, null]] });
    await frame();

    expect(flashing()).toEqual([]);
  });

  it("begins anew with the next change, after a moment", async () => {
    let now = 1_000;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
    kernel.tell({ people: [ADA] });
    const change = async (n: number) => {
      kernel.tell({ rows: [[1, "a", "milk", false, n, "S", "2026-11-23T04:05:06.000000Z"]], by: { a: "ada" } });
      await frame();
      return [...page.cell("a", "n").classList].find((name) => name.startsWith("ps-flash"));
    };

    const first = await change(10);
    now += 100;
    expect(await change(11)).toBe(first); // a cell that changes all the time would never be still
    now += 1_000;
    const second = await change(12);
    clock.mockRestore();
    expect([first, second].sort()).toEqual(["ps-flash-a", "ps-flash-b"]);
  });
});

describe("a refusal", () => {
  beforeEach(async () => {
    page.open("a", "text");
    page.type("rude");
    page.press("Enter");
    page.chord("ArrowUp");
    kernel.refuse(kernel.edit, "text is too rude.");
    await frame();
  });

  it("is a word at the cell when one is there, with what can be done", async () => {
    expect([isShown(page.bubble), page.bubble.firstElementChild!.textContent]).toEqual([true, "text is too rude."]);
    expect(page.bubble.getAttribute("role")).toBe("alert");

    page.chord("ArrowDown");
    await frame();
    expect([isShown(page.bubble), page.bubble.textContent]).toEqual([false, ""]);
    page.chord("ArrowUp");
    await frame();
    expect(isShown(page.bubble)).toBe(true);
  });

  it("is not pushed at somebody who is elsewhere", async () => {
    page.grid.blur();
    kernel.tell({ on: ["b"] });
    await frame();

    expect(isShown(page.bubble)).toBe(false);
    expect(page.notices).toContain("text is too rude.");
  });

  it("can be tried again from there", async () => {
    page.bubble.querySelector<HTMLElement>(".ps-retry")!.click();
    await frame();

    expect(kernel.change("update").values).toEqual({ text: "rude" });
    expect([page.cell("a", "text").textContent, page.find(".ps-rejected"), isShown(page.bubble), page.notices]).toEqual(["rude", null, false, ""]);
  });

  it("can be dismissed from there", async () => {
    page.bubble.querySelector<HTMLElement>(".ps-dismiss")!.click();
    await frame();

    expect([page.cell("a", "text").textContent, page.find(".ps-rejected"), isShown(page.bubble), kernel.edits.length]).toEqual(["milk", null, false, 1]);
  });

  it("is settled by an edit that is better", async () => {
    page.open("a", "text");
    page.type("polite");
    page.press("Enter");
    await frame();

    expect([page.find(".ps-rejected"), page.notices]).toEqual([null, ""]);
  });

  it("gives way to why what is being typed cannot be taken", () => {
    page.chord("ArrowRight");
    page.chord("ArrowRight");
    page.chord("x");

    expect([isShown(page.bubble), page.bubble.textContent]).toEqual([true, "x is not a whole number."]);
    page.type("12");
    expect(isShown(page.bubble)).toBe(false);
  });
});

describe("a refusal of", () => {
  it("a deletion marks the row, which is back", async () => {
    kernel.table.delete("b");
    kernel.refuse(kernel.edit, "Not this one.");
    await frame();

    expect([has(page.row("b"), "ps-rejected"), page.row("b").title, has(page.cell("b", "text"), "ps-rejected")]).toEqual([true, "Not this one.", false]);
    expect(page.notices).toBe("Deleting row b was refused: Not this one.");
  });

  it("a new row is told below: it has no cell", async () => {
    kernel.table.insert({ text: "tea" });
    kernel.refuse(kernel.edit, "No more.");
    await frame();

    expect([page.ids, page.notices]).toEqual([["a", "b", "c"], "A new row was refused: No more."]);
  });

  it("a paste marks each of its cells, and is told once", async () => {
    page.click(page.cell("a", "n"));
    await page.paste("8\tS\n9\tL");
    kernel.refuse(kernel.edit, "Too many.");
    await frame();

    const marked = page.all(".ps-cell.ps-rejected").map((cell) => `${cell.closest<HTMLElement>("[data-id]")!.dataset["id"]} ${cell.dataset["column"]}`);
    expect(marked).toEqual(["a n", "a size", "b n", "b size"]);
    expect(page.notices).toBe("An edit of 2 rows was refused: Too many.");
  });

  it("an undo marks no cell, and says what was not undone", async () => {
    kernel.table.update("a", { n: 5 });
    kernel.table.undo();
    kernel.refuse(kernel.edit, "Somebody has changed it since.");
    await frame();

    expect([page.find(".ps-rejected"), page.notices]).toEqual([null, "Undoing the edit of row a was refused: Somebody has changed it since."]);
  });

  it("many edits is told of the newest three", async () => {
    for (let i = 0; i < 5; i++) {
      kernel.table.update("a", [{ n: i }, { text: "x" }, { done: true }, { size: "L" }, { at: null }][i]!);
      kernel.refuse(kernel.edit, `no ${i}`);
    }
    await frame();

    expect(page.notices.split("\n").map((line) => line.slice(-4))).toEqual(["no 2", "no 3", "no 4"]);
    expect(page.get(".ps-notices").textContent).toContain("and 2 more");
  });
});

describe("pending", () => {
  it("begins with the edit, and ends when the room has decided", async () => {
    kernel.table.update("a", { n: 5 });
    await frame();
    expect(has(page.row("a"), "ps-pending")).toBe(true);

    kernel.tell({ rows: [[1, "a", "milk", false, 5, "S", null]], took: [kernel.edit.n], on: ["a"] });
    await frame();
    expect(has(page.row("a"), "ps-pending")).toBe(true);
    kernel.tell({ off: ["a"] });
    await frame();
    expect(has(page.row("a"), "ps-pending")).toBe(false);
  });

  it("ends in the frame of the refusal, and a box stands as it stood", async () => {
    const box = page.cell("a", "done").querySelector("input")!;
    page.click(box);
    expect(box.checked).toBe(true);
    kernel.refuse(kernel.edit, "no"); // before anything was drawn
    await frame();

    expect([box.checked, has(page.row("a"), "ps-pending"), has(page.cell("a", "done"), "ps-rejected")]).toEqual([false, false, true]);
  });
});

describe("what is drawn", () => {
  it("is drawn once for many deltas, and only where something is new", async () => {
    const cells = page.all("[role=gridcell]");
    const touched = new Set<Node>();
    const watch = new MutationObserver((records) => {
      for (const { target } of records) touched.add(target.nodeType === Node.TEXT_NODE ? target.parentNode! : target);
    });
    watch.observe(page.get(".ps-body"), { subtree: true, childList: true, characterData: true });
    for (let n = 10; n < 60; n++) kernel.tell({ rows: [[1, "a", "milk", false, n, "S", "2026-11-23T04:05:06.000000Z"]] });
    await frame();
    await frame();

    expect(page.cell("a", "n").textContent).toBe("59");
    expect(page.all("[role=gridcell]")).toEqual(cells);
    expect([...touched].map((node) => (node as HTMLElement).dataset["column"])).toEqual(["n"]);
    watch.disconnect();
  });

  it("follows the columns: a new type is another cell", async () => {
    const rows: WireRow[] = [[1, "a", true]];
    kernel.load(rows, { columns: [column("text", "boolean")], page: null });
    await frame();

    expect(page.cell("a", "text").querySelector("input")!.checked).toBe(true);
  });

  it("follows the room: what may be written may be ticked", async () => {
    kernel.tell({ status: { ...LIVE, verbs: [] } });
    await frame();
    expect(page.cell("a", "done").querySelector("input")!.disabled).toBe(true);

    kernel.tell({ status: LIVE });
    await frame();
    expect(page.cell("a", "done").querySelector("input")!.disabled).toBe(false);
  });
});

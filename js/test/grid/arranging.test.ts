// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { column, Kernel, type WireRow } from "../kernel";
import { COLUMNS, frame, isShown, Page, turn } from "../page";

const ROWS: WireRow[] = [
  [1, "a", "milk", false, 2, "S", null], [2, "b", "bread", true, 1, "L", null], [3, "c", "Rice", null, null, "S", null],
  [4, "d", "oats", false, 2, null, null],
];

let kernel: Kernel;
let page: Page;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  page = await new Page(kernel).show();
});

afterEach(() => vi.restoreAllMocks());

/** Open the menu of a column and choose. */
async function choose(name: string, text: string): Promise<void> {
  page.click(page.head(name).querySelector<HTMLElement>(".ps-menu-open")!);
  page.item(text).click();
  await frame();
}

async function filter(name: string, text: string): Promise<HTMLInputElement> {
  if (!page.find(".ps-filters")) page.get(".ps-filter-toggle").click();
  const input = page.get<HTMLInputElement>(`.ps-filter[aria-label="Filter ${name}"]`);
  page.type(text, input);
  await frame();
  return input;
}

/** A column is as wide as the stand-in for the layout says: 100 px each, side by side. */
function layOut(): void {
  for (const [i, name] of page.heads.entries()) {
    page.head(name).getBoundingClientRect = () => new DOMRect(i * 100, 0, 100, 28);
  }
}

function dragHead(from: HTMLElement, start: number, end: number): void {
  const event = { bubbles: true, composed: true, cancelable: true, button: 0 };
  from.dispatchEvent(new PointerEvent("pointerdown", { ...event, clientX: start }));
  dispatchEvent(new PointerEvent("pointermove", { ...event, clientX: end }));
  dispatchEvent(new PointerEvent("pointerup", { ...event, clientX: end }));
  from.dispatchEvent(new MouseEvent("click", event)); // browsers end a press so
}

describe("sorting", () => {
  it("by a click on the header: up, down, not at all; nulls last", async () => {
    const orders: string[][] = [];
    for (let i = 0; i < 3; i++) {
      page.click(page.head("n"));
      await frame();
      orders.push([page.head("n").getAttribute("aria-sort")!, ...page.ids]);
    }

    expect(orders).toEqual([["ascending", "b", "a", "d", "c"], ["descending", "d", "a", "b", "c"], ["none", "a", "b", "c", "d"]]);
    expect(page.said).toBe("Not sorted by n.");
  });

  it("by Shift and a click, by one column more, which the arrows number", async () => {
    page.click(page.head("size"));
    page.click(page.head("text"), { shiftKey: true });
    await frame();

    expect(page.ids).toEqual(["b", "a", "c", "d"]);
    expect([page.head("size").querySelector(".ps-arrow")!.textContent, page.head("text").querySelector(".ps-arrow")!.textContent]).toEqual(["▲1", "▲2"]);
    expect(page.traits.arrangement.sort).toEqual([["size", false], ["text", false]]);
  });

  it("by Enter, Space and Shift+Enter on the header, which is row -1", async () => {
    page.click(page.cell("a", "n"));
    page.chord("ArrowUp");
    page.chord("Enter");
    await frame();
    expect([page.ids, page.active]).toEqual([["b", "a", "d", "c"], "header n"]);

    page.chord("ArrowLeft");
    page.chord("ArrowLeft");
    page.chord("Shift+Enter");
    await frame();
    expect(page.traits.arrangement.sort).toEqual([["n", false], ["text", false]]);
    page.chord("Space");
    await frame();
    expect(page.traits.arrangement.sort).toEqual([["text", true]]);
  });

  it("moves a row to its place when it changes, and a new one too", async () => {
    page.click(page.head("text"));
    await frame();
    kernel.tell({ rows: [[1, "a", "zest", false, 2, "S", null], [5, "e", "apple", false, 0, null, null]] });
    await frame();

    expect(page.ids).toEqual(["e", "b", "d", "c", "a"]);
  });

  it("keeps the active cell with its row", async () => {
    page.click(page.cell("c", "text"));
    page.click(page.head("text"));
    await frame();

    expect(page.active).toBe("c text");
  });
});

describe("the menu of a column", () => {
  it("opens under it, in the top layer, with a name", () => {
    page.click(page.head("n").querySelector<HTMLElement>(".ps-menu-open")!);

    expect(page.get("[role=menu]").getAttribute("aria-label")).toBe("Column n");
    expect(isShown(page.get("[role=menu]"))).toBe(true);
    expect(page.menu).toEqual(["Sort ascending", "Sort descending", "Not sorted", "Filter…", "Move left", "Move right", "Width as it comes", "Hide"]);
  });

  it("sorts, and says how it is sorted", async () => {
    await choose("n", "Sort descending");
    expect([page.ids, page.head("n").getAttribute("aria-sort")]).toEqual([["d", "a", "b", "c"], "descending"]);

    page.click(page.head("n").querySelector<HTMLElement>(".ps-menu-open")!);
    expect(page.item("Sort descending").getAttribute("aria-checked")).toBe("true");
    page.item("Not sorted").click();
    await frame();
    expect(page.ids).toEqual(["a", "b", "c", "d"]);
  });

  it("moves, and not beyond the ends", async () => {
    await choose("n", "Move left");
    expect(page.heads).toEqual(["text", "n", "done", "size", "at"]);
    await choose("n", "Move left");
    await choose("n", "Move left");
    expect(page.heads[0]).toBe("n");
    await choose("n", "Move right");
    expect(page.heads.slice(0, 2)).toEqual(["text", "n"]);
    expect([...page.row("a").children].map((cell) => (cell as HTMLElement).dataset["column"]).slice(0, 3)).toEqual(["text", "n", "done"]);
  });

  it("hides, but never the last one; the list of columns shows them again", async () => {
    for (const name of ["done", "n", "size", "at"]) await choose(name, "Hide");
    expect([page.heads, page.grid.getAttribute("aria-colcount")]).toEqual([["text"], "2"]);
    page.click(page.head("text").querySelector<HTMLElement>(".ps-menu-open")!);
    expect(page.item("Hide").getAttribute("aria-disabled")).toBe("true");
    page.press("Escape", {}, document.activeElement!);

    page.get(".ps-columns").click();
    expect(page.menu).toEqual(["id", "text", "done", "n", "size", "at", "Everything as it comes"]);
    expect(page.all("[role=menu] > *").map((item) => item.getAttribute("aria-checked"))).toEqual(["false", "true", "false", "false", "false", "false", null]);
    expect(page.item("text").getAttribute("aria-disabled")).toBe("true");
    page.item("id").click();
    await frame();
    expect(page.heads).toEqual(["id", "text"]);
    expect(page.cell("a", "id").textContent).toBe("a");
  });

  it("opens the filter of its column", async () => {
    await choose("n", "Filter…");

    expect(document.activeElement!.getAttribute("aria-label")).toBe("Filter n");
  });

  it("the id cannot be edited", async () => {
    page.get(".ps-columns").click();
    page.item("id").click();
    await frame();
    page.click(page.cell("a", "id"));
    page.chord("Enter");
    page.chord("x");
    page.chord("Delete");
    await page.paste("other");

    expect([page.find(".ps-editor"), kernel.edits]).toEqual([null, []]);
    expect(page.notices).toContain("the id of a row cannot be written");
  });
});

describe("widths", () => {
  const template = () => page.get(".ps-table").style.getPropertyValue("--ps-columns").split(" ");

  it("by the edge of a header, and as it comes after two clicks on it", () => {
    layOut();
    const edge = page.head("text").querySelector<HTMLElement>(".ps-edge")!;
    dragHead(edge, 100, 180);
    expect([template()[0], page.traits.arrangement.widths]).toEqual(["180px", { text: 180 }]);
    expect(page.head("text").getAttribute("aria-sort")).toBe("none"); // the click that ends it sorts nothing

    edge.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect([template()[0], page.traits.arrangement.widths]).toEqual(["minmax(168px,", {}]);
  });

  it("by keys", () => {
    page.click(page.cell("a", "n"));
    page.chord("Alt+Shift+ArrowRight");
    page.chord("Alt+Shift+ArrowRight");
    expect(page.traits.arrangement.widths).toEqual({ n: 128 });
    page.chord("Alt+Shift+ArrowLeft");
    expect(page.traits.arrangement.widths).toEqual({ n: 112 });
  });

  it("do not rebuild what is drawn", async () => {
    const cell = page.cell("a", "n");
    page.click(cell);
    page.chord("Alt+Shift+ArrowRight");
    await frame();

    expect(page.cell("a", "n")).toBe(cell);
  });
});

describe("dragging a header by its name", () => {
  it("puts it where it is let go, and sorts nothing", async () => {
    layOut();
    dragHead(page.head("text").querySelector<HTMLElement>(".ps-name")!, 20, 290);
    await frame();

    expect(page.heads).toEqual(["done", "n", "text", "size", "at"]);
    expect(page.ids).toEqual(["a", "b", "c", "d"]);
    expect(page.find(".ps-drop")).toBeNull();
  });

  it("to the end puts it last", async () => {
    layOut();
    dragHead(page.head("text").querySelector<HTMLElement>(".ps-name")!, 20, 5_000);
    await frame();

    expect(page.heads.at(-1)).toBe("text");
  });

  it("by less than a hand trembles is a click", async () => {
    layOut();
    dragHead(page.head("n").querySelector<HTMLElement>(".ps-name")!, 20, 23);
    await frame();

    expect([page.heads[0], page.head("n").getAttribute("aria-sort")]).toEqual(["text", "ascending"]);
  });

  it("can be clicked again afterwards", async () => {
    layOut();
    dragHead(page.head("text").querySelector<HTMLElement>(".ps-name")!, 20, 290);
    await turn();
    await frame();
    page.click(page.head("text"));
    await frame();

    expect(page.head("text").getAttribute("aria-sort")).toBe("ascending");
  });
});

describe("filters", () => {
  it("show above the columns with their button and with keys, and go with what they ask for", async () => {
    page.get(".ps-filter-toggle").click();
    await frame();
    expect(page.all(".ps-filter")).toHaveLength(5);
    expect(page.get(".ps-filter-toggle").getAttribute("aria-pressed")).toBe("true");
    expect(page.row("a").getAttribute("aria-rowindex")).toBe("3");

    await filter("n", "=2");
    expect(page.ids).toEqual(["a", "d"]);
    page.grid.focus();
    page.chord("Ctrl+Shift+F");
    await frame();
    expect([page.ids.length, page.find(".ps-filters"), page.traits.arrangement.filters]).toEqual([4, null, {}]);
  });

  it("count what they find, and say when that is nothing", async () => {
    await filter("text", "o");
    expect([page.ids, page.get(".ps-count").textContent]).toEqual([["d"], "1 row found"]);

    await filter("text", "nothing like it");
    expect([page.ids, page.get(".ps-empty").textContent]).toEqual([[], "No row is like that"]);
    expect(page.get(".ps-count").textContent).toBe("0 rows found");
  });

  it("of several columns all count", async () => {
    await filter("n", "2");
    await filter("size", "S");

    expect(page.ids).toEqual(["a"]);
  });

  it("that cannot be read say why, and leave no row out", async () => {
    const input = await filter("n", "=two");
    expect([input.getAttribute("aria-invalid"), input.title]).toEqual(["true", "two is not a whole number."]);
    expect(page.ids).toHaveLength(4);

    await filter("n", "=2");
    expect(input.getAttribute("aria-invalid")).toBe("false");
    expect(input.title).toContain("Contains this text");
  });

  it("stay the same fields while rows come and go: a half-typed word is not lost", async () => {
    const input = await filter("text", "i");
    input.focus();
    kernel.tell({ rows: [[9, "new", "figs", false, 0, null, null]], gone: ["a"] });
    await frame();

    expect([page.get(".ps-filter[aria-label='Filter text']"), document.activeElement]).toEqual([input, input]);
    expect(page.ids).toEqual(["c", "new"]);
  });

  it("let a row go that does not fit any more, and say nothing to the kernel of a small table", async () => {
    await filter("n", "=2");
    kernel.table.update("a", { n: 3 });
    await frame();

    expect(page.ids).toEqual(["d"]);
    expect(kernel.questions).toEqual([]);
  });

  it("a new row that they leave out is made all the same, and a person is told", async () => {
    await filter("n", "=2");
    page.get(".ps-add").click();
    await frame();

    expect(kernel.edits).toHaveLength(1);
    expect(page.find(".ps-editor")).toBeNull();
    expect(page.notices).not.toBe("");
  });
});

describe("search", () => {
  it("looks everywhere, and Escape takes it back", async () => {
    const field = page.get<HTMLInputElement>(".ps-search");
    page.type("MIL", field);
    await turn();
    await frame();
    expect([page.ids, page.get(".ps-count").textContent]).toEqual([["a"], "1 row found"]);

    page.press("Escape", {}, field);
    await frame();
    expect([field.value, page.ids.length]).toEqual(["", 4]);
    page.press("Escape", {}, field);
    expect(document.activeElement).toBe(page.grid);
  });

  it("begins with Ctrl+F, and goes on to the rows with Enter or the arrow", () => {
    page.grid.focus();
    page.chord("Ctrl+F");
    expect(document.activeElement).toBe(page.get(".ps-search"));

    page.press("ArrowDown", {}, page.get(".ps-search"));
    expect(document.activeElement).toBe(page.grid);
  });

  it("asks the kernel, of a large table, once the fingers rest", async () => {
    kernel.load([], { columns: COLUMNS, whole: false, page: null });
    await frame();
    kernel.answer(ROWS);
    await frame();
    const asked = kernel.questions.length;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const field = page.get<HTMLInputElement>(".ps-search");
    for (const text of ["m", "mi", "mil"]) {
      page.type(text, field);
      vi.advanceTimersByTime(50);
    }
    vi.advanceTimersByTime(200);
    vi.useRealTimers();
    await frame();

    expect(kernel.questions.slice(asked).map(({ query }) => query.search)).toEqual(["mil"]);
  });
});

describe("an arrangement", () => {
  it("is kept as a person makes it, and saved", async () => {
    await choose("n", "Sort descending");
    await choose("done", "Hide");
    await choose("size", "Move left");
    await filter("text", "i");

    expect(page.traits.arrangement).toEqual({
      sort: [["n", true]], hidden: ["id", "done"], order: ["id", "text", "done", "size", "n", "at"], filters: { text: "i" },
    });
    expect(page.saves).toBe(4);
  });

  it("is how another view of it begins", async () => {
    const other = await new Page(kernel, { arrangement: {
      order: ["n", "text"], hidden: ["id", "at"], widths: { n: 77 }, sort: [["n", true]], filters: { n: ">1" }, search: "o",
    } }).show();

    expect(other.heads).toEqual(["n", "text", "done", "size"]);
    expect(other.ids).toEqual(["d"]);
    expect(other.get<HTMLInputElement>(".ps-search").value).toBe("o");
    expect(other.get<HTMLInputElement>("[aria-label='Filter n']").value).toBe(">1");
    expect(other.get(".ps-table").style.getPropertyValue("--ps-columns")).toMatch(/^77px /);
    expect(other.saves).toBe(0);
  });

  it("changed in Python is drawn at once; one's own is not drawn twice", async () => {
    const root = page.get(".ps-table");
    await choose("n", "Sort descending");
    expect(page.get(".ps-table")).toBe(root);

    await page.set("arrangement", { sort: [["text", false]] });
    await frame();
    expect(page.ids).toEqual(["b", "a", "d", "c"]);
    expect(page.all(".ps-table")).toHaveLength(1);
  });

  it("says nothing of columns that are gone, and takes new ones in", async () => {
    await page.set("arrangement", { order: ["gone", "n"], hidden: ["gone"], sort: [["gone", true]], filters: { gone: "x" }, widths: { gone: 5 } });
    await frame();
    expect(page.heads[0]).toBe("n");
    expect(page.heads).toContain("id"); // nothing says that it is hidden
    expect(page.ids).toHaveLength(4);

    kernel.load(ROWS, { columns: [...COLUMNS, column("new")], page: null });
    await frame();
    expect(page.heads).toContain("new");
  });

  it("goes back to how it comes, filters and search too", async () => {
    await choose("n", "Sort descending");
    await filter("text", "i");
    await choose("done", "Hide");
    page.type("m", page.get<HTMLInputElement>(".ps-search"));
    await turn();

    page.get(".ps-columns").click();
    page.item("Everything as it comes").click();
    await frame();
    expect([page.heads, page.ids, page.traits.arrangement]).toEqual([["text", "done", "n", "size", "at"], ["a", "b", "c", "d"], {}]);
    expect([page.find(".ps-filters"), page.get<HTMLInputElement>(".ps-search").value]).toEqual([null, ""]);
  });

  it("of columns called __proto__ and constructor is kept like any other", async () => {
    kernel.load([[1, "a", "x", "y"], [2, "b", "v", "w"]], { columns: [column("__proto__"), column("constructor")], page: null });
    await frame();
    expect(page.heads).toEqual(["__proto__", "constructor"]);
    expect(page.cell("a", "__proto__").textContent).toBe("x");

    await choose("__proto__", "Sort ascending");
    expect(page.ids).toEqual(["b", "a"]);
    const input = await filter("constructor", "y");
    expect(page.ids).toEqual(["a"]);
    expect([input.value, page.get<HTMLInputElement>("[aria-label='Filter __proto__']").value]).toEqual(["y", ""]);
    page.open("a", "__proto__");
    page.type("z");
    page.press("Enter");
    expect(JSON.stringify(kernel.change("update").values)).toBe('{"__proto__":"z"}');
  });
});

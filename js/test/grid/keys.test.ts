// @vitest-environment happy-dom

import { beforeEach, describe, expect, it } from "vitest";
import { CLIPBOARD, SHORTCUTS } from "../../src/grid/keys";
import { Kernel, type WireRow } from "../kernel";
import { COLUMNS, frame, Page, ROWS, turn } from "../page";

let kernel: Kernel;
let page: Page;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  page = await new Page(kernel).show();
});

const MANY: WireRow[] = Array.from({ length: 100 }, (_, i) => [i + 1, `r${i}`, `text ${i}`, false, i, null, null]);

/** Everything that a person can tell apart: what is drawn, what has the focus, what is said and sent. */
function observed(): string {
  const fields = page.all<HTMLInputElement>("input, textarea, select").map((field) => field.value);
  const [root] = page.all(".ps-table");
  return JSON.stringify([
    page.el.innerHTML, fields, kernel.said.length, page.all("*").indexOf(document.activeElement as HTMLElement),
    page.traits.arrangement, root?.getAttribute("style"), page.get(".ps-body").getAttribute("style"),
  ]);
}

describe("every key in the table of keys", () => {
  const CHORDS = SHORTCUTS.flatMap(({ keys }) => keys.flatMap(({ chords }) => [...chords]));

  it("has one meaning", () => {
    expect(new Set(CHORDS).size).toBe(CHORDS.length);
    expect(CHORDS.length).toBeGreaterThan(40);
  });

  it.each(CHORDS)("%s does something that can be seen, and the notebook hears nothing of it", async (chord) => {
    kernel.load(MANY, { columns: COLUMNS, page: null });
    await frame();
    page.click(page.cell("r3", "text"));
    await page.select(["r3", "text"], ["r4", "done"]);
    kernel.table.update("r3", { n: 77 });
    if (chord === "Ctrl+Y" || chord === "Ctrl+Shift+Z") kernel.table.undo();
    if (chord === "Space") page.click(page.cell("r4", "done"));
    if (chord === "Shift+Enter") while (!page.active.startsWith("header")) page.chord("ArrowUp");
    await frame();
    await turn();
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);
    const before = observed();

    const left = page.chord(chord);
    await frame();
    document.removeEventListener("keydown", listen);

    expect([left, heard]).toEqual([false, []]);
    expect(observed()).not.toBe(before);
  });

  it("is on the help sheet, with the clipboard's", () => {
    page.chord("?");
    const sheet = page.get<HTMLDialogElement>("dialog");
    const keys = [...sheet.querySelectorAll("kbd")].map((key) => key.textContent);

    expect(sheet.open).toBe(true);
    expect(keys).toHaveLength(CHORDS.length + CLIPBOARD.chords.length);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { keys: lines, title } of SHORTCUTS) {
      expect(sheet.textContent).toContain(title);
      for (const { help } of lines) expect(sheet.textContent).toContain(help);
    }
    for (const text of ["Ctrl Shift Z", "Ctrl V", "F2", "?", "Alt Enter"]) expect(keys).toContain(text);
  });
});

describe("the help sheet", () => {
  it("opens from its button, keeps its keys to itself, and gives the focus back", () => {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);
    page.get(".ps-help-open").click();

    page.press("a", {}, page.get("dialog"));
    document.removeEventListener("keydown", listen);
    expect(heard).toEqual([]);

    page.get(".ps-help-close").click();
    expect([page.find("dialog"), document.activeElement]).toEqual([null, page.grid]);
  });

  it("says what the marks say", () => {
    page.chord("?");

    for (const mark of ["ps-pending", "ps-rejected", "ps-draft", "ps-peer"]) expect(page.find(`dialog .${mark}`)).not.toBeNull();
  });
});

describe("plain keys", () => {
  const PLAIN = [..."abcdefghijklmnopqrstuvwxyz0123456789-=[]'/.,;`", "Enter", " ", "Escape", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight",
    "Delete", "Backspace", "Home", "End", "PageUp", "PageDown", "é", "😀", "F2"];

  /** Those that were not kept from whoever listens around the grid. */
  function leaking(press: (key: string) => void): string[] {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);
    for (const key of PLAIN) press(key);
    document.removeEventListener("keydown", listen);
    return heard;
  }

  it("never reach the notebook from the grid, its header, its editors or its fields", async () => {
    page.click(page.cell("a", "done"));
    expect(leaking((key) => page.press(key, {}, page.grid) || page.find(".ps-editor")?.blur())).toEqual([]);

    page.chord("Ctrl+Home");
    expect(leaking((key) => {
      page.chord("ArrowUp");
      page.press(key, {}, page.grid);
    })).toEqual([]);

    for (const name of ["text", "n", "size", "at"]) {
      expect(leaking((key) => page.press(key, {}, page.find(".ps-editor") ?? page.open("a", name)))).toEqual([]);
      page.press("Escape");
    }

    page.chord("Ctrl+Shift+F");
    await frame();
    expect(leaking((key) => page.press(key, {}, page.get(".ps-filter")))).toEqual([]);
    expect(leaking((key) => page.press(key, {}, page.get(".ps-search")))).toEqual([]);
    for (const button of page.all("button, input[type=checkbox]")) expect(leaking((key) => page.press(key, {}, button))).toEqual([]);
  });

  it("are held off those who listen first, too, and those of the notebook are not", () => {
    const MARK = "data-lm-suppress-shortcuts";
    const marked: [string, boolean][] = [];
    const listen = (event: KeyboardEvent) => marked.push([event.key, (event.target as Element).hasAttribute(MARK)]);
    document.addEventListener("keydown", listen, { capture: true });
    page.click(page.cell("a", "text"));
    page.chord("ArrowDown");
    page.chord("b");
    page.press("Escape");
    page.chord("Ctrl+S");
    page.chord("Shift+Enter");
    page.chord("Ctrl+D");
    page.chord("Ctrl+Home");
    page.chord("ArrowUp");
    page.chord("Shift+Enter");
    document.removeEventListener("keydown", listen, { capture: true });

    expect(marked).toEqual([
      ["ArrowDown", true], ["b", true], ["Escape", true], ["s", false], ["Enter", false], ["d", true], ["Home", true],
      ["ArrowUp", true], ["Enter", true],
    ]);
  });

  it("with Shift or Alt break a line in an open text, and leave it open", () => {
    page.open("a", "text");

    expect([page.press("Enter", { shiftKey: true }), page.press("Enter", { altKey: true })]).toEqual([true, true]);
    expect([page.find(".ps-editor") !== null, kernel.edits]).toEqual([true, []]);
  });

  it("while a word is being composed are the input method's", () => {
    page.open("a", "text");
    page.type("に");
    page.press("Enter", { isComposing: true });

    expect([kernel.edits, page.editor.value]).toEqual([[], "に"]);
  });
});

describe("moving", () => {
  it("goes by pages, to edges and to corners", async () => {
    kernel.load(MANY, { columns: COLUMNS, page: null });
    await frame();
    page.click(page.cell("r3", "done"));

    page.chord("PageDown");
    expect(page.active).toBe("r17 done");
    page.chord("PageUp");
    expect(page.active).toBe("r3 done");
    page.chord("PageUp");
    expect(page.active).toBe("r0 done");
    page.chord("Ctrl+ArrowDown");
    expect(page.active).toBe("r99 done");
    page.chord("Home");
    expect(page.active).toBe("r99 text");
    page.chord("End");
    expect(page.active).toBe("r99 at");
    page.chord("Ctrl+Home");
    expect(page.active).toBe("r0 text");
  });

  it("up from the first row is the header, which can be walked along, and down again", () => {
    page.click(page.cell("a", "text"));
    page.chord("ArrowUp");
    page.chord("ArrowRight");
    expect(page.active).toBe("header done");
    expect(page.grid.getAttribute("aria-activedescendant")).toBe(page.head("done").id);
    expect(page.chord("x")).toBe(false);
    expect(page.find(".ps-editor")).toBeNull();

    page.chord("ArrowDown");
    expect(page.active).toBe("a done");
  });

  it("stays with its row when others come before it, and keeps its place when the row goes", async () => {
    page.click(page.cell("b", "n"));
    kernel.tell({ rows: [[0.5, "first", "x", false, 0, null, null]] });
    await frame();
    expect(page.active).toBe("b n");

    kernel.tell({ gone: ["b"] });
    await frame();
    expect(page.active).toBe("c n");
    kernel.tell({ gone: ["c"] });
    await frame();
    expect(page.active).toBe("a n");
  });

  it("of an empty table does no harm", async () => {
    kernel.load([], { columns: COLUMNS, page: null });
    await frame();
    for (const chord of SHORTCUTS.flatMap(({ keys }) => keys.flatMap(({ chords }) => [...chords]))) {
      if (chord !== "Alt+Enter" && chord !== "Insert") page.chord(chord);
    }

    expect(kernel.edits).toEqual([]);
  });
});

describe("selecting", () => {
  it("extends from an anchor, and back", () => {
    page.click(page.cell("b", "done"));
    page.chord("Shift+ArrowDown");
    page.chord("Shift+ArrowRight");
    expect(page.selected).toEqual(["b done", "b n", "c done", "c n"]);

    page.chord("Shift+ArrowUp");
    page.chord("Shift+ArrowUp");
    expect(page.selected).toEqual(["a done", "a n", "b done", "b n"]);
    page.chord("Shift+ArrowUp");
    expect(page.selected).toHaveLength(4); // never the header
    page.chord("ArrowDown");
    expect(page.selected).toEqual([]);
  });

  it("takes rows, a column, everything, and one cell again", () => {
    page.click(page.cell("b", "done"));
    page.chord("Shift+Space");
    expect(page.selected).toEqual(["text", "done", "n", "size", "at"].map((name) => `b ${name}`));
    page.click(page.cell("b", "n"));
    page.chord("Ctrl+Space");
    expect(page.selected).toEqual(["a n", "b n", "c n"]);
    page.chord("Ctrl+A");
    expect(page.selected).toHaveLength(15);
    page.chord("Escape");
    expect(page.selected).toEqual([]);
  });

  it("sweeps with the pointer, and stops when it is let go", async () => {
    page.drag(page.cell("a", "text"), page.cell("b", "n"));
    await frame();
    expect(page.selected).toHaveLength(6);

    page.cell("c", "at").dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
    await frame();
    expect(page.selected).toHaveLength(6);
  });

  it("is told to those who do not see it", () => {
    page.click(page.cell("b", "done"));
    page.chord("Shift+ArrowRight");

    expect([...page.all("[aria-selected=true]")].map((cell) => cell.dataset["column"])).toEqual(["done", "n"]);
    expect(page.grid.getAttribute("aria-multiselectable")).toBe("true");
  });
});

describe("the keys of a menu", () => {
  beforeEach(() => {
    page.click(page.cell("a", "n"));
    page.chord("Alt+ArrowDown");
  });

  const focusedItem = () => document.activeElement!.textContent;

  it("walk it, round and round, and find by letter", () => {
    expect(focusedItem()).toBe("Sort ascending");
    const walk = (key: string) => page.press(key, {}, document.activeElement!);
    walk("ArrowUp");
    expect(focusedItem()).toBe(page.menu.at(-1));
    walk("ArrowDown");
    walk("ArrowDown");
    expect(focusedItem()).toBe("Sort descending");
    walk("h");
    expect(focusedItem()).toBe("Hide");
    walk("Home");
    expect(focusedItem()).toBe("Sort ascending");
    walk("End");
    expect(focusedItem()).toBe("Hide");
  });

  it.each(["Escape", "Tab"])("%s closes it, chooses nothing, and gives the focus back", (key) => {
    page.press(key, {}, document.activeElement!);

    expect([page.find("[role=menu]"), document.activeElement, page.saves]).toEqual([null, page.grid, 0]);
  });

  it.each(["Enter", " "])("%j chooses", async (key) => {
    page.press(key, {}, document.activeElement!);
    await frame();

    expect(page.head("n").getAttribute("aria-sort")).toBe("ascending");
    expect([page.find("[role=menu]"), document.activeElement]).toEqual([null, page.grid]);
  });

  it("do not choose what is greyed out", () => {
    expect(page.item("Not sorted").getAttribute("aria-disabled")).toBe("true");
    page.item("Not sorted").click();

    expect([page.find("[role=menu]") === null, page.saves]).toEqual([false, 0]);
  });

  it("close it with a press anywhere else", () => {
    document.body.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, composed: true }));

    expect(page.find("[role=menu]")).toBeNull();
  });

  it("never reach the notebook", () => {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);
    for (const key of ["d", "x", "ArrowDown", "Home", "Escape"]) page.press(key, {}, document.activeElement!);
    document.removeEventListener("keydown", listen);

    expect(heard).toEqual([]);
  });
});

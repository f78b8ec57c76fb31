// @vitest-environment happy-dom

import { beforeEach, describe, expect, it } from "vitest";
import { column, Kernel, LIVE, type WireRow } from "./kernel";
import { COLUMNS, frame, isShown, Page, ROWS, turn } from "./page";

let kernel: Kernel;
let page: Page;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  page = await new Page(kernel).show();
});

describe("the grid", () => {
  it("shows rows in order, each value in its cell", () => {
    expect(page.ids).toEqual(["a", "b", "c"]);
    expect(page.cell("a", "text").textContent).toBe("milk");
    expect(page.cell("b", "done").querySelector("input")!.checked).toBe(true);
    expect(page.cell("c", "done").querySelector("input")!.indeterminate).toBe(true);
    expect(page.cell("a", "at").textContent).toBe("2026-11-23 04:05:06Z");
    expect(page.grid.getAttribute("aria-rowcount")).toBe("4");
  });

  it("shows text as text, whatever it says", async () => {
    kernel.tell({ rows: [[1, "a", "<img src=x onerror=alert(1)>", false, 1, "S", null]] });
    await frame();

    expect(page.cell("a", "text").textContent).toBe("<img src=x onerror=alert(1)>");
    expect(page.find("img")).toBeNull();
  });

  it("follows the kernel: changed, new, gone", async () => {
    kernel.tell({ rows: [[1, "a", "oat milk", true, 1, "S", null], [4, "d", "tea", false, 0, null, null]], gone: ["b"] });
    await frame();

    expect(page.ids).toEqual(["a", "c", "d"]);
    expect(page.cell("a", "text").textContent).toBe("oat milk");
  });

  it("draws only the rows in sight, of very many", async () => {
    const many: WireRow[] = Array.from({ length: 100_000 }, (_, i) => [i, `r${i}`, `row ${i}`, false, i, null, null]);
    kernel.load(many, { columns: COLUMNS, page: null });
    await frame();
    expect(page.ids.length).toBeLessThan(40);

    const grid = page.grid;
    grid.scrollTop = 50_000 * 28;
    grid.dispatchEvent(new Event("scroll"));
    await frame();
    expect(page.cell("r50000", "text").textContent).toBe("row 50000");
    expect(page.ids.length).toBeLessThan(40);
  });

  it("keeps the elements in the order of the rows when they move", async () => {
    kernel.tell({ rows: [[9, "a", "milk", false, 1, "S", null]] });
    await frame();

    expect(page.ids).toEqual(["b", "c", "a"]);
  });

  it("draws new columns", async () => {
    kernel.load([[1, "a", 5]], { columns: [column("price", "real")], page: null });
    await frame();

    expect(page.cell("a", "price").textContent).toBe("5");
    expect(page.heads).toEqual(["price"]);
  });

  it("leaves nothing behind when its view is closed", async () => {
    const table = kernel.table;
    let listeners = 0;
    const subscribe = table.subscribe.bind(table);
    table.subscribe = (listener) => {
      const unsubscribe = subscribe(listener);
      listeners++;
      return () => (listeners--, unsubscribe());
    };
    const shown = await new Page(kernel).show();
    expect(listeners).toBe(1);

    shown.leave();
    expect([listeners, shown.el.childElementCount]).toEqual([0, 0]);
  });
});

describe("editing", () => {
  it("with a double click: Enter sends the edit and shows it at once", async () => {
    page.open("a", "text").value = "oat milk";
    page.press("Enter");
    await frame();

    expect(kernel.edits).toMatchObject([{ changes: [{ op: "update", id: "a", values: { text: "oat milk" } }] }]);
    expect(page.cell("a", "text").textContent).toBe("oat milk");
    expect(page.get("[data-id=a]").classList.contains("ps-pending")).toBe(true);
  });

  it("with Escape sends nothing and shows the value as it was", () => {
    page.open("a", "text").value = "something else";
    page.press("Escape");

    expect(kernel.edits).toEqual([]);
    expect(page.cell("a", "text").textContent).toBe("milk");
  });

  it("by leaving the field sends the edit, and no edit when nothing changed", () => {
    page.open("a", "text").dispatchEvent(new Event("blur"));
    expect(kernel.edits).toEqual([]);

    const field = page.open("a", "text");
    field.value = "oat milk";
    field.dispatchEvent(new Event("blur"));
    expect(kernel.edits).toHaveLength(1);
  });

  it("begins with what was typed", () => {
    page.click(page.cell("a", "n"));
    page.press("7");

    expect(page.editor.value).toBe("7");
    page.press("Enter");
    expect(kernel.change("update").values).toEqual({ n: 7 });
  });

  it("stays open on what cannot be taken, and says why", () => {
    page.open("a", "n").value = "many";
    page.press("Enter");

    expect(kernel.edits).toEqual([]);
    expect(page.editor.getAttribute("aria-invalid")).toBe("true");
    expect(isShown(page.bubble)).toBe(true);
    expect(page.bubble.textContent).toBe("many is not a whole number.");
  });

  it("offers a choice column its choices, and none", () => {
    const field = page.open("a", "size") as unknown as HTMLSelectElement;
    expect(Array.from(field.options, (option) => option.value)).toEqual(["", "S", "L"]);

    field.value = "L";
    page.press("Enter");
    expect(kernel.change("update").values).toEqual({ size: "L" });
  });

  it("keeps the zone of a moment whose clock was changed", () => {
    const field = page.open("a", "at");
    expect([field.type, field.value.slice(0, 19)]).toEqual(["datetime-local", "2026-11-23T04:05:06"]);

    field.value = "2026-11-24T00:00:00";
    page.press("Enter");
    expect(kernel.change("update").values["at"]).toBe("2026-11-24T00:00:00.000000Z");
  });

  it("ticks a box with one click or the space bar", async () => {
    const box = page.cell("a", "done").querySelector("input")!;
    page.click(box);
    expect(kernel.change("update")).toMatchObject({ id: "a", values: { done: true } });

    page.click(page.cell("b", "done"));
    page.press(" ");
    expect(kernel.change("update")).toMatchObject({ id: "b", values: { done: false } });
  });

  it("is not disturbed by deltas for this row, other rows, or rows put before it", async () => {
    const field = page.open("b", "text");
    page.type("half typ");

    kernel.tell({ rows: [
      [2, "b", "theirs", false, 99, null, null], [1, "a", "changed", false, 1, null, null],
      [0.5, "z", "first", false, 0, null, null],
    ] });
    await frame();

    expect(page.editor).toBe(field);
    expect(field.isConnected && field.value).toBe("half typ");
    expect(page.cell("b", "n").textContent).toBe("99");
    expect(page.cell("a", "text").textContent).toBe("changed");

    page.press("Escape");
    expect(page.cell("b", "text").textContent).toBe("theirs");
  });

  it("keeps its place in the page when its row moves: a moved element loses its focus", async () => {
    page.open("b", "text");
    const removed: Node[] = [];
    const moved = new MutationObserver((records) => removed.push(...records.flatMap((each) => [...each.removedNodes])));
    moved.observe(page.get(".ps-pane"), { childList: true });
    kernel.tell({ rows: [[0.5, "b", "bread", true, 2, null, null]] });
    await frame();

    await turn(); // observers are told after the frame
    removed.push(...moved.takeRecords().flatMap((each) => [...each.removedNodes]));
    expect(removed).not.toContain(page.get("[data-id=b]"));
    expect(page.get("[data-id=b]").getAttribute("aria-rowindex")).toBe("2");
  });

  it("is not lost when its row is deleted elsewhere: the text can still be sent, and is refused with it", async () => {
    page.open("b", "text");
    page.type("precious");
    kernel.tell({ gone: ["b"] });
    await frame();
    expect(page.editor.value).toBe("precious");

    page.press("Enter");
    kernel.refuse(kernel.edits[0]!, "There is no row b.");
    await frame();
    expect(page.get(".ps-notice").textContent).toContain("precious");
  });

  it("survives a snapshot with the same columns", async () => {
    const field = page.open("b", "text");
    kernel.load(ROWS, { columns: COLUMNS, page: null });
    await frame();

    expect(page.editor).toBe(field);
  });
});

describe("keys", () => {
  it("move the active cell, and stop at the edges", () => {
    page.click(page.cell("a", "text"));
    page.press("ArrowDown");
    page.press("ArrowRight");
    expect(page.get(".ps-active")).toBe(page.cell("b", "done"));
    expect(page.grid.getAttribute("aria-activedescendant")).toBe(page.cell("b", "done").id);

    page.press("End", { ctrlKey: true });
    page.press("ArrowDown");
    page.press("ArrowRight");
    expect(page.get(".ps-active")).toBe(page.cell("c", "at"));
  });

  it("move on after Enter, down, and after Tab, right", () => {
    page.open("a", "text");
    page.press("Enter");
    expect(page.get(".ps-active")).toBe(page.cell("b", "text"));

    page.press("F2");
    page.press("Tab");
    expect(page.get(".ps-active")).toBe(page.cell("b", "done"));
  });

  it("stay the notebook's when they are its own", () => {
    page.click(page.cell("a", "text"));

    expect(page.press("Enter", { shiftKey: true })).toBe(true); // not prevented
    expect(page.press("s", { ctrlKey: true })).toBe(true);
    expect(page.press("j")).toBe(false);
  });

  it("typed in an editor stay there, even those it has no use for, except with Ctrl", () => {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);

    page.click(page.cell("a", "text"));
    page.press("ArrowRight");
    page.open("a", "size");
    page.press("a");
    page.press("Enter", { shiftKey: true });
    page.press("s", { ctrlKey: true });

    document.removeEventListener("keydown", listen);
    expect(heard).toEqual(["s"]);
  });
});

describe("rows", () => {
  it("are added with what the columns need, and opened for typing", async () => {
    kernel.load([], { columns: [column("text", "text", { required: true }), column("n", "integer", { required: true, filled: true })], page: null });
    await frame();
    expect(page.get(".ps-empty").textContent).toBe("No rows");

    page.get(".ps-add").click();
    await frame();
    const made = kernel.change("insert");
    expect(made.values).toEqual({ text: "" }); // the room fills in n
    expect(page.cell(made.id, "text").contains(page.editor)).toBe(true);
  });

  it("are deleted with their button", async () => {
    page.get('[data-id="b"] .ps-delete').click();
    await frame();

    expect(kernel.edits).toMatchObject([{ changes: [{ op: "delete", id: "b" }] }]);
    expect(page.find('[data-id="b"]')).toBeNull();
  });
});

describe("marks", () => {
  it("say what is pending until it is settled", async () => {
    kernel.tell({ on: ["a"] });
    await frame();
    expect(page.get("[data-id=a]").classList.contains("ps-pending")).toBe(true);

    kernel.tell({ off: ["a"] });
    await frame();
    expect(page.get("[data-id=a]").classList.contains("ps-pending")).toBe(false);
  });

  it("say which cell was refused and why, until dismissed", async () => {
    page.open("a", "text");
    page.type("bad");
    page.press("Enter");
    kernel.refuse(kernel.edits[0]!, "text is too rude.");
    await frame();
    expect(page.cell("a", "text").classList.contains("ps-rejected")).toBe(true);
    expect(page.cell("a", "text").title).toBe("text is too rude.");
    expect(page.cell("a", "text").textContent).toBe("milk");
    expect(page.cell("a", "n").classList.contains("ps-rejected")).toBe(false);
    expect(page.get(".ps-notice").textContent).toContain("text is too rude.");

    page.get(".ps-dismiss").click();
    await frame();
    expect(page.find(".ps-rejected")).toBeNull();
    expect(page.find(".ps-notice")).toBeNull();
  });

  it("let a refused edit be tried again", async () => {
    kernel.table.update("a", { n: 5 });
    kernel.refuse(kernel.edits[0]!, "not now");
    await frame();

    page.get(".ps-retry").click();
    expect(kernel.change("update")).toMatchObject({ id: "a", values: { n: 5 } });

    kernel.refuse(kernel.edits[1]!, "still not");
    await frame();
    expect(page.all(".ps-notice")).toHaveLength(1);
    expect(page.get(".ps-notice").textContent).toContain("still not");
  });

  it.each([
    ["live", 0, "live", "live"],
    ["live", 2, "live", "live · 2 waiting"],
    ["waiting", 3, "reconnecting", "reconnecting · 3 waiting"],
    ["resyncing", 0, "reconnecting", "reconnecting"],
    ["offline", 1, "offline", "offline · 1 waiting"],
    ["closed", 0, "closed", "closed"],
    ["failed", 0, "closed", "failed"],
  ])("show the room as %s with %i waiting", async (room, waiting, badge, text) => {
    kernel.tell({ status: { ...LIVE, room, waiting, trouble: "There is no server." } });
    await frame();

    expect(page.get(".ps-status").dataset["status"]).toBe(badge);
    expect(page.get(".ps-status").textContent).toBe(text);
    expect(page.get(".ps-status").title).toBe("There is no server.");
  });
});

it("works inside a shadow root", async () => {
  const outer = document.createElement("div");
  document.body.append(outer);
  const shadow = outer.attachShadow({ mode: "open" });
  const inside = await new Page(kernel).show(shadow);

  inside.open("a", "text");
  expect(shadow.activeElement?.className).toBe("ps-editor");

  inside.press("Escape");
  expect(shadow.activeElement).toBe(inside.grid);
  outer.remove();
});

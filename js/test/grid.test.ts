// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AnyModel, Host } from "@anywidget/types";
import grid from "../src/grid";
import { column, Kernel, type WireRow } from "./kernel";

const COLUMNS = [
  column("text"), column("done", "boolean"), column("n", "integer"),
  column("size", "choice", { choices: ["S", "L"] }), column("at", "datetime"),
];
const ROWS: WireRow[] = [
  [1, "a", "milk", false, 1, "S", "2026-11-23T04:05:06.000000Z"],
  [2, "b", "bread", true, 2, null, null],
  [3, "c", "rice", null, null, "L", null],
];

let kernel: Kernel;
let el: HTMLElement;
let leave: AbortController;

beforeEach(async () => {
  kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  ({ el, leave } = await show(kernel));
});

afterEach(() => {
  leave.abort();
  el.remove();
});

async function show(from: Kernel, into: Node = document.body): Promise<{ el: HTMLElement; leave: AbortController }> {
  const made = document.createElement("div");
  into.appendChild(made);
  const controller = new AbortController();
  const model = { get: () => "anywidget:1", on: () => {}, off: () => {} } as unknown as AnyModel<{ table: string }>;
  const host = { getWidget: async () => ({ exports: { table: from.table } }) } as unknown as Host;
  await grid.render({ model, el: made, host, signal: controller.signal });
  await frame();
  return { el: made, leave: controller };
}

function frame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve()));
}

function get<T extends HTMLElement = HTMLElement>(selector: string): T {
  const found = el.querySelector<T>(selector);
  if (!found) throw new Error(`nothing is ${selector}`);
  return found;
}

function cell(id: string, name: string): HTMLElement {
  return get(`[role=row][data-id="${id}"] [role=gridcell][data-column="${name}"]`);
}

function editor(): HTMLInputElement {
  return get<HTMLInputElement>(".ps-editor");
}

function press(key: string, more: KeyboardEventInit = {}): boolean {
  const target = el.querySelector(".ps-editor") ?? get("[role=grid]");
  return target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

function click(target: HTMLElement): void {
  target.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
  target.click();
}

function type(text: string): void {
  editor().value = text;
}

function open(id: string, name: string): HTMLInputElement {
  click(cell(id, name));
  cell(id, name).dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  return editor();
}

describe("the grid", () => {
  it("shows rows in order, each value in its cell", () => {
    const shown = Array.from(el.querySelectorAll<HTMLElement>("[role=row][data-id]"), (row) => row.dataset["id"]);
    expect(shown).toEqual(["a", "b", "c"]);
    expect(cell("a", "text").textContent).toBe("milk");
    expect(cell("b", "done").querySelector("input")!.checked).toBe(true);
    expect(cell("c", "done").querySelector("input")!.indeterminate).toBe(true);
    expect(cell("a", "at").textContent).toBe("2026-11-23 04:05:06Z");
    expect(get("[role=grid]").getAttribute("aria-rowcount")).toBe("4");
  });

  it("shows text as text, whatever it says", async () => {
    kernel.tell({ rows: [[1, "a", "<img src=x onerror=alert(1)>", false, 1, "S", null]] });
    await frame();

    expect(cell("a", "text").textContent).toBe("<img src=x onerror=alert(1)>");
    expect(el.querySelector("img")).toBeNull();
  });

  it("follows the kernel: changed, new, gone", async () => {
    kernel.tell({ rows: [[1, "a", "oat milk", true, 1, "S", null], [4, "d", "tea", false, 0, null, null]], gone: ["b"] });
    await frame();

    const shown = Array.from(el.querySelectorAll<HTMLElement>("[role=row][data-id]"), (row) => row.dataset["id"]);
    expect(shown).toEqual(["a", "c", "d"]);
    expect(cell("a", "text").textContent).toBe("oat milk");
  });

  it("draws only the rows in sight, of very many", async () => {
    const many: WireRow[] = Array.from({ length: 100_000 }, (_, i) => [i, `r${i}`, `row ${i}`, false, i, null, null]);
    kernel.load(many, { columns: COLUMNS, page: null });
    await frame();
    expect(el.querySelectorAll("[role=row][data-id]").length).toBeLessThan(40);

    const grid = get("[role=grid]");
    grid.scrollTop = 50_000 * 28;
    grid.dispatchEvent(new Event("scroll"));
    await frame();
    expect(cell("r50000", "text").textContent).toBe("row 50000");
    expect(el.querySelectorAll("[role=row][data-id]").length).toBeLessThan(40);
  });

  it("keeps the elements in the order of the rows when they move", async () => {
    kernel.tell({ rows: [[9, "a", "milk", false, 1, "S", null]] });
    await frame();

    const shown = Array.from(el.querySelectorAll<HTMLElement>("[role=row][data-id]"), (row) => row.dataset["id"]);
    expect(shown).toEqual(["b", "c", "a"]);
  });

  it("draws new columns", async () => {
    kernel.load([[1, "a", 5]], { columns: [column("price", "real")], page: null });
    await frame();

    expect(cell("a", "price").textContent).toBe("5");
    expect(el.querySelectorAll("[role=columnheader]")[0]!.textContent).toBe("price");
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
    const shown = await show(kernel);
    expect(listeners).toBe(1);

    shown.leave.abort();
    expect([listeners, shown.el.childElementCount]).toEqual([0, 0]);
  });
});

describe("editing", () => {
  it("with a double click: Enter sends the edit and shows it at once", async () => {
    open("a", "text").value = "oat milk";
    press("Enter");
    await frame();

    expect(kernel.edits).toMatchObject([{ op: "update", id: "a", values: { text: "oat milk" } }]);
    expect(cell("a", "text").textContent).toBe("oat milk");
    expect(get("[data-id=a]").classList.contains("ps-pending")).toBe(true);
  });

  it("with Escape sends nothing and shows the value as it was", () => {
    open("a", "text").value = "something else";
    press("Escape");

    expect(kernel.edits).toEqual([]);
    expect(cell("a", "text").textContent).toBe("milk");
  });

  it("by leaving the field sends the edit, and no edit when nothing changed", () => {
    open("a", "text").dispatchEvent(new Event("blur"));
    expect(kernel.edits).toEqual([]);

    const field = open("a", "text");
    field.value = "oat milk";
    field.dispatchEvent(new Event("blur"));
    expect(kernel.edits).toHaveLength(1);
  });

  it("begins with what was typed", () => {
    click(cell("a", "n"));
    press("7");

    expect(editor().value).toBe("7");
    press("Enter");
    expect(kernel.edits[0]!.values).toEqual({ n: 7 });
  });

  it("stays open on what cannot be taken, and says why", () => {
    open("a", "n").value = "many";
    press("Enter");

    expect(kernel.edits).toEqual([]);
    expect(editor().getAttribute("aria-invalid")).toBe("true");
    expect(editor().title).toContain("many");
  });

  it("offers a choice column its choices, and none", () => {
    const field = open("a", "size") as unknown as HTMLSelectElement;
    expect(Array.from(field.options, (option) => option.value)).toEqual(["", "S", "L"]);

    field.value = "L";
    press("Enter");
    expect(kernel.edits[0]!.values).toEqual({ size: "L" });
  });

  it("keeps the zone of a moment whose clock was changed", () => {
    const field = open("a", "at");
    expect([field.type, field.value.slice(0, 19)]).toEqual(["datetime-local", "2026-11-23T04:05:06"]);

    field.value = "2026-11-24T00:00:00";
    press("Enter");
    expect(kernel.edits[0]!.values["at"]).toMatch(/^2026-11-24T00:00(:00)?Z$/);
  });

  it("ticks a box with one click or the space bar", async () => {
    const box = cell("a", "done").querySelector("input")!;
    click(box);
    expect(kernel.edits[0]).toMatchObject({ id: "a", values: { done: true } });

    click(cell("b", "done"));
    press(" ");
    expect(kernel.edits[1]).toMatchObject({ id: "b", values: { done: false } });
  });

  it("is not disturbed by deltas for this row, other rows, or rows put before it", async () => {
    const field = open("b", "text");
    type("half typ");

    kernel.tell({ rows: [
      [2, "b", "theirs", false, 99, null, null], [1, "a", "changed", false, 1, null, null],
      [0.5, "z", "first", false, 0, null, null],
    ] });
    await frame();

    expect(editor()).toBe(field);
    expect(field.isConnected && field.value).toBe("half typ");
    expect(cell("b", "n").textContent).toBe("99");
    expect(cell("a", "text").textContent).toBe("changed");

    press("Escape");
    expect(cell("b", "text").textContent).toBe("theirs");
  });

  it("keeps its place in the page when its row moves: a moved element loses its focus", async () => {
    open("b", "text");
    const removed: Node[] = [];
    const moved = new MutationObserver((records) => removed.push(...records.flatMap((each) => [...each.removedNodes])));
    moved.observe(get(".ps-body"), { childList: true });
    kernel.tell({ rows: [[0.5, "b", "bread", true, 2, null, null]] });
    await frame();

    await new Promise((resolve) => setTimeout(resolve)); // observers are told after the frame
    expect(removed).not.toContain(get("[data-id=b]"));
    expect(get("[data-id=b]").getAttribute("aria-rowindex")).toBe("2");
  });

  it("is not lost when its row is deleted elsewhere: the text can still be sent, and is refused with it", async () => {
    open("b", "text");
    type("precious");
    kernel.tell({ gone: ["b"] });
    await frame();
    expect(editor().value).toBe("precious");

    press("Enter");
    kernel.refuse(kernel.edits[0]!, "There is no row b.");
    await frame();
    expect(get(".ps-notice").textContent).toContain("precious");
  });

  it("survives a snapshot with the same columns", async () => {
    const field = open("b", "text");
    kernel.load(ROWS, { columns: COLUMNS, page: null });
    await frame();

    expect(editor()).toBe(field);
  });
});

describe("keys", () => {
  it("move the active cell, and stop at the edges", () => {
    click(cell("a", "text"));
    press("ArrowDown");
    press("ArrowRight");
    expect(get(".ps-active")).toBe(cell("b", "done"));
    expect(get("[role=grid]").getAttribute("aria-activedescendant")).toBe(cell("b", "done").id);

    press("End", { ctrlKey: true });
    press("ArrowDown");
    press("ArrowRight");
    expect(get(".ps-active")).toBe(cell("c", "at"));
  });

  it("move on after Enter, down, and after Tab, right", () => {
    open("a", "text");
    press("Enter");
    expect(get(".ps-active")).toBe(cell("b", "text"));

    press("F2");
    press("Tab");
    expect(get(".ps-active")).toBe(cell("b", "done"));
  });

  it("stay the notebook's when they are its own", () => {
    click(cell("a", "text"));

    expect(press("Enter", { shiftKey: true })).toBe(true); // not prevented
    expect(press("s", { ctrlKey: true })).toBe(true);
    expect(press("j")).toBe(false);
  });

  it("typed in an editor stay there, even those it has no use for, except with Ctrl", () => {
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);

    click(cell("a", "text"));
    press("ArrowRight");
    open("a", "size");
    press("a");
    press("Enter", { shiftKey: true });
    press("s", { ctrlKey: true });

    document.removeEventListener("keydown", listen);
    expect(heard).toEqual(["s"]);
  });
});

describe("rows", () => {
  it("are added with what the columns need, and opened for typing", async () => {
    kernel.load([], { columns: [column("text", "text", { required: true }), column("n", "integer", { required: true, filled: true })], page: null });
    await frame();
    expect(get(".ps-empty").textContent).toBe("No rows");

    get(".ps-add").click();
    await frame();
    const [edit] = kernel.edits;
    expect(edit).toMatchObject({ op: "insert", values: { text: "" } });
    expect(Object.keys(edit!.values)).toEqual(["text"]); // the room fills in n
    expect(cell(edit!.id, "text").contains(editor())).toBe(true);
  });

  it("are deleted with their button", async () => {
    get('[data-id="b"] .ps-delete').click();
    await frame();

    expect(kernel.edits).toMatchObject([{ op: "delete", id: "b" }]);
    expect(el.querySelector('[data-id="b"]')).toBeNull();
  });
});

describe("marks", () => {
  it("say what is pending until it is settled", async () => {
    kernel.tell({ on: ["a"] });
    await frame();
    expect(get("[data-id=a]").classList.contains("ps-pending")).toBe(true);

    kernel.tell({ off: ["a"] });
    await frame();
    expect(get("[data-id=a]").classList.contains("ps-pending")).toBe(false);
  });

  it("say which cell was refused and why, until dismissed", async () => {
    open("a", "text");
    type("bad");
    press("Enter");
    kernel.refuse(kernel.edits[0]!, "text is too rude.");
    await frame();
    expect(cell("a", "text").classList.contains("ps-rejected")).toBe(true);
    expect(cell("a", "text").title).toBe("text is too rude.");
    expect(cell("a", "text").textContent).toBe("milk");
    expect(cell("a", "n").classList.contains("ps-rejected")).toBe(false);
    expect(get(".ps-notice").textContent).toContain("text is too rude.");

    get(".ps-dismiss").click();
    await frame();
    expect(el.querySelector(".ps-rejected")).toBeNull();
    expect(el.querySelector(".ps-notice")).toBeNull();
  });

  it("let a refused edit be tried again", async () => {
    kernel.table.update("a", { n: 5 });
    kernel.refuse(kernel.edits[0]!, "not now");
    await frame();

    get(".ps-retry").click();
    expect(kernel.edits[1]).toMatchObject({ op: "update", id: "a", values: { n: 5 } });

    kernel.refuse(kernel.edits[1]!, "still not");
    await frame();
    expect(el.querySelectorAll(".ps-notice")).toHaveLength(1);
    expect(get(".ps-notice").textContent).toContain("still not");
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
    kernel.tell({ status: { room, waiting, trouble: "There is no server." } });
    await frame();

    expect(get(".ps-status").dataset["status"]).toBe(badge);
    expect(get(".ps-status").textContent).toBe(text);
    expect(get(".ps-status").title).toBe("There is no server.");
  });
});

it("works inside a shadow root", async () => {
  const outer = document.createElement("div");
  document.body.append(outer);
  const shadow = outer.attachShadow({ mode: "open" });
  const shown = await show(kernel, shadow);
  const inside = shown.el.querySelector<HTMLElement>('[data-id="a"] [data-column="text"]')!;

  inside.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, composed: true }));
  inside.dispatchEvent(new MouseEvent("dblclick", { bubbles: true, composed: true }));
  expect(shadow.activeElement?.className).toBe("ps-editor");

  shown.leave.abort();
  outer.remove();
});

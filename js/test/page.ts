// A page with one grid on it, and a person at it: what they see, and what their hands do. happy-dom has no layout and no
// top layer; what stands here in their place is only what the grid asks of them.

import { afterEach } from "vitest";
import type { AnyModel, Host } from "@anywidget/types";
import grid from "../src/grid";
import type { Layout } from "../src/grid/columns";
import type { Preview } from "../src/grid/preview";
import { column, type Kernel, type WireRow } from "./kernel";

export const COLUMNS = [
  column("text"), column("done", "boolean"), column("n", "integer"),
  column("size", "choice", { choices: ["S", "L"] }), column("at", "datetime"),
];
export const ROWS: WireRow[] = [
  [1, "a", "milk", false, 1, "S", "2026-11-23T04:05:06.000000Z"],
  [2, "b", "bread", true, 2, null, null],
  [3, "c", "rice", null, null, "L", null],
];

const shown = new WeakSet<HTMLElement>();
HTMLElement.prototype.showPopover = function show(): void {
  shown.add(this);
};
HTMLElement.prototype.hidePopover = function hide(): void {
  shown.delete(this);
};

/** Whether a thing of the top layer is open. */
export function isShown(element: HTMLElement): boolean {
  return shown.has(element) && element.isConnected;
}

export function frame(): Promise<void> {
  return new Promise((resolve) => requestAnimationFrame(() => resolve()));
}

/** Whatever `setTimeout` without a delay has put off is done. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

interface Traits {
  table: string | null;
  arrangement: Layout;
  preview: Preview | null;
}

const pages: Page[] = [];

afterEach(() => {
  for (const page of pages.splice(0)) page.leave();
});

export class Page {
  readonly kernel: Kernel;
  readonly el = document.createElement("div");
  readonly traits: Traits = { table: "anywidget:1", arrangement: {}, preview: null };
  saves = 0;
  #abort = new AbortController();
  #listeners = new Map<string, () => unknown>();

  constructor(kernel: Kernel, traits: Partial<Traits> = {}) {
    this.kernel = kernel;
    Object.assign(this.traits, traits);
    pages.push(this);
  }

  async show(into: Node = document.body): Promise<this> {
    into.appendChild(this.el);
    const model = {
      get: (name: keyof Traits) => this.traits[name],
      set: (name: keyof Traits, value: never) => this.set(name, value),
      save_changes: () => this.saves++,
      on: (event: string, listener: () => unknown) => this.#listeners.set(event, listener),
      off: () => {},
    } as unknown as AnyModel<Traits>;
    const host = { getWidget: async () => ({ exports: { table: this.kernel.table } }) } as unknown as Host;
    await grid.render({ model, el: this.el, host, signal: this.#abort.signal });
    await frame();
    return this;
  }

  /** A trait changes, here or in Python. */
  async set<Name extends keyof Traits>(name: Name, value: Traits[Name]): Promise<void> {
    this.traits[name] = value;
    await this.#listeners.get(`change:${name}`)?.();
  }

  leave(): void {
    this.#abort.abort();
    this.el.remove();
  }

  // What a person sees.

  get<T extends HTMLElement = HTMLElement>(selector: string): T {
    const found = this.el.querySelector<T>(selector);
    if (!found) throw new Error(`nothing is ${selector}`);
    return found;
  }

  find<T extends HTMLElement = HTMLElement>(selector: string): T | null {
    return this.el.querySelector<T>(selector);
  }

  all<T extends HTMLElement = HTMLElement>(selector: string): T[] {
    return [...this.el.querySelectorAll<T>(selector)];
  }

  get grid(): HTMLElement {
    return this.get("[role=grid]");
  }

  /** The ids of the drawn rows, from top to bottom. */
  get ids(): string[] {
    return this.all("[role=row][data-id]").map((row) => row.dataset["id"]!);
  }

  row(id: string): HTMLElement {
    const found = this.all("[role=row][data-id]").find((row) => row.dataset["id"] === id);
    if (!found) throw new Error(`there is no row ${id}`);
    return found;
  }

  cell(id: string, name: string): HTMLElement {
    const found = [...this.row(id).children].find((each) => (each as HTMLElement).dataset["column"] === name);
    if (!found) throw new Error(`row ${id} has no column ${name}`);
    return found as HTMLElement;
  }

  head(name: string): HTMLElement {
    const found = this.all("[role=columnheader][data-column]").find((each) => each.dataset["column"] === name);
    if (!found) throw new Error(`there is no column ${name}`);
    return found;
  }

  /** The names over the columns, from left to right. */
  get heads(): string[] {
    return this.all("[role=columnheader][data-column]").map((each) => each.dataset["column"]!);
  }

  get editor(): HTMLInputElement {
    return this.get<HTMLInputElement>(".ps-editor");
  }

  /** The texts of the open menu. */
  get menu(): string[] {
    return this.all("[role=menu] > *").map((item) => item.textContent!);
  }

  item(text: string): HTMLElement {
    const found = this.all("[role=menu] > *").find((item) => item.textContent === text);
    if (!found) throw new Error(`the menu has ${this.menu.join(", ")}`);
    return found;
  }

  /** The active cell, as row id and column; the header's row has no id. */
  get active(): string {
    const cell = this.get(".ps-active");
    return `${cell.closest<HTMLElement>("[data-id]")?.dataset["id"] ?? "header"} ${cell.dataset["column"]}`;
  }

  get selected(): string[] {
    return this.all(".ps-selected").map((cell) => `${cell.closest<HTMLElement>("[data-id]")!.dataset["id"]} ${cell.dataset["column"]}`);
  }

  get notices(): string {
    return this.all(".ps-notice > span").map((each) => each.textContent).join("\n");
  }

  /** What a screen reader was told last. */
  get said(): string {
    return this.get(".ps-hidden[role=status]").textContent!;
  }

  get bubble(): HTMLElement {
    return this.get(".ps-bubble");
  }

  // What their hands do.

  /** Press a key at the open editor or at the grid. Returns whether the browser may still do what it does with it. */
  press(key: string, more: KeyboardEventInit = {}, target: Element = this.find(".ps-editor") ?? this.grid): boolean {
    return target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true, ...more }));
  }

  /** As SHORTCUTS writes it: "Ctrl+Shift+D". */
  chord(chord: string): boolean {
    const keys = chord.split("+");
    const key = keys.pop()!;
    const shiftKey = keys.includes("Shift");
    return this.press(key === "Space" ? " " : key.length === 1 && !shiftKey ? key.toLowerCase() : key, {
      ctrlKey: keys.includes("Ctrl"), altKey: keys.includes("Alt"), shiftKey,
    });
  }

  /** A press of the button: browsers then focus the grid, which is what has a tabindex. */
  click(target: HTMLElement, more: PointerEventInit = {}): void {
    const event = { bubbles: true, composed: true, cancelable: true, button: 0, ...more };
    target.dispatchEvent(new PointerEvent("pointerdown", event));
    if (this.grid.contains(target) && !target.closest("input, button, textarea, select")) this.grid.focus();
    target.dispatchEvent(new PointerEvent("pointerup", event));
    if (target instanceof HTMLInputElement) target.click();
    else target.dispatchEvent(new MouseEvent("click", event));
  }

  /** Drag from one cell to another. */
  drag(from: HTMLElement, to: HTMLElement, clientX = 0): void {
    const event = { bubbles: true, composed: true, cancelable: true, button: 0 };
    from.dispatchEvent(new PointerEvent("pointerdown", event));
    to.dispatchEvent(new PointerEvent("pointermove", { ...event, clientX }));
    to.dispatchEvent(new PointerEvent("pointerup", { ...event, clientX }));
  }

  open(id: string, name: string): HTMLInputElement {
    this.click(this.cell(id, name));
    this.cell(id, name).dispatchEvent(new MouseEvent("dblclick", { bubbles: true, composed: true }));
    return this.editor;
  }

  type(text: string, into: HTMLInputElement = this.editor): void {
    into.value = text;
    into.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async select(from: [id: string, column: string], to: [id: string, column: string]): Promise<void> {
    this.click(this.cell(...from));
    this.click(this.cell(...to), { shiftKey: true });
    await frame();
  }

  /** Clipboard events begin where text is selected, or at the body: not at what has the focus. */
  async paste(text: string): Promise<void> {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    await frame();
  }

  /** What a copy (or a cut) puts on the clipboard. */
  copy(kind: "copy" | "cut" = "copy"): string {
    const clipboardData = new DataTransfer();
    document.body.dispatchEvent(new ClipboardEvent(kind, { clipboardData, bubbles: true, cancelable: true }));
    return clipboardData.getData("text/plain");
  }
}

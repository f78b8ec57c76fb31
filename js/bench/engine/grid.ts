// What all pages share: the rows, a grid with keyed rows around a `Layout`, and the verbs run.mjs calls, `window.bench`.

import { ROW } from "../../src/grid/window";

export type Row = readonly [id: string, ...cells: unknown[]];
export const COLUMNS = Array.from({ length: 10 }, (_, index) => `c${index}`);

/** A page's grid. What returns a promise has drawn when it is kept. */
export interface Grid {
  readonly scroller: HTMLElement;
  mount(root: HTMLElement, rows: Row[]): void | Promise<void>;
  draw(): void | Promise<void>;
  reveal(index: number): void | Promise<void>;
  /** Put `field` into the second cell of row `id`, as an editor would be. */
  edit(id: string, field: HTMLElement): void | Promise<void>;
}

/** Which rows are in sight, and how far below its upper edge: the one thing an engine decides in a keyed grid. */
export interface Layout {
  place(rows: number): { height: number; first: number; end: number; offset(index: number): number };
  reveal(index: number): void;
}

/** As the product's: a row keeps its element while it is in sight, on a pane that stays while the scroller moves. */
export class KeyedGrid implements Grid {
  readonly scroller = make("div", "grid", { role: "grid", tabindex: "0" });
  #body = make("div", "body", { role: "presentation" });
  #pane = make("div", "pane", { role: "rowgroup" });
  #layout: Layout;
  #rows: Row[] = [];
  #drawn = new Map<string, { element: HTMLElement; row: Row | null }>();
  #edited = "";
  #due = 0;

  constructor(layout: (scroller: HTMLElement, moved: () => void) => Layout) {
    this.#layout = layout(this.scroller, () => this.#schedule());
  }

  mount(root: HTMLElement, rows: Row[]): void {
    this.#rows = rows;
    const head = make("div", "row head", { role: "row", "aria-rowindex": "1" });
    for (const name of COLUMNS) head.append(make("div", "cell", { role: "columnheader" }, name));
    this.#body.append(this.#pane);
    this.scroller.append(head, this.#body);
    root.append(this.scroller);
    this.scroller.addEventListener("scroll", () => this.#schedule(), { passive: true });
    this.draw();
  }

  draw(): void {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    const rows = this.#rows;
    const room = this.scroller.clientHeight - ROW; // read before anything is written, as all else
    const place = this.#layout.place(rows.length);
    this.#body.style.height = `${place.height}px`;
    this.#pane.style.height = `${Math.min(place.height, room)}px`;
    this.scroller.setAttribute("aria-rowcount", String(rows.length + 1));
    const wanted = new Set<string>();
    let next = this.#pane.firstElementChild;
    for (let index = place.first; index < place.end; index++) {
      const row = rows[index]!;
      wanted.add(row[0]);
      const { element } = this.#fill(row);
      element.style.transform = `translateY(${place.offset(index)}px)`;
      element.setAttribute("aria-rowindex", String(index + 2));
      if (element === next) next = next.nextElementSibling;
      else if (row[0] !== this.#edited || !element.isConnected) this.#pane.insertBefore(element, next);
    }
    for (const [id, { element }] of this.#drawn) {
      if (wanted.has(id) || id === this.#edited) continue;
      element.remove();
      this.#drawn.delete(id);
    }
  }

  reveal(index: number): void {
    this.draw(); // a new last row must have a place to scroll to
    this.#layout.reveal(index);
    this.draw();
  }

  edit(id: string, field: HTMLElement): void {
    this.#edited = id;
    this.#drawn.get(id)!.element.children[1]!.replaceChildren(field);
  }

  #schedule(): void {
    this.#due ||= requestAnimationFrame(() => this.draw());
  }

  #fill(row: Row): { element: HTMLElement } {
    let drawn = this.#drawn.get(row[0]);
    if (!drawn) {
      const element = make("div", "row", { role: "row", "data-id": row[0] });
      for (const name of COLUMNS) {
        element.append(make("div", "cell", { role: "gridcell", id: `${row[0]}-${name}`, "data-column": name }));
      }
      this.#drawn.set(row[0], (drawn = { element, row: null }));
    }
    const before = drawn.row;
    if (before === row) return drawn;
    drawn.row = row;
    for (let column = 0; column < COLUMNS.length; column++) {
      if (before?.[column + 1] === row[column + 1] || (row[0] === this.#edited && column === 1)) continue;
      drawn.element.children[column]!.textContent = String(row[column + 1]);
    }
    return drawn;
  }
}

function make(tag: string, name: string, attributes: Record<string, string>, text = ""): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// What run.mjs calls. Times are in ms, up to and with the layout of the page.

const WORDS = Array.from({ length: 100 }, (_, index) => `word ${index}`);
let serial = 0;

function fresh(): Row {
  const n = serial++;
  return [`r${n}`, ...COLUMNS.map((_, column) => (column % 2 ? WORDS[n % 100] : n + column))];
}

export function offer(grid: Grid): void {
  const rows: Row[] = [];
  const root = document.querySelector<HTMLElement>("main")!;
  const view = () => {
    const box = grid.scroller.getBoundingClientRect();
    return { left: box.left, top: box.top + ROW, bottom: box.top + grid.scroller.clientHeight };
  };
  const settled = async () => {
    for (let i = 0; i < 12; i++) await frame();
  };

  async function timed(times: number, change: () => void): Promise<number[]> {
    const took: number[] = [];
    for (let i = 0; i < times; i++) {
      change();
      const start = performance.now();
      await grid.draw();
      grid.scroller.getBoundingClientRect();
      took.push(performance.now() - start);
      await frame();
    }
    return took;
  }

  /** How many px of row `index` are out of sight; null if it is not there at all. */
  function cut(index: number): number | null {
    const box = root.querySelector(`[data-id="${rows[index]![0]}"]`)?.getBoundingClientRect();
    const { top, bottom } = view();
    return box && box.bottom > top && box.top < bottom ? Math.max(0, top - box.top, box.bottom - bottom) : null;
  }

  Object.assign(window, { bench: {
    make: (count: number) => {
      for (let i = 0; i < count; i++) rows.push(fresh());
    },

    mount: async () => {
      const start = performance.now();
      await grid.mount(root, rows);
      grid.scroller.getBoundingClientRect();
      const took = performance.now() - start;
      await settled();
      return took;
    },

    append: (times: number) => timed(times, () => rows.push(fresh())),
    insert: (times: number) => timed(times, () => rows.unshift(fresh())),

    /** A thousand rows get a new cell each time, the first twenty among them. */
    update: (times: number) => timed(times, () => {
      for (let i = 0; i < 1000; i++) {
        const index = i < 20 ? i : 1000 + Math.floor(Math.random() * (rows.length - 1000));
        rows[index] = rows[index]!.with(3, serial++) as unknown as Row;
      }
    }),

    /** Scroll by `step` px before each frame. With `check`, count the frames that did not show the row they should. */
    scroll: async (steps: number, step: number, check: boolean) => {
      const frames: number[] = [];
      const script: number[] = [];
      let wrong = 0;
      let began = 0;
      const stop = new AbortController();
      // From before the engine hears of the scroll to after its animation frame.
      document.addEventListener("scroll", () => (began = performance.now()), { capture: true, signal: stop.signal });
      grid.scroller.addEventListener("scroll", () => {
        requestAnimationFrame(() => script.push(performance.now() - began));
      }, { signal: stop.signal });
      grid.scroller.scrollTop = 0;
      await settled();
      let before = await frame();
      for (let i = 0; i < steps; i++) {
        grid.scroller.scrollTop += step;
        const now = await frame();
        frames.push(now - before);
        before = now;
        if (!check) continue;
        const { left, top } = view();
        const shown = document.elementFromPoint(left + 20, top + ROW / 2)?.closest<HTMLElement>("[data-id]");
        const index = Math.floor((grid.scroller.scrollTop + ROW / 2) / ROW);
        if (shown?.dataset["id"] !== rows[index]![0]) wrong++;
      }
      stop.abort();
      return { frames, script: script.slice(-steps), wrong };
    },

    /** Go to the row at `part` of the table (1: the last one) as the grid does it: ms until it is in sight, px of it cut. */
    jump: async (part: number) => {
      const index = Math.round((rows.length - 1) * part);
      grid.scroller.scrollTop = 0;
      await settled();
      const start = performance.now();
      await grid.reveal(index);
      for (let i = 0; i < 30 && cut(index) === null; i++) await frame();
      const took = performance.now() - start;
      await settled();
      return cut(index) === null ? { took: null, cut: null } : { took, cut: cut(index) };
    },

    /** How many rows cannot be reached with the scroll bar. */
    below: async () => {
      grid.scroller.scrollTop = 1e9;
      await settled();
      const { left, bottom } = view();
      const shown = document.elementFromPoint(left + 20, bottom - ROW / 2)?.closest<HTMLElement>("[data-id]");
      return rows.length - 1 - rows.findIndex(([id]) => id === shown?.dataset["id"]);
    },

    /** What becomes of a field being typed into. */
    editor: async () => {
      grid.scroller.scrollTop = 0;
      await settled();
      const field = document.createElement("input");
      const id = rows[5]![0];
      await grid.edit(id, field);
      field.focus();
      field.value = "typed";
      const fate = async (change: () => void) => {
        change();
        await grid.draw();
        await settled();
        const there = field.isConnected && field.closest<HTMLElement>("[data-id]")?.dataset["id"] === id;
        const fate = !there ? "gone" : document.activeElement === field ? "kept" : "unfocused";
        if (there) field.focus();
        return fate;
      };
      return {
        "its row changed": await fate(() => {
          const index = rows.findIndex((row) => row[0] === id);
          rows[index] = rows[index]!.with(3, "changed") as unknown as Row;
        }),
        "row inserted above": await fate(() => rows.unshift(fresh())),
        "scrolled away": await fate(() => {
          grid.scroller.scrollTop = 3000;
        }),
      };
    },
  } });
}

/** The next frame, after its painting; gives the time it began. */
function frame(): Promise<number> {
  return new Promise((resolve) => {
    requestAnimationFrame((time) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(time);
      port2.postMessage(null);
    });
  });
}

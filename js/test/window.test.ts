import { describe, expect, it } from "vitest";
import { ROW, Window } from "../src/grid/window";

describe("Window", () => {
  it("holds the rows in sight and a few more", () => {
    const window = new Window(1_000, 10 * ROW, 100 * ROW);

    expect(window.first).toBeLessThanOrEqual(100);
    expect(window.end).toBeGreaterThanOrEqual(110);
    expect(window.end - window.first).toBeLessThan(25);
    expect(window.offset(100)).toBe(0);
    expect(window.offset(109)).toBe(9 * ROW);
  });

  it("holds all of a short table, however it was scrolled", () => {
    for (const top of [0, 50_000]) {
      const window = new Window(3, 10 * ROW, top);
      expect([window.first, window.end, window.offset(0)]).toEqual([0, 3, 0]);
    }
  });

  it.each([1_000, 500_000, 5_000_000])("reveals every row of %i, wholly, and stays where it is when it can", (rows) => {
    const view = 10 * ROW;
    const end = new Window(rows, view, Infinity);
    for (const index of [0, 1, 9, 10, Math.floor(rows / 3), rows - 2, rows - 1]) {
      const top = new Window(rows, view, 0).reveal(index);
      const window = new Window(rows, view, top);
      const y = window.offset(index);

      expect(y).toBeGreaterThan(-1);
      expect(y + ROW).toBeLessThan(view + 1);
      expect(index >= window.first && index < window.end).toBe(true);
      expect(window.reveal(index)).toBeCloseTo(top, 6);
      const fromEnd = new Window(rows, view, end.reveal(index));
      expect(index >= fromEnd.first && index < fromEnd.end).toBe(true);
      if (index >= rows - 9) expect(end.reveal(index)).toBeCloseTo(end.height - view, 6);
    }
  });

  it("is never taller than browsers can draw", () => {
    expect(new Window(50_000_000, 280, 0).height).toBeLessThan(17_000_000);
  });
});

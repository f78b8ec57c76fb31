import { describe, expect, it } from "vitest";
import { Order } from "../src/order";

/** The slow obvious model: sort everything. */
function sorted(entries: Map<string, number>): string[] {
  return [...entries].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([id]) => id);
}

describe("Order", () => {
  it("is what sorting everything would give, after each of many random steps", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let state = seed;
    const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
    const order = new Order();
    const model = new Map<string, number>();

    for (let step = 0; step < 2_000; step++) {
      const id = `r${random(60)}`;
      if (random(3) === 0) {
        order.remove(id);
        model.delete(id);
      } else {
        const at = random(40); // often equal: ties must be broken alike
        order.place(id, at);
        model.set(id, at);
      }

      const expected = sorted(model);
      expect([...order], `seed ${seed}, step ${step}`).toEqual(expected);
      expect(order.indexOf(id), `seed ${seed}, step ${step}`).toBe(expected.indexOf(id));
    }
  });

  it("loads everything at once in the same order", () => {
    const entries = new Map([["b", 2], ["a", 2], ["c", 1]]);
    const order = new Order();

    order.load(entries);

    expect([...order]).toEqual(["c", "a", "b"]);
    expect(order.indexOf("b")).toBe(2);
  });
});

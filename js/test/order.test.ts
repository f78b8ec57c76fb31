import { describe, expect, it } from "vitest";
import { Order } from "../src/order";
import { anySeed, chance } from "./kernel";

const byNumber = (a: number, b: number) => a - b;

/** The slow obvious model: sort everything. */
function sorted(entries: Map<string, number>): string[] {
  return [...entries].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([id]) => id);
}

describe("Order", () => {
  it("is what sorting everything would give, after each of many random steps", () => {
    const seed = anySeed();
    const random = chance(seed);
    const order = new Order(byNumber);
    const model = new Map<string, number>();

    for (let step = 0; step < 1_000; step++) {
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
      const found = [...order, order.indexOf(id), order.keyOf(id)];
      expect(found, `seed ${seed}, step ${step}`).toEqual([...expected, expected.indexOf(id), model.get(id)]);
    }
  });

  it("loads everything at once in the same order, and forgets what it had", () => {
    const order = new Order(byNumber);
    order.place("old", 0);

    order.load(new Map([["b", 2], ["a", 2], ["c", 1]]));

    expect([...order]).toEqual(["c", "a", "b"]);
    expect([order.indexOf("b"), order.indexOf("old"), order.has("old"), order.size]).toEqual([2, -1, false, 3]);
    expect([order.at(0), order.at(3)]).toEqual(["c", undefined]);
  });

  it("takes the order it is given, of keys of any kind", () => {
    const order = new Order<{ word: string }>((a, b) => (a.word < b.word ? 1 : a.word > b.word ? -1 : 0));

    order.place("x", { word: "ape" });
    order.place("y", { word: "bee" });
    order.place("x", { word: "cat" });

    expect([...order]).toEqual(["x", "y"]);
  });

  it("keeps the newest of two keys that compare alike: the next move starts from it", () => {
    const order = new Order<{ n: number; note: string }>((a, b) => a.n - b.n);
    order.place("x", { n: 1, note: "old" });

    order.place("x", { n: 1, note: "new" });

    expect(order.keyOf("x")).toEqual({ n: 1, note: "new" });
  });

  it.each(["__proto__", "constructor", "toString", "", "\0", "💥"])("holds an id called %j like any other", (id) => {
    const order = new Order(byNumber);
    expect([order.has(id), order.indexOf(id), order.keyOf(id)]).toEqual([false, -1, undefined]);

    order.place("m", 1);
    order.place(id, 2);

    expect([...order]).toEqual(["m", id]);
    order.remove(id);
    expect([...order]).toEqual(["m"]);
  });
});

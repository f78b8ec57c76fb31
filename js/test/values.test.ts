import { describe, expect, it } from "vitest";
import { display, editable, initial, parse } from "../src/grid/cells";
import { fromWire, same, toWire, type Value } from "../src/values";
import { column } from "./kernel";

describe("values on the wire", () => {
  it.each<[Parameters<typeof toWire>[0], Value]>([
    ["integer", 9007199254740993n],
    ["integer", -9223372036854775808n],
    ["integer", 7],
    ["bytes", new Uint8Array([0, 255, 10])],
    ["bytes", new Uint8Array()],
    ["json", { digits: "123", list: [1, null, true] }],
    ["json", { base64: "bm90IGJ5dGVz" }],
    ["text", "9007199254740993"],
    ["boolean", false],
    ["real", 0.1],
    ["date", null],
  ])("come back as they went: %s %s", (type, value) => {
    const json = JSON.parse(JSON.stringify(toWire(type, value)));

    expect(fromWire(type, json)).toEqual(value);
  });

  it("send a whole number too large for a double as digits", () => {
    expect(toWire("integer", 2 ** 60)).toBe("1152921504606846976");
  });
});

describe("two values", () => {
  it.each<[Value, Value]>([
    [1, 1], [5n, 5], [5, 5n], [2n ** 63n, 2n ** 63n], ["", ""], [null, null], [{ a: [1] }, { a: [1] }],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  ])("%s and %s are the same", (a, b) => {
    expect(same(a, b)).toBe(true);
  });

  it.each<[Value | undefined, Value]>([
    [1, "1"], [null, ""], [undefined, null], [0, false], [5n, 6n], [5n, null], [{ a: 1 }, { a: 2 }], [[], {}],
    [new Uint8Array([1]), new Uint8Array([2])], [new Uint8Array(), null],
  ])("%s and %s are not", (a, b) => {
    expect(same(a, b)).toBe(false);
  });
});

describe("a moment", () => {
  it.each([
    ["2026-11-23 14:30", "2026-11-23T14:30:00.000000Z"],
    ["2026-11-23T14:30:05Z", "2026-11-23T14:30:05.000000Z"],
    ["2026-11-23T14:30:05.123456z", "2026-11-23T14:30:05.123456Z"],
    ["2026-11-23T14:30:05.5+02:00", "2026-11-23T12:30:05.500000Z"],
    ["2026-01-01 00:30 +0100", "2025-12-31T23:30:00.000000Z"],
    ["2024-02-29T12:00-05:30", "2024-02-29T17:30:00.000000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"],
  ])("%s travels as the room stores it: %s", (typed, stored) => {
    expect(toWire("datetime", typed)).toBe(stored);
    expect(toWire("datetime", stored)).toBe(stored);
  });

  it.each(["2026-06-31 12:00", "2026-02-29T00:00Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59-05:00", "25:00", "soon", ""])(
    "that there is not (%s) travels as it is: the room says why not", (typed) => {
      expect(toWire("datetime", typed)).toBe(typed);
    },
  );

  it("is no business of a text column", () => {
    expect(toWire("text", "2026-11-23 14:30")).toBe("2026-11-23 14:30");
  });
});

describe("what a person reads and types", () => {
  it.each([
    [column("n", "integer"), "9007199254740993", 9007199254740993n],
    [column("n", "integer"), " +12 ", 12],
    [column("x", "real"), "-1e3", -1000],
    [column("t"), "  kept as typed ", "  kept as typed "],
    [column("t"), "", ""],
    [column("n", "integer"), "", null],
    [column("j", "json"), '{"a": [1]}', { a: [1] }],
  ])("%s: %j is the value %s", (col, typed, value) => {
    expect(parse(col, typed)).toEqual(value);
  });

  it.each([
    [column("n", "integer"), "1.5"],
    [column("n", "integer"), "twelve"],
    [column("x", "real"), "1,5"],
    [column("j", "json"), "{"],
    [column("n", "integer", { required: true }), " "],
  ])("%s: %j is refused with a sentence", (col, typed) => {
    expect(() => parse(col, typed)).toThrow(/ /);
  });

  it("give the value back when nothing was typed", () => {
    for (const [col, value] of [
      [column("n", "integer"), 9007199254740993n],
      [column("j", "json"), { a: "b\n" }],
      [column("t"), "two\nlines"],
      [column("d", "date"), "2026-11-23"],
    ] as const) {
      expect(parse(col, editable(col, value as Value))).toEqual(value);
    }
  });

  it("show a moment without the microseconds nobody gave", () => {
    expect(display(column("d", "datetime"), "2026-11-23T04:05:06.000000Z")).toBe("2026-11-23 04:05:06Z");
    expect(display(column("d", "datetime"), "2026-11-23T04:05:06.120000Z")).toBe("2026-11-23 04:05:06.120000Z");
  });

  it("start a new row with something every type accepts", () => {
    const now = new Date("2026-11-23T04:05:06Z");

    expect(initial(column("d", "date"), now)).toBe("2026-11-23");
    expect(initial(column("c", "choice", { choices: ["low", "high"] }), now)).toBe("low");
  });
});

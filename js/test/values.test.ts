import { describe, expect, it } from "vitest";
import { display, editable, initial, parse } from "../src/grid/cells";
import { fromWire, toWire, type Value } from "../src/values";
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

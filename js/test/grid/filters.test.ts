import { describe, expect, it } from "vitest";
import { readFilter } from "../../src/grid/filters";
import { column } from "../kernel";

describe("what is typed above a column", () => {
  it.each([
    [column("t"), "yeast", "has", "yeast"],
    [column("t"), "  two words ", "has", "two words"],
    [column("t"), "=yeast", "is", "yeast"],
    [column("t"), "!=yeast", "not", "yeast"],
    [column("t"), "<>yeast", "not", "yeast"],
    [column("t"), ">= m", "ge", "m"],
    [column("t"), "=", "empty", null],
    [column("t"), "!=", "filled", null],
    [column("t"), "<b>", "lt", "b>"],
    [column("n", "integer"), "3", "has", "3"],
    [column("n", "integer"), "=+3", "is", "3"],
    [column("n", "integer"), "<= -9007199254740993", "le", "-9007199254740993"],
    [column("x", "real"), ">1e3", "gt", 1000],
    [column("x", "real"), "<.5", "lt", 0.5],
    [column("b", "boolean"), "yes", "is", true],
    [column("b", "boolean"), "!=TRUE", "not", true],
    [column("b", "boolean"), "0", "is", false],
    [column("c", "choice", { choices: ["low"] }), "low", "is", "low"],
    [column("d", "date"), ">=2026-11", "ge", "2026-11"],
    [column("d", "datetime"), "<2026-11-23 14:30", "lt", "2026-11-23T14:30"],
    [column("d", "datetime"), "11-23 14", "has", "11-23T14"],
    [column("j", "json"), '{"a"', "has", '{"a"'],
    [column("r", "bytes"), "=", "empty", null],
    [column("r", "bytes"), "!=", "filled", null],
  ] as const)("%o: %j is %s %j", (col, text, op, value) => {
    expect(readFilter(col, text)).toEqual({ op, value });
  });

  it.each(["", "  ", "<", ">", ">=", "<="])("asks for nothing yet: %j", (text) => {
    expect(readFilter(column("n", "integer"), text)).toBeNull();
  });

  it.each([
    [column("n", "integer"), "=1.5", "a whole number"],
    [column("n", "integer"), ">ten", "a whole number"],
    [column("x", "real"), "=one", "a number"],
    [column("x", "real"), "<Infinity", "a number"],
    [column("b", "boolean"), "maybe", "true or false"],
  ] as const)("that cannot be read says why: %o %j", (col, text, wanted) => {
    const read = readFilter(col, text);

    expect(read).toMatchObject({ op: "unread", why: expect.stringContaining(wanted) });
  });
});

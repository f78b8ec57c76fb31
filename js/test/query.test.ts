// What a query means, in the browser. tests/shared/queries.json says it once for both sides; the kernel's half of this page
// is tests/client/test_query.py.

import { describe, expect, it } from "vitest";
import shared from "../../tests/shared/queries.json";
import { listHere } from "../src/listing";
import { compareKeys, EVERYTHING, fold, keyOf, listsAll, matcher, sameQuery, type Query } from "../src/query";
import { Rows } from "../src/rows";
import type { Column, Json } from "../src/values";
import { column } from "./kernel";

interface Table {
  readonly table: string;
  readonly columns: readonly Pick<Column, "name" | "type" | "choices">[];
  readonly rows: readonly (readonly Json[])[];
  readonly cases: readonly (Partial<Query> & { readonly why: string; readonly ids: readonly string[] })[];
}

describe.each(shared as unknown as Table[])("$table", ({ columns, rows, cases }) => {
  const known = columns.map((each) => ({ ...each, required: false, filled: false }));
  const held = new Rows();
  held.load(known, [{
    ids: rows.map(([id]) => id as string),
    at: rows.map((_, at) => at + 1),
    cols: columns.map((_, c) => rows.map((row) => row[c + 1]!)),
  }]);

  it.each(cases)("$why", ({ why: _, ids, ...query }) => {
    const listing = listHere(held, known, { ...EVERYTHING, ...query });

    expect(Array.from({ length: listing.size }, (_, index) => listing.at(index)?.id)).toEqual(ids);
    expect(ids.map((id) => listing.indexOf(id))).toEqual(ids.map((_, index) => index));
  });
});

describe("a query", () => {
  it("is the same when it says the same", () => {
    const query: Query = { sort: [["n", true]], filters: [{ column: "t", op: "has", value: "x" }], search: "" };

    expect(sameQuery(query, structuredClone(query))).toBe(true);
    expect(sameQuery(query, { ...query, sort: [["n", false]] })).toBe(false);
  });

  it("lists every row however it sorts them, unless it asks for some", () => {
    expect(listsAll({ ...EVERYTHING, sort: [["n", true]] })).toBe(true);
    expect(listsAll({ ...EVERYTHING, search: "x" })).toBe(false);
    expect(listsAll({ ...EVERYTHING, filters: [{ column: "n", op: "empty", value: null }] })).toBe(false);
  });

  it("searches for text of any length", () => {
    const passes = matcher({ ...EVERYTHING, search: "x".repeat(60_000) }, [column("t")]);

    expect(passes({ id: "a", t: "xx" })).toBe(false);
  });
});

describe("keys", () => {
  it.each([["ABCxyz", "abcxyz"], ["ÄÖ", "ÄÖ"], ["İI", "İi"], ["", ""]])("fold %j to %j", (text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  it("compare whatever was typed before without a mistake", () => {
    expect(compareKeys(keyOf("integer", 9007199254740993n), keyOf("integer", "9007199254740992"))).toBeGreaterThan(0);
    expect(compareKeys(keyOf("integer", 5), keyOf("integer", "5"))).toBe(0);
    expect(compareKeys(null, null)).toBe(0);
    expect(compareKeys(null, "")).toBeGreaterThan(0);
    expect(compareKeys("a", "aa")).toBeLessThan(0);
  });
});

import { describe, expect, it } from "vitest";
import { Columns, TOOLS, type Layout } from "../../src/grid/columns";
import { column } from "../kernel";

const KNOWN = [column("text"), column("done", "boolean"), column("n", "integer")];

function columns(layout: Layout = {}, known = KNOWN): Columns {
  const made = new Columns(layout);
  made.take(known);
  return made;
}

function names(made: Columns): string[] {
  return made.visible.map(({ name }) => name);
}

describe("columns", () => {
  it("stand as they come; the id is there, and out of sight", () => {
    const made = columns();

    expect(names(made)).toEqual(["text", "done", "n"]);
    expect(made.all.map(({ name }) => name)).toEqual(["id", "text", "done", "n"]);
    expect([made.isHidden("id"), made.isHidden("text"), made.indexOf("n"), made.indexOf("id")]).toEqual([true, false, 2, -1]);
    expect(made.query).toEqual({ sort: [], filters: [], search: "" });
  });

  it("are taken anew only when something about them is new", () => {
    const made = columns();

    expect(made.take(structuredClone(KNOWN))).toBe(false);
    expect(made.take([...KNOWN, column("more")])).toBe(true);
    expect(made.take([column("text", "text", { required: true }), ...KNOWN.slice(1), column("more")])).toBe(true);
  });

  it("move among those in sight, past those that are hidden", () => {
    const made = columns({ hidden: ["id", "done"] });

    made.move("n", 0);
    expect(names(made)).toEqual(["n", "text"]);
    made.hide("done", false);
    expect(names(made)).toContain("done");
    made.move("n", 2);
    expect(names(made).at(-1)).toBe("n");
  });

  it("that are new stand after those that a person has arranged", () => {
    const made = columns({ order: ["n", "text"] });
    expect(names(made)).toEqual(["n", "text", "done"]);

    made.take([column("first"), ...KNOWN]);
    expect(names(made).slice(0, 2)).toEqual(["n", "text"]);
  });

  it("hide, and show again where they stood", () => {
    const made = columns();

    made.hide("done", true);
    expect([names(made), made.layout.hidden]).toEqual([["text", "n"], ["id", "done"]]);
    made.hide("done", false);
    expect(names(made)).toEqual(["text", "done", "n"]);
    made.hide("id", false);
    expect(names(made)[0]).toBe("id");
  });

  it("are as wide as they come, or as a person says, within reason", () => {
    const made = columns();
    expect(made.template).toMatch(/^minmax\(168px, 1fr\) minmax\(84px, 1fr\) minmax\(96px, 1fr\) 56px$/);

    made.resize("text", 300.4);
    made.resize("done", 1);
    expect(made.template).toMatch(/^300px 40px minmax/);
    expect(made.total).toBe(300 + 40 + 96 + TOOLS);
    made.resize("done", 1e9);
    made.resize("text", null);
    expect([made.width(KNOWN[1]!), made.layout.widths]).toEqual([2_000, { done: 2_000 }]);
  });

  it("sort by one, or by one more", () => {
    const made = columns();

    made.sort("n", "ascending");
    made.sort("text", "descending", true);
    expect(made.query.sort).toEqual([["n", false], ["text", true]]);
    expect([made.sorted("n"), made.sorted("text"), made.sorted("done")]).toEqual(["ascending", "descending", null]);
    made.sort("n", null, true);
    expect(made.query.sort).toEqual([["text", true]]);
    made.sort("done", "ascending");
    expect(made.query.sort).toEqual([["done", false]]);
    made.sort("done", null);
    expect(made.query.sort).toEqual([]);
  });

  it("ask the table for what is typed above them, unless it cannot be read or the column is gone", () => {
    const made = columns({ filters: { gone: "x" }, sort: [["gone", true], ["n", false]], search: "milk" });
    made.filter("text", "yeast");
    made.filter("n", "=many");
    made.filter("done", "!=yes");

    expect(made.query).toEqual({
      sort: [["n", false]],
      filters: [{ column: "text", op: "has", value: "yeast" }, { column: "done", op: "not", value: true }],
      search: "milk",
    });
    made.filter("text", "");
    expect(made.layout.filters).toEqual({ gone: "x", n: "=many", done: "!=yes" });
  });

  it("are as they came after a reset", () => {
    const made = columns({ order: ["n"], hidden: [], widths: { n: 50 }, sort: [["n", true]], filters: { n: "1" }, search: "x" });

    made.reset();
    made.take(KNOWN);
    expect([names(made), made.layout, made.query.search]).toEqual([["text", "done", "n"], {}, ""]);
  });

  describe.each(["__proto__", "constructor", "toString"])("called %s", (name) => {
    const odd = column(name);

    it("are as wide, sorted and filtered as any other", () => {
      const made = columns({ widths: { other: 1 }, filters: { other: "x" } }, [odd, column("other")]);
      expect([made.width(odd), made.filterText(name), made.sorted(name), made.isHidden(name)]).toEqual([
        Math.max(168, 52 + 8 * name.length), "", null, false,
      ]);

      made.resize(name, 77);
      made.filter(name, "=a");
      made.sort(name, "descending");
      expect([made.width(odd), made.filterText(name), made.sorted(name)]).toEqual([77, "=a", "descending"]);
      expect(made.template).toMatch(/^77px /);
      expect(made.query).toEqual({
        sort: [[name, true]],
        filters: [{ column: "other", op: "has", value: "x" }, { column: name, op: "is", value: "a" }], search: "",
      });

      const kept = JSON.parse(JSON.stringify(made.layout)) as Layout; // as the trait travels
      const again = columns(kept, [odd, column("other")]);
      expect([again.width(odd), again.filterText(name)]).toEqual([77, "=a"]);
      again.resize(name, null);
      again.filter(name, "");
      expect([again.width(odd) > 77, again.filterText(name)]).toEqual([true, ""]);
    });
  });
});

// @vitest-environment happy-dom
// Whatever people, peers and tables are called and say: it is text, and it is ids. Never markup, never a selector, never a
// property of JavaScript's own.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { column, Kernel, refused } from "../kernel";
import { frame, Page } from "../page";

const HOSTILE = [
  "<img src=x onerror=globalThis.harmed=1>", "<script>globalThis.harmed=1</script>", "<svg onload=globalThis.harmed=1>", "<b>bold</b>",
  "javascript:globalThis.harmed=1", "data:text/html,<script>1</script>", "</div></div>", "<!--", "-->", "<![CDATA[x]]>", "&lt;b&gt;", "&amp;", "&#0;",
  '"', "'", "`", "\\", '" onclick="x', "' or 1=1 --", "'; DROP TABLE todos; --", '"]', "[data-id=a]", "#x", ".ps-row", "*", ":has(*)", "a b", "a\"] , [x=\"",
  "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "null", "undefined", "NaN", "true", "-1", "0", "1e999",
  "{{7*7}}", "${globalThis.harmed=1}", "#{7*7}", "<%= 7*7 %>", "{% raw %}", "%s%n", "../../etc/passwd", "url(javascript:1)", "red;background:url(x)",
  "\u0000", "\u0001\u0002", "\ufffd", "\u202egpj.exe\u202c", "\u2066a\u2069", "\u200b", "\ufeff", "שלום", "مرحبا", "😀👩‍👩‍👧", "e\u0301\u0302\u0303", "𝒳𝕐",
  "line\nbreak", "tab\tstop", "\r", "x".repeat(20_000), " ", "İıſ", "=HYPERLINK(\"x\")",
];

let kernel: Kernel;

beforeEach(() => {
  kernel = new Kernel();
  delete (globalThis as { harmed?: unknown }).harmed;
});

afterEach(() => {
  expect((globalThis as { harmed?: unknown }).harmed).toBeUndefined();
  for (const name of ["text", "harmed", "id"]) expect(({} as Record<string, unknown>)[name]).toBeUndefined();
});

/** Nothing on the page that the grid does not make itself. */
function expectPlain(page: Page): void {
  expect(page.find("img, script, svg, b, iframe, a, style, [onclick], [onerror], [onload]")).toBeNull();
}

it("there are sixty of them, each another", () => {
  expect(new Set(HOSTILE).size).toBe(HOSTILE.length);
  expect(HOSTILE.length).toBeGreaterThanOrEqual(60);
});

it("stand in cells as they are, whatever row they are in", async () => {
  kernel.load(HOSTILE.map((text, i) => [i + 1, `r${i}`, text, text, { [text]: text }]), {
    columns: [column("text"), column("size", "choice", { choices: HOSTILE }), column("data", "json")],
  });
  const page = await new Page(kernel).show();
  for (let top = 0; top < HOSTILE.length; top += 10) {
    page.grid.scrollTop = top * 28;
    page.grid.dispatchEvent(new Event("scroll"));
    await frame();
    expectPlain(page);
    for (const id of page.ids) {
      const text = HOSTILE[Number(id.slice(1))]!;
      expect(page.cell(id, "text").textContent).toBe(text);
      expect(page.cell(id, "size").textContent).toBe(text);
      expect(page.cell(id, "data").textContent).toBe(JSON.stringify(JSON.parse(`{${JSON.stringify(text)}: ${JSON.stringify(text)}}`)));
    }
  }
});

it.each(HOSTILE)("%j can be what a row is called: shown, edited, refused, flashed, deleted and brought back", async (id) => {
  const others = [{ key: "ada", name: "Ada", color: "", at: { id, column: "text" } }];
  kernel.load([[1, "before", "x"], [2, id, "y"], [3, "after", "z"]], { columns: [column("text")] });
  const page = await new Page(kernel).show();
  expect(page.ids).toEqual(["before", id, "after"]);

  page.open(id, "text");
  page.type("mine");
  page.press("Enter");
  await frame();
  expect(kernel.change("update")).toEqual({ op: "update", id, values: { text: "mine" } });
  expect(page.cell(id, "text").textContent).toBe("mine");

  kernel.tell({
    people: others, refused: [refused(kernel.edit, `not ${id}`)], rows: [[2, id, "theirs"]],
    by: JSON.parse(`{${JSON.stringify(id)}: "ada"}`) as Record<string, string>,
  });
  await frame();
  const cell = page.cell(id, "text");
  expect([cell.textContent, cell.title, cell.classList.contains("ps-peer"), cell.className.includes("ps-flash")]).toEqual(["theirs", `not ${id}`, true, true]);
  expect(page.notices).toBe(`text = "mine" in row ${id} was refused: not ${id}`);

  kernel.tell({ drafts: [{ by: "ada", typing: true, rows: JSON.parse(`{${JSON.stringify(id)}: {"text": ${JSON.stringify(id)}}}`) }] });
  await frame();
  expect([cell.textContent, kernel.table.drafts(id).length]).toEqual([id, 1]);

  page.click(page.cell(id, "text"));
  page.chord("Ctrl+Delete");
  await frame();
  expect(page.ids).toEqual(["before", "after"]);
  page.chord("Ctrl+Z");
  await frame();
  expect(page.ids).toEqual(["before", id, "after"]);
  expectPlain(page);
});

// What core/schema.py takes as the name of a column: printable, without double quotes, not too long.
const NAMES = HOSTILE.filter((text) => !/["\p{C}\p{Zl}\p{Zp}]/u.test(text) && text === text.trim() && text.length < 100 && text !== "");

it.each(NAMES)("%j can be what a column is called: sorted, filtered, hidden, edited, undone", async (name) => {
  kernel.load([[1, "a", "x"], [2, "b", "y"]], { columns: [column(name), column("other")] });
  const page = await new Page(kernel).show();
  expect(page.heads).toEqual([name, "other"]);
  expect(page.head(name).querySelector(".ps-name")!.textContent).toBe(name);

  page.click(page.head(name));
  page.click(page.head(name));
  page.get(".ps-filter-toggle").click();
  await frame();
  expect(page.ids).toEqual(["b", "a"]);
  page.type("x", page.all<HTMLInputElement>(".ps-filter")[0]!);
  await frame();
  expect(page.ids).toEqual(["a"]);

  page.open("a", name);
  page.type("x changed");
  page.press("Enter");
  expect(JSON.parse(JSON.stringify(kernel.change("update").values))).toEqual(JSON.parse(`{${JSON.stringify(name)}: "x changed"}`));
  expect(page.cell("a", name).textContent).toBe("x changed");
  page.chord("Ctrl+Z");
  await frame();
  expect(page.cell("a", name).textContent).toBe("x");

  page.click(page.head(name).querySelector<HTMLElement>(".ps-menu-open")!);
  page.item("Hide").click();
  await frame();
  expect(page.heads).toEqual(["other"]);
  expect(Object.keys(JSON.parse(JSON.stringify(page.traits.arrangement.filters)))).toEqual([name]);
  page.get(".ps-columns").click();
  page.item(name).click();
  await frame();
  expect(page.heads).toEqual([name, "other"]);
  expectPlain(page);
});

it.each(HOSTILE)("%j can be a name, a colour and a word of somebody else's", async (text) => {
  kernel.load([[1, "a", "x"]], { columns: [column("text")] });
  const page = await new Page(kernel).show();
  kernel.tell({
    people: [{ key: text, name: text, color: text, at: { id: "a", column: "text" } }],
    drafts: [{ by: text, typing: true, rows: { a: { text } } }],
    status: { room: text, waiting: 1, trouble: text, verbs: [text] },
    refused: [{ n: text, changes: [{ op: "update", id: "a", values: { text } }], why: text }],
  });
  await frame();
  page.click(page.cell("a", "text"));
  await frame();

  expect(page.get(".ps-face").title).toBe(text);
  expect(page.cell("a", "text").textContent).toBe(text);
  expect(page.notices).toBe(`text = ${JSON.stringify(text)} in row a was refused: ${text}`);
  expect(page.bubble.firstElementChild!.textContent).toBe(text);
  expect(page.get(".ps-status").title).toBe(text);
  expectPlain(page);
});

it.each(HOSTILE)("%j is what is saved when it is typed, pasted or copied", async (text) => {
  const kept = text.replace(/\r\n?/g, "\n"); // as every text field does
  kernel.load([[1, "a", "x"], [2, "b", text]], { columns: [column("text")] });
  const page = await new Page(kernel).show();
  page.open("a", "text");
  page.type(kept);
  page.press("Enter");
  expect(kernel.change("update").values).toEqual({ text: kept });

  page.click(page.cell("b", "text"));
  const copied = page.copy();
  page.click(page.cell("a", "text"));
  await page.paste(copied);
  expect(kernel.change("update")).toMatchObject({ id: "a", values: { text: kept } });
  expectPlain(page);
});

describe("the preview", () => {
  it("is text, too", async () => {
    const page = new Page(kernel, { preview: { key: '"]<b>', columns: HOSTILE.slice(0, 3), rows: [HOSTILE.slice(0, 3)], more: 2 } });
    await page.show();

    expectPlain(page);
    expect(page.all(".ps-preview td").map((cell) => cell.textContent)).toEqual(HOSTILE.slice(0, 3));
  });
});

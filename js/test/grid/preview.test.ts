// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Kernel } from "../kernel";
import { COLUMNS, frame, Page, ROWS } from "../page";

const PREVIEW = { key: "k1", columns: ["id", "text"], rows: [["a", "milk"], ["b", "bread"]], more: 1_234 };

let kernel: Kernel;

function output(key: string): HTMLElement {
  const made = document.createElement("div");
  made.className = "partysync-preview";
  made.dataset["key"] = key;
  document.body.append(made);
  return made;
}

beforeEach(() => {
  kernel = new Kernel();
});

afterEach(() => document.querySelectorAll(".partysync-preview").forEach((each) => each.remove()));

describe("the preview", () => {
  it("stands in until the table is here, then goes", async () => {
    const page = await new Page(kernel, { preview: PREVIEW }).show();
    expect(page.all(".ps-preview td").map((cell) => cell.textContent)).toEqual(["a", "milk", "b", "bread"]);
    expect(page.all(".ps-preview th").map((cell) => [cell.textContent, cell.getAttribute("scope")])).toEqual([["id", "col"], ["text", "col"]]);
    expect(page.get(".ps-preview caption").textContent).toBe("… and 1,234 more rows");
    expect(page.get(".ps-empty").textContent).toBe("Loading…");

    kernel.load(ROWS, { columns: COLUMNS });
    await frame();
    expect([page.find(".ps-preview"), page.ids]).toEqual([null, ["a", "b", "c"]]);
  });

  it("stays while the kernel is gone", async () => {
    const page = await new Page(kernel, { preview: PREVIEW }).show();
    kernel.end();
    await frame();

    expect(page.all(".ps-preview tbody tr")).toHaveLength(2);
    expect(page.get(".ps-status").textContent).toBe("kernel gone");
  });

  it("is not drawn at all of a table that is here", async () => {
    kernel.load(ROWS, { columns: COLUMNS });
    const page = await new Page(kernel, { preview: PREVIEW }).show();

    expect(page.find(".ps-preview")).toBeNull();
  });

  it("hides its own plain output, and no other", async () => {
    const [own, other] = [output("k1"), output("k2")];
    await new Page(kernel, { preview: PREVIEW }).show();

    expect([own.hidden, other.hidden]).toEqual([true, false]);
  });

  it("says nothing of more rows when there are none", async () => {
    const page = await new Page(kernel, { preview: { ...PREVIEW, more: 0 } }).show();

    expect(page.find("caption")).toBeNull();
  });

  it("goes with its view", async () => {
    const page = await new Page(kernel, { preview: PREVIEW }).show();
    page.leave();

    expect(page.el.childElementCount).toBe(0);
  });
});

describe("a widget whose table is", () => {
  it("another is drawn anew", async () => {
    kernel.load(ROWS, { columns: COLUMNS });
    const page = await new Page(kernel).show();
    await page.set("table", "anywidget:2");
    await frame();

    expect(page.all(".ps-table")).toHaveLength(1);
  });

  it("none is empty, until it has one", async () => {
    kernel.load(ROWS, { columns: COLUMNS });
    const page = await new Page(kernel, { table: null }).show();
    expect(page.el.childElementCount).toBe(0);

    await page.set("table", "anywidget:1");
    await frame();
    expect(page.ids).toHaveLength(3);
  });
});

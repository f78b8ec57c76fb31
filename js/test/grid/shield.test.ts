// @vitest-environment happy-dom

import { expect, it } from "vitest";
import { Kernel } from "../kernel";
import { COLUMNS, Page, ROWS, turn } from "../page";

it("leaves no mark behind when a key has been heard", async () => {
  const kernel = new Kernel();
  kernel.load(ROWS, { columns: COLUMNS });
  const page = await new Page(kernel).show();
  const marked = () => document.querySelector("[data-lm-suppress-shortcuts]") !== null;

  page.click(page.cell("a", "text"));
  page.chord("ArrowDown");
  expect(marked()).toBe(true);
  await turn();
  expect(marked()).toBe(false);
});

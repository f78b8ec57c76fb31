import { expect, it } from "vitest";
import { mint } from "../src/mint";

it("names are short, easy to read aloud, and never the same", () => {
  const names = Array.from({ length: 10_000 }, () => mint());

  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[0-9a-hjkmnpqrstv-z]{16}$/);
  expect(mint(8)).toHaveLength(8);
});

// The package as somebody else gets it: small, and typed.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";

const LIMITS = { index: 16 * 1024, react: 18 * 1024 }; // bytes, minified and compressed; react has all of index in it

describe("the package", () => {
  it.each(Object.entries(LIMITS))("is small: %s in at most %i bytes, compressed", async (name, most) => {
    const { outputFiles } = await build({
      entryPoints: [new URL(`../src/${name}.ts`, import.meta.url).pathname],
      bundle: true, minify: true, format: "esm", target: "es2022", external: ["react"], write: false,
    });

    const size = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;

    console.info(`partysync-web ${name}: ${size} bytes compressed`);
    expect(size).toBeLessThanOrEqual(most);
  });
});

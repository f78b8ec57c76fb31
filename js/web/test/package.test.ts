// The package as somebody else gets it: small, and typed.

import { readFileSync } from "node:fs";
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

  it("has what the guide uses of it", async () => {
    const guide = readFileSync(new URL("../../../docs/web.md", import.meta.url), "utf8");
    const src = new URL("../src/", import.meta.url).pathname;
    const examples = [...guide.matchAll(/^```(jsx?)\n(.*?)^```$/gms)];

    for (const [, loader, contents] of examples) {
      await build({
        stdin: { contents: contents!, loader: loader as "js" | "jsx", resolveDir: src },
        alias: { "partysync-web/react": `${src}react.ts`, "partysync-web": `${src}index.ts` },
        bundle: true, format: "esm", jsx: "automatic", external: ["react"], write: false, logLevel: "silent",
      });
    }

    expect(examples.map(([, loader]) => loader)).toEqual(["js", "jsx"]);
  });
});

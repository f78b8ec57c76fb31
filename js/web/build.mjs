// Makes the package: web/src -> web/dist, two entry points over shared chunks, and their types.
//
// It is not minified: whoever bundles it does that. A relative import in a type gets its extension, as Node asks for one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { build } from "esbuild";

const here = import.meta.dirname;
const dist = `${here}/dist`;
await rm(dist, { recursive: true, force: true });

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const typing = spawn(process.execPath, [tsc, "-p", `${here}/tsconfig.build.json`], { stdio: "inherit" });
const typed = once(typing, "exit");

await build({
  absWorkingDir: here,
  entryPoints: ["src/index.ts", "src/react.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  external: ["react"],
  logLevel: "warning",
});

const [code] = await typed;
if (code !== 0) process.exit(code ?? 1);
for (const name of await readdir(`${dist}/types/web/src`)) {
  const text = await readFile(`${dist}/types/web/src/${name}`, "utf8");
  await writeFile(`${dist}/${name}`, text.replace(/(from "\.[^"]*)"/g, '$1.js"'));
}
await rm(`${dist}/types`, { recursive: true });

// Bundles each widget's browser side into partysync_widget/static/, where Python reads it as `_esm` and `_css`, and the
// pages that a server shows (server/partysync_server/page_handlers.py).
//
// `_esm` travels in every comm_open and in every saved notebook, so it is minified and each widget gets only what it needs.
// An example page may carry React, with React's notices and its licence at the end.

import { readFile } from "node:fs/promises";
import { context, build } from "esbuild";

const options = {
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/channel.ts", "src/grid.ts", "src/grid.css", "page/page.ts", "page/page.css"].map((path) => ({
    in: path,
    out: path.replace(/^.*\/|\.\w+$/g, ""),
  })),
  outdir: "../partysync_widget/static",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "info",
};
const examples = {
  ...options,
  entryPoints: ["examples/todo.tsx", "examples/todo.css"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "eof",
  footer: { js: `/*\n${await readFile(`${import.meta.dirname}/node_modules/react/LICENSE`, "utf8")}*/` },
};

if (process.argv.includes("--watch")) {
  for (const each of [options, examples]) await (await context(each)).watch();
} else {
  await Promise.all([options, examples].map(build));
}

// Which engine should scroll the grid: our own arithmetic, @tanstack/virtual-core, or regular-table?
//
//   node js/bench/engine/run.mjs                 about ten minutes; Node 20 or newer, a Chromium on the PATH (or CHROMIUM=…)
//   node js/bench/engine/run.mjs --rounds 1      a quick look
//   node js/bench/engine/run.mjs --serve         the pages by hand, at the addresses it prints
//
// It installs the engines, esbuild and playwright-core (which downloads no browser) from npm into a folder under the
// system's temporary one, and keeps it for the next run: none of them becomes a dependency of the product. Each page is
// the same grid, ten columns of 28 px rows with keys; the engines take turns, each on a fresh page, round after round.
// Printed is the median of the rounds' medians, then lowest and highest, and the ratio to our own. What was found, and
// what followed: docs/decisions/engine.md.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const PACKAGES = ["@tanstack/virtual-core@3.19.11", "regular-table@0.9.2", "esbuild@0.28.2", "playwright-core@1.65.1"];
const ENGINES = ["own", "virtual-core", "regular-table"];
const SIZES = [20_000, 1_000_000];
const TALL = 1_300_000; // rows; 36.4 million px, more than Chromium (33.5) and Firefox (17.8) let an element grow
const HOST = "127.0.0.1"; // a secure context without a certificate

const { values: options } = parseArgs({ options: { rounds: { type: "string", default: "7" }, serve: { type: "boolean" } } });

const folder = join(tmpdir(), "partysync-bench-engine");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "package.json"), '{ "private": true }');
const install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", ...PACKAGES];
execFileSync("npm", install, { cwd: folder, stdio: "inherit" });
const installed = createRequire(join(folder, "package.json"));
const esbuild = installed("esbuild");
const { chromium } = installed("playwright-core");

const pages = Object.fromEntries(await Promise.all(ENGINES.map(async (engine) => [engine, await page(engine)])));
const server = createServer(serve).listen(0, HOST);
await new Promise((resolve) => server.once("listening", resolve));
const address = (engine) => `http://${HOST}:${server.address().port}/${engine}`;

if (options.serve) {
  for (const engine of ENGINES) console.log(address(engine), " bench.make(20000); await bench.mount()");
} else {
  await report();
  server.close();
}

// Building.

function bundle(input) {
  return esbuild.build({
    absWorkingDir: import.meta.dirname,
    nodePaths: [join(folder, "node_modules")],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    define: { "process.env.NODE_ENV": '"production"' },
    legalComments: "none",
    outdir: "out",
    write: false,
    ...input,
  });
}

/** A page's script and styles, as text. */
async function page(engine) {
  const { outputFiles } = await bundle({ entryPoints: [`${engine}.ts`, "grid.css"] });
  const text = (end) => outputFiles.filter(({ path }) => path.endsWith(end)).map(({ text }) => text).join("");
  return { script: text(".js"), style: text(".css") };
}

/** What an engine alone adds to a bundle: bytes, and bytes of gzip -9. */
async function weight(engine) {
  const contents = {
    own: 'export { Window } from "../../src/grid/window";',
    "virtual-core": 'export { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";',
    "regular-table": 'import "regular-table"; import "regular-table/dist/css/sub-cell-scrolling.css";',
  }[engine];
  const { outputFiles } = await bundle({ stdin: { contents, resolveDir: import.meta.dirname, loader: "ts" } });
  const all = Buffer.concat(outputFiles.map((file) => file.contents));
  return { min: all.length, gz: gzipSync(all, { level: 9 }).length };
}

function serve(request, response) {
  const { script, style } = pages[request.url.slice(1)] ?? { script: "", style: "" };
  // Isolated, so that performance.now() has its full precision.
  response.writeHead(200, {
    "Content-Type": "text/html",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
  response.end(`<!doctype html><meta charset="utf-8"><style>${style}</style><main></main><script type="module">${script}</script>`);
}

// Measuring.

async function report() {
  const taken = {}; // by title, by what, by engine: one figure a round
  const note = (title, what, engine, value) => (((taken[title] ??= {})[what] ??= {})[engine] ??= []).push(value);
  const said = {}; // by what, by engine: the same each time

  for (const engine of ENGINES) {
    const { min, gz } = await weight(engine);
    note("the engine alone", "bytes, minified", engine, min);
    note("the engine alone", "bytes, gzip -9", engine, gz);
  }
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const size of SIZES) {
      for (const engine of turned(ENGINES, round)) {
        const { figures, facts } = await measure(engine, size);
        for (const [what, value] of Object.entries(figures)) note(named(size), what, engine, value);
        for (const [what, fact] of Object.entries(facts)) (said[`${named(size)}: ${what}`] ??= {})[engine] = fact;
      }
    }
    process.stderr.write(`round ${round + 1} done\n`);
  }
  for (const engine of ENGINES) {
    const { facts } = await measure(engine, TALL, true);
    for (const [what, fact] of Object.entries(facts)) (said[`${named(TALL)}: ${what}`] ??= {})[engine] = fact;
  }

  for (const [title, table] of Object.entries(taken)) {
    console.log(`\n| ${title} | ${ENGINES.join(" | ")} |\n|---|---|---|---|`);
    for (const [what, byEngine] of Object.entries(table)) {
      const own = median(byEngine.own);
      console.log(`| ${what} | ${ENGINES.map((engine) => cell(byEngine[engine], own, engine)).join(" | ")} |`);
    }
  }
  console.log(`\n| what happens | ${ENGINES.join(" | ")} |\n|---|---|---|---|`);
  for (const [what, byEngine] of Object.entries(said)) {
    console.log(`| ${what} | ${ENGINES.map((engine) => byEngine[engine]).join(" | ")} |`);
  }
}

async function measure(engine, size, factsOnly = false) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || executable("chromium", "chromium-browser", "google-chrome"),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 600 } });
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable");
    page.on("pageerror", (error) => process.stderr.write(`${engine}: ${error.message}\n`));
    const bench = (verb, ...args) => page.evaluate(([verb, args]) => window.bench[verb](...args), [verb, args]);
    const heap = async () => {
      await cdp.send("HeapProfiler.collectGarbage");
      const { usedSize, backingStorageSize = 0 } = await cdp.send("Runtime.getHeapUsage");
      return usedSize + backingStorageSize; // the second is what typed arrays hold
    };
    const worked = async () => {
      const { metrics } = await cdp.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "TaskDuration").value * 1000; // ms of the page's main thread
    };

    await page.goto(address(engine));
    await bench("make", size);
    const before = await heap();
    const mounted = await bench("mount");
    const held = (await heap()) - before;
    const figures = {};
    if (!factsOnly) {
      figures["mount, ms"] = mounted;
      figures["heap for it, MB"] = held / 1e6;
      figures["one row appended, ms"] = median(await bench("append", 30));
      figures["one row inserted at the top, ms"] = median(await bench("insert", 20));
      figures["1,000 rows updated, 20 of them in sight, ms"] = median(await bench("update", 20));
      await bench("scroll", 20, 300, false); // warm
      const start = await worked();
      const { frames, script } = await bench("scroll", 120, 300, false);
      const end = await worked();
      figures["scrolling: script a frame, ms"] = median(script);
      figures["scrolling: all work a frame, ms"] = (end - start) / frames.length;
      figures["scrolling: frames missed of 120"] = frames.filter((ms) => ms > 1.5 * (1000 / 60)).length;
    }
    const end = await bench("jump", 1);
    const middle = await bench("jump", 0.5);
    if (!factsOnly) {
      figures["jump to the end, ms"] = end.took;
      figures["jump to the middle, ms"] = middle.took;
    }
    const facts = {
      "jump to the last row": sight(end.cut),
      "jump to the middle row": sight(middle.cut),
    };
    if (size !== SIZES[0]) facts["rows below the end of the scroll bar"] = (await bench("below")).toLocaleString("en");
    if (size === SIZES[0]) {
      facts["frames of 120 that showed another row than they should"] = (await bench("scroll", 120, 300, true)).wrong;
      for (const [what, fate] of Object.entries(await bench("editor"))) facts[`an open field, ${what}`] = fate;
    }
    return { figures, facts };
  } finally {
    await browser.close();
  }
}

function sight(cut) {
  if (cut === null) return "not in sight";
  return cut < 1 ? "in sight" : `${cut.toFixed(1)} px cut off`;
}

function cell(values, own, engine) {
  if (values.includes(null)) return "never there";
  const middle = median(values);
  const ratio = engine === "own" || own === 0 ? "" : `**${short(middle / own)}×** `;
  const spread = values.length > 1 ? ` (${short(Math.min(...values))} to ${short(Math.max(...values))})` : "";
  return `${ratio}${short(middle)}${spread}`;
}

function named(size) {
  return `${size.toLocaleString("en")} rows`;
}

function short(value) {
  return Number.isInteger(value) || value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(value < 1 ? 2 : 3);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function turned(list, by) {
  return list.map((_, index) => list[(index + by) % list.length]);
}

function executable(...names) {
  for (const name of names) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      // not this one
    }
  }
  throw new Error("No Chromium on the PATH; say where it is: CHROMIUM=… node js/bench/engine/run.mjs");
}

// Writers or a reader of a path, each a mergeable store with TinyBase's own synchronizer.
//   node tinybase-client.mjs PORT PATH write N    says "ready"; then for each line "<count>" that many rows, in turns
//   node tinybase-client.mjs PORT PATH read ROWS  says "<seconds> <bytes> <memory>" when it has so many rows
import { createMergeableStore } from "tinybase";
import { createWsSynchronizer } from "tinybase/synchronizers/synchronizer-ws-client";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [port, path, what, count] = process.argv.slice(2);
const BURST = 100; // rows, before the sockets have their turn

const stamp = () => {
  const now = performance.timeOrigin + performance.now();
  return `${Math.floor(now)}${String(Math.floor((now % 1) * 1e6)).padStart(6, "0")}`;
};

const connect = async () => {
  const store = createMergeableStore();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`, { perMessageDeflate: false });
  const synchronizer = await createWsSynchronizer(store, socket, what === "read" ? 60 : 1);
  return { store, socket, synchronizer };
};

if (what === "read") {
  const rows = Number(count);
  const memory = process.memoryUsage().rss;
  const began = performance.now();
  const { store, socket, synchronizer } = await connect();
  let bytes = 0;
  socket.on("message", (data) => (bytes += data.length));
  await synchronizer.startSync();
  const look = () => {
    if (store.getRowCount("notes") >= rows) {
      console.log((performance.now() - began) / 1000, bytes, process.memoryUsage().rss - memory);
      process.exit(0);
    }
    setTimeout(look, 1);
  };
  look();
} else {
  const writers = await Promise.all(Array.from({ length: Number(count) }, connect));
  for (const { synchronizer } of writers) await synchronizer.startSync();
  const prefix = Math.random().toString(36).slice(2);
  let made = 0, owed = 0, going = false;
  const go = () => {
    going = true;
    for (let n = 0; n < BURST && owed > 0; n++, owed--, made++) {
      const { store } = writers[made % writers.length];
      store.setRow("notes", `${prefix}${made}`, { text: `@${stamp()}#row ${made} of many` });
    }
    if (owed > 0) setImmediate(go);
    else going = false;
  };
  console.log("ready");
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [verb, number] = line.split(" ");
    if (verb === "fill") { // so many rows in one transaction, by the first
      writers[0].store.transaction(() => {
        for (let n = 0; n < Number(number); n++)
          writers[0].store.setRow("notes", `r${n}`, { text: `@${stamp()}#row ${n} of many` });
      });
    } else {
      owed += Number(verb);
      if (!going) go();
    }
  }).on("close", () => process.exit(0));
}

// TinyBase's own WebSocket server, each path with a store that its SQLite persister saves into a file of FOLDER; with "-",
// in memory: node tinybase-server.mjs PORT FOLDER
import Database from "better-sqlite3";
import path from "node:path";
import { createMergeableStore } from "tinybase";
import { createBetterSqlite3Persister } from "tinybase/persisters/persister-better-sqlite3";
import { createWsServer } from "tinybase/synchronizers/synchronizer-ws-server";
import { WebSocketServer } from "ws";

const [port, folder] = process.argv.slice(2);

createWsServer(
  new WebSocketServer({ host: "127.0.0.1", port: Number(port) }),
  folder === "-"
    ? undefined
    : (id) => createBetterSqlite3Persister(createMergeableStore(), new Database(path.join(folder, `${encodeURIComponent(id)}.db`))),
);

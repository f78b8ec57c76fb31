// A page without a browser: the built package in Node. The first line of its standard input says where the room is, each
// other one what to do; it answers each with a line. All are JSON.

import { createInterface } from "node:readline";
import { WebSocket } from "../../js/node_modules/ws/wrapper.mjs"; // Node's own says from where it comes
import { connect } from "../../js/web/dist/index.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { place, options } = JSON.parse((await lines.next()).value);
const timing = { first: 10, last: 50, ping: 600, silence: 600 };
const room = connect(place, { WebSocket, timing, ...options });
const receipts = new Map();
const seen = { empty: 0, frames: [] };

const verbs = {
  insert: ({ table, values }) => keep(room.table(table).insert(values)),
  update: ({ table, id, values }) => keep(room.table(table).update(id, values)),
  delete: ({ table, id }) => keep(room.table(table).delete(id)),
  mutate: ({ name, args }) => keep(room.mutate(name, args)),
  /** What became of an edit: its value, or why not. */
  result: async ({ n }) => {
    try {
      return { value: await receipts.get(n).result() };
    } catch (error) {
      return { error: error.name, code: error.code, message: error.message };
    }
  },
  rows: ({ table }) => room.table(table).rows,
  count: ({ table }) => room.table(table).size,
  /** As text: a large number is no JSON of this side. */
  cell: ({ table, id, column }) => String(room.table(table).get(id)[column]),
  look: () => ({
    status: room.status, version: room.version, pending: room.pending, trouble: room.trouble?.message, user: room.user,
    peers: [...room.peers.values()], drafts: room.drafts.map(({ draft }) => draft),
  }),
  sync: () => room.sync(),
  offline: () => room.offline(),
  online: () => room.online(),
  present: ({ state }) => room.present(state),
  draft: ({ key, table, rows }) => room.draft(key, table, rows),
  /** From now on, every list of a column's values that is shown, once each. */
  watch: ({ table, column }) => {
    seen.frames = [shown(table, column)];
    room.subscribe(() => {
      const now = shown(table, column);
      if (JSON.stringify(now) !== JSON.stringify(seen.frames.at(-1))) seen.frames.push(now);
    });
  },
  watched: () => seen.frames,
};

function shown(table, column) {
  return room.table(table).rows.map((row) => row[column]);
}

function keep(receipt) {
  receipts.set(receipts.size + 1, receipt);
  return { n: receipts.size, id: receipt.id };
}

for await (const line of lines) {
  const { do: verb, ...what } = JSON.parse(line);
  let answer;
  try {
    answer = { answer: (await verbs[verb](what)) ?? null };
  } catch (error) {
    answer = { threw: { error: error.name, code: error.code, message: error.message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
room.close();

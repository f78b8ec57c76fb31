// A page that speaks the ancestor's dialect to the letter (docs/dialect.md), over the ancestor's own partysocket.
//
// It keeps what its frames bring by the rules of the ancestor's hook, and shows it as a list. An action of its own shows at
// half opacity until it is answered. It knows nothing of our protocol, or of ours.

import { PartySocket } from "partysocket";

const list = document.querySelector("ul");
let records = [];
let guesses = new Map(); // id of an action -> what the list is with it

function put(record) {
  const place = records.findIndex((each) => each[0] === record[0]);
  if (record.at(-1) !== null) records = records.filter((_, i) => i !== place);
  else if (place < 0) records = [...records, record];
  else records = records.with(place, record);
}

function draw() {
  const guessed = [...guesses.values()].reduce((shown, guess) => guess(shown), records.map((record) => ({ record })));
  list.replaceChildren(...guessed.map(({ record: [id, text, completed], guess }) => {
    const item = Object.assign(document.createElement("li"), { textContent: text });
    Object.assign(item.dataset, { id, completed });
    item.style.opacity = guess ? 0.5 : 1;
    return item;
  }));
}

const GUESSES = {
  create: ({ id, text, completed }) => (shown) => [...shown, { record: [id, text, completed], guess: true }],
  update: ({ id, text, completed }) => (shown) =>
    shown.map((each) => (each.record[0] === id ? { record: [id, text, completed], guess: true } : each)),
  delete: ({ id }) => (shown) => shown.filter((each) => each.record[0] !== id),
};

window.enter = ({ host, room, token }) => {
  const socket = new PartySocket({ host, room, party: "todos", query: { token }, minReconnectionDelay: 100, maxReconnectionDelay: 300 });
  window.frames_heard = [];
  window.errors_heard = [];
  socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(data);
    window.frames_heard.push(frame);
    if (frame.channel !== "todos") return;
    if (frame.rpc) guesses.delete(frame.id);
    if (frame.type === "delete-all") records = [];
    if (frame.type === "error") window.errors_heard.push(frame.error);
    (frame.payload ?? frame.result ?? []).forEach(put);
    draw();
  });
  socket.send(JSON.stringify({ channel: "todos", sync: true, from: null }));
  window.act = (type, payload) => {
    const id = Math.random().toString(36).slice(2, 10);
    guesses.set(id, GUESSES[type](payload));
    draw();
    socket.send(JSON.stringify({ id, channel: "todos", rpc: true, action: { type, payload } }));
  };
  window.settled = () => guesses.size === 0;
  window.socket = socket;
};

// @vitest-environment happy-dom

import { act, StrictMode, useEffect, useState, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect, type Room } from "../src/index";
import { configure, isOptimistic, usePeers, useRejections, useStatus, useSync, type Source } from "../src/react";
import type { TableSpec } from "../src/frames";
import { Host } from "./host";
import { Line, until } from "./line";

// The ancestor's example, as its fixture types it.
type TodoRecord = [id: string, text: string, completed: 0 | 1, created_at: string | null, updated_at: string | null, deleted_at: string | null];
type TodoAction =
  | { type: "create"; payload: { id: string; text: string; completed: 0 | 1 } }
  | { type: "update"; payload: { id: string; text: string; completed: 0 | 1 } }
  | { type: "delete"; payload: { id: string } };

const FIXTURE: TableSpec = {
  name: "todos",
  columns: [
    { name: "created_at", type: "text" }, { name: "text", type: "text" }, { name: "completed", type: "integer" },
    { name: "deleted_at", type: "text" }, { name: "updated_at", type: "text" },
  ],
};
const PLAIN: TableSpec = { name: "todos", columns: [{ name: "text", type: "text", required: true }, { name: "completed", type: "boolean" }] };

let host: Host;
let line: Line;
let root: Root;
let page: HTMLElement;
let rooms: Room[];
let addresses = 0;

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  open(PLAIN);
  rooms = [];
  page = document.createElement("main");
  document.body.append(page);
  root = createRoot(page);
});

afterEach(async () => {
  await act(async () => root.unmount());
  for (const room of rooms) room.close();
  page.remove();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function open(spec: TableSpec): void {
  host = new Host([spec]);
  line = new Line(host);
  configure({ WebSocket: line.WebSocket, timing: { first: 1, last: 5 }, keep: false });
}

function enter(): Room {
  const room = connect("https://rooms.example/parties/main/x", { WebSocket: line.WebSocket, timing: { first: 1, last: 5 } });
  rooms.push(room);
  return room;
}

/** One address for each test, and what a page has of it: a WebSocket of the platform, that nothing is sent over. */
function socketTo(room = `room-${++addresses}`): Source & { sent: unknown[] } {
  const sent: unknown[] = [];
  const target = new EventTarget();
  return Object.assign(target, { url: `ws://localhost:8765/parties/main/${room}?_pk=abc`, sent, send: (text: unknown) => sent.push(text) }) as never;
}

async function draw(node: ReactNode): Promise<void> {
  await act(async () => root.render(node));
}

async function see<T>(there: () => T): Promise<NonNullable<T>> {
  let found: NonNullable<T>;
  await act(async () => {
    found = await until(there);
  });
  return found!;
}

function reducer(todos: TodoRecord[], action: TodoAction): TodoRecord[] {
  switch (action.type) {
    case "create": return [...todos, [action.payload.id, action.payload.text, action.payload.completed, null, null, null]];
    case "update": return todos.map((todo) => (todo[0] === action.payload.id ? [todo[0], action.payload.text, action.payload.completed, null, null, null] : todo));
    case "delete": return todos.filter((todo) => todo[0] !== action.payload.id);
  }
}

let sendAction: (action: TodoAction) => void;
let drawn: TodoRecord[][] = [];

/** A star stands for half opacity. */
function Todos({ socket, optimistic = reducer, name = "list" }: { socket: Source; optimistic?: typeof reducer | undefined; name?: string }) {
  const [todos, send] = useSync<TodoRecord, TodoAction>("todos", socket, optimistic);
  sendAction = send;
  drawn.push(todos);
  return <ul id={name}>{todos.map((todo) => <li key={todo[0]}>{todo[1] + (todo[2] ? "!" : "") + (isOptimistic(todo) ? "*" : "")}</li>)}</ul>;
}

function shown(name = "list"): string {
  return Array.from(document.querySelectorAll(`#${name} li`), (item) => item.textContent).join();
}

describe("useSync", () => {
  it("gives records in the ancestor's form: id, fields, and the three times last, whatever the columns' order", async () => {
    open(FIXTURE);
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk", completed: 1, created_at: "c", updated_at: "u" } });
    drawn = [];

    await draw(<Todos socket={enter()} />);
    await see(() => shown());

    expect(drawn.at(-1)).toEqual([["a", "milk", 1, "c", "u", null]]);
  });

  it("gives the row's place and null for times that the table does not have, and 0 and 1 for booleans", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk", completed: true } });
    drawn = [];

    await draw(<Todos socket={enter()} />);
    await see(() => shown());

    expect(drawn.at(-1)).toEqual([["a", "milk", 1, 1, null, null]]);
  });

  it("does not show what is deleted softly", async () => {
    open(FIXTURE);
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    host.edit("insert", { table: "todos", id: "b", values: { text: "bread" } });
    await draw(<Todos socket={enter()} />);
    await see(() => shown() === "milk,bread");

    host.edit("update", { table: "todos", id: "a", values: { deleted_at: "2026-11-23 02:04:59" } });

    await see(() => shown() === "bread");
  });

  it("shows an action at once by the reducer, as a guess, and then as the room has it, without a flicker (R2)", async () => {
    await draw(<Todos socket={enter()} />);
    await see(() => host.visits.size && [...host.visits][0]!.live);
    host.prompt = false;
    drawn = [];

    await act(async () => sendAction({ type: "create", payload: { id: "a", text: "milk", completed: 0 } }));
    expect(shown()).toBe("milk*");
    await see(() => line.heardOf("push").length);
    await act(async () => host.turn());
    await see(() => shown() === "milk");

    expect(line.heardOf("push")[0]!.mutations).toEqual([{ mid: 1, name: "create", args: { id: "a", text: "milk", completed: 0 } }]);
    expect(new Set(drawn.filter((todos) => todos.length).map((todos) => todos.map((todo) => todo[1]).join()))).toEqual(new Set(["milk"]));
    expect(drawn.filter((todos) => todos.length === 2)).toEqual([]);
  });

  it("plays pending actions over what others do meanwhile (R7)", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await draw(<Todos socket={enter()} />);
    await see(() => shown());
    host.prompt = false;
    await act(async () => sendAction({ type: "create", payload: { id: "b", text: "bread", completed: 0 } }));

    await act(async () => host.edit("insert", { table: "todos", id: "c", values: { text: "rice" } }));

    await see(() => shown() === "milk,rice,bread*");
  });

  it("takes back an action that is refused, and says why (R6)", async () => {
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    await draw(<Todos socket={enter()} />);
    await see(() => [...host.visits][0]?.live);
    host.refuse = () => "forbidden";

    await act(async () => sendAction({ type: "create", payload: { id: "a", text: "milk", completed: 0 } }));
    await see(() => warned.mock.calls.length);

    expect(shown()).toBe("");
    expect(warned.mock.calls[0]![0]).toContain("create was not accepted");
  });

  it("needs no reducer for the built-in mutators of a room of main", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    function Plain({ room }: { room: Room }) {
      const [todos, send] = useSync<TodoRecord, { type: string; payload: object }>("todos", room);
      sendAction = send as never;
      return <ul id="list">{todos.map((todo) => <li key={todo[0]}>{todo[1] + (isOptimistic(todo) ? "*" : "")}</li>)}</ul>;
    }
    await draw(<Plain room={enter()} />);
    await see(() => shown());
    host.prompt = false;

    await act(async () => {
      (sendAction as (action: object) => void)({ type: "insert", payload: { id: "b", text: "bread" } });
      (sendAction as (action: object) => void)({ type: "update", payload: { id: "a", values: { text: "oat milk" } } });
    });
    expect(shown()).toBe("oat milk*,bread*");
    await see(() => line.heardOf("push").length);
    await act(async () => host.turn());
    await see(() => shown() === "oat milk,bread");

    await act(async () => (sendAction as (action: object) => void)({ type: "delete", payload: { id: "a" } }));
    expect(shown()).toBe("bread");
  });

  it("plays a built-in action by the hook's reducer, where there is one, and once", async () => {
    const own = (todos: TodoRecord[], action: TodoAction): TodoRecord[] => reducer(todos, { ...action, type: "create" } as TodoAction);
    await draw(<Todos socket={enter()} optimistic={own} />);
    await see(() => [...host.visits][0]?.live);
    host.prompt = false;

    await act(async () => sendAction({ type: "insert", payload: { id: "a", text: "milk" } } as unknown as TodoAction));

    expect(shown()).toBe("milk*");
    await see(() => line.heardOf("push").length);
    await act(async () => host.turn());
    await see(() => shown() === "milk");
  });

  it("gives the same list and the same records as long as nothing changes, and the same sender", async () => {
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    const senders = new Set<unknown>();
    let again: () => void = () => {};
    function Counting({ room }: { room: Room }) {
      const [count, set] = useState(0);
      const [todos, send] = useSync<TodoRecord, TodoAction>("todos", room, (all, action) => reducer(all, action));
      again = () => set(count + 1);
      senders.add(send);
      drawn.push(todos);
      return <p>{count}</p>;
    }
    const room = enter();
    await draw(<Counting room={room} />);
    await see(() => room.table("todos").size);
    drawn = [];

    await act(async () => again());
    await act(async () => room.present({ mood: "fine" }));
    await act(async () => again());
    host.shape({ name: "others", columns: [] });
    await act(async () => host.edit("insert", { table: "others", id: "x", values: {} }));
    await see(() => room.table("others").size);
    await act(async () => again());
    expect(new Set(drawn).size).toBe(1);
    const [before] = drawn.at(-1)!;
    await act(async () => host.edit("insert", { table: "todos", id: "b", values: { text: "bread" } }));
    await see(() => drawn.at(-1)!.length === 2);

    expect(drawn.at(-1)![0]).toBe(before);
    expect(senders.size).toBe(1);
  });
});

describe("hooks that share", () => {
  it("one socket have one line, and each sees the action of the other at once", async () => {
    const socket = socketTo();
    await draw(<><Todos socket={socket} name="one" /><Todos socket={socket} name="two" /></>);
    await see(() => [...host.visits][0]?.live);
    host.prompt = false;

    await act(async () => sendAction({ type: "create", payload: { id: "a", text: "milk", completed: 0 } }));

    expect([shown("one"), shown("two")]).toEqual(["milk*", "milk*"]);
    await see(() => line.heardOf("push").length);
    await act(async () => host.turn());
    await see(() => shown("one") === "milk" && shown("two") === "milk");
    expect(line.dialled).toHaveLength(1);
    expect((socket as unknown as { sent: unknown[] }).sent).toEqual([]);
  });

  it("one socket under StrictMode have one line, which outlives the double mounting", async () => {
    const socket = socketTo();

    await draw(<StrictMode><Todos socket={socket} /></StrictMode>);
    await see(() => [...host.visits][0]?.live);
    await act(async () => sendAction({ type: "create", payload: { id: "a", text: "milk", completed: 0 } }));
    await see(() => shown() === "milk");

    expect(line.dialled).toHaveLength(1);
    expect(host.state.rows["todos"]).toHaveLength(1);
  });

  it("let go of the line a moment after the last of them is gone", async () => {
    await draw(<Todos socket={socketTo()} />);
    await see(() => host.visits.size);

    await draw(<p />);

    await see(() => !host.visits.size);
  });

  it("follow a socket to another room", async () => {
    const [first, second] = [socketTo(), socketTo()];
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await draw(<Todos socket={first} />);
    await see(() => shown() === "milk");
    const elsewhere = new Host([PLAIN]);
    elsewhere.edit("insert", { table: "todos", id: "b", values: { text: "elsewhere" } });
    line.host = elsewhere;

    await draw(<Todos socket={second} />);

    await see(() => shown() === "elsewhere");
    await act(async () => sendAction({ type: "create", payload: { id: "c", text: "new", completed: 0 } }));
    await see(() => shown() === "elsewhere,new");
    expect(elsewhere.state.rows["todos"]).toHaveLength(2);
    expect(host.state.rows["todos"]).toHaveLength(1);
  });

  it("wait for a socket that does not know its address yet", async () => {
    const socket = Object.assign(new EventTarget(), { url: "", send() {} });
    await draw(<Todos socket={socket as never} />);
    expect(line.dialled).toEqual([]);

    socket.url = `ws://localhost:8765/parties/main/late-${++addresses}?token=t`;
    await act(async () => socket.dispatchEvent(new Event("open")));

    await see(() => [...host.visits][0]?.live);
    expect(line.offers[0]).toContain(`partysync.token.${btoa("t").replace(/=+$/, "")}`);
  });
});

describe("the smaller hooks", () => {
  it("tell of the line, of the others, and of what was refused", async () => {
    const room = enter();
    const other = enter();
    function Beside() {
      const peers = usePeers(room);
      const [rejections, dismiss] = useRejections(room);
      const status = useStatus(room);
      const [, send] = useSync<TodoRecord, TodoAction>("todos", room, reducer);
      useEffect(() => void (sendAction = send), [send]);
      return <p onClick={() => dismiss(rejections[0]!)}>{[status, peers.length, ...rejections.map(({ error }) => error.message)].join()}</p>;
    }
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    await draw(<Beside />);
    await see(() => page.textContent === "live,1");
    host.refuse = () => "forbidden";

    await act(async () => sendAction({ type: "create", payload: { id: "a", text: "milk", completed: 0 } }));
    await see(() => page.textContent === "live,1,Refused: forbidden.");
    await act(async () => page.querySelector("p")!.click());

    expect(page.textContent).toBe("live,1");
    expect(warned).not.toHaveBeenCalled();
    other.close();
    await see(() => page.textContent === "live,0");
    await act(async () => room.offline());
    expect(page.textContent).toBe("offline,0");
  });
});

// The todo page: the ancestor's example, drawn by our hook, in the room that the page's address names.
//
// An entry that the room has not decided is drawn at half opacity. What the party (notebooks/todo.py) will make of the list
// is said here once more, as in the ancestor: a page has no Python.

import { StrictMode, useEffect, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";
import { mint } from "../src/mint";
import { say } from "../page/line";
import type { Room } from "../web/src/index";
import { isOptimistic, useRejections, useStatus, useSync } from "../web/src/react";
import { clear, enter, pageOf, type Entered } from "./entrance";

const PARTY = "todos";

type Todo = [id: string, text: string, completed: 0 | 1, created: number, updated: number | null, deleted: number | null];

type Action =
  | { type: "create"; payload: { id: string; text: string; completed: 0 | 1 } }
  | { type: "toggle"; payload: { id: string; completed: 0 | 1 } }
  | { type: "delete"; payload: { id: string } };

function guess(todos: Todo[], { type, payload }: Action): Todo[] {
  const { id } = payload;
  switch (type) {
    case "create":
      return [...todos, [id, payload.text, payload.completed, Date.now(), null, null]];
    case "toggle":
      return todos.map((todo) => (todo[0] === id ? [id, todo[1], payload.completed, todo[3], todo[4], null] : todo));
    case "delete":
      return todos.filter((todo) => todo[0] !== id);
  }
}

function App({ entered }: { entered: Entered }) {
  const closed = useStatus(entered.room) === "closed"; // by ourselves
  const { light, why } = say(entered.room, undefined);
  const over = light === "over" && !closed;
  useEffect(() => {
    if (over) entered.forget();
  }, [over, entered]);
  return over ? <Door why={why} /> : <List room={entered.room} />;
}

function List({ room }: { room: Room }) {
  const [todos, sendAction] = useSync<Todo, Action>("todos", room, guess);
  const [text, setText] = useState("");
  const add = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    sendAction({ type: "create", payload: { id: mint(), text: text.trim(), completed: 0 } });
    setText("");
  };
  return (
    <div className="todo-container">
      <h1 className="todo-title">Todo App</h1>
      <form className="todo-form" onSubmit={add}>
        <input
          className="todo-input"
          aria-label="A new todo"
          placeholder="Add a new todo"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button className="todo-add-button">Add</button>
      </form>
      <Line room={room} />
      <Refused room={room} />
      <ul className="todo-list">
        {todos.map((todo) => <Entry key={todo[0]} todo={todo} send={sendAction} />)}
      </ul>
      <button type="button" className="todo-clear-button" onClick={() => void startOver(room)}>Clear Local Data</button>
    </div>
  );
}

function Entry({ todo, send }: { todo: Todo; send: (action: Action) => void }) {
  const [id, text, completed] = todo;
  return (
    <li className="todo-item" data-id={id} style={{ opacity: isOptimistic(todo) ? 0.5 : 1 }}>
      <input
        type="checkbox"
        className="todo-checkbox"
        aria-label={text}
        checked={completed === 1}
        onChange={() => send({ type: "toggle", payload: { id, completed: completed ? 0 : 1 } })}
      />
      <span className={completed ? "todo-text completed" : "todo-text"}>{text}</span>
      <button type="button" className="todo-delete-button" onClick={() => send({ type: "delete", payload: { id } })}>
        Delete
      </button>
    </li>
  );
}

/** Why the list is not live, if it is not. */
function Line({ room }: { room: Room }) {
  const status = useStatus(room);
  const { why } = say(room, undefined);
  const kept = why && "What you do meanwhile is sent when the line is back. ";
  return <p role="status" data-status={status}>{kept}{why}</p>;
}

/** What the room has not accepted, and why. */
function Refused({ room }: { room: Room }) {
  const [rejections, dismiss] = useRejections(room);
  return rejections.map((rejection, n) => (
    <p key={n} role="alert">
      {rejection.error.message} <button type="button" onClick={() => dismiss(rejection)}>Dismiss</button>
    </p>
  ));
}

async function startOver(room: Room): Promise<void> {
  if (!confirm("Forget this browser's copy of the list, and what was not sent yet?")) return;
  room.close();
  await clear(room);
  location.reload();
}

/** For who has no link, or one that is good no more. */
function Door({ why = "" }: { why?: string }) {
  const [link, setLink] = useState("");
  const [wrong, setWrong] = useState(why);
  const open = (event: FormEvent) => {
    event.preventDefault();
    try {
      location.assign(pageOf(link, PARTY));
    } catch (error) {
      setWrong((error as Error).message);
    }
  };
  return (
    <div className="todo-container">
      <h1 className="todo-title">Todo App</h1>
      <form className="todo-form" onSubmit={open}>
        <input
          className="todo-input"
          aria-label="The link of a room"
          placeholder="The link of a room"
          autoComplete="off"
          value={link}
          onChange={(event) => setLink(event.target.value)}
        />
        <button className="todo-add-button">Open</button>
      </form>
      <p role="alert">{wrong}</p>
      <p>An owner of the room makes one with room.share("editor").link.</p>
    </div>
  );
}

const entered = enter(PARTY, { keep: true, user: "a web page" });
const page = entered ? <App entered={entered} /> : <Door />;
createRoot(document.getElementById("page")!).render(<StrictMode>{page}</StrictMode>);

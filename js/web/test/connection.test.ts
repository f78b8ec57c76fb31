import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connect, type Room } from "../src/index";
import { TIMING } from "../src/connection";
import { Host } from "./host";
import { Line } from "./line";

let host: Host;
let line: Line;
let room: Room;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", () => Promise.reject(new Error("no network in this test")));
  host = new Host();
  line = new Line(host);
  room = connect("http://localhost:8765/parties/main/x", { WebSocket: line.WebSocket });
});

afterEach(() => {
  room.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

describe("a line", () => {
  it("is live when the room has told its rows", async () => {
    expect(room.status).toBe("connecting");
    await pass(20);
    expect(room.status).toBe("live");
  });

  it("that is cut is dialled again after ever longer, random waits of at most 30 seconds", async () => {
    await pass(20);
    line.up = false;
    host.cut();
    vi.spyOn(Math, "random").mockReturnValue(0.999);

    await pass(200_000);

    const waits = line.dialled.slice(1).map((at, i) => at - line.dialled[i]!);
    expect(waits.slice(1, 7).every((wait, i) => wait > waits[i]! * 1.5)).toBe(true);
    expect(Math.max(...waits)).toBeLessThanOrEqual(TIMING.last + 5);
    expect(room.trouble?.message).toContain("no room server");
    vi.mocked(Math.random).mockReturnValue(0);
    line.up = true;
    await pass(40_000);
    expect(room.status).toBe("live");
    expect(room.trouble).toBeUndefined();
  });

  it("that is silent is asked, and lives if it answers (C7)", async () => {
    await pass(60_000);

    expect(line.heardOf("ping").length).toBeGreaterThanOrEqual(5);
    expect(line.dialled).toHaveLength(1);
  });

  it("that does not answer is dead after 20 seconds, and another is dialled (C7)", async () => {
    await pass(20);
    line.dead = true;
    await pass(TIMING.ping + TIMING.silence + 100);
    expect(room.status).not.toBe("live");
    expect(room.trouble?.message).toBe("The server has stopped answering.");

    line.dead = false;
    await pass(TIMING.open + 1000); // the next one may have been dialled while it was
    expect(room.status).toBe("live");
  });

  it("that never opens is given up after ten seconds", async () => {
    room.close();
    line.dead = true;
    room = connect("http://localhost:8765/parties/main/x", { WebSocket: line.WebSocket });

    await pass(TIMING.open + 50);

    expect(room.trouble?.message).toBe("There is no answer from the server.");
  });

  it("is left in peace for as long as a bye has asked", async () => {
    await pass(20);
    const before = line.dialled.length;
    for (const visit of host.visits) visit.tell({ type: "bye", reason: "The server stops.", after: 5 });
    await pass(4990);
    expect([line.dialled.length, room.trouble?.message]).toEqual([before, "The server stops."]);

    await pass(600);
    expect(room.status).toBe("live");
  });

  it("that a ping finds behind asks for what it lacks (R3)", async () => {
    await pass(20);
    line.dead = true; // a delta is lost
    host.edit("insert", { table: "todos", id: "a", values: { text: "milk" } });
    await pass(50);
    line.dead = false;
    expect(room.table("todos").size).toBe(0);

    await pass(TIMING.ping + 100);

    expect(room.table("todos").size).toBe(1);
    expect(line.heardOf("hello")).toHaveLength(2);
  });

  it("is cut and mended on purpose", async () => {
    await pass(20);
    room.offline();
    expect(room.status).toBe("offline");
    room.table("todos").insert({ text: "milk" });
    await pass(60_000);
    expect(line.dialled).toHaveLength(1);

    room.online();
    await pass(100);
    expect(host.state.rows["todos"]).toHaveLength(1);
  });
});

describe("a refusal", () => {
  it("is told in the server's own words, where the page may ask for them (S4)", async () => {
    line.up = false;
    room.close();
    vi.stubGlobal("fetch", async (url: string, { headers }: RequestInit) => {
      expect([url, headers]).toEqual(["http://localhost:8765/parties/main/y", { Authorization: "Bearer t" }]);
      return new Response(JSON.stringify({ error: "token", message: "The token is wrong." }), { status: 403 });
    });
    room = connect({ url: "http://localhost:8765", room: "y", token: "t" }, { WebSocket: line.WebSocket });

    await pass(20);

    expect([room.trouble?.name, room.trouble?.message]).toEqual(["PermissionDenied", "The token is wrong."]);
    expect(room.status).toBe("waiting");
  });
});

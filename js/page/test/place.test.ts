import { describe, expect, it } from "vitest";
import { NotConnected, PermissionDenied, ProtocolError } from "../../web/src/errors";
import { at, mayPass, say } from "../line";
import { Kept, pageOf, placeOf, type Place } from "../place";

const ORIGIN = "https://rooms.example";

function place(pathname: string, search = ""): Place | undefined {
  return placeOf({ origin: ORIGIN, pathname, search });
}

class Tab {
  shown: string[] = [];
  kept = new Map<string, string>();
  full = false;
  readonly storage = {
    getItem: (key: string) => this.kept.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (this.full) throw new Error("QuotaExceededError");
      this.kept.set(key, value);
    },
    removeItem: (key: string) => void this.kept.delete(key),
  } as unknown as Storage;
  readonly history = { replaceState: (_state: unknown, _title: string, url: string) => void this.shown.push(url) } as unknown as History;

  open(hash: string, pathname = "/pages/main/genetics/todos"): Kept {
    const kept = new Kept(place(pathname)!, () => this.storage);
    kept.take({ hash, pathname, search: "?name=Lab" }, this.history);
    return kept;
  }
}

describe("the place of a page", () => {
  it("is read from its address, below whatever stands before it", () => {
    expect(place("/pages/main/genetics%20101/a%2Fb")).toEqual({ server: ORIGIN, party: "main", room: "genetics 101", table: "a/b", name: "a page" });
    expect(place("/services/rooms/pages/main/x/", "?name=Lab%20wall")).toMatchObject({
      server: `${ORIGIN}/services/rooms`, room: "x", table: "", name: "Lab wall",
    });
  });

  it.each(["/", "/pages/main", "/pages/main/x/y/z", "/pages/main/%E0%A4%A/x", "/elsewhere/main/x"])("is not %s", (pathname) => {
    expect(place(pathname)).toBeUndefined();
  });

  it("says the address of the room's other pages, and never a token", () => {
    const here = place("/pages/main/a%2Fb/todos", "?name=L")!;

    expect(pageOf(here, "ü 1")).toBe(`${ORIGIN}/pages/main/a%2Fb/%C3%BC%201?name=L`);
    expect(place(new URL(pageOf(here, "ü 1")).pathname)).toMatchObject({ room: "a/b", table: "ü 1" });
    expect(pageOf(place("/pages/main/x/t")!, "")).toBe(`${ORIGIN}/pages/main/x`);
  });
});

describe("the token of a page", () => {
  it("is taken out of the address at once, and outlives a reload in this tab", () => {
    const tab = new Tab();

    expect(tab.open("#s3cret%2B").token).toBe("s3cret+");
    expect(tab.shown).toEqual(["/pages/main/genetics/todos?name=Lab"]);
    expect(tab.open("").token).toBe("s3cret+");
    expect(tab.shown).toHaveLength(1);
  });

  it("is the room's, whichever table is shown, and no other room's", () => {
    const tab = new Tab();
    tab.open("#one");

    expect(tab.open("", "/pages/main/genetics").token).toBe("one");
    expect(tab.open("", "/pages/main/others/todos").token).toBe("");
    expect(tab.open("", "/pages/other/genetics/todos").token).toBe("");
  });

  it("gives way to that of a newer link, and is forgotten when it is good no more", () => {
    const tab = new Tab();
    tab.open("#one");
    const kept = tab.open("#two");

    expect(kept.token).toBe("two");
    kept.forget();
    expect([kept.token, tab.open("").token, tab.kept.size]).toEqual(["", "", 0]);
  });

  it("is good until a reload where a browser keeps nothing", () => {
    const tab = new Tab();
    tab.full = true;
    expect(tab.open("#one").token).toBe("one");
    const none = new Kept(place("/pages/main/x/t")!, () => {
      throw new Error("SecurityError");
    });

    none.take({ hash: "#two", pathname: "/", search: "" }, tab.history);

    expect(none.token).toBe("two");
  });

  it("keeps how the columns stand, and takes what is damaged for nothing", () => {
    const tab = new Tab();
    const kept = tab.open("#one");
    kept.arranged("todos", { sort: ["n"] });
    expect(tab.open("").arrangement("todos")).toEqual({ sort: ["n"] });
    expect(kept.arrangement("others")).toEqual({});
    for (const key of tab.kept.keys()) tab.kept.set(key, "{");
    expect(tab.open("").arrangement("todos")).toEqual({});
  });
});

describe("the line of a page", () => {
  const since = new Date("2026-11-27T10:00:00");
  const said = (status: string, trouble?: Error, role = "editor") =>
    say({ status, trouble, role } as Parameters<typeof say>[0], since);

  it("is live, or says that what is shown may be old, and since when", () => {
    expect(said("live")).toEqual({ light: "live", text: "live", why: "" });
    expect(said("live", undefined, "viewer").text).toBe("live, read-only");
    expect(said("waiting", new NotConnected("The server is stopping."))).toEqual({
      light: "trying", text: `not live since ${at(since)}`, why: "The server is stopping. Trying again.",
    });
    expect(say({ status: "connecting", trouble: undefined, role: "owner" }, undefined)).toEqual({ light: "trying", text: "connecting", why: "" });
  });

  it.each(["token", "role", "forbidden"])("is over when the link is good no more: %s", (kind) => {
    const { light, why } = said("waiting", new PermissionDenied("It was taken back.", kind));

    expect(light).toBe("over");
    expect(why).toMatch(/taken back.*Open the new link here\.$/);
    expect(why).not.toContain("PARTYSYNC_TOKEN");
  });

  it.each(["browser", "host", "pages"])("goes on where somebody may mend the server: %s", (kind) => {
    expect(said("waiting", new PermissionDenied("Not from there.", kind)).light).toBe("trying");
  });

  it("is over when the room has failed, and may pass if the server was another one", () => {
    const protocol = new ProtocolError("protocol", "The server speaks protocol 2.");

    expect(said("failed", protocol)).toEqual({ light: "over", text: "closed", why: "The server speaks protocol 2." });
    expect(mayPass({ status: "failed", trouble: protocol })).toBe(true);
    expect(mayPass({ status: "failed", trouble: new PermissionDenied("no") })).toBe(false);
  });

  it("tells the day of what was not today", () => {
    expect(at(since, since)).toBe("10:00:00");
    expect(at(since, new Date("2026-11-28T10:00:00"))).toBe("2026-11-27 10:00:00");
  });
});

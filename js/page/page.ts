// A page of its own: one table of a room, live, or the list of them. docs/pages.md is the guide.
//
//     link ─▶ token out of the address, into this tab ─▶ room ─▶ table on the whole screen
//                                                        └─ good no more ─▶ nothing is shown but why

import { make } from "../src/grid/element";
import type { Layout } from "../src/grid/columns";
import { GridView } from "../src/grid/view";
import { connect, type Room } from "../web/src/index";
import { PageFeed } from "./feed";
import { at, mayPass, NO_TOKEN, say, type Light } from "./line";
import { Kept, pageOf, placeOf, type Place } from "./place";

const AGAIN = 60_000; // ms until a page is loaded anew that its server did not understand

/** Show what `location` says in `el`. Gives what ends it. */
export function open(el: HTMLElement, location: Location = globalThis.location): () => void {
  const place = placeOf(location);
  if (!place) {
    tell(el, "No page", "The address of a page is /pages/<party>/<room>/<table>.");
    return () => {};
  }
  const kept = new Kept(place);
  kept.take(location, history);
  // Another link of this room, opened in this tab, changes what is behind the # and nothing else: no page is loaded.
  const another = () => {
    if (kept.take(location, history)) location.reload();
  };
  addEventListener("hashchange", another);
  const page = kept.token ? new Page(place, kept, el) : undefined;
  if (!page) tell(el, titleOf(place), NO_TOKEN);
  return () => {
    removeEventListener("hashchange", another);
    page?.close();
  };
}

class Page {
  #place: Place;
  #kept: Kept;
  #el: HTMLElement;
  #room: Room;
  #light = make("span", "pw-light", { role: "status" });
  #changed = make("span", "pw-changed");
  #why = make("p", "pw-why", { hidden: "" });
  #body = make("div", "pw-body");
  #over = new AbortController();
  #drawn: { light?: Light } = {};
  #live: Date | undefined; // when it was last live
  #change: Date | undefined; // when a row last changed, as far as this page has seen
  #ask = (event: BeforeUnloadEvent) => {
    if (this.#room.pending) event.preventDefault(); // what is not sent yet would be lost
  };

  constructor(place: Place, kept: Kept, el: HTMLElement) {
    this.#place = place;
    this.#kept = kept;
    this.#el = el;
    const { server: url, party, room, table, name: user } = place;
    this.#room = connect({ url, party, room, token: kept.token }, { user });
    const name = table ? make("a", "pw-room", { href: pageOf(place, "") }, room) : make("span", "pw-room", {}, room);
    const title = make("h1", "pw-title", {}, name, ...(table ? [" · ", table] : []));
    const line = make("p", "pw-line", {}, this.#changed, this.#light);
    el.replaceChildren(make("header", "pw-head", {}, title, line), this.#why, this.#body);
    document.title = titleOf(place);
    const stop = this.#room.subscribe(({ rows, status }) => {
      if (rows.get(table)?.size && this.#live) this.#change = new Date();
      if (status || rows.size) this.#draw();
    });
    this.#over.signal.addEventListener("abort", stop);
    addEventListener("beforeunload", this.#ask, { signal: this.#over.signal });
    if (table) this.#table(table);
    else this.#list();
    this.#draw();
  }

  close(): void {
    this.#over.abort();
    this.#room.close();
  }

  #draw(): void {
    if (this.#over.signal.aborted) return;
    const { light, text, why } = say(this.#room, this.#live);
    if (light === "live") this.#live = new Date();
    if (light === "over") return this.#end(why);
    this.#el.dataset["light"] = light;
    if (this.#light.textContent !== text) this.#light.textContent = text;
    this.#why.textContent = why;
    this.#why.hidden = !why;
    this.#changed.textContent = this.#change ? `last change ${at(this.#change)}` : "";
    if (light !== this.#drawn.light) document.title = light === "live" ? titleOf(this.#place) : `(not live) ${titleOf(this.#place)}`;
    this.#drawn = { light };
  }

  /** Whoever may not see the rows any more does not see them any longer. */
  #end(why: string): void {
    const again = mayPass(this.#room);
    this.close();
    if (again) setTimeout(reload, AGAIN);
    else this.#kept.forget();
    this.#el.dataset["light"] = "over";
    document.title = `(closed) ${titleOf(this.#place)}`;
    tell(this.#el, titleOf(this.#place), why);
  }

  #table(table: string): void {
    const feed = new PageFeed(this.#room, table);
    const missing = make("p", "pw-missing", { hidden: "" });
    const grid = make("div", "pw-grid");
    this.#body.append(missing, grid);
    const layout = this.#kept.arrangement(table) as Layout;
    new GridView(feed.store, grid, this.#over.signal, layout, (made) => this.#kept.arranged(table, made));
    const look = () => {
      missing.hidden = grid.hidden = true;
      if (feed.there === false) {
        missing.textContent = `The room has no table “${table}”, or this link does not show it. It will be here when it is made.`;
        missing.hidden = false;
      } else grid.hidden = false;
    };
    const stop = this.#room.subscribe(({ reset, status }) => {
      if (reset || status) look();
    });
    this.#over.signal.addEventListener("abort", () => {
      stop();
      feed.close();
    });
    look();
  }

  #list(): void {
    const list = make("ul", "pw-tables");
    this.#body.append(list);
    const sizes = new Map<string, HTMLElement>();
    const look = () => {
      const names = this.#room.tables;
      if (names.join("\n") !== [...sizes.keys()].join("\n")) {
        sizes.clear();
        list.replaceChildren(...names.map((name) => {
          const size = make("span", "pw-size");
          sizes.set(name, size);
          return make("li", "", {}, make("a", "", { href: pageOf(this.#place, name) }, name), " ", size);
        }));
      }
      for (const [name, size] of sizes) {
        const rows = this.#room.replica.base.tables.get(name)?.order.size ?? 0;
        size.textContent = `${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}`;
      }
    };
    this.#over.signal.addEventListener("abort", this.#room.subscribe(look));
    look();
  }
}

/** When the server is there: else a browser would show an error of its own, and nothing would ever load it again. */
async function reload(): Promise<void> {
  const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => undefined);
  if (answer?.ok) location.reload();
  else setTimeout(reload, AGAIN);
}

function titleOf({ room, table }: Place): string {
  return table ? `${room} · ${table}` : room;
}

function tell(el: HTMLElement, title: string, text: string): void {
  el.replaceChildren(make("div", "pw-notice", { role: "alert" }, make("h1", "", {}, title), make("p", "", {}, text)));
}

const el = globalThis.document?.getElementById("page");
if (el) open(el);

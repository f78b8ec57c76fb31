// Where this page is, and the token that its link brought.
//
// The token comes behind `#`, which no browser sends anywhere. It is taken out of the address bar at once and kept for
// this tab alone, so that a reload needs no link; it is forgotten when the room says that it is good no more.

export interface Place {
  /** The server's address, as in links: with whatever stands before `/pages/`. */
  readonly server: string;
  readonly party: string;
  readonly room: string;
  /** Empty: the page lists the room's tables. */
  readonly table: string;
  /** How the others see this screen. */
  readonly name: string;
}

const PAGES = /^(.*)\/pages\/([^/]+)\/([^/]+)(?:\/([^/]+))?\/?$/;
const NAME = "a page";

/** Undefined if this is no page's address. */
export function placeOf({ origin, pathname, search }: Pick<Location, "origin" | "pathname" | "search">): Place | undefined {
  const [, prefix = "", party, room, table = ""] = PAGES.exec(pathname) ?? [];
  if (party === undefined || room === undefined) return undefined;
  try {
    const name = new URLSearchParams(search).get("name")?.slice(0, 100) || NAME;
    const [of, called, shown] = [party, room, table].map(decodeURIComponent) as [string, string, string];
    return { server: `${origin}${prefix}`, party: of, room: called, table: shown, name };
  } catch {
    return undefined; // a percent sign that is none
  }
}

/** The address of one of the room's pages. */
export function pageOf({ server, party, room, name }: Place, table: string): string {
  const parts = [party, room, ...(table ? [table] : [])].map(encodeURIComponent).join("/");
  return `${server}/pages/${parts}${name === NAME ? "" : `?name=${encodeURIComponent(name)}`}`;
}

/** What of a page is kept in its tab; of one room, whichever table of it is shown. */
export class Kept {
  #key: string;
  #token = "";
  #storage: Storage | undefined;

  constructor({ server, party, room }: Place, storage: () => Storage = () => sessionStorage) {
    this.#key = `partysync ${server} ${party} ${room}`;
    try {
      this.#storage = storage(); // throws where a browser keeps nothing
      this.#token = this.#storage.getItem(this.#key) ?? "";
    } catch {
      this.#storage = undefined;
    }
  }

  get token(): string {
    return this.#token;
  }

  /** Take the token out of the address, if there is one; whether there was. */
  take({ hash, pathname, search }: Pick<Location, "hash" | "pathname" | "search">, history: Pick<History, "replaceState">): boolean {
    if (hash.length < 2) return false;
    history.replaceState(null, "", pathname + search);
    try {
      this.#token = decodeURIComponent(hash.slice(1));
    } catch {
      this.#token = hash.slice(1);
    }
    this.#try((storage) => storage.setItem(this.#key, this.#token));
    return true;
  }

  forget(): void {
    this.#token = "";
    this.#try((storage) => storage.removeItem(this.#key));
  }

  /** How the columns of a table stand here. */
  arrangement(table: string): unknown {
    try {
      return JSON.parse(this.#storage?.getItem(`${this.#key} ${table}`) ?? "{}");
    } catch {
      return {};
    }
  }

  arranged(table: string, layout: unknown): void {
    this.#try((storage) => storage.setItem(`${this.#key} ${table}`, JSON.stringify(layout)));
  }

  #try(keep: (storage: Storage) => void): void {
    try {
      if (this.#storage) keep(this.#storage);
    } catch {
      // It is full: a reload will need the link again.
    }
  }
}

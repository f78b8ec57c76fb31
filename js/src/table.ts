// The live table: rows, the edits made here that the kernel has not answered, and what the others are doing. What it offers
// to authors is in live.ts; the feed calls the rest. No DOM here.

import { backOf, History } from "./history";
import { listHere, Windowed, type Followed, type Listing } from "./listing";
import type { Changed, DraftHere, LiveTable, RowEdit, Status } from "./live";
import { mint } from "./mint";
import type { Query } from "./query";
import { Rows } from "./rows";
import { fromWire, same, toWire, type Column, type Row, type Values } from "./values";
import type { Change, Delta, Draft, Edit, Person, Place, Refusal, SnapshotPart, Up, WireValues } from "./wire";

export type { Changed, DraftHere, LiveRows, LiveTable, RowEdit, Status } from "./live";

const NONE: readonly DraftHere[] = [];
const SPARE_ROWS = 4_000; // of a large table, kept beyond those in sight

export class TableStore implements LiveTable {
  columns: readonly Column[] = [];
  status: Status = { room: "connecting", waiting: 0, trouble: "", verbs: [], kernel: "answering" };
  people: readonly Person[] = [];
  whole = true;
  ready = false;
  readonly rows = new Rows();

  #pending = new Set<string>();
  #unanswered = new Map<string, Edit>();
  #refusals = new Map<string, Refusal>();
  #drafts = new Map<string, DraftHere[]>();
  #listeners = new Set<(change: Changed) => void>();
  #listings = new Map<string, Followed>();
  #history = new History();
  readonly page: string;
  #edits = 0;
  #views = 0;
  #say: (message: Up) => void;

  /** `page` names this page to the kernel; `say` takes a message on its way there. */
  constructor(page: string, say: (message: Up) => void) {
    this.page = page;
    this.#say = say;
  }

  subscribe(listener: (change: Changed) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  listing(query: Query): Listing {
    const view = `${this.page}-v${++this.#views}`;
    const made = this.whole ? listHere(this.rows, this.columns, query) : this.#window(view, query);
    this.#listings.set(view, made);
    const close = made.close.bind(made);
    made.close = () => {
      this.#listings.delete(view);
      close();
    };
    return made;
  }

  #window(view: string, query: Query): Windowed {
    return new Windowed(
      this.rows,
      (question) => this.#say({ k: "window", view, query, ...question }),
      () => this.#say({ k: "forget", view }),
    );
  }

  insert(values: Values): string {
    return this.edit([{ insert: values }])[0]!;
  }

  update(id: string, values: Values): void {
    this.edit([{ update: id, values }]);
  }

  delete(id: string): void {
    this.edit([{ delete: id }]);
  }

  edit(changes: readonly RowEdit[], draft?: string): readonly string[] {
    const made = changes.map((change) => this.#change(change));
    if (made.length) this.#make(made, (edit, back) => this.#history.made(edit, back), draft);
    return made.map(({ id }) => id);
  }

  undo(): number | undefined {
    const back = this.#history.undo();
    return back && this.#putBack(back, (n) => this.#history.undone(n));
  }

  redo(): number | undefined {
    const back = this.#history.redo();
    return back && this.#putBack(back, (n) => this.#history.redone(n));
  }

  get canUndo(): boolean {
    return this.#history.canUndo;
  }

  get canRedo(): boolean {
    return this.#history.canRedo;
  }

  #putBack(back: readonly Change[], done: (n: string) => void): number {
    const types = this.#types;
    let others = 0;
    for (const change of back) {
      const row = change.op === "back" && change.after ? this.rows.get(change.id) : undefined;
      if (!row || change.op !== "back") continue;
      for (const [name, wire] of Object.entries(change.after!)) others += Number(!same(row[name], fromWire(types.get(name) ?? "json", wire)));
    }
    this.#make(back, (edit) => done(edit.n));
    return others;
  }

  pending(id: string): boolean {
    return this.#pending.has(id) || this.rows.edited(id);
  }

  rejected(id: string): Refusal | undefined {
    return this.rejections.findLast((refusal) => refusal.changes.some((change) => change.id === id));
  }

  get rejections(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  dismiss(rejection: Refusal): void {
    if (this.#refusals.delete(rejection.n)) this.#tell(rejection.changes.map(({ id }) => id));
  }

  retry(rejection: Refusal): void {
    this.#refusals.delete(rejection.n);
    this.#make(rejection.changes, (edit, back) => this.#history.made(edit, back));
  }

  look(at: Place | null): void {
    this.#say({ k: "look", at });
  }

  draft(key: string, at: Place, text: string | null): void {
    this.#say({ k: "draft", key, ...at, text });
  }

  get ghosts(): readonly Row[] {
    const ids = [...this.#drafts].flatMap(([id, [draft]]) => (draft?.values && !draft.typing && !this.rows.get(id) ? [id] : []));
    return this.whole ? ids.map((id) => this.rows.imagine(id)) : []; // of a large table not every row that is there is here
  }

  drafts(id: string): readonly DraftHere[] {
    return this.#drafts.get(id) ?? NONE;
  }

  // From here on: what the feed calls.

  /** Edits the kernel has not answered, oldest first. */
  get unanswered(): readonly Edit[] {
    return [...this.#unanswered.values()];
  }

  load(parts: readonly SnapshotPart[]): void {
    const first = parts[0]!;
    this.columns = first.columns ?? [];
    this.whole = first.whole ?? true;
    this.#pending = new Set(first.pending);
    this.ready = true;
    if (this.whole) this.rows.load(this.columns, parts);
    else this.rows.loadWindows(this.columns);
    this.#news(first, new Set());
    this.#tell([], true);
  }

  /** Apply one delta as a whole, then tell everyone once (R8). */
  apply(delta: Delta): void {
    const touched = new Set([...delta.ids, ...delta.gone, ...delta.pending_on, ...delta.pending_off]);
    this.rows.put(delta);
    for (const id of delta.gone) this.rows.drop(id);
    for (const id of delta.pending_on) this.#pending.add(id);
    for (const id of delta.pending_off) this.#pending.delete(id);
    for (const n of delta.took) this.#answered(n, touched);
    for (const refusal of delta.refused) {
      this.#answered(refusal.n, touched);
      this.#refusals.set(refusal.n, refusal);
      this.#history.refused(refusal.n);
      for (const { id } of refusal.changes) touched.add(id);
    }
    for (const id of touched) this.rows.show(id);
    for (const news of delta.windows) {
      const listing = this.#listings.get(news.view);
      if (listing instanceof Windowed) listing.answer(news);
    }
    this.#news(delta, touched);
    const known = new Map(this.people.map((person) => [person.key, person]));
    const by = new Map(Object.entries(delta.by).flatMap(([id, key]) => (known.has(key) ? [[id, known.get(key)!] as const] : [])));
    this.#tell(touched, false, by);
    this.#spare();
  }

  #news({ status, people, drafts }: Pick<Delta, "status" | "people" | "drafts">, touched: Set<string>): void {
    if (status) this.status = { ...this.status, ...status };
    if (people) this.people = people;
    if (!drafts) return;
    for (const id of this.#drafts.keys()) touched.add(id);
    this.#drafts = new Map();
    for (const draft of drafts) this.#sketch(draft, touched);
  }

  #sketch(draft: Draft, touched: Set<string>): void {
    const by = this.people.find((person) => person.key === draft.by);
    if (!by) return;
    for (const [id, values] of Object.entries(draft.rows)) {
      const here = this.#drafts.get(id) ?? [];
      this.#drafts.set(id, [...here, { by, typing: draft.typing, values }]);
      touched.add(id);
    }
  }

  /** Rows of a large table that nobody looks at are forgotten: memory follows the screen, not the scroll bar. */
  #spare(): void {
    if (this.whole || this.rows.loaded < SPARE_ROWS) return;
    const wanted = new Set<string>();
    for (const each of this.#listings.values()) if (each instanceof Windowed) for (const id of each.ids) wanted.add(id);
    if (this.rows.loaded > 2 * wanted.size + SPARE_ROWS) this.rows.keep(wanted);
  }

  /** Note whether the kernel answers. */
  hear(kernel: Status["kernel"]): void {
    if (this.status.kernel === kernel) return;
    this.status = { ...this.status, kernel };
    this.#tell([]);
  }

  /** The stream begins anew: whatever was asked of the kernel is asked again. */
  again(): void {
    for (const each of this.#listings.values()) if (each instanceof Windowed) each.again();
  }

  #change(change: RowEdit): Change {
    if ("insert" in change) return { op: "insert", id: change.id ?? mint(), values: this.#wire(change.insert) };
    if ("update" in change) return { op: "update", id: change.update, values: this.#wire(change.values) };
    return { op: "delete", id: change.delete, values: {} };
  }

  #make(changes: readonly Change[], note: (edit: Edit, back: Extract<Change, { op: "back" }>[]) => void, draft?: string): void {
    const edit: Edit = { n: `${this.page}-${++this.#edits}`, changes, ...(draft && { draft }) };
    const back = changes.flatMap((change) => {
      const at = this.rows.known(change.id) ? this.rows.position(change.id) ?? null : null;
      const undoes = backOf(change, this.rows.get(change.id), at, this.columns);
      this.rows.lay({ n: edit.n, changes: [change] }); // the next change may be of the same row
      this.rows.show(change.id);
      return undoes ?? [];
    });
    note(edit, back.reverse());
    this.#mended(edit);
    this.#unanswered.set(edit.n, edit);
    this.#tell(changes.map(({ id }) => id));
    this.#say({ k: "edit", ...edit });
  }

  /** A refusal has had its say once a newer edit covers all it wanted. */
  #mended(edit: Edit): void {
    for (const refusal of this.#refusals.values()) {
      if (refusal.changes.every((wanted) => edit.changes.some((change) => covers(change, wanted)))) this.#refusals.delete(refusal.n);
    }
  }

  #answered(n: string, touched: Set<string>): void {
    const edit = this.#unanswered.get(n);
    if (!edit) return; // made on another page, or answered before
    this.#unanswered.delete(n);
    this.rows.lift(edit);
    for (const { id } of edit.changes) touched.add(id);
  }

  #wire(values: Values): WireValues {
    const types = this.#types;
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, toWire(types.get(name) ?? "json", value)]),
    );
  }

  get #types(): Map<string, Column["type"]> {
    return new Map(this.columns.map((column) => [column.name, column.type]));
  }

  #tell(ids: Iterable<string>, reset = false, by: ReadonlyMap<string, Person> = new Map()): void {
    const change = { ids: new Set(ids), reset, by };
    for (const listing of this.#listings.values()) if (change.ids.size) listing.changed(change.ids);
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        console.error(error); // one view's mistake is not the others' loss
      }
    }
  }
}

/** Whether `change` writes all that `wanted` would have. */
function covers(change: Change, wanted: Change): boolean {
  if (change.id !== wanted.id) return false;
  if (change.op === "delete") return true;
  if (change.op === "back" || wanted.op === "back") return wanted.op === "back";
  return Object.keys(wanted.values).every((name) => Object.hasOwn(change.values, name));
}

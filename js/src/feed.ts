// The numbered stream from the kernel. Jupyter may drop a message without a word (beyond 1000 a second), so each carries
// the next number; on a gap we say hello again and get a new snapshot, and the old rows stay in sight until it is whole (R4).

import { decode, type Delta, type Down, type SnapshotPart, type Up } from "./wire";
import type { TableStore } from "./table";

const FIRST_DELAY = 1_000; // ms until hello is said again; doubles
const LAST_DELAY = 30_000;
const LAST_HELLO = 10; // then nobody is there; the next word from the kernel starts over
const SILENCE = 5_000; // ms without an answer before people are told

export class Feed {
  #table: TableStore;
  #page: string;
  #say: (message: Up) => void;
  #seq: number | null = null; // of the last message applied; null until a snapshot is whole
  #incoming: { seq: number; parts: SnapshotPart[] } | null = null;
  #hellos = 0; // since the stream last ran well
  #helloTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(table: TableStore, page: string, say: (message: Up) => void) {
    this.#table = table;
    this.#page = page;
    this.#say = say;
  }

  open(): void {
    this.#hello();
  }

  close(): void {
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#silenceTimer);
  }

  /** The kernel has ended, the page says; whatever it may still say is welcome. */
  gone(): void {
    this.close();
    this.#silenceTimer = this.#helloTimer = undefined;
    this.#hellos = this.#seq === null ? LAST_HELLO : 0;
    this.#table.hear("gone");
  }

  /** Start to wait for an answer to something just said. */
  expect(): void {
    this.#silenceTimer ??= setTimeout(() => this.#table.hear("silent"), SILENCE);
  }

  receive(message: Down, buffers: readonly DataView[]): void {
    this.#heard();
    switch (message.k) {
      case "snapshot": return this.#snapshot(message, buffers[0]!);
      case "delta": return this.#delta(message.seq, buffers[0]!);
      case "beat": return this.#beat(message.seq);
    }
  }

  #snapshot(message: Extract<Down, { k: "snapshot" }>, buffer: DataView): void {
    if (this.#seq !== null) {
      if (message.seq <= this.#seq) return;
      if (message.seq === this.#seq + 1 && message.for !== null && message.for !== this.#page) {
        this.#seq = message.seq; // another page's: nothing in it that we lack
        return;
      }
    }
    if (message.part === 0) this.#incoming = { seq: message.seq, parts: [] };
    const incoming = this.#incoming;
    if (!incoming || incoming.seq !== message.seq || incoming.parts.length !== message.part) return this.#lost();
    incoming.parts.push(decode<SnapshotPart>(buffer));
    if (incoming.parts.length < message.of) {
      this.#helloAgainLater(); // it is on its way: give it time
      return;
    }
    this.#incoming = null;
    this.#seq = message.seq;
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined;
    this.#table.load(incoming.parts);
    this.#table.again();
  }

  #delta(seq: number, buffer: DataView): void {
    if (this.#seq === null) return this.#resume();
    if (seq <= this.#seq) return;
    if (seq !== this.#seq + 1) return this.#lost();
    this.#seq = seq;
    this.#hellos = 0;
    this.#table.apply(decode<Delta>(buffer));
  }

  /** A beat follows the last message after a pause: the only way to notice that the last one was lost. */
  #beat(seq: number): void {
    if (this.#seq !== null && seq > this.#seq) this.#lost();
  }

  /** The kernel speaks, and we had given up asking it for a snapshot. */
  #resume(): void {
    if (this.#hellos < LAST_HELLO) return;
    this.#hellos = 0;
    this.#hello();
  }

  #lost(): void {
    this.#seq = null;
    this.#incoming = null;
    if (this.#helloTimer !== undefined) return;
    if (this.#hellos === 0) this.#hello();
    else this.#helloAgainLater();
  }

  /** Hello, then every unanswered edit once more: the kernel knows by its number an edit it has seen. */
  #hello(): void {
    this.#hellos += 1;
    this.#say({ k: "hello", for: this.#page });
    for (const edit of this.#table.unanswered) this.#say({ k: "edit", ...edit });
    this.#helloAgainLater();
    this.expect();
  }

  #helloAgainLater(): void {
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined;
    if (this.#hellos >= LAST_HELLO) return;
    const delay = Math.min(LAST_DELAY, FIRST_DELAY * 2 ** (this.#hellos - 1));
    this.#helloTimer = setTimeout(() => {
      this.#helloTimer = undefined;
      this.#hello();
    }, delay);
  }

  #heard(): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = undefined;
    const wasSilent = this.#table.status.kernel === "silent";
    this.#table.hear("answering");
    const unanswered = this.#table.unanswered;
    if (wasSilent) for (const edit of unanswered) this.#say({ k: "edit", ...edit });
    if (unanswered.length) this.expect();
  }
}
